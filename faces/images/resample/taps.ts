/** Which pixels of a row, and how much of each, make one pixel of a scaled row: libvips' filters. */

/** Filters that reduce: half their width in pixels of the result, and their value at a distance. */
const kernels = {
  lanczos3: {
    radius: 3,
    at: (x: number) => x === 0 ? 1 : Math.abs(x) >= 3 ? 0 : sinc(x) * sinc(x / 3),
  },
  linear: { radius: 1, at: (x: number) => Math.max(0, 1 - Math.abs(x)) },
} as const;

export type Kernel = keyof typeof kernels;

/** Positions between two pixels are rounded to one of this many. */
const positions = 64;
/** Rows that libvips makes at a time: it goes from one to the next by adding, and to the first at once. */
const strip = 16, afterAverage = 128;
/** Weights are cut to 12 bits, as fixed-point numbers. */
const one = 2 ** 12;

/** Whether the rows or the columns of a picture become fewer, or more. */
export type Axis = "rows" | "columns";

/** Which pixels of the source make one of the result, and by how much. */
export interface Taps {
  readonly first: number;
  /** In 4096ths, that is fixed-point numbers of 12 bits, cut off. */
  readonly weights: Int32Array;
}

/** Weights of any sum, in fixed point. */
function fixed(first: number, weights: Float64Array): Taps {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { first, weights: Int32Array.from(weights, (weight) => Math.trunc(weight / total * one)) };
}

/**
 * libvips' reduce: the filter, widened by the factor of the reduction. A pixel may lie just between two
 * positions, and which one is taken depends on the last bit of how libvips came there, so that this
 * goes the same way.
 * @param size of the source, of which `whole` pixels have been averaged into one
 */
export function reducing(
  size: number,
  count: number,
  whole: number,
  kernel: Kernel,
  axis: Axis,
): Taps[] {
  const factor = 1 / (1 / (size / count)); // handed over as a scale
  const shrink = factor / whole;
  const offset = (1 + (count * factor - size) / whole) / 2 - 1;
  let place = 0;
  return Array.from({ length: count }, (_, i) => {
    const begins = axis === "rows" ? i % (whole > 1 ? afterAverage : strip) === 0 : i === 0;
    place = begins ? (i + 0.5) * shrink - 0.5 - offset : place + shrink;
    return around(place, shrink, kernel);
  });
}

function around(place: number, shrink: number, kernel: Kernel): Taps {
  const { radius, at } = kernels[kernel];
  const points = 2 * Math.round(radius * shrink) + 1;
  const base = Math.floor(place);
  const fraction = Math.floor((Math.floor(place * positions * 2) - base * positions * 2 + 1) / 2) /
    positions;
  const weights = new Float64Array(points);
  for (let i = 0; i < points; i++) weights[i] = at((i - fraction - points / 2 + 1) / shrink);
  return fixed(base - (points >> 1), weights);
}

/** libvips' affine: bilinear, or Catmull and Rom's bicubic in place of Lanczos. */
export function enlarging(size: number, count: number, kernel: Kernel): Taps[] {
  return Array.from({ length: count }, (_, i) => between(size, count, kernel, i));
}

function between(size: number, count: number, kernel: Kernel, i: number): Taps {
  const place = i * size / count - 0.5; // where libvips puts it
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
