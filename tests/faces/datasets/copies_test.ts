/** The perceptual hash against its definition, and copies of drawn faces. */
import { deepStrictEqual, ok } from "node:assert/strict";
import sharp, { type Sharp } from "sharp";
import {
  COPY_SIZE,
  findCopies,
  type Frequencies,
  frequenciesOf,
  lowFrequencies,
  MIN_CORRELATION,
} from "../../../faces/datasets/copies.ts";
import { decode } from "../../../faces/images/decode_image.ts";
import { random } from "../../../packages/random/random.ts";
import { drawFace } from "./preset_folders.ts";

const pixelsOf = async (image: Sharp) =>
  new Uint8Array(
    await sharp(await image.png().toBuffer())
      .resize(COPY_SIZE, COPY_SIZE, { fit: "fill" }).removeAlpha().raw().toBuffer(),
  );

Deno.test("lowFrequencies() is the normalized DCT-II, and ignores brightness and contrast", () => {
  const rng = random(1, "pixels");
  const gray = Array.from({ length: 1024 }, () => Math.floor(100 * rng.next()));
  const pixels = (change: (value: number) => number) =>
    Uint8Array.from(gray.flatMap((value) => Array(3).fill(change(value))));
  const got = lowFrequencies(pixels((value) => value));
  // By the definition of the two-dimensional DCT-II.
  const scale = (k: number) => k === 0 ? Math.SQRT1_2 : 1;
  const expected = Array.from({ length: 256 }, (_, i) => {
    const v = i >> 4, u = i & 15;
    if (i === 0) return 0;
    return scale(u) * scale(v) * gray.reduce((sum, value, at) => {
      const x = at % 32, y = at >> 5;
      return sum + value * Math.cos(Math.PI * (2 * x + 1) * u / 64) *
          Math.cos(Math.PI * (2 * y + 1) * v / 64);
    }, 0);
  });
  const norm = Math.hypot(...expected);
  ok(got.every((value, i) => Math.abs(value - expected[i] / norm) < 1e-6));
  const other = lowFrequencies(pixels((value) => 2 * value + 40));
  ok(got.every((value, i) => Math.abs(value - other[i]) < 1e-6));
  ok(lowFrequencies(new Uint8Array(3072).fill(9)).every((value) => value === 0));
});

Deno.test("findCopies() finds changed photos among drawn faces, and no others", async () => {
  const faces = await Promise.all(
    Array.from({ length: 30 }, (_, i) => drawFace(20 + 2 * i, i % 2 === 0)),
  );
  const changes: ((face: Uint8Array) => Sharp)[] = [
    (face) => sharp(face).resize(40, 40),
    (face) => sharp(face).jpeg({ quality: 30 }),
    (face) => sharp(face).flop(),
    (face) => sharp(face).modulate({ brightness: 1.1 }),
    (face) => sharp(face).grayscale().toColorspace("srgb"),
  ];
  const originals = await Promise.all(faces.map((face) => pixelsOf(sharp(face))));
  const changed = await Promise.all(
    changes.map((change, i) => pixelsOf(change(faces[i]))),
  );
  const frequencies = [...originals, ...changed].map((pixels): Frequencies => [
    lowFrequencies(pixels),
  ]);
  const copies = await findCopies(frequencies);
  deepStrictEqual(
    copies.map(({ image, of, mirrored }) => [image - 30, of, mirrored]),
    changes.map((_, i) => [i, i, i === 2]),
  );
  ok(copies.every(({ correlation }) => correlation >= MIN_CORRELATION && correlation <= 1 + 1e-6));
  // Of many equal images each is a copy of the first.
  const equal = await findCopies(Array(3000).fill(frequencies[0]));
  deepStrictEqual([equal.length, new Set(equal.map(({ of }) => of)).size], [2999, 1]);
});

Deno.test("findCopies() finds photos cut by 5 % on all sides, before and after them", async () => {
  const faces = await Promise.all(
    Array.from({ length: 30 }, (_, i) => drawFace(20 + 2 * i, i % 2 === 0, true)),
  );
  const of = async (face: Uint8Array) => await frequenciesOf(await decode(face));
  const cut = async (face: Uint8Array, flop: boolean) => {
    const { width, height } = await sharp(face).metadata();
    const [left, top] = [width, height].map((side) => Math.round(0.05 * side));
    const inner = { left, top, width: width - 2 * left, height: height - 2 * top };
    return await of(new Uint8Array(await sharp(face).extract(inner).flop(flop).jpeg().toBuffer()));
  };
  const originals = await Promise.all(faces.map(of));
  const changed = [await cut(faces[3], false), await cut(faces[8], true)];
  const pairs = async (all: Frequencies[]) =>
    (await findCopies(all)).map(({ image, of, mirrored }) => [image, of, mirrored]);
  deepStrictEqual(await pairs([...originals, ...changed]), [[30, 3, false], [31, 8, true]]);
  deepStrictEqual(await pairs([...changed, ...originals]), [[5, 0, false], [10, 1, true]]);
  const wholes = [...originals, ...changed].map(([whole]): Frequencies => [whole]);
  deepStrictEqual(await pairs(wholes), [], "the inner parts find them");
});
