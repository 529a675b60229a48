import assert from "node:assert/strict";
import { random } from "../../../packages/random/random.ts";
import { toNetworkInput } from "../../../faces/images/resize.ts";

Deno.test("toTensor() leaves a picture of the right size as it is", async () => {
  const data = new Uint8Array(32 * 32 * 3).map((_, i) => i);
  assert.deepEqual(await toNetworkInput({ data, width: 32, height: 32 }, 32), data);
});

Deno.test("toTensor() averages what it reduces: a checkerboard becomes grey", async () => {
  const side = 160, data = new Uint8Array(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    if ((i % side + Math.floor(i / side)) % 2 === 0) data.fill(255, i * 3, i * 3 + 3);
  }
  const tensor = await toNetworkInput({ data, width: side, height: side }, 32);
  assert.equal(tensor.length, 32 * 32 * 3);
  for (const value of tensor) assert.ok(Math.abs(value - 127.5) <= 2, `${value}`);
});

Deno.test("toTensor() keeps the channels and the directions apart", async () => {
  const side = 64, data = new Uint8Array(side * side * 3);
  for (let i = 0; i < side * side; i++) {
    data[i * 3] = 4 * (i % side);
    data[i * 3 + 1] = 4 * Math.floor(i / side);
    data[i * 3 + 2] = 77;
  }
  const tensor = await toNetworkInput({ data, width: side, height: side }, 16);
  const pixel = (x: number, y: number) => tensor.subarray((y * 16 + x) * 3, (y * 16 + x) * 3 + 3);
  // Pixel (12, 3) covers columns 48 to 51 and rows 12 to 15.
  const [red, green, blue] = pixel(12, 3);
  assert.ok(Math.abs(red - 198) <= 2 && Math.abs(green - 54) <= 2 && blue === 77);
});

Deno.test("toNetworkInput() enlarges with Catmull-Rom splines, from half a pixel further left and up", async () => {
  const side = 20, size = 32, rng = random(1, "small");
  const data = Uint8Array.from({ length: side * side * 3 }, () => rng.int(256));
  const at = (x: number, y: number, c: number) => {
    const [column, row] = [x, y].map((i) => Math.min(side - 1, Math.max(0, i)));
    return data[(row * side + column) * 3 + c];
  };
  const taps = (i: number) => {
    const place = i * side / size - 0.5, base = Math.floor(place), t = place - base;
    const weights = [
      (2 * t ** 2 - t ** 3 - t) / 2,
      (3 * t ** 3 - 5 * t ** 2 + 2) / 2,
      (t + 4 * t ** 2 - 3 * t ** 3) / 2,
      (t ** 3 - t ** 2) / 2,
    ];
    return weights.map((weight, k) => [base - 1 + k, weight]);
  };
  const enlarged = await toNetworkInput({ data, width: side, height: side }, size);
  for (const [i, value] of enlarged.entries()) {
    const c = i % 3, x = taps(Math.floor(i / 3) % size), y = taps(Math.floor(i / 3 / size));
    const sum = y.reduce(
      (all, [row, v]) =>
        all + x.reduce((part, [column, w]) => part + v * w * at(column, row, c), 0),
      0,
    );
    assert.ok(Math.abs(Math.min(255, Math.max(0, sum)) - value) <= 2, `${i}: ${value}, ${sum}`);
  }
});
