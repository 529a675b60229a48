/**
 * Scales pictures as sharp's libvips does, so that a network sees the same picture in the page and on
 * the server, and a small one is scaled in less time than it takes to hand it to native code.
 * Reductions come out to the byte: the filters, the positions and the roundings of fixed-point
 * arithmetic are libvips'. Enlargements may be off by 2 of 255. Pure; tested against sharp.
 */

/** RGB bytes, [height, width, 3]. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Filters that reduce: half their width in pixels of the result, and their value at a distance. */
const kernels = {
  lanczos3: {
    radius: 3,
    at: (x: number) => x === 0 ? 1 : Math.abs(x) >= 3 ? 0 : sinc(x) * sinc(x / 3),
  },
  linear: { radius: 1, at: (x: number) => Math.max(0, 1 - Math.abs(x)) },
} as const;

export type Kernel = keyof typeof kernels;

/** Large reductions begin with an average over whole pixels, down to this many times the result. */
const gap = 2;
/** Positions between two pixels are rounded to one of this many. */
const positions = 64;
/** Weights are cut to 12 bits, as fixed-point numbers. */
const one = 2 ** 12;

/** Scales to a width and a height, each on its own. */
export function resample(image: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  return transpose(rows(transpose(rows(image, height, kernel)), width, kernel));
}

/** Which rows of the source make one row of the result, and by how much. */
interface Taps {
  readonly first: number;
  /** In 4096ths, that is fixed-point numbers of 12 bits, cut off. */
  readonly weights: Int32Array;
}

/** The same picture with another number of rows. */
function rows(image: Pixels, count: number, kernel: Kernel): Pixels {
  const { height } = image;
  if (height === count) return image;
  if (height < count) return combine(image, tapsOf(height, count, kernel));
  const whole = Math.max(1, Math.floor(height / count / gap));
  const shrunk = whole > 1 ? average(image, whole) : image;
  return combine(shrunk, tapsOf(height, count, kernel, height / count / whole));
}

let last: { height: number; count: number; kernel: Kernel; taps: Taps[] } | undefined;

/** The taps of each row. Faces of one size come in numbers, so those of the last size are kept. */
function tapsOf(height: number, count: number, kernel: Kernel, shrink?: number): Taps[] {
  if (last?.height !== height || last.count !== count || last.kernel !== kernel) {
    const taps = Array.from(
      { length: count },
      (_, y) => shrink ? reducing(shrink, kernel, y) : enlarging(height, count, kernel, y),
    );
    last = { height, count, kernel, taps };
  }
  return last.taps;
}

/** Weights of any sum, in fixed point. */
function fixed(first: number, weights: Float64Array): Taps {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { first, weights: Int32Array.from(weights, (weight) => Math.trunc(weight / total * one)) };
}

/** libvips' reduce: the filter, widened by the factor. */
function reducing(shrink: number, kernel: Kernel, y: number): Taps {
  const { radius, at } = kernels[kernel];
  const points = 2 * Math.round(radius * shrink) + 1;
  const place = (y + 0.5) * shrink;
  const base = Math.floor(place);
  const fraction = Math.floor((place - base) * positions + 0.5) / positions;
  const weights = new Float64Array(points);
  for (let i = 0; i < points; i++) weights[i] = at((i - fraction - points / 2 + 1) / shrink);
  return fixed(base - (points >> 1), weights);
}

/** libvips' affine: bilinear, or Catmull and Rom's bicubic in place of Lanczos. */
function enlarging(height: number, count: number, kernel: Kernel, y: number): Taps {
  const place = y * height / count - 0.5; // where libvips puts it
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

/** Each row of the result as a sum of rows; rows beyond the border are the border's. */
function combine({ data, width, height }: Pixels, taps: readonly Taps[]): Pixels {
  const stride = width * 3, count = taps.length;
  const result = new Uint8ClampedArray(count * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < count; y++) {
    const { first, weights } = taps[y];
    sums.fill(one / 2);
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i];
      const from = Math.min(height - 1, Math.max(0, first + i)) * stride;
      for (let x = 0; x < stride; x++) sums[x] += weight * data[from + x];
    }
    for (let x = 0, to = y * stride; x < stride; x++) result[to++] = sums[x] >> 12;
  }
  return { data: new Uint8Array(result.buffer), width, height: count };
}

/** Averages `factor` rows into one; at the end the last row is repeated. */
function average({ data, width, height }: Pixels, factor: number): Pixels {
  const count = Math.ceil(height / factor), stride = width * 3;
  const result = new Uint8Array(count * stride);
  // libvips divides by multiplying with a fraction of 24 bits, rounded down.
  const share = Math.floor(2 ** 24 / factor);
  const sums = new Uint32Array(stride);
  for (let y = 0; y < count; y++) {
    sums.fill(factor >> 1);
    for (let i = 0; i < factor; i++) {
      const from = Math.min(height - 1, y * factor + i) * stride;
      for (let x = 0; x < stride; x++) sums[x] += data[from + x];
    }
    for (let x = 0; x < stride; x++) result[y * stride + x] = sums[x] * share / 2 ** 24;
  }
  return { data: result, width, height: count };
}

/** Rows become columns. */
function transpose({ data, width, height }: Pixels): Pixels {
  const result = new Uint8Array(data.length);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = y * 3; x < width; x++, from += 3, to += height * 3) {
      result[to] = data[from];
      result[to + 1] = data[from + 1];
      result[to + 2] = data[from + 2];
    }
  }
  return { data: result, width: height, height: width };
}

function sinc(x: number): number {
  return Math.sin(Math.PI * x) / (Math.PI * x);
}
