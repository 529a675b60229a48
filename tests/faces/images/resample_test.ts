import assert from "node:assert/strict";
import sharp from "sharp";
import { random } from "../../../packages/random/random.ts";
import { type Kernel, resample } from "../../../faces/images/resample.ts";
import { drawnFace } from "../serving/fixture.ts";

/** A drawn face of some size, as bytes. */
async function face(size: number): Promise<Uint8Array> {
  return Uint8Array.from(
    await sharp(await drawnFace(4)).flatten().resize(size, size).raw().toBuffer(),
  );
}

/** The largest difference between ours and sharp's, and the share of bytes that differ. */
async function compare(from: number, to: number, kernel: Kernel) {
  const data = await face(from);
  const raw = { width: from, height: from, channels: 3 } as const;
  const theirs = await sharp(data, { raw }).resize(to, to, { kernel, fit: "fill" }).raw()
    .toBuffer();
  const { data: ours } = resample({ data, width: from, height: from }, to, to, kernel);
  assert.equal(ours.length, theirs.length);
  const off = ours.map((byte, i) => Math.abs(byte - theirs[i]));
  return {
    most: off.reduce((a, b) => Math.max(a, b), 0),
    share: off.filter((byte) => byte > 0).length / off.length,
  };
}

// From a face to a crop of at most 128, and from that to 32.
const lanczos = [[600, 128], [513, 128], [300, 128], [271, 128], [128, 32], [100, 32], [97, 32]];
// From a photo to what a detector sees.
const linear = [[1280, 224], [640, 224], [640, 96], [640, 416], [700, 416], [480, 256], [256, 224]];

for (const [kernel, sizes] of [["lanczos3", [...lanczos, [33, 32]]], ["linear", linear]] as const) {
  Deno.test(`resample() ${kernel} reduces to the very bytes of sharp`, async () => {
    for (const [from, to] of sizes) {
      assert.deepEqual(await compare(from, to, kernel), { most: 0, share: 0 }, `${from} to ${to}`);
    }
  });
}

Deno.test("resample() reduces to the very bytes of sharp, whatever the shape", async () => {
  const rng = random(1, "shapes");
  const shapes = Array.from({ length: 60 }, () => {
    const width = 1 + rng.int(500), height = 1 + rng.int(500);
    return [width, height, 1 + rng.int(width), 1 + rng.int(height)];
  });
  // Between two positions: the last bit of a sum decides, and libvips adds up in strips of 16 rows.
  shapes.push([385, 385, 192, 192], [161, 321, 50, 192], [513, 773, 190, 160], [
    337,
    353,
    286,
    217,
  ]);
  for (const [i, [width, height, ...to]] of shapes.entries()) {
    const data = Uint8Array.from({ length: width * height * 3 }, () => rng.int(256));
    const kernel = i % 2 === 0 ? "lanczos3" : "linear";
    const theirs = await sharp(data, { raw: { width, height, channels: 3 } })
      .resize(to[0], to[1], { kernel, fit: "fill" }).raw().toBuffer();
    const { data: ours } = resample({ data, width, height }, to[0], to[1], kernel);
    assert.ok(theirs.equals(ours), `${kernel}: ${width} × ${height} to ${to.join(" × ")}`);
  }
});

Deno.test("resample() does not depend on the pictures before", async () => {
  const small = { data: await face(200), width: 200, height: 200 };
  const first = resample(small, 128, 128, "lanczos3").data;
  // Larger than the memory that is kept from one picture to the next.
  const large = { data: new Uint8Array(4200 * 4200 * 3).fill(9), width: 4200, height: 4200 };
  assert.ok(resample(large, 32, 32, "lanczos3").data.every((byte) => byte === 9));
  assert.deepEqual(resample(small, 128, 128, "lanczos3").data, first);
});

Deno.test("resample() enlarges as sharp does, give or take 2 of 255", async () => {
  const cases = [["lanczos3", 20, 32], ["lanczos3", 31, 32], ["linear", 300, 416]] as const;
  for (const [kernel, from, to] of cases) {
    const { most } = await compare(from, to, kernel);
    assert.ok(most <= 2, `${from} to ${to}: off by ${most}`);
  }
});

Deno.test("resample() scales width and height each on its own, and leaves what fits", () => {
  const data = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => i);
  const image = { data, width: 8, height: 4 };
  assert.deepEqual(resample(image, 8, 4, "lanczos3"), image);
  const { width, height, data: scaled } = resample(image, 4, 8, "linear");
  assert.deepEqual([width, height, scaled.length], [4, 8, 96]);
  const grey = { data: new Uint8Array(300).fill(77), width: 10, height: 10 };
  assert.ok(resample(grey, 7, 3, "lanczos3").data.every((byte) => byte === 77));
});
