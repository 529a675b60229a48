/**
 * dlib's network on WebAssembly kernels. The first three convolutions, whose outputs are large, run in
 * strips from top to bottom; their final output has an eighth of the width and height and is kept as a
 * whole. Memory grows only for larger images.
 */
import { packDirect, packSingle, packWinograd, padded } from "./pack_filters.ts";
import type { Layer, Model } from "./dlib_model.ts";
import { type Pyramid, type Size, tile } from "./pyramid.ts";

/** End of the kernels' own constants. */
const FREE = 4096;
/** Bytes that kernels may read beyond the end of an image. */
const SLACK = 64;
const FLOAT = 4;
/** Bytes of a pixel in the tiled image. */
const PIXEL = 3 * FLOAT;
/** Rows of the third convolution in a strip: a multiple of Winograd's 6. */
const STRIP = 12;
/** Tiles that Winograd's kernel works on together. */
const TILES = 12;
/** Rows beyond an image that Winograd's squares may reach; they must hold finite numbers. */
const BEYOND = 12;

export interface Scores {
  /** [height, width]; above 0: a face. Valid until the next image. */
  readonly scores: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly pyramid: Pyramid;
}

/** Pixels in memory, channels last: address, and bytes to the next pixel and to the next row. */
interface Pixels {
  readonly at: number;
  readonly step: number;
  readonly row: number;
}

export class MmodNetwork {
  readonly #model: Model;
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  /** Addresses of the layers' filters. */
  readonly #filters: readonly number[];
  /** Bytes of a pixel after each layer. */
  readonly #steps: readonly number[];
  readonly #scratch: number;
  /** Start of the images' memory. */
  readonly #start: number;

