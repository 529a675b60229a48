/** Dropout masks, as drawn by the kernels. */
import { dropoutSalt } from "../../../packages/engine/engine_plan.ts";

/**
 * Computes the dropout mask of a step, `[rows, units]`: true for kept values.
 * `block` counts convolutions and dense layers from 0.
 */
export function dropoutMask(
  key: readonly [number, number],
  block: number,
  rate: number,
  rows: number,
  units: number,
): Uint8Array {
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
  const kept = new Uint8Array(rows * units);
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < units; unit++) {
      let x = Math.imul(row << 16 | unit, 0x9E3779B1) + (key[0] ^ dropoutSalt(block)) | 0;
      x = Math.imul(x ^ x >>> 16, 0x85EBCA6B);
      x = Math.imul(x ^ x >>> 13 ^ key[1], 0xC2B2AE35);
      x = Math.imul(x ^ x >>> 16, 0x7FEB352D);
      kept[row * units + unit] = Number((x ^ x >>> 15) >>> 0 >= threshold);
    }
  }
  return kept;
}
