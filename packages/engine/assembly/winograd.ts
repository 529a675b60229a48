/**
 * Convolutions with windows of 2×2 or 3×3 at stride 1 by Winograd's algorithm: the input of some
 * tiles is transformed to n × n planes, each plane is multiplied by its own matrix of transformed
 * weights, and the products are transformed back. A tile of n × n has fewer products than the
 * definition. Winograd (1980); Lavin and Gray, "Fast algorithms for convolutional neural networks"
 * (2016).
 *
 * The transforms are in tiles/, by n: 3 for F(2×2, 2×2), 4 for F(2×2, 3×3), 5 for
 * F(4×4, 2×2), 6 for F(4×4, 3×3). Each of their functions does four channels; `step` and `row` are
 * bytes between pixels and rows.
 */
import { address, ofThread, real, word } from "./simd";
import { matrixTimesPanel, outerProducts } from "./gemm";
import { gradientTile3, inputTile3, outputTile3, weightsGradientTile3 } from "./tiles/f2x2";
import { gradientTile4, inputTile4, outputTile4, weightsGradientTile4 } from "./tiles/f2x3";
import { gradientTile, inputTile, outputTile } from "./tiles/f4";
import { weightsGradientTile5 } from "./tiles/f4x2";
import { weightsGradientTile6 } from "./tiles/f4x3";
import { weightsTile } from "./tiles/weights";

/** Tiles that pass at once, but for a row that has more; plan/layers/convolution_layer.ts has the same. */
@inline const TILES = 32;

/** Rows of an image's tiles, and images, that pass at once. */
@inline function rowsAtOnce(down: i32, across: i32): i32 { return min(down, max(1, TILES / across)); }
@inline function imagesAtOnce(down: i32, across: i32): i32 { return max(1, TILES / (down * across)); }

/** Taps of a window, and outputs of a tile, across. */
@inline function tapsOf(n: i32): i32 { return (n & 1) != 0 ? 2 : 3; }
@inline function outputsOf(n: i32): i32 { return n < 5 ? 2 : 4; }

/** Transforms weights `[panel][taps²][rows][8]` to `[n²][panel][rows][8]`; one item is one panel. */
export function transformWeights(r: usize, item: i32): void {
  const weights = address(r, 3), rows = word(r, 4), panels = word(r, 5), n = word(r, 7);
  const taps = tapsOf(n);
  const tap = <usize> rows << 5, plane = tap * <usize> panels;
  const from = weights + tap * <usize> (taps * taps * item), to = address(r, 6) + tap * <usize> item;
  for (let at: usize = 0; at < tap; at += 16) {
    if (n == 3) weightsTile(3, from + at, tap, to + at, plane);
    else if (n == 4) weightsTile(4, from + at, tap, to + at, plane);
    else if (n == 5) weightsTile(5, from + at, tap, to + at, plane);
    else weightsTile(6, from + at, tap, to + at, plane);
  }
}

/** Transforms the images' input tiles to `[n²][tile][channels]`; `square` as in tiles/f4.ts. */
function transformInput(
  x: usize, xImage: usize, xRow: usize, channels: i32, n: i32,
  images: i32, tilesDown: i32, tilesAcross: i32, square: usize, out: usize, plane: usize,
): void {
  const step = <usize> channels << 2, outputs = <usize> outputsOf(n);
  let to = out;
  for (let i = 0; i < images; ++i) {
    for (let y = 0; y < tilesDown; ++y) {
      let at = x + <usize> i * xImage + <usize> y * outputs * xRow;
      for (let t = 0; t < tilesAcross; ++t) {
        if (n == 3) {
          for (let c: usize = 0; c < step; c += 16) inputTile3(at + c, step, xRow, to + c, plane);
        } else if (n == 4) {
          for (let c: usize = 0; c < step; c += 16) inputTile4(at + c, step, xRow, to + c, plane);
        } else if (n == 5) {
          for (let c: usize = 0; c < step; c += 16) inputTile(5, at + c, step, xRow, square, to + c, plane);
        } else {
          for (let c: usize = 0; c < step; c += 16) inputTile(6, at + c, step, xRow, square, to + c, plane);
        }
        at += outputs * step;
        to += step;
      }
    }
  }
}

