import assert from "node:assert/strict";
import { decode } from "../../../../faces/images/decode_image.ts";
import { openDetector } from "../../../../faces/detection/detectors.ts";
import { decode as toBoxes } from "../../../../faces/detection/detectors/dlib/decode_boxes.ts";
import { readModel } from "../../../../faces/detection/detectors/dlib/dlib_model.ts";
import { MmodNetwork } from "../../../../faces/detection/detectors/dlib/dlib_network.ts";
import { tile } from "../../../../faces/detection/detectors/dlib/pyramid.ts";
import { type Box, type Image, iou } from "../../../../faces/images/image.ts";
import reference from "../fixtures/dlibFaces.json" with { type: "json" };
import { drawnFace } from "../fixtures/drawnFaces.ts";
import { LONG } from "../../../rounds.ts";

const folder = new URL("../../../../faces/detection/detectors/dlib/", import.meta.url);
const weights = await Deno.readFile(new URL("mmod_human_face_detector.dat", folder));
const options = { minConfidence: 0, inputSizes: [] };

/** A picture that dlib was shown. */
async function picture(name: string): Promise<Image> {
  const drawn = /^drawn,(\d+),(\d+)\.png$/.exec(name);
  if (drawn) return await drawnFace(Number(drawn[1]), Number(drawn[2]));
  const demo = new URL(`demo/${name}`, import.meta.resolve("@vladmandic/face-api/package.json"));
  return await decode(await Deno.readFile(demo));
}

Deno.test("dlibCnn finds dlib's own faces: boxes within 2 pixels, scores within 0.02", async (t) => {
  for (const { picture: name, upsample, faces } of reference) {
    if (!LONG && /^sample[2-5]/.test(name)) continue;
    await t.step(name, async () => {
      const detector = await openDetector("dlibCnn", { ...options, upsample });
      const found = await detector.detect(await picture(name));
      detector.close();
      assert.equal(found.length, faces.length);
      for (const [i, { box: { x, y, width, height }, score }] of found.entries()) {
        const [left, top, right, bottom, wanted] = faces[i];
        const corners = [x - left, y - top, x + width - 1 - right, y + height - 1 - bottom];
        const off = Math.max(...corners.map(Math.abs));
        assert.ok(off <= 2, `face ${i} is ${off} pixels off`);
        assert.ok(Math.abs(score - wanted) < 0.02, `face ${i} scores ${score}, not ${wanted}`);
      }
    });
  }
});

Deno.test("dlibCnn leaves out what is below minConfidence", async () => {
  const image = await drawnFace(1, 256);
  const [face] = await (await openDetector("dlibCnn", options)).detect(image);
  const strict = { ...options, minConfidence: face.score + 0.01 };
  assert.deepEqual(await (await openDetector("dlibCnn", strict)).detect(image), []);
});

Deno.test("dlibCnn looks for faces below minFace only where there is no larger one", async () => {
  const whole = await openDetector("dlibCnn", options);
  const large = await openDetector("dlibCnn", { ...options, minFace: 0.4 });
  const near = (a: Box, b: Box) => iou(a, b) > 0.7;
  const image = await drawnFace(1, 400); // of which the face is about half
  const [[face], [same]] = [await whole.detect(image), await large.detect(image)];
  assert.ok(near(face.box, same.box) && Math.abs(face.score - same.score) < 0.1);
  // A face of half the size, alone and beside the large one.
  const small = halved(image);
  const alone = beside({ ...image, data: new Uint8Array(image.data.length).fill(128) }, small);
  const both = beside(image, small);
  const [little] = await whole.detect(alone);
  assert.deepEqual(await large.detect(alone), [little]);
  assert.equal((await whole.detect(both)).length, 2);
  assert.equal((await large.detect(both)).length, 1);
});

/** The same at half its size. */
function halved({ data, width, height }: Image): Image {
  const half = { width: width / 2, height: height / 2, data: new Uint8Array(data.length / 4) };
  for (let i = 0; i < half.data.length; i++) {
    const pixel = Math.floor(i / 3), x = pixel % half.width, y = Math.floor(pixel / half.width);
    half.data[i] = data[(y * 2 * width + x * 2) * 3 + i % 3];
  }
  return half;
}

/** Two pictures, one to the right of the other, on grey. */
function beside(a: Image, b: Image): Image {
  const width = a.width + b.width, height = Math.max(a.height, b.height);
  const data = new Uint8Array(width * height * 3).fill(128);
  for (const [{ data: from, width: wide, height: high }, left] of [[a, 0], [b, a.width]] as const) {
    for (let y = 0; y < high; y++) {
      data.set(from.subarray(y * wide * 3, (y + 1) * wide * 3), (y * width + left) * 3);
    }
  }
  return { data, width, height };
}

Deno.test("run() does not depend on the pictures before, and hardly on the kernels' build", async () => {
  const model = readModel(weights, "weights");
  const [network, plain] = [await MmodNetwork.open(model), await MmodNetwork.open(model, false)];
  const [small, large] = [await drawnFace(1, 200), await drawnFace(2, 320)];
  const scores = (on: MmodNetwork, { data, width, height }: Image) =>
    on.run(data, width, height)!.scores.slice();
  const before = scores(network, small);
  scores(network, large);
  assert.deepEqual(scores(network, small), before);
  const { bytes } = network;
  scores(network, large);
  assert.equal(network.bytes, bytes);
  const other = scores(plain, small);
  assert.ok(before.every((score, i) => Math.abs(score - other[i]) < 1e-3));
});

