import assert from "node:assert/strict";
import sharp from "sharp";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { FACE_SIZE } from "../../../faces/detection/tfjs_detector.ts";
import { openAgeGenderNet, withoutMargin } from "../../../faces/evaluation/age_gender_net.ts";
import reference from "./age_gender.json" with { type: "json" };

Deno.test("openAgeGenderNet() predicts what face-api predicts for the same faces", async () => {
  await openBackend("wasm");
  const before = tf.memory().numTensors;
  const pixels = new Uint8Array(reference.length * FACE_SIZE * FACE_SIZE * 3);
  for (const [i, { photo, region }] of reference.entries()) {
    const url = new URL(
      `demo/${photo}`,
      import.meta.resolve("@vladmandic/face-api/package.json"),
    );
    const { data, info } = await sharp(await Deno.readFile(url)).removeAlpha().raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    pixels.set(
      await sharp(data, { raw: { width, height, channels } }).extract(region)
        .resize(FACE_SIZE, FACE_SIZE, { fit: "fill", kernel: "linear" }).raw().toBuffer(),
      i * FACE_SIZE * FACE_SIZE * 3,
    );
  }
  const net = await openAgeGenderNet();
  const said = await net.predict(pixels);
  net.close();
  for (const [i, { age, male, photo }] of reference.entries()) {
    assert.ok(Math.abs(said[i].age - age) < 0.01, `${photo}: ${said[i].age} years, not ${age}`);
    assert.ok(Math.abs(said[i].male - male) < 0.001, `${photo}: ${said[i].male}, not ${male}`);
  }
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("withoutMargin() leaves the middle, to the pixel", async () => {
  // Pixels encode their row and column.
  const data = Uint8Array.from(
    { length: 7 * 7 * 3 },
    (_, i) => 10 * Math.floor(i / 21) + i / 3 % 7,
  );
  const image = { data, width: 7, height: 7 };
  const { width, height, data: cut } = await withoutMargin(image, 0.2);
  assert.deepEqual([width, height], [5, 5]);
  assert.deepEqual([cut[0], cut[4 * 3], cut[(4 * 5 + 4) * 3]], [11, 15, 55]);
  assert.deepEqual(await withoutMargin(image, 0), image);
});
