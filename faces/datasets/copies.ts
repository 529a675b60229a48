/**
 * Finds copies among images: the same photo, resized, recompressed, mirrored, or cut by a few percent
 * on all sides.
 *
 * Candidates come from a 64-bit perceptual hash (Zauner 2010: signs of low frequencies of the discrete
 * cosine transform), here against the mean of the data set, as faces are much alike. A candidate is a
 * copy if the correlation of 255 low frequencies is high enough. docs/results.md has the measured recall
 * and false alarms.
 */

import { pause } from "../../packages/pipeline/interrupt.ts";
import { type Image, lumaAt } from "../images/image.ts";
import { resize } from "../images/resize.ts";

/** Height and width of the images that are compared. */
export const COPY_SIZE = 32;
/** Low frequencies per axis. */
const FREQUENCIES = 16;
/** Bits of the hash, and of each of its keys: copies that differ in few bits share a key nearly. */
const BITS = 64, KEYS = 4, KEY_BITS = BITS / KEYS;
/** Maximum number of different bits; every pair with this few has a key with at most one. */
const MAX_BITS = 2 * KEYS - 1;
export const MIN_CORRELATION = 0.98;

/** Correlation of images that differ by rounding only. */
const EQUAL = 1 - 1e-6;

/** Two images that are copies, by their numbers. */
export interface Copy {
  readonly image: number;
  /** An earlier image. */
  readonly of: number;
  /** Correlation of low frequencies; 1 for equal images. */
  readonly correlation: number;
  readonly mirrored: boolean;
}

/** Cosines of each frequency, [16, 32]. */
const COSINES = Float64Array.from({ length: FREQUENCIES * COPY_SIZE }, (_, i) => {
  const u = Math.floor(i / COPY_SIZE), x = i % COPY_SIZE;
  return (u === 0 ? Math.SQRT1_2 : 1) * Math.cos(Math.PI * (2 * x + 1) * u / (2 * COPY_SIZE));
});

/** Multiplies rows of 32 values with the cosines; the result is transposed, [16, rows]. */
function transform(values: Float64Array): Float64Array {
  const rows = values.length / COPY_SIZE;
  const result = new Float64Array(rows * FREQUENCIES);
  for (let row = 0; row < rows; row++) {
    for (let u = 0; u < FREQUENCIES; u++) {
      let sum = 0;
      for (let x = 0; x < COPY_SIZE; x++) {
        sum += values[row * COPY_SIZE + x] * COSINES[u * COPY_SIZE + x];
      }
      result[u * rows + row] = sum;
    }
  }
  return result;
}

/**
 * Computes the low frequencies of an image, normalized: brightness and contrast do not count.
 * @param pixels RGB bytes, [32, 32, 3]
 * @returns [16, 16], row by row; the mean, [0, 0], is 0
 */
export function lowFrequencies(pixels: Uint8Array): Float32Array {
  const luma = Float64Array.from({ length: COPY_SIZE ** 2 }, (_, i) => lumaAt(pixels, 3 * i));
  const result = transform(transform(luma));
  result[0] = 0;
  const norm = Math.hypot(...result);
  // An image of one color has no frequencies.
  return Float32Array.from(result, (value) => norm > 1 ? value / norm : 0);
}

/** Low frequencies of an image, and of its inner part, which a cut copy resembles. */
export type Frequencies = readonly [whole: Float32Array, inner?: Float32Array];

/** Share of each side that the inner part leaves out. */
const CUT = 0.04;

/** Computes the low frequencies of an image of any size. */
export async function frequenciesOf(image: Image): Promise<Frequencies> {
  const { data, width, height } = image;
  const [left, top] = [width, height].map((side) => Math.round(CUT * side));
  const [innerWidth, innerHeight] = [width - 2 * left, height - 2 * top];
  const inner = new Uint8Array(3 * innerWidth * innerHeight);
  for (let y = 0; y < innerHeight; y++) {
    const from = 3 * ((y + top) * width + left);
    inner.set(data.subarray(from, from + 3 * innerWidth), 3 * y * innerWidth);
  }
  const small = async (image: Image) =>
    lowFrequencies(await resize(image, COPY_SIZE, COPY_SIZE, "lanczos3"));
  return [await small(image), await small({ data: inner, width: innerWidth, height: innerHeight })];
}

/** Compared parts of an image and an earlier one: wholes first, then either inner part. */
const COMPARED = [[0, 0], [0, 1], [1, 0]] as const;

/** Positions of the frequencies of the hash: 8 × 8 without the mean, and the next. */
const HASHED = [
  ...Array.from({ length: 63 }, (_, i) => (i + 1 >> 3) * FREQUENCIES + (i + 1 & 7)),
  8,
];

