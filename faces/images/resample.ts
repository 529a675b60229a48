/**
 * Scales pictures as sharp's libvips does, so that a network sees the same picture in the page and on
 * the server, and a small one is scaled in less time than it takes to hand it to native code.
 * Reductions come out to the byte: the filters, the positions and the roundings of fixed-point
 * arithmetic are libvips'. Enlargements may be off by 2 of 255. Pure; tested against sharp.
 */
import { kernels } from "./resample/resample_kernels.ts";
import { type Axis, enlarging, type Kernel, reducing, type Taps } from "./resample/taps.ts";

export type { Kernel };

/** RGB bytes, [height, width, 3]. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Large reductions begin with an average over whole pixels, down to this many times the result. */
const gap = 2;
/** Bytes beyond the ends of a picture that kernels may touch. */
const SLACK = 16;
/** Memory, in bytes, beyond which it is not kept for the next picture. */
const KEPT = 2 ** 26;
const PAGE = 2 ** 16;

/** Scales to a width and a height, each on its own. */
export function resample(image: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  const rows = stepsOf(image.height, height, kernel, "rows");
  const columns = stepsOf(image.width, width, kernel, "columns");
  const most = image.width * Math.max(image.height, height);
  const bytes = 3 * Math.max(most, height * Math.max(image.width, width)) + SLACK;
  const half = Math.ceil(bytes / SLACK) * SLACK;
  const tables = [...rows, ...columns].map(({ table }) => table.byteLength);
  const tableAt = 2 * half, rowsAt = tableAt + Math.max(0, ...tables);
  const { memory, functions } = open(rowsAt + Math.max(0, ...tables) * 2);

  /** Where the picture is, and where the next one goes. */
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

/** One pass over a picture's rows: `count` rows of `height` ones. */
interface Step {
  readonly height: number;
  readonly count: number;
  /** How many rows are averaged; 0: they are combined with the table's weights. */
  readonly factor: number;
  readonly pairs: number;
  /** For each row of the result: the first row, then pairs of weights, 16 bits each. */
  readonly table: Int32Array;
}

const none = new Int32Array();
/** Faces of one size come in numbers, so the tables of the last few sizes are kept. */
const known = new Map<string, readonly Step[]>();

/** How to make `count` rows, or columns, of `height`. */
function stepsOf(height: number, count: number, kernel: Kernel, axis: Axis): readonly Step[] {
  const key = `${height} ${count} ${kernel} ${axis}`;
  const found = known.get(key);
  if (found) return found;
  const steps: Step[] = [];
  let left = height;
  if (height > count) {
    const whole = Math.max(1, Math.floor(height / count / gap));
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

/** The kernels over a memory of at least so many bytes. */
function open(bytes: number): Opened {
  const pages = Math.ceil(bytes / PAGE);
  const kept = opened && opened.memory.buffer.byteLength <= KEPT ? opened : undefined;
  if (!kept || pages * PAGE > kept.memory.buffer.byteLength) {
    // A new memory, not a larger one: what a large picture took is given back.
    const memory = new WebAssembly.Memory({ initial: Math.max(16, pages) });
    module ??= new WebAssembly.Module(Uint8Array.from(atob(kernels), (c) => c.charCodeAt(0)));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    opened = { memory, functions: exports as unknown as Opened["functions"] };
  }
  return opened!;
}