  private constructor(model: Model, kernels: Kernels, memory: WebAssembly.Memory) {
    this.#model = model;
    this.#kernels = kernels;
    this.#memory = memory;
    this.#steps = model.layers.map(({ outputs }) => padded(outputs) * FLOAT);
    let at = FREE;
    this.#filters = model.layers.map((layer) => {
      const packed = layer.inputs === 3
        ? packDirect(layer)
        : layer.outputs === 1
        ? packSingle(layer)
        : packWinograd(layer);
      const address = at;
      at = this.#reserve(at, packed.byteLength);
      new Float32Array(memory.buffer).set(packed, address / FLOAT);
      return address;
    });
    this.#scratch = at;
    const deepest = Math.max(
      ...model.layers.map((layer) =>
        padded(layer.inputs) * layer.stride ** 2 + padded(layer.outputs)
      ),
    );
    this.#start = this.#reserve(at, 64 * TILES * deepest * FLOAT);
  }

  /** @param relaxed false: without fused multiply-adds */
  static async open(model: Model, relaxed = true): Promise<MmodNetwork> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    return new MmodNetwork(model, await openKernels(memory, relaxed), memory);
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * @param pixels RGB, [height, width, 3]
   * @param skip number of the pyramid's largest levels that are not searched
   * @returns undefined if the image is too small for the network
   */
  run(pixels: Uint8Array, width: number, height: number, skip = 0): Scores | undefined {
    const pyramid = tile(width, height, this.#model, skip);
    const sizes: Size[] = [pyramid];
    for (const layer of this.#model.layers.slice(0, 3)) sizes.push(after(sizes.at(-1)!, layer));
    const last = sizes[3];
    if (last.width < 1 || last.height < 1) return undefined;

    let end = this.#start;
    const take = (bytes: number) => {
      const at = end;
      end = this.#reserve(end, bytes + SLACK);
      return at;
    };
    const strips = [4 * STRIP + 9, 2 * STRIP + 3].map((rows, i): Pixels => {
      const step = this.#steps[i], row = sizes[i + 1].width * step;
      return { at: take(row * (rows + BEYOND)), step, row };
    });
    const scores = take(last.width * last.height * FLOAT);
    // Two images alternate as input and output; one of them replaces the tiled image.
    const border = this.#model.layers.at(-1)!.padding;
    const room = (last.width + 2 * border) * (last.height + 2 * border + BEYOND) *
      Math.max(...this.#steps);
    const image = (from: number, step: number): Pixels => {
      const row = (last.width + 2 * border) * step;
      return { at: from + border * (row + step), step, row };
    };
    const [a, bytes] = [take(room), take(pixels.length)];
    const b = take(Math.max(room, pyramid.width * pyramid.height * PIXEL));
    const above = pyramid.above.map((size) => take(size.width * size.height * PIXEL));

    const memory = new Uint8Array(this.#memory.buffer);
    // Values of an earlier image must not affect even the rounding of sums.
    memory.fill(0, this.#start, end);
    memory.set(pixels, bytes);
    this.#fill(bytes, above, b, pyramid);
    const reduced = image(a, this.#steps[2]);
    this.#reduce({ at: b, step: PIXEL, row: pyramid.width * PIXEL }, sizes, strips, reduced);
    memory.fill(0, b, b + room);
    const [even, odd] = [image(a, this.#steps[3]), image(b, this.#steps[3])];
    this.#filter(3, reduced, odd, last);
    memory.fill(0, a, a + room);
    this.#filter(4, odd, even, last);
    this.#filter(5, even, odd, last);
    this.#score(odd, scores, last);
    return {
      scores: new Float32Array(this.#memory.buffer, scores, last.width * last.height),
      ...last,
      pyramid,
    };
  }

  /** Writes the image minus its mean, then each level of the pyramid from the last one. */
  #fill(bytes: number, above: readonly number[], tiled: number, pyramid: Pyramid): void {
    const row = pyramid.width * PIXEL;
    const levels = [
      ...pyramid.above.map((size, i) => ({ ...size, at: above[i], row: size.width * PIXEL })),
      ...pyramid.levels.map(({ left, top, right, bottom }) => {
        const at = tiled + top * row + left * PIXEL;
        return { width: right - left + 1, height: bottom - top + 1, at, row };
      }),
    ];
    const [first] = levels;
    const { normalize, reduce } = this.#kernels;
    normalize(bytes, first.width, first.height, first.at, first.row, ...this.#model.mean);
    const place = ({ at, width, height, row }: typeof first) => [at, width, height, row];
    for (let i = 1; i < levels.length; i++) reduce(...place(levels[i - 1]), ...place(levels[i]));
  }

  /** Runs the three convolutions with a stride. A strip keeps the rows that the next one needs. */
  #reduce(tiled: Pixels, sizes: readonly Size[], strips: readonly Pixels[], output: Pixels) {
    const memory = new Uint8Array(this.#memory.buffer);
    /** Rows of each strip's image: the first one, and the one after the last. */
    const rows = strips.map(() => ({ first: 0, next: 0 }));
    const last = sizes[3];
    for (let from = 0; from < last.height; from += STRIP) {
      const to = Math.min(from + STRIP, last.height);
      const wanted = [{ first: 4 * from, next: 4 * to + 9 }, { first: 2 * from, next: 2 * to + 3 }];
      for (const [i, { first, next }] of wanted.entries()) {
        const { at, row } = strips[i];
        const old = rows[i], kept = at + (first - old.first) * row;
        memory.copyWithin(at, kept, at + (old.next - old.first) * row);
        const begin = Math.max(old.next, first);
        const [input, above] = i === 0 ? [tiled, 0] : [strips[0], rows[0].first];
        const size = { width: sizes[i + 1].width, height: next - begin };
        this.#filter(i, down(input, 2 * begin - above), down(strips[i], begin - first), size);
        rows[i] = { first, next };
      }
      const size = { width: last.width, height: to - from };
      this.#filter(2, down(strips[1], 2 * from - rows[1].first), down(output, from), size);
    }
  }

  /** Runs a convolution and its relu. */
  #filter(i: number, input: Pixels, output: Pixels, { width, height }: Size): void {
    const { inputs, outputs, size, stride, padding } = this.#model.layers[i];
    const { step, row } = input;
    const panels = padded(outputs) / 8, filters = this.#filters[i];
    const corner = input.at - padding * (row + step);
    const to = [output.at, output.step, output.row, width, height];
    if (inputs === 3) {
      const window = [corner, stride * step, stride * row, size, size * inputs, row];
      return this.#kernels.convolve(...window, filters, panels, ...to);
    }
    // With a stride, two adjacent pixels are one of twice the channels, and two rows are two phases.
    const channels = padded(inputs) * stride;
    const seen = [corner, stride * step, stride * row, channels, stride, row];
    const tile = stride === 2 ? 6 : 4;
    this.#kernels.winograd(...seen, tile, filters, panels, ...to, this.#scratch);
  }

  #score({ at, step, row }: Pixels, scores: number, { width, height }: Size): void {
    const { size, padding, bias } = this.#model.layers.at(-1)!;
    const corner = at - padding * (row + step);
    const window = [corner, step, row, size, size * step / FLOAT, row];
    this.#kernels.score(...window, this.#filters.at(-1)!, bias[0], scores, width, height);
  }

  /** Reserves bytes at an address; returns the next free address. */
  #reserve(at: number, bytes: number): number {
    const end = at + Math.ceil(bytes / 64) * 64;
    const missing = end + SLACK - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
    return end;
  }
}

/** Returns pixels without their first rows. */
function down({ at, step, row }: Pixels, rows: number): Pixels {
  return { at: at + rows * row, step, row };
}

/** Returns the size of a convolution's output. */
function after({ width, height }: Size, { size, stride }: Layer): Size {
  const of = (side: number) => Math.floor((side - size) / stride) + 1;
  return { width: of(width), height: of(height) };
}

/** Functions of assembly/. Addresses and distances are in bytes. */
type Kernels = Record<
  "normalize" | "reduce" | "convolve" | "winograd" | "score",
  (...args: number[]) => void
>;

/** Opens the kernels on a memory, with relaxed SIMD if requested and available. */
async function openKernels(memory: WebAssembly.Memory, relaxed: boolean): Promise<Kernels> {
  const read = (url: string) => Deno.readFile(new URL(url));
  const fused = relaxed ? await read(import.meta.resolve("./kernels.wasm")) : undefined;
  const bytes = fused && WebAssembly.validate(fused)
    ? fused
    : await read(import.meta.resolve("./kernels.simd.wasm"));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as unknown as Kernels;
}