/**
 * Finds copies among images.
 * @param frequencies of each image, from `frequenciesOf`
 * @param options.allPairs compares all pairs without a hash, for few images, whose mean is no measure
 * @param options.advance called once per image
 * @returns at most one per image: the earlier image with the highest correlation
 */
export async function findCopies(
  frequencies: readonly Frequencies[],
  { allPairs = false, advance = () => {} } = {},
): Promise<Copy[]> {
  const sums = HASHED.map(() => 0);
  for (const [whole] of frequencies) HASHED.forEach((at, bit) => sums[bit] += whole[at]);
  const means = sums.map((sum) => sum / frequencies.length);
  const hash = (values: Float32Array, mirrored: boolean): Hash => {
    const halves: [number, number] = [0, 0];
    for (let bit = 0; bit < BITS; bit++) {
      const at = HASHED[bit];
      // A mirrored image has the other sign in odd horizontal frequencies.
      const value = mirrored && at % 2 === 1 ? -values[at] : values[at];
      if (value > means[bit]) halves[bit >> 5] |= 1 << (bit & 31);
    }
    return halves;
  };
  const indexes = [0, 1].map(() => new HashIndex(frequencies.length));
  const copies: Copy[] = [];
  for (const [image, parts] of frequencies.entries()) {
    advance();
    if (image % 1000 === 999) await pause();
    let best: Copy | undefined;
    for (const [part, other] of COMPARED) {
      const values = parts[part];
      // Inner parts count where wholes differ.
      if (!values || best && part !== other) continue;
      for (const mirrored of [false, true]) {
        const candidates = allPairs
          ? Array(image).keys()
          : indexes[other].near(hash(values, mirrored));
        for (const of of candidates) {
          const earlier = frequencies[of][other];
          if (!earlier) continue;
          const correlation = correlate(values, earlier, mirrored);
          if (correlation >= Math.max(MIN_CORRELATION, (best?.correlation ?? 0) + 1e-9)) {
            best = { image, of, correlation, mirrored };
          }
        }
      }
    }
    if (best) copies.push(best);
    // Of equal images one suffices, as there may be thousands.
    if (best && !best.mirrored && best.correlation > EQUAL) continue;
    for (const [part, values] of parts.entries()) indexes[part].add(image, hash(values!, false));
  }
  return copies;
}

/** The 64 bits of a hash, in two halves. */
type Hash = readonly [number, number];

/** Images by the keys of their hashes. */
class HashIndex {
  readonly #halves: readonly [Int32Array, Int32Array];
  /** For each key, images by its value, ascending. */
  readonly #byKey = Array.from({ length: KEYS }, () => Array<number[] | undefined>(1 << KEY_BITS));

  /** @param images their maximum number */
  constructor(images: number) {
    this.#halves = [new Int32Array(images), new Int32Array(images)];
  }

  add(image: number, hash: Hash): void {
    this.#halves.forEach((half, i) => half[image] = hash[i]);
    for (const [i, images] of this.#byKey.entries()) (images[keyOf(hash, i)] ??= []).push(image);
  }

  /** Returns the images whose hashes differ in at most `MAX_BITS`, ascending. */
  near(hash: Hash): number[] {
    const [first, second] = this.#halves, [a, b] = hash;
    const found = new Set<number>();
    for (const [i, images] of this.#byKey.entries()) {
      const key = keyOf(hash, i);
      for (let bit = -1; bit < KEY_BITS; bit++) {
        for (const image of images[bit < 0 ? key : key ^ (1 << bit)] ?? []) {
          if (ones(a ^ first[image]) + ones(b ^ second[image]) <= MAX_BITS) found.add(image);
        }
      }
    }
    return [...found].sort((a, b) => a - b);
  }
}

/** Returns 16 bits of a hash. */
function keyOf(hash: Hash, i: number): number {
  return hash[i >> 1] >>> (i & 1) * KEY_BITS & (1 << KEY_BITS) - 1;
}

/** Counts the bits of a 32-bit integer that are 1 (Warren, "Hacker's Delight", 5-1). */
function ones(bits: number): number {
  bits -= bits >>> 1 & 0x55555555;
  bits = (bits & 0x33333333) + (bits >>> 2 & 0x33333333);
  return Math.imul(bits + (bits >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function correlate(a: Float32Array, b: Float32Array, mirrored: boolean): number {
  let even = 0, odd = 0;
  for (let i = 0; i < a.length; i += 2) {
    even += a[i] * b[i];
    odd += a[i + 1] * b[i + 1];
  }
  return mirrored ? even - odd : even + odd;
}
