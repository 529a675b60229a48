/**
 * Resizes images as sharp's libvips does, so browser and server compute the same network input; small
 * images take less time than a call of native code. Downscaling is byte-identical: filters, positions
 * and fixed-point rounding are libvips'. Upscaling may differ by 2 of 255. Pure; tested against sharp.
 */
import type { Image } from "./image.ts";
import { kernels } from "./resample/resample_kernels.ts";
import { type Axis, enlarging, type Kernel, reducing, type Taps } from "./resample/taps.ts";

export type { Kernel };

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