/** As `convolve` in conv.ts, whose words it takes; the weights are transformed. */
export function winograd(r: usize, from: i32, to: i32, thread: i32): void {
  const xImage = <usize> word(r, 4), xRow = <usize> word(r, 5), xStep = <usize> word(r, 6);
  const height = word(r, 10), width = word(r, 11), panels = word(r, 12);
  const weights = address(r, 13), biases = address(r, 14), biasStep = <usize> word(r, 15);
  const outImage = <usize> word(r, 17), outRow = <usize> word(r, 18);
  const out = ofThread(address(r, 16), <usize> word(r, 30), thread, from, outImage);
  const outStep = <usize> word(r, 19), kind = word(r, 20), slope = f32x4.splat(real(r, 21));
  const x = ofThread(address(r, 3), <usize> word(r, 22), thread, from, xImage);
  const n = word(r, 27), planes = n * n, outputs = outputsOf(n);
  const v = address(r, 23) + <usize> thread * <usize> word(r, 24);
  const plane = <usize> word(r, 25), m = v + <usize> planes * plane, zeros = address(r, 26);
  const square = m + <usize> planes * plane;
  const channels = <i32> (xStep >> 2), panelBytes = xStep << 3;
  const mRow = <usize> panels << 5;
  const down = height / outputs, across = width / outputs;
  const few = imagesAtOnce(down, across), band = rowsAtOnce(down, across);
  for (let i = from; i < to; i += few) {
    const images = min(few, to - i);
    for (let top = 0; top < down; top += band) {
      const rows = min(band, down - top), tiles = images * rows * across;
      transformInput(
        x + <usize> i * xImage + <usize> (outputs * top) * xRow,
        xImage, xRow, channels, n, images, rows, across, square, v, plane,
      );
      for (let q = 0; q < planes; ++q) {
        const a = v + <usize> q * plane;
        for (let p = 0; p < panels; ++p) {
          const panel = weights + <usize> (q * panels + p) * panelBytes;
          const o = m + <usize> q * plane + (<usize> p << 5);
          matrixTimesPanel(a, xStep, tiles, channels, panel, zeros, 0, 0, o, mRow);
        }
      }
      let at = m;
      for (let image = i; image < i + images; ++image) {
        for (let y = top; y < top + rows; ++y) {
          let o = out + <usize> image * outImage + <usize> (outputs * y) * outRow;
          for (let t = 0; t < across; ++t) {
            for (let c: usize = 0; c < mRow; c += 16) {
              const bias = v128.load(biasStep == 0 ? biases : biases + c);
              if (n == 3) outputTile3(at + c, plane, bias, kind, slope, o + c, outStep, outRow);
              else if (n == 4) outputTile4(at + c, plane, bias, kind, slope, o + c, outStep, outRow);
              else if (n == 5) outputTile(5, at + c, plane, bias, kind, slope, square, o + c, outStep, outRow);
              else outputTile(6, at + c, plane, bias, kind, slope, square, o + c, outStep, outRow);
            }
            at += mRow;
            o += <usize> outputs * outStep;
          }
        }
      }
    }
  }
}

