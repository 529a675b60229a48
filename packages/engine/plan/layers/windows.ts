/** Windows that move over images: sizes, padded inputs, and where gradients of outputs lie. */
import type { Layer, Window } from "../../engine_network.ts";
import type { GraphBuilder } from "../graph_builder.ts";
import { Buffer } from "../operations.ts";
import { type KernelRecord, record, type Word } from "../program.ts";
import { extent } from "../shapes.ts";
import {
  type GradientView,
  type GraphTensor,
  kernel,
  type LayerOf,
  refuse,
  type Shape,
  shifted,
} from "../graph_layer.ts";

/** Strides and padding of windows at each position, inside the image. */
export const EACH: Window = { strides: [1, 1], padding: "valid" };

export type WindowSizes = ReturnType<typeof sizesOf>;

/** Computes the sizes of windows over an image. */
export function sizesOf(
  { strides: [sy, sx], padding }: Window,
  [kh, kw]: readonly [number, number],
  [inHeight, inWidth]: Shape,
) {
  const down = extent(inHeight, kh, sy, padding), across = extent(inWidth, kw, sx, padding);
  return {
    inHeight,
    inWidth,
    kh,
    kw,
    sy,
    sx,
    outHeight: down.size,
    outWidth: across.size,
    top: down.before,
    left: across.before,
  };
}

/** Returns the shape of the output of windows. @throws if nothing is left of the image */
export function outputOf(
  layer: Layer & Window,
  window: readonly [number, number],
  shape: Shape,
  channels: number,
): Shape {
  if (shape.length !== 3) refuse(layer, `needs images, not the shape ${shape.join(" x ")}`);
  const { outHeight, outWidth } = sizesOf(layer, window, shape);
  if (outHeight >= 1 && outWidth >= 1) return [outHeight, outWidth, channels];
  throw new RangeError(
    `Cannot compile "${"name" in layer ? layer.name : layer.kind}": nothing is left of its ` +
      `${shape[0]}x${shape[1]} input`,
  );
}

/** Windows' view of their input, inside its padding. */
export interface View {
  readonly buffer: Buffer;
  readonly row: number;
  readonly pixel: number;
  /** Copies the input into the padding. */
  readonly fill: () => KernelRecord[];
  readonly reads: Buffer[];
  readonly writes: Buffer[];
}

/**
 * Returns the input of windows inside their padding; it may be the tensor itself.
 * @param before the view of the forward pass, which has memory of its own if there is padding
 */
export function viewOf(x: GraphTensor, c: WindowSizes, before?: View): View {
  if (before?.buffer.lasting) return before;
  const height = Math.max((c.outHeight - 1) * c.sy + c.kh, c.top + c.inHeight);
  const width = Math.max((c.outWidth - 1) * c.sx + c.kw, c.left + c.inWidth);
  const pixel = x.step, row = width * pixel, whole = height === c.inHeight && width === c.inWidth;
  const lazy = x.lazy?.store && x.lazy, { value } = x;
  if (whole && !lazy) {
    return { buffer: value, row, pixel, reads: [value], writes: [], fill: () => [] };
  }
  const buffer = new Buffer(height * row, whole ? undefined : "local");
  const copy = (to: Word[]) =>
    record("place", 0, 0, [
      ...[...value.words, ...to, c.inHeight, c.inWidth, pixel, c.inWidth * pixel, row, pixel, 0, 0],
    ]);
  return {
    buffer,
    row,
    pixel,
    reads: [...lazy?.reads ?? [value]],
    writes: [buffer],
    fill() {
      const to = shifted(buffer, c.top * row + c.left * pixel);
      return [lazy?.compute(to, c, row) ?? copy(to)];
    },
  };
}

type Windowed = LayerOf<"conv2d" | "depthwiseConv2d" | "dense">;

/**
 * Lays out the gradient of a convolution's outputs where it is used: in panels, or apart by the strides
 * with room around, for the gradient of the input.
 */
export function offerView(
  layer: Windowed,
  c: WindowSizes,
  x: GraphTensor,
  y: GraphTensor,
  packs: boolean,
): void {
  const { kh, kw, outHeight: height, outWidth: width } = c;
  if (packs) {
    const panel = height * width * 32, buffer = new Buffer(panel * y.step / 32);
    y.slot.view = { buffer, height, width, places: [0, width * 32, 32, panel] };
  } else if (x.trained && (kh * kw > 1 || layer.kind === "depthwiseConv2d")) {
    const row = (c.inWidth + kw - 1) * y.step;
    const first = (kh - 1 - c.top) * row + (kw - 1 - c.left) * y.step;
    const buffer = new Buffer((c.inHeight + kh - 1) * row, "local");
    y.slot.view = { buffer, height, width, places: [first, row * c.sy, y.step * c.sx, 32] };
  }
  // A normalization that follows writes there, unless an activation lies between.
  if (y.slot.view && layer.activation) y.slot.view.own = true;
}

/** Returns where the gradient of a convolution's outputs is written: where it is used. */
export function viewOfGradient(
  { slot, positions, step }: GraphTensor,
  { outHeight: height, outWidth: width }: WindowSizes,
): GradientView {
  const places = [0, width * step, step, 32] as const;
  return slot.view ?? { buffer: new Buffer(positions * step), height, width, places };
}

/** Returns the gradient of a convolution's outputs where it is used. */
export function filledView(
  graph: GraphBuilder,
  layer: Windowed,
  y: GraphTensor,
  { outHeight: height, outWidth: width }: WindowSizes,
): GradientView {
  const { view } = y.slot;
  if (view?.filled) return view;
  const d = graph.before(y.slot.gradient!, y, layer.activation), row = width * y.step;
  if (!view) return { buffer: d, height, width, places: [0, row, y.step, 32] };
  const { buffer, places: [first, down, across, panel] } = view;
  const panels = Array.from({ length: y.step / 32 }, (_, n) => n);
  graph.add([d], [buffer], () => {
    if (panel === 32) {
      const words = [...d.words, ...shifted(buffer, first), height, width, y.step];
      return [record("place", 0, 0, [...words, row, down, across, 0, 0])];
    }
    return panels.map((n) =>
      kernel("copyChannels", [d, buffer], [
        ...[height * width, y.step, 32, n * 32, n * panel, 32, 0, 0],
      ])
    );
  });
  return view;
}
