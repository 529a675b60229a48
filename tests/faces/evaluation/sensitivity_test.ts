import assert from "node:assert/strict";
import { measureSensitivity } from "../../../faces/evaluation/sensitivity.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { random } from "../../../packages/random/random.ts";

const SIZE = 20, LENGTH = SIZE * SIZE * 3, COUNT = 60;
const rng = random(1, "images");
const bytes = Uint8Array.from({ length: COUNT * LENGTH }, () => rng.int(256));
const images = imagesInMemory(bytes, SIZE);
const rows = Int32Array.from({ length: COUNT }, (_, i) => i);

/** The first changed image of each change, and its row. */
async function changed(limits: { most: number; multiplyAdds?: number }) {
  const seen: { image: Uint8Array; rows: Int32Array }[] = [];
  const { count, changes } = await measureSensitivity(images, rows, limits, (source, rows) => {
    seen.push({ image: source.read(0, 1), rows });
    return Promise.resolve(seen.length);
  });
  const at = (name: string) => seen[changes.findIndex((one) => one.name === name)]!;
  return { count, at, plain: seen.at(-1)! };
}

Deno.test("measureSensitivity() changes a seeded sample", async () => {
  const { count, at, plain } = await changed({ most: 5 });
  assert.equal(count, 5);
  const [row] = plain.rows;
  const own = bytes.subarray(row! * LENGTH, (row! + 1) * LENGTH);
  assert.deepEqual(plain.image, own);
  assert.deepEqual((await changed({ most: 5 })).plain.rows, plain.rows);
  // Up or left: the pixel of the first image comes from 2 below.
  const pixel = (
    image: Uint8Array,
    x: number,
    y: number,
  ) => [...image.subarray((y * SIZE + x) * 3, (y * SIZE + x) * 3 + 3)];
  assert.deepEqual(pixel(at("shift by 10 %").image, 4, 5), pixel(own, 4, 7));
  assert.deepEqual(at("brightness × 0.6").image[9], Math.round(own[9]! * 0.6));
  const turned = at("rotation by 15°").image;
  assert.notDeepEqual(pixel(turned, 1, 1), pixel(own, 1, 1));
});

Deno.test("measureSensitivity() takes fewer images for large networks, but some", async () => {
  assert.equal((await changed({ most: 200 })).count, COUNT);
  assert.equal((await changed({ most: 200, multiplyAdds: 5e8 })).count, 40);
  assert.equal((await changed({ most: 200, multiplyAdds: 1e12 })).count, 20);
  assert.equal((await changed({ most: 7, multiplyAdds: 1e12 })).count, 7);
});
