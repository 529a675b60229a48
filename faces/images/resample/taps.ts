/** Computes filter taps (input pixels and weights per output pixel) as in libvips. */

/** Downscaling filters: radius in output pixels, and value at a distance. */
const kernels = {
  lanczos3: {
    radius: 3,
    at: (x: number) => x === 0 ? 1 : Math.abs(x) >= 3 ? 0 : sinc(x) * sinc(x / 3),
  },
  linear: { radius: 1, at: (x: number) => Math.max(0, 1 - Math.abs(x)) },
} as const;

export type Kernel = keyof typeof kernels;

/** Number of subpixel positions. */
const POSITIONS = 64;
/** Rows per strip in libvips: positions accumulate in a strip and are exact at its start. */
const STRIP_ROWS = 16, STRIP_ROWS_AFTER_AVERAGE = 128;
/** One as a fixed-point number: weights are truncated to 12 bits. */
const ONE = 2 ** 12;

/** The axis to resize. */
export type Axis = "rows" | "columns";

/** Input pixels and weights of one output pixel. */
export interface Taps {
  readonly first: number;
  /** In 4096ths: fixed-point numbers with 12 fractional bits, truncated. */
  readonly weights: Int32Array;
}

/** Normalizes weights and converts them to fixed point. */
function fixed(first: number, weights: Float64Array): Taps {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { first, weights: Int32Array.from(weights, (weight) => Math.trunc(weight / total * ONE)) };
}

/**
 * Computes the taps of libvips' reduce: the filter, widened by the reduction factor. Rounding to a
 * subpixel position may depend on the last bit, so the operations are in libvips' order.
 * @param size of the source, of which `whole` pixels have been averaged into one
 */
export function reducing(
  size: number,
  count: number,
  whole: number,
  kernel: Kernel,
  axis: Axis,
): Taps[] {
  const factor = 1 / (1 / (size / count)); // libvips receives a scale
  const shrink = factor / whole;
  const offset = (1 + (count * factor - size) / whole) / 2 - 1;
  let place = 0;
  return Array.from({ length: count }, (_, i) => {
    const begins = axis === "rows"
      ? i % (whole > 1 ? STRIP_ROWS_AFTER_AVERAGE : STRIP_ROWS) === 0
      : i === 0;
    place = begins ? (i + 0.5) * shrink - 0.5 - offset : place + shrink;
    return around(place, shrink, kernel);
  });
}

function around(place: number, shrink: number, kernel: Kernel): Taps {
  const { radius, at } = kernels[kernel];
  const points = 2 * Math.round(radius * shrink) + 1;
  const base = Math.floor(place);
  const fraction = Math.floor((Math.floor(place * POSITIONS * 2) - base * POSITIONS * 2 + 1) / 2) /
    POSITIONS;
  const weights = new Float64Array(points);
  for (let i = 0; i < points; i++) weights[i] = at((i - fraction - points / 2 + 1) / shrink);
  return fixed(base - (points >> 1), weights);
}

/** Computes the taps of libvips' affine: bilinear, or Catmull-Rom bicubic in place of Lanczos. */
export function enlarging(size: number, count: number, kernel: Kernel): Taps[] {
  return Array.from({ length: count }, (_, i) => between(size, count, kernel, i));
}

function between(size: number, count: number, kernel: Kernel, i: number): Taps {
  const place = i * size / count - 0.5; // as in libvips
  const base = Math.floor(place), t = place - base;
  if (kernel === "linear") return fixed(base, Float64Array.of(1 - t, t));
  return fixed(
    base - 1,
    Float64Array.of(
      ((-0.5 * t + 1) * t - 0.5) * t,
      (1.5 * t - 2.5) * t * t + 1,
      ((-1.5 * t + 2) * t + 0.5) * t,
      (0.5 * t - 0.5) * t * t,
    ),
  );
}

function sinc(x: number): number {
  return Math.sin(Math.PI * x) / (Math.PI * x);
}