Deno.test("dlibCnn takes pictures of any shape", async () => {
  const detector = await openDetector("dlibCnn", options);
  const sizes = [[1, 1], [3, 400], [400, 3], [2, 2], [97, 33], [40, 300], [3_000_001, 1]];
  for (const [width, height] of sizes) {
    const data = new Uint8Array(width * height * 3).fill(90);
    assert.deepEqual(await detector.detect({ data, width, height }), [], `${width} × ${height}`);
  }
});

Deno.test("dlibCnn halves a picture that would take too much memory, and keeps to its pixels", async () => {
  const { data, width, height } = await drawnFace(1, 256);
  // The face in the corner of a large grey picture, eight times as large as drawn.
  const large = { data: new Uint8Array(2100 * 2100 * 3).fill(128), width: 2100, height: 2100 };
  for (let y = 0; y < height * 8; y++) {
    for (let x = 0; x < width * 8; x++) {
      const from = ((y >> 3) * width + (x >> 3)) * 3;
      large.data.set(data.subarray(from, from + 3), (y * large.width + x) * 3);
    }
  }
  const detector = await openDetector("dlibCnn", options);
  const [[small], [face]] = [
    await detector.detect({ data, width, height }),
    await detector.detect(large),
  ];
  const centre = (box: typeof face.box) => [box.x + box.width / 2, box.y + box.height / 2];
  for (const [i, position] of centre(face.box).entries()) {
    assert.ok(Math.abs(position / 8 - centre(small.box)[i]) < 12);
  }
});

/** A byte more. */
function withByte(bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  return longer;
}

Deno.test("readModel() says what is wrong with a file, and where", () => {
  const damaged = (change: (bytes: Uint8Array) => Uint8Array | void) => {
    const copy = weights.slice();
    return () => readModel(change(copy) ?? copy, "my.dat");
  };
  for (
    const [change, message] of [
      [
        (b) => b.subarray(0, 400_000),
        /"my\.dat": at byte \d+,\d+ .* claims \d+ numbers, with \d+,\d+ bytes left.*729,940 bytes/,
      ],
      [(b) => b.subarray(0, 40), /needs \d+ bytes?, and \d+ remain/],
      [() => new Uint8Array(), /at byte 0 the version of the network needs 1 byte, and 0 remain/],
      [
        () => new TextEncoder().encode("<!doctype html>"),
        /the version of the network should begin/,
      ],
      [(b) => void (b[4] = 0x4c), /"loss_mmod_" should begin, and "Loss_mmod_" does/],
      [(b) => void (b[5104 + 3] = 0x66), /"bn_con2" should begin/],
      [(b) => withByte(b), /the file should end here, but has 1 byte more/],
    ] satisfies [(bytes: Uint8Array) => Uint8Array | void, RegExp][]
  ) assert.throws(damaged(change), { name: "ModelFormatError", message });
});

Deno.test("dlibCnn says that a file of weights is not there", async () => {
  await assert.rejects(
    openDetector("dlibCnn", { ...options, weights: "nowhere/my.dat" }),
    /Cannot read the weights of dlibCnn: "nowhere\/my\.dat" .*Default: the weights in the project/,
  );
});

Deno.test("tile() keeps the pyramid's pictures apart", () => {
  for (const [width, height] of [[256, 256], [500, 256], [100, 640], [1920, 1280], [81, 1003]]) {
    const pyramid = tile(width, height, { padding: 10, outerPadding: 11 });
    for (const [i, a] of pyramid.levels.entries()) {
      assert.ok(a.left >= 11 && a.top >= 11);
      assert.ok(a.right < pyramid.width - 11 && a.bottom < pyramid.height - 11);
      for (const b of pyramid.levels.slice(0, i)) {
        const apart = a.left > b.right || b.left > a.right || a.top > b.bottom || b.top > a.bottom;
        assert.ok(apart, `${width} × ${height}: ${JSON.stringify([a, b])}`);
      }
    }
  }
});

Deno.test("decode() keeps the surer of two boxes that share much, and both if they share little", () => {
  const model = readModel(weights, "weights");
  const pyramid = tile(300, 300, model);
  const scores = new Float32Array(38 * 38);
  const boxes = (...set: [column: number, row: number, score: number][]) => {
    scores.fill(-1);
    for (const [column, row, score] of set) scores[row * 38 + column] = score;
    return toBoxes({ scores, width: 38, height: 38, pyramid }, model, 0).map(({ score }) => score);
  };
  assert.deepEqual(boxes([10, 10, 0.5], [12, 10, 1]), [1]);
  assert.deepEqual(boxes([10, 10, 0.5], [19, 10, 1]), [1, 0.5]);
  assert.deepEqual(boxes([10, 10, -0.5], [12, 10, NaN]), []);
});
