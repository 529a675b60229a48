import assert from "node:assert/strict";
import sharp from "sharp";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { decode } from "../../../faces/images/decode_image.ts";
import { configureDetector, openDetector } from "../../../faces/detection/detectors.ts";
import { nonMaxSuppression } from "../../../faces/detection/tfjs_detector.ts";
import type { Image } from "../../../faces/images/image.ts";
import reference from "./fixtures/faceApi.json" with { type: "json" };

/** A photo of face-api's demo, with several people. */
async function demo(name: string): Promise<Uint8Array> {
  return await Deno.readFile(
    new URL(`demo/${name}`, import.meta.resolve("@vladmandic/face-api/package.json")),
  );
}

Deno.test("openDetector() finds face-api's own faces: boxes within 1 pixel, scores within 0.02", async () => {
  await openBackend("wasm");
  for (const { photo, detector: name, inputSize, faces } of reference) {
    const detector = await openDetector(name as "ssdMobilenetv1" | "tinyFaceDetector", {
      minConfidence: 0.3,
      inputSizes: [inputSize],
    });
    const data = await sharp(await demo(photo))
      .resize(inputSize, inputSize, { fit: "fill", kernel: "linear" })
      .raw()
      .toBuffer();
    const found = await detector.detect({ data, width: inputSize, height: inputSize });
    detector.close();
    const what = `${name} ${inputSize} on ${photo}`;
    assert.equal(found.length, faces.length, what);
    for (const [i, { box, score }] of found.entries()) {
      const [x, y, width, height, wanted] = faces[i];
      const off = Math.max(
        ...[box.x - x, box.y - y, box.width - width, box.height - height].map(Math.abs),
      );
      assert.ok(off < 1, `${what}: face ${i} is ${off} pixels off`);
      assert.ok(Math.abs(score - wanted) < 0.02, `${what}: face ${i} scores ${score}`);
    }
  }
});

Deno.test("detect() gives boxes in the photo's own pixels, whatever its shape", async () => {
  await openBackend("wasm");
  const image = await decode(await demo("sample1.jpg"));
  for (const name of ["ssdMobilenetv1", "tinyFaceDetector"] as const) {
    const detector = await openDetector(name, { minConfidence: 0.5, inputSizes: [416] });
    const [face] = await detector.detect(image);
    // The same photo with a grey strip, once below it and once at its right.
    for (const [right, bottom] of [[0, 300], [300, 0]]) {
      const { data, info } = await sharp(image.data, { raw: { ...image, channels: 3 } })
        .extend({ right, bottom, background: "#808080" })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const found = await detector.detect({ data, width: info.width, height: info.height });
      const near = found.some(({ box }) =>
        Math.hypot(box.x - face.box.x, box.y - face.box.y) < face.box.width / 3
      );
      assert.ok(near, `${name}: none of ${JSON.stringify(found)} is at ${JSON.stringify(face)}`);
    }
    detector.close();
  }
});

Deno.test("detect() tries the next input size when one finds nothing", async () => {
  await openBackend("wasm");
  const image = await decode(await demo("sample1.jpg")); // small faces: unseen at 64 pixels
  const count = async (inputSizes: number[]) => {
    const options = { minConfidence: 0.5, inputSizes };
    const detector = await openDetector("tinyFaceDetector", options);
    const found = await detector.detect(image);
    detector.close();
    return found.length;
  };
  assert.equal(await count([64]), 0);
  assert.ok(await count([64, 416]) > 0);
  assert.equal(await count([64, 416]), await count([416, 64]));
});

Deno.test("detect() finds nothing in an empty picture, and takes the smallest", async () => {
  await openBackend("wasm");
  const blank = (width: number, height: number): Image => ({
    data: new Uint8Array(width * height * 3).fill(200),
    width,
    height,
  });
  for (const name of ["ssdMobilenetv1", "tinyFaceDetector"] as const) {
    const detector = await openDetector(name, { minConfidence: 0.4, inputSizes: [128] });
    for (const image of [blank(300, 200), blank(1, 1), blank(1, 2000)]) {
      assert.deepEqual(await detector.detect(image), []);
    }
    detector.close();
  }
});

Deno.test("detect() leaves no tensors behind, and close() none at all", async () => {
  await openBackend("wasm");
  const image = await decode(await demo("sample1.jpg"));
  for (const name of ["ssdMobilenetv1", "tinyFaceDetector"] as const) {
    const before = tf.memory().numTensors;
    const detector = await openDetector(name, { minConfidence: 0.4, inputSizes: [128, 160] });
    await detector.detect(image);
    const held = tf.memory().numTensors;
    await detector.detect(image);
    assert.equal(tf.memory().numTensors, held, name);
    detector.close();
    assert.equal(tf.memory().numTensors, before, name);
  }
});

Deno.test("configureDetector() takes neither name nor module from a plugin's own options", () => {
  const own = z.strictObject({
    name: z.string().default("other"),
    module: z.string().default("npm:evil@1.0.0"),
    light: z.number().default(2),
  });
  assert.deepEqual(configureDetector("mine", {}, undefined, own), {
    name: "mine",
    inputSizes: [],
    light: 2,
  });
  assert.equal(configureDetector("mine", {}, "plugins/mine.ts", own).module, "plugins/mine.ts");
});

Deno.test("the metadata detector finds what is known and nothing else", async () => {
  const detector = await openDetector("metadata", { minConfidence: 0.4, inputSizes: [] });
  const image = { data: new Uint8Array(12), width: 2, height: 2 };
  const box = { x: 0, y: 0, width: 1, height: 1 };
  assert.deepEqual(await detector.detect(image, box), [{ box, score: 1 }]);
  assert.deepEqual(await detector.detect(image), []);
});

Deno.test("suppress() keeps the surest of faces that overlap", () => {
  const at = (x: number, score: number) => ({ box: { x, y: 0, width: 10, height: 10 }, score });
  assert.deepEqual(
    nonMaxSuppression([at(0, 0.5), at(2, 0.9), at(9, 0.6), at(40, 0.4)], 0.5),
    [at(2, 0.9), at(9, 0.6), at(40, 0.4)],
  );
});
