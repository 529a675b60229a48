/** Numbers of the engine held against others. */
import { equal, ok } from "node:assert/strict";

/** Largest difference, as a share of the largest expected number (or of `floor`). */
export function difference(got: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  equal(got.length, expected.length);
  let far = 0, scale = floor;
  for (let i = 0; i < got.length; i++) {
    far = Math.max(far, Math.abs(got[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return far / (scale || 1);
}

/** Fails where a number is further from its like than 1e-4 of the largest. */
export function close(
  what: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  floor = 0,
) {
  const far = difference(got, expected, floor);
  ok(far <= 1e-4, `${what} differs by ${far.toExponential(1)}`);
}
