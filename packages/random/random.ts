/**
 * Seeded random streams by name. The same seed and labels give the same numbers on every machine, in
 * any order of use.
 */

/** A stream of random numbers. */
export interface Rng {
  /** Draws uniformly from [0, 1), with 53 random bits. */
  next(): number;
  /** Draws an integer uniformly from 0 to n - 1. */
  int(n: number): number;
  /** Draws from the normal distribution of mean 0 and standard deviation 1. */
  normal(): number;
  /** Shuffles the items in place and returns them. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T;
  /** Draws one of the items. */
  pick<T>(items: ArrayLike<T>): T;
}

/**
 * Returns the stream of `seed` and `labels`. Streams of different labels are independent, so give every
 * use its own: `random(seed, "dropout", epoch, step, layer)`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const rows = [0, 1, 2, 3];
 * random(42, "shuffle", 1).shuffle(rows);
 * assert.equal(random(42, "a").next(), random(42, "a").next());
 * ```
 */
export function random(seed: number, ...labels: (string | number)[]): Rng {
  // Half the time of four variables, which V8 allocates anew for each value above 2^30.
  const state = new Int32Array(hash([seed, ...labels]));

  // sfc32, Chris Doty-Humphrey's "small fast counting" generator (PractRand): period at least 2^32.
  const bits = (): number => {
    const b = state[1], c = state[2], sum = (state[0] + b + state[3]++) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    return sum;
  };
  for (let i = 0; i < 12; i++) bits(); // spreads each bit of the hash over the whole state

  const next = (): number => ((bits() >>> 5) * 0x4000000 + (bits() >>> 6)) / 0x20000000000000;

  const int = (n: number): number => {
    if (!Number.isSafeInteger(n) || n < 1) {
      throw new RangeError(`Cannot draw one of ${n} whole numbers: pass 1 or more.`);
    }
    return Math.floor(next() * n);
  };

  let spare: number | undefined;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    // Marsaglia's polar method. V8 computes Math.log in software: the same bits everywhere.
    for (;;) {
      const u = 2 * next() - 1;
      const v = 2 * next() - 1;
      const s = u * u + v * v;
      if (s === 0 || s >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      spare = v * scale;
      return u * scale;
    }
  };

  return {
    next,
    int,
    normal,
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = int(i + 1);
        const item = items[i];
        items[i] = items[j];
        items[j] = item;
      }
      return items;
    },
    pick(items) {
      if (items.length === 0) throw new RangeError("Cannot pick one of no items.");
      return items[int(items.length)];
    },
  };
}

/** 128 bits that depend on every label, its type and its place: four FNV-1a hashes, each mixed. */
function hash(labels: (string | number)[]): [number, number, number, number] {
  const bytes = new TextEncoder().encode(
    // JSON keeps 1, "1" and the borders between labels apart.
    JSON.stringify(labels.map((label) => typeof label === "number" ? [String(label)] : label)),
  );
  const lane = (offset: number): number => {
    let h = 0x811c9dc5 ^ offset;
    for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
    // The finalizer of MurmurHash3: FNV alone leaves the high bits of short inputs poor.
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  };
  return [lane(0), lane(0x9e3779b9), lane(0x3c6ef372), lane(0xdaa66d2b)];
}
