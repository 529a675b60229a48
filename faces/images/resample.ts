/**
 * Resizes images as sharp's libvips does, so browser and server compute the same network input; small
 * images take less time than a call of native code. Downscaling is byte-identical: filters, positions
 * and fixed-point rounding are libvips'. Upscaling may differ by 2 of 255. Pure; tested against sharp.
 */
import type { Image } from "./image.ts";
import { kernels } from "./resample/resample_kernels.ts";

/** Large reductions first average whole pixels, down to this many times the result (libvips' gap). */
const GAP = 2;
/** Bytes beyond the ends of an image that kernels may access. */
const SLACK = 16;
/** Maximum memory in bytes that is kept for the next image. */
const MAX_KEPT_BYTES = 2 ** 26;
const PAGE = 2 ** 16;

/** Resizes an image; the aspect ratio may change. */
export function resample(image: Image, width: number, height: number, kernel: Kernel): Image {
  const rows = stepsOf(image.height, height, kernel, "rows");
  const columns = stepsOf(image.width, width, kernel, "columns");
  const most = image.width * Math.max(image.height, height);
  const bytes = 3 * Math.max(most, height * Math.max(image.width, width)) + SLACK;
  const half = Math.ceil(bytes / SLACK) * SLACK;
  const tables = [...rows, ...columns].map(({ table }) => table.byteLength);
  const tableAt = 2 * half, rowsAt = tableAt + Math.max(0, ...tables);
  const { memory, functions } = open(rowsAt + Math.max(0, ...tables) * 2);

  /** Offsets of the current and the next image. */
  let from = 0, to = half;
  new Uint8Array(memory.buffer).set(image.data, from);
  const scale = (steps: readonly Step[], width: number) => {
    for (const { height, count, factor, pairs, table } of steps) {
      if (factor > 0) functions.average(from, width * 3, height, factor, to, count);
      else {
        new Int32Array(memory.buffer).set(table, tableAt / 4);
        functions.combine(from, width * 3, height, tableAt, pairs, rowsAt, to, count);
      }
      [from, to] = [to, from];
    }
  };
  const turn = (width: number, height: number) => {
    functions.transpose(from, width, height, to);
    [from, to] = [to, from];
  };
  scale(rows, image.width);
  if (columns.length > 0) {
    turn(image.width, height);
    scale(columns, height);
    turn(height, width);
  }
  return { data: new Uint8Array(memory.buffer, from, width * height * 3).slice(), width, height };
}

/** One pass over an image's rows: `height` rows to `count`. */
interface Step {
  readonly height: number;
  readonly count: number;
  /** Number of rows to average; 0: rows are combined with the table's weights. */
  readonly factor: number;
  readonly pairs: number;
  /** Per output row: the first input row, then pairs of 16-bit weights. */
  readonly table: Int32Array;
}

const none = new Int32Array();
/** Cached tables of the last sizes: many faces have the same size. */
const known = new Map<string, readonly Step[]>();

/** Plans the passes from `height` rows (or columns) to `count`. */
function stepsOf(height: number, count: number, kernel: Kernel, axis: Axis): readonly Step[] {
  const key = `${height} ${count} ${kernel} ${axis}`;
  const found = known.get(key);
  if (found) return found;
  const steps: Step[] = [];
  let left = height;
  if (height > count) {
    const whole = Math.max(1, Math.floor(height / count / GAP));
    if (whole > 1) {
      left = Math.ceil(height / whole);
      steps.push({ height, count: left, factor: whole, pairs: 0, table: none });
    }
    steps.push(combining(left, reducing(height, count, whole, kernel, axis)));
  } else if (height < count) steps.push(combining(height, enlarging(height, count, kernel)));
  if (known.size >= 16) known.clear();
  known.set(key, steps);
  return steps;
}

function combining(height: number, taps: readonly Taps[]): Step {
  const count = taps.length, pairs = Math.ceil(taps[0].weights.length / 2);
  const table = new Int32Array(count * (1 + pairs));
  for (const [y, { first, weights }] of taps.entries()) {
    table[y * (1 + pairs)] = first;
    new Int16Array(table.buffer, (y * (1 + pairs) + 1) * 4, pairs * 2).set(weights);
  }
  return { height, count, factor: 0, pairs, table };
}

interface Opened {
  readonly memory: WebAssembly.Memory;
  /** See `resample/assembly/`. */
  readonly functions: Record<"combine" | "average" | "transpose", (...of: number[]) => void>;
}

let module: WebAssembly.Module | undefined;
let opened: Opened | undefined;

/** Instantiates the kernels with a memory of at least `bytes`. */
function open(bytes: number): Opened {
  const pages = Math.ceil(bytes / PAGE);
  const kept = opened && opened.memory.buffer.byteLength <= MAX_KEPT_BYTES ? opened : undefined;
  if (!kept || pages * PAGE > kept.memory.buffer.byteLength) {
    // A new memory instead of a larger one, so the memory of a large image is freed.
    const memory = new WebAssembly.Memory({ initial: Math.max(16, pages) });
    module ??= new WebAssembly.Module(Uint8Array.from(atob(kernels), (c) => c.charCodeAt(0)));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    opened = { memory, functions: exports as unknown as Opened["functions"] };
  }
  return opened!;
}

/** Downscaling filters: radius in output pixels, and value at a distance. */
const FILTERS = {
  lanczos3: {
    radius: 3,
    at: (x: number) => x === 0 ? 1 : Math.abs(x) >= 3 ? 0 : sinc(x) * sinc(x / 3),
  },
  linear: { radius: 1, at: (x: number) => Math.max(0, 1 - Math.abs(x)) },
} as const;

export type Kernel = keyof typeof FILTERS;

/** Number of subpixel positions. */
const POSITIONS = 64;
/** Rows per strip in libvips: positions accumulate in a strip and are exact at its start. */
const STRIP_ROWS = 16, STRIP_ROWS_AFTER_AVERAGE = 128;
/** One as a fixed-point number: weights are truncated to 12 bits. */
const ONE = 2 ** 12;

type Axis = "rows" | "columns";

/** Input pixels and weights of one output pixel. */
interface Taps {
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
function reducing(size: number, count: number, whole: number, kernel: Kernel, axis: Axis) {
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
  const { radius, at } = FILTERS[kernel];
  const points = 2 * Math.round(radius * shrink) + 1;
  const base = Math.floor(place);
  const fraction = Math.floor((Math.floor(place * POSITIONS * 2) - base * POSITIONS * 2 + 1) / 2) /
    POSITIONS;
  const weights = new Float64Array(points);
  for (let i = 0; i < points; i++) weights[i] = at((i - fraction - points / 2 + 1) / shrink);
  return fixed(base - (points >> 1), weights);
}

/** Computes the taps of libvips' affine: bilinear, or Catmull-Rom bicubic in place of Lanczos. */
function enlarging(size: number, count: number, kernel: Kernel): Taps[] {
  return Array.from({ length: count }, (_, i) => {
    const place = i * size / count - 0.5; // as in libvips
    const base = Math.floor(place), t = place - base;
    if (kernel === "linear") return fixed(base, Float64Array.of(1 - t, t));
    const cubic = [
      ((-0.5 * t + 1) * t - 0.5) * t,
      (1.5 * t - 2.5) * t * t + 1,
      ((-1.5 * t + 2) * t + 0.5) * t,
      (0.5 * t - 0.5) * t * t,
    ];
    return fixed(base - 1, Float64Array.from(cubic));
  });
}

function sinc(x: number): number {
  return Math.sin(Math.PI * x) / (Math.PI * x);
}