/** Transforms four channels of the outputs' gradients to `[n²][tile][8]`; adds their sum to the bias's. */
function transformGradient(
  d: usize, dImage: usize, dRow: usize, dStep: usize, n: i32,
  images: i32, tilesDown: i32, tilesAcross: i32, square: usize, out: usize, plane: usize, bias: usize,
): void {
  const outputs = <usize> outputsOf(n);
  let total = v128.load(bias);
  for (let i = 0; i < images; ++i) {
    for (let y = 0; y < tilesDown; ++y) {
      let at = d + <usize> i * dImage + <usize> y * outputs * dRow;
      for (let t = 0; t < tilesAcross; ++t) {
        let sum: v128;
        if (n == 3) sum = gradientTile3(at, dStep, dRow, out, plane);
        else if (n == 4) sum = gradientTile4(at, dStep, dRow, out, plane);
        else if (n == 5) sum = gradientTile(5, at, dStep, dRow, square, out, plane);
        else sum = gradientTile(6, at, dStep, dRow, square, out, plane);
        total = f32x4.add(total, sum);
        at += outputs * dStep;
        out += 32;
      }
    }
  }
  v128.store(bias, total);
}

/**
 * As `filterGradient` in conv.ts, whose words it takes. `last` at the chunk's last range.
 */
export function winogradGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool, last: bool,
): void {
  const xImage = <usize> word(r, 4), xRow = <usize> word(r, 5);
  const x = ofThread(address(r, 3), <usize> word(r, 20), thread, from, xImage);
  const xStep = <usize> word(r, 6), height = word(r, 10), width = word(r, 11);
  const panels = word(r, 12), dImage = <usize> word(r, 15);
  const dRow = <usize> word(r, 16), dStep = <usize> word(r, 17);
  const d = ofThread(address(r, 13), <usize> word(r, 14), thread, from, dImage);
  const partBytes = <usize> word(r, 19);
  const out = address(r, 18) + <usize> chunk * partBytes;
  const n = word(r, 24), planes = n * n, outputs = outputsOf(n), taps = tapsOf(n);
  const v = address(r, 21) + <usize> thread * <usize> word(r, 22);
  const plane = <usize> word(r, 23), m = v + <usize> planes * plane, square = m + <usize> planes * plane;
  const sums = address(r, 25) + <usize> thread * <usize> word(r, 26);
  const channels = <i32> (xStep >> 2);
  const tap = <usize> channels << 5, sumPlane = tap * <usize> panels;
  const bias = out + <usize> (taps * taps) * sumPlane;
  if (fresh) {
    memory.fill(sums, 0, <usize> planes * sumPlane);
    memory.fill(bias, 0, <usize> panels << 5);
  }
  const down = height / outputs, across = width / outputs;
  const few = imagesAtOnce(down, across), band = rowsAtOnce(down, across);
  for (let i = from; i < to; i += few) {
    const images = min(few, to - i);
    for (let top = 0; top < down; top += band) {
      const rows = min(band, down - top), tiles = images * rows * across;
      transformInput(
        x + <usize> i * xImage + <usize> (outputs * top) * xRow,
        xImage, xRow, channels, n, images, rows, across, square, v, plane,
      );
      for (let p = 0; p < panels; ++p) {
        // The outputs' gradients, to [n²][tile][8].
        for (let half = <usize> p << 5; half < (<usize> p + 1) << 5; half += 16) {
          transformGradient(
            d + <usize> i * dImage + <usize> (outputs * top) * dRow + half, dImage, dRow, dStep, n,
            images, rows, across, square, m + (half & 16), plane, bias + half,
          );
        }
        for (let q = 0; q < planes; ++q) {
          outerProducts(
            v + <usize> q * plane, channels, 0, 0, xStep, m + <usize> q * plane,
            1, 1, tiles, sums + <usize> q * sumPlane + <usize> p * tap,
          );
        }
      }
    }
  }
  if (!last) return;
  for (let p = 0; p < panels; ++p) {
    const from = sums + <usize> p * tap, to = out + <usize> (taps * taps * p) * tap;
    for (let at: usize = 0; at < tap; at += 16) {
      if (n == 3) weightsGradientTile3(from + at, sumPlane, to + at, tap);
      else if (n == 4) weightsGradientTile4(from + at, sumPlane, to + at, tap);
      else if (n == 5) weightsGradientTile5(from + at, sumPlane, to + at, tap);
      else weightsGradientTile6(from + at, sumPlane, to + at, tap);
    }
  }
}
