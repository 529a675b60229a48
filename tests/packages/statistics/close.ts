import assert from "node:assert/strict";

/** Asserts that two numbers are the same but for rounding, or differ by at most `tolerance`. */
export function close(actual: number, expected: number, tolerance = 1e-9): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `expected ${expected} ± ${tolerance}, got ${actual}`,
  );
}
