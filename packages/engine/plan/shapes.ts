/** Sizes of values and windows. */

export const upTo8 = (n: number) => Math.ceil(n / 8) * 8;

/** Returns bytes between rows that dense layers read or write. Never a power of two: cache conflicts. */
export const rowBytes = (floats: number) => floats * 4 + 64;

export function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** Returns output size and leading padding, as in TensorFlow. */
export function extent(size: number, window: number, stride: number, padding: "same" | "valid") {
  if (padding === "valid") return { size: Math.floor((size - window) / stride) + 1, before: 0 };
  const out = Math.ceil(size / stride);
  return { size: out, before: Math.max((out - 1) * stride + window - size, 0) >> 1 };
}

/**
 * Chooses Winograd tile sizes for windows of `taps` at stride 1. Larger tiles save more products. In
 * small images, the cost of transforming the weights, which grows with the tiles, outweighs that.
 */
export function tileSides(
  fits: boolean,
  taps: number,
  height: number,
  width: number,
): { winograd: number; winogradGradient: number } {
  if (!fits || taps !== 2 && taps !== 3 || height % 2 > 0 || width % 2 > 0) {
    return { winograd: 0, winogradGradient: 0 };
  }
  const fours = height % 4 === 0 && width % 4 === 0;
  const side = (least: number) => taps + (fours && height * width >= least ? 4 : 2) - 1;
  return { winograd: side(64), winogradGradient: side(256) };
}
