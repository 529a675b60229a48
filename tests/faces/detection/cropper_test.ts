import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { alignedSquare, openCropper } from "../../../faces/detection/cropper.ts";
import { openLandmarkNet, type Point } from "../../../faces/detection/landmarks.ts";
import { FACE_SIZE } from "../../../faces/detection/tfjs_detector.ts";
import { cropTurned } from "../../../faces/images/crop.ts";
import type { Box, Image } from "../../../faces/images/image.ts";
import reference from "./fixtures/landmarks.json" with { type: "json" };

async function photoOf(name: string): Promise<Image> {
  const demo = new URL(`demo/${name}`, import.meta.resolve("@vladmandic/face-api/package.json"));
  const { data, info } = await sharp(await Deno.readFile(demo)).removeAlpha().raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height };
}

const raw = ({ width, height }: Image) => ({ raw: { width, height, channels: 3 } as const });

Deno.test("openLandmarkNet() predicts face-api's landmarks", async () => {
  await openBackend("wasm");
  const before = tf.memory().numTensors;
  const net = await openLandmarkNet();
  for (const { photo, square, points } of reference) {
    const image = await photoOf(photo);
    const pixels = await sharp(image.data, raw(image)).extract(square)
      .resize(FACE_SIZE, FACE_SIZE, { fit: "fill", kernel: "linear" }).raw().toBuffer();
    const predicted = await net.predict(pixels);
    assert.equal(predicted.length, 68);
    for (const [i, x, y] of points) {
      const [u, v] = predicted[i];
      assert.ok(
        Math.hypot(u - x, v - y) < 1e-4,
        `${photo}, point ${i}: ${u}, ${v}, not ${x}, ${y}`,
      );
    }
  }
  net.close();
  assert.equal(tf.memory().numTensors, before);
});

// By scikit-image's SimilarityTransform.estimate, which implements Umeyama 1991 as well.
const fitted: [Point[], number, number, number, number][] = [
  [
    [[175.704, 612.769], [253.741, 615.142], [215.588, 663.77], [174.518, 718.212], [
      242.849,
      713.092,
    ]],
    213.886,
    626.294,
    269.975,
    0.03833,
  ],
  [
    [[139.657, 254.697], [192.315, 238.417], [183.478, 280.677], [153.089, 301.636], [
      205.921,
      295.418,
    ]],
    169.531,
    251.717,
    162.591,
    -0.23272,
  ],
  [
    [[403.65, 118.537], [509.855, 79.545], [485.908, 138.225], [461.097, 209.859], [
      541.541,
      157.888,
    ]],
    461.391,
    102.503,
    301.253,
    -0.45919,
  ],
];

Deno.test("alignedSquare() fits the template as scikit-image does", () => {
  const box = { x: 0, y: 0, width: 10, height: 10 };
  for (const [points, ...expected] of fitted) {
    const { x, y, side, angle } = alignedSquare("template", box, points);
    for (const [i, value] of [x, y, side, angle].entries()) {
      assert.ok(Math.abs(value - expected[i]) < 0.01, `${value}, not ${expected[i]}`);
    }
    const eyes = alignedSquare("eyes", box, points);
    assert.deepEqual([eyes.x, eyes.y, eyes.side], [5, 5, 10]);
    const [[ax, ay], [bx, by]] = points;
    assert.equal(Math.tan(eyes.angle).toFixed(9), ((by - ay) / (bx - ax)).toFixed(9));
  }
});

Deno.test("cropTurned() turns around the center of pixels; beyond the image it repeats", async () => {
  // Pixels encode their column.
  const data = Uint8Array.from({ length: 9 * 9 * 3 }, (_, i) => 10 * (Math.floor(i / 3) % 9));
  const image = { data, width: 9, height: 9 };
  const square = { x: 4.5, y: 4.5, side: 3, angle: 0 };
  const reds = async (turned: typeof square, margin = 0) =>
    [...(await cropTurned(image, turned, { margin, maxSize: 0 })).data].filter((_, i) =>
      i % 3 === 0
    );
  assert.deepEqual(await reds(square), [30, 40, 50, 30, 40, 50, 30, 40, 50]);
  const quarter = { ...square, angle: Math.PI / 2 };
  assert.deepEqual(await reds(quarter), [50, 50, 50, 40, 40, 40, 30, 30, 30]);
  assert.deepEqual((await reds({ ...square, x: 0.5 })).slice(0, 3), [0, 0, 10]);
  assert.deepEqual((await reds({ ...square, x: 5 })).slice(0, 3), [35, 45, 55]);
});

Deno.test("aligned crops of a photo and of the turned photo are alike", async () => {
  await openBackend("wasm");
  const [{ photo, square }] = reference;
  const image = await photoOf(photo);
  const region = { left: square.left - 128, top: square.top - 128, width: 512, height: 512 };
  const near = async (degrees: number): Promise<Image> => {
    const data = await sharp(image.data, raw(image)).extract(region).toBuffer({
      resolveWithObject: true,
    })
      .then(({ data }) =>
        sharp(data, raw({ data, width: 512, height: 512 })).rotate(degrees).raw()
          .toBuffer({ resolveWithObject: true })
      );
    return { data: new Uint8Array(data.data), width: data.info.width, height: data.info.height };
  };
  const differences: Record<string, number> = {};
  for (const align of [undefined, "eyes", "template"] as const) {
    const cropper = await openCropper({ margin: 0, maxSize: 64, ...(align && { align }) });
    const crops: Uint8Array[] = [];
    for (const degrees of [0, 25]) {
      const turned = await near(degrees);
      const box: Box = {
        x: turned.width / 2 - 128,
        y: turned.height / 2 - 128,
        width: 256,
        height: 256,
      };
      crops.push((await cropper.crop(turned, box)).data);
    }
    cropper.close();
    const off = crops[0].reduce((sum, byte, i) => sum + Math.abs(byte - crops[1][i]), 0);
    differences[align ?? "none"] = off / crops[0].length;
  }
  const { none, eyes, template } = differences;
  assert.ok(eyes < none / 2 && template < none / 2, JSON.stringify(differences));
});
