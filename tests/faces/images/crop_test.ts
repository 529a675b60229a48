import assert from "node:assert/strict";
import { crop, cropSquare } from "../../../faces/images/crop.ts";
import type { Image } from "../../../faces/images/image.ts";

/** Red tells the column, green the row. */
function coordinates(width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    data[i * 3] = i % width;
    data[i * 3 + 1] = Math.floor(i / width);
  }
  return { data, width, height };
}

Deno.test("cropSquare() is centred on the box and as large as its longer side and the margins", () => {
  assert.deepEqual(
    cropSquare({ x: 10, y: 20, width: 20, height: 40 }, 0.25),
    { x: -10, y: 10, width: 60, height: 60 },
  );
  assert.equal(cropSquare({ x: 0, y: 0, width: 0.1, height: 0.1 }, 0).width, 1);
});

Deno.test("crop() cuts the very pixels, and repeats the border beyond the photo", async () => {
  const cut = await crop(
    coordinates(8, 6),
    { x: 5, y: 4, width: 2, height: 2 },
    { margin: 1, maxSize: 0 },
  );
  assert.deepEqual([cut.width, cut.height], [6, 6]);
  const clamp = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));
  for (let y = 0; y < 6; y++) {
    for (let x = 0; x < 6; x++) {
      const pixel = [...cut.data.subarray((y * 6 + x) * 3, (y * 6 + x) * 3 + 3)];
      assert.deepEqual(pixel, [clamp(3 + x, 8), clamp(2 + y, 6), 0]);
    }
  }
});

Deno.test("crop() reduces what is larger than maxSize, and nothing else", async () => {
  const image = coordinates(200, 200), box = { x: 50, y: 50, width: 100, height: 100 };
  const sides = [];
  for (const maxSize of [0, 64, 100, 101]) {
    sides.push((await crop(image, box, { margin: 0, maxSize })).width);
  }
  assert.deepEqual(sides, [100, 64, 100, 100]);
});

Deno.test("crop() refuses a square beyond all measure", async () => {
  await assert.rejects(
    crop(coordinates(4, 4), { x: 0, y: 0, width: 9000, height: 9000 }, { margin: 0, maxSize: 32 }),
    /the face and its margin take 9000 × 9000 pixels, the maximum is 64 million/,
  );
});
