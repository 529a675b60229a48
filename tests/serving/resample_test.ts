import assert from "node:assert/strict";
import sharp from "sharp";
import { type Kernel, resample } from "../../web/compute/resample.ts";
import { drawnFace } from "./fixture.ts";

/** A drawn face of some size, as bytes. */
async function face(size: number): Promise<Uint8Array> {
  return Uint8Array.from(
    await sharp(await drawnFace(4)).flatten().resize(size, size).raw().toBuffer(),
  );
}

const cases: [Kernel, readonly (readonly [from: number, to: number])[]][] = [
  // From a face to a crop of at most 128, from that to 32; also enlarged, where a face is small.
  [
    "lanczos3",
    [[600, 128], [300, 128], [271, 128], [128, 32], [100, 32], [97, 32], [33, 32], [20, 32]],
  ],
  // From a photo to what a detector sees.
  ["linear", [[1280, 224], [640, 224], [640, 96], [640, 416], [300, 416], [256, 224]]],
];

for (const [kernel, sizes] of cases) {
  Deno.test(`resample() ${kernel} agrees with sharp, give or take 4 of 255`, async () => {
    for (const [from, to] of sizes) {
      const data = await face(from);
      const raw = { width: from, height: from, channels: 3 } as const;
      const expected = await sharp(data, { raw }).resize(to, to, { kernel, fit: "fill" }).raw()
        .toBuffer();
      const { data: ours } = resample({ data, width: from, height: from }, to, to, kernel);
      assert.equal(ours.length, expected.length);
      let sum = 0;
      for (let i = 0; i < ours.length; i++) {
        const off = Math.abs(ours[i] - expected[i]);
        assert.ok(off <= 4, `${from} to ${to}: off by ${off} at ${i}`);
        sum += off;
      }
      assert.ok(
        sum / ours.length < 0.25,
        `${from} to ${to}: off by ${sum / ours.length} on average`,
      );
    }
  });
}

Deno.test("resample() scales width and height each on its own, and leaves what fits", () => {
  const data = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => i);
  const image = { data, width: 8, height: 4 };
  assert.deepEqual(resample(image, 8, 4, "lanczos3"), image);
  const { width, height, data: scaled } = resample(image, 4, 8, "linear");
  assert.deepEqual([width, height, scaled.length], [4, 8, 96]);
  const grey = { data: new Uint8Array(300).fill(77), width: 10, height: 10 };
  assert.ok(resample(grey, 7, 3, "lanczos3").data.every((byte) => byte === 77));
});
