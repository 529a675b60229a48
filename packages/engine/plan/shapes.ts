/** Shapes of a network's blocks. */
import type { Block, Network } from "../engine_network.ts";

/** A convolution with its pooling. Strides between pixels are in floats. */
export interface ConvSizes {
  inHeight: number;
  inWidth: number;
  inChannels: number;
  inStride: number;
  /** Filters, padded. */
  columns: number;
  kh: number;
  kw: number;
  sy: number;
  sx: number;
  outHeight: number;
  outWidth: number;
  /** Padding above and to the left. */
  top: number;
  left: number;
  /** The padded input. */
  paddedHeight: number;
  paddedWidth: number;
  /** The pooling's window and strides, 1 × 1 without pooling. */
  ph: number;
  pw: number;
  py: number;
  px: number;
  poolTop: number;
  poolLeft: number;
  poolHeight: number;
  poolWidth: number;
  pooled: boolean;
  /** Winograd tile size (packages/engine/assembly/winograd.ts); 0: direct convolution. */
  winograd: number;
  /** Winograd tile size of the weight gradient. */
  winogradGradient: number;
}

export interface DenseSizes {
  /** Floats in a row of its input. */
  inFlat: number;
  /** Positions that the input was flattened from; 1 after another dense layer. */
  groups: number;
  inChannels: number;
  inStride: number;
  /** Units, padded. */
  columns: number;
}

export type SizedBlock =
  & { readonly b: number; readonly block: Block }
  & ({ conv: ConvSizes; dense?: undefined } | { dense: DenseSizes; conv?: undefined });

export const upTo8 = (n: number) => Math.ceil(n / 8) * 8;

/** Returns the row stride of a dense layer's values, bytes. Never a power of two: cache conflicts. */
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

/** Computes the shapes of a network's blocks. */
export function shapesOf(network: Network, blocks: readonly Block[]): SizedBlock[] {
  let [height, width, channels] = network.input;
  let stride = channels; // floats from pixel to pixel
  let flat = 0; // floats in a row of a dense layer's input
  return blocks.map((block, b) => {
    const inHeight = height, inWidth = width, inChannels = channels, inStride = stride;
    if (block.linear.kind === "dense") {
      const columns = upTo8(block.linear.units);
      const inFlat = flat || inHeight * inWidth * inStride;
      const groups = flat ? 1 : inHeight * inWidth;
      flat = stride = columns;
      channels = block.linear.units;
      return { b, block, dense: { inFlat, groups, inChannels, inStride, columns } };
    }
    const { filters, kernelSize: [kh, kw], strides: [sy, sx], padding } = block.linear;
    const y = extent(height, kh, sy, padding), x = extent(width, kw, sx, padding);
    const [ph, pw] = block.pool?.poolSize ?? [1, 1], [py, px] = block.pool?.strides ?? [1, 1];
    const poolY = extent(y.size, ph, py, block.pool?.padding ?? "valid");
    const poolX = extent(x.size, pw, px, block.pool?.padding ?? "valid");
    if (y.size < 1 || x.size < 1 || poolY.size < 1 || poolX.size < 1) {
      throw new RangeError(
        `Cannot compile "${block.linear.name}": nothing is left of its ${height}x${width} input`,
      );
    }
    height = poolY.size;
    width = poolX.size;
    channels = filters;
    const columns = stride = upTo8(filters);
    return {
      ...{ b, block },
      conv: {
        ...{ inHeight, inWidth, inChannels, inStride, columns, kh, kw, sy, sx },
        ...{ outHeight: y.size, outWidth: x.size, top: y.before, left: x.before },
        ...{ ph, pw, py, px, poolTop: poolY.before, poolLeft: poolX.before },
        ...{ poolHeight: height, poolWidth: width },
        paddedHeight: Math.max((y.size - 1) * sy + kh, y.before + inHeight),
        paddedWidth: Math.max((x.size - 1) * sx + kw, x.before + inWidth),
        pooled: ph * pw * py * px > 1,
        ...tileSides(
          b > 0 && kw === kh && sy === 1 && sx === 1 && padding === "same",
          ...[kh, y.size, x.size] as const,
        ),
      },
    };
  });
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
): Pick<ConvSizes, "winograd" | "winogradGradient"> {
  if (!fits || taps !== 2 && taps !== 3 || height % 2 > 0 || width % 2 > 0) {
    return { winograd: 0, winogradGradient: 0 };
  }
  const fours = height % 4 === 0 && width % 4 === 0;
  const side = (least: number) => taps + (fours && height * width >= least ? 4 : 2) - 1;
  return { winograd: side(64), winogradGradient: side(256) };
}
