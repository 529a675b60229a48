/**
 * Input and convolutions. An image that a convolution reads lies in memory with its padding, so
 * that a window is `kernel height` runs of `kernel width * channels` contiguous floats.
 *
 * Kernels here take a range of images [from, to). A record's words are named where they are read;
 * packages/engine/engine_plan.ts writes them in the same order.
 */
import { address, ofThread, real, word } from "./simd";
import { fourWindows, matrixTimesPanel, outerProducts, rowsTimesPanel } from "./gemm";

/** Converts bytes to floats, divided by `divisor`, into the padded image. */
export function inputBytes(r: usize, from: i32, to: i32, thread: i32): void {
  const source = address(r, 3), rowLength = word(r, 4), height = word(r, 5);
  const outImage = <usize> word(r, 7), outRow = <usize> word(r, 8);
  const out = ofThread(address(r, 6), <usize> word(r, 9), thread, from, outImage);
  const divisor = real(r, 10), divisors = f32x4.splat(divisor);
  for (let i = from; i < to; ++i) {
    let s = source + <usize> (i * rowLength * height);
    for (let y = 0; y < height; ++y) {
      let o = out + <usize> i * outImage + <usize> y * outRow;
      let n = rowLength;
      for (; n >= 8; n -= 8) {
        const words = v128.load_ext<u8>(s);
        v128.store(o, f32x4.div(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(words)), divisors));
        v128.store(
          o, f32x4.div(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(words)), divisors), 16,
        );
        s += 8;
        o += 32;
      }
      for (; n > 0; --n) {
        store<f32>(o, <f32> load<u8>(s) / divisor);
        s += 1;
        o += 4;
      }
    }
  }
}

/** Copies floats into the padded image. */
export function inputFloats(r: usize, from: i32, to: i32, thread: i32): void {
  const source = address(r, 3), rowBytes = <usize> word(r, 4) << 2, height = word(r, 5);
  const outImage = <usize> word(r, 7), outRow = <usize> word(r, 8);
  const out = ofThread(address(r, 6), <usize> word(r, 9), thread, from, outImage);
  for (let i = from; i < to; ++i) {
    for (let y = 0; y < height; ++y) {
      memory.copy(
        out + <usize> i * outImage + <usize> y * outRow,
        source + <usize> (i * height + y) * rowBytes,
        rowBytes,
      );
    }
  }
}

/**
 * Copies `count` windows, each of `runs` pieces of `run` floats, one behind the other with `step`
 * bytes from one to the next: where pieces are not multiples of four, as of RGB, the products are
 * faster for it. Reads and writes up to three floats too far.
 */
function packWindows(
  x: usize, xStep: usize, count: i32, runs: i32, run: i32, jump: usize, out: usize, step: usize,
): void {
  const piece = <usize> run << 2;
  for (let n = 0; n < count; ++n) {
    let from = x, to = out;
    for (let q = 0; q < runs; ++q) {
      for (let at: usize = 0; at < piece; at += 16) v128.store(to + at, v128.load(from + at));
      from += jump;
      to += piece;
    }
    x += xStep;
    out += step;
  }
}

/** Bytes between packed windows: a multiple of four floats. */
@inline function windowStep(runs: i32, run: i32): usize {
  return <usize> ((runs * run + 3) & ~3) << 2;
}

/**
 * Convolution, bias and activation; also, with repacked weights, the gradient of a convolution's
 * input. `x` is this thread's, and holds the images of the range only.
 */
export function convolve(r: usize, from: i32, to: i32, thread: i32): void {
  const xImage = <usize> word(r, 4), xRow = <usize> word(r, 5), xStep = <usize> word(r, 6);
  const runs = word(r, 7), run = word(r, 8), jump = <usize> word(r, 9);
  const height = word(r, 10), width = word(r, 11), panels = word(r, 12);
  const weights = address(r, 13), biases = address(r, 14), biasStep = <usize> word(r, 15);
  const outImage = <usize> word(r, 17), outRow = <usize> word(r, 18);
  const out = ofThread(address(r, 16), <usize> word(r, 30), thread, from, outImage);
  const outStep = <usize> word(r, 19), kind = word(r, 20), alpha = real(r, 21);
  const x = ofThread(address(r, 3), <usize> word(r, 22), thread, from, xImage);
  const panelBytes = <usize> (runs * run) << 5;
  if ((run == 6 || run == 9) && xStep == 12 && (width & 3) == 0) {
    const few = <usize> 4 * outStep;
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < height; ++y) {
        const row = x + <usize> i * xImage + <usize> y * xRow;
        let first = out + <usize> i * outImage + <usize> y * outRow, panel = weights, bias = biases;
        for (let p = 0; p < panels; ++p) {
          let a = row, o = first;
          for (let left = width; left > 0; left -= 4) {
            if (run == 6) fourWindows(a, 2, runs, jump, panel, bias, kind, alpha, o, outStep);
            else fourWindows(a, 3, runs, jump, panel, bias, kind, alpha, o, outStep);
            a += 48;
            o += few;
          }
          first += 32;
          panel += panelBytes;
          bias += biasStep;
        }
      }
    }
    return;
  }
  if ((run & 3) != 0) {
    const packed = address(r, 28) + <usize> thread * <usize> word(r, 29);
    const step = windowStep(runs, run);
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < height; ++y) {
        packWindows(
          x + <usize> i * xImage + <usize> y * xRow, xStep, width, runs, run, jump, packed, step,
        );
        const o = out + <usize> i * outImage + <usize> y * outRow;
        for (let p = 0; p < panels; ++p) {
          matrixTimesPanel(
            packed, step, width, runs * run, weights + <usize> p * panelBytes,
            biases + <usize> p * biasStep, kind, alpha, o + (<usize> p << 5), outStep,
          );
        }
      }
    }
    return;
  }
  const positions = (to - from) * height * width;
  const xTurn = xRow - xStep * <usize> (width - 1), outTurn = outRow - outStep * <usize> (width - 1);
  const xNext = xImage - xRow * <usize> (height - 1) - xStep * <usize> (width - 1);
  const outNext = outImage - outRow * <usize> (height - 1) - outStep * <usize> (width - 1);
  const first = x + <usize> from * xImage, firstOut = out + <usize> from * outImage;
  for (let p = 0; p < panels; ++p) {
    const panel = weights + <usize> p * panelBytes;
    const bias = biases + <usize> p * biasStep;
    // The windows in order, across rows and images, four at a time.
    let a = first, o = firstOut + (<usize> p << 5);
    let column = width, row = height, left = positions;
    while (left > 0) {
      if (column > 4) {
        rowsTimesPanel(
          a, a + xStep, a + 2 * xStep, a + 3 * xStep, runs, run, jump, panel, bias, kind, alpha,
          o, o + outStep, o + 2 * outStep, o + 3 * outStep,
        );
        a += 4 * xStep;
        o += 4 * outStep;
        column -= 4;
        left -= 4;
        continue;
      }
      let a1 = a, o1 = o, a2 = a, o2 = o, a3 = a, o3 = o;
      const a0 = a, o0 = o;
      // The last window is computed repeatedly to fill the remainder.
      for (let n = 1; n <= 4; ++n) {
        if (--left > 0) {
          if (--column > 0) {
            a += xStep;
            o += outStep;
          } else {
            column = width;
            if (--row > 0) {
              a += xTurn;
              o += outTurn;
            } else {
              row = height;
              a += xNext;
              o += outNext;
            }
          }
        }
        if (n == 1) { a1 = a; o1 = o; }
        else if (n == 2) { a2 = a; o2 = o; }
        else if (n == 3) { a3 = a; o3 = o; }
      }
      rowsTimesPanel(a0, a1, a2, a3, runs, run, jump, panel, bias, kind, alpha, o0, o1, o2, o3);
    }
  }
}

/** Working set that fits the L1 cache, bytes. */
@inline const CACHE = 27 * 1024;

/**
 * Gradient of a convolution's weights and bias, summed over the images of one chunk. `out` holds
 * the panels and behind them the bias, once for each chunk; the chunk's first range begins at zero.
 */
export function filterGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool,
): void {
  const xImage = <usize> word(r, 4), xRow = <usize> word(r, 5);
  const x = ofThread(address(r, 3), <usize> word(r, 20), thread, from, xImage);
  const xStep = <usize> word(r, 6), runs = word(r, 7), run = word(r, 8), jump = <usize> word(r, 9);
  const height = word(r, 10), width = word(r, 11), panels = word(r, 12);
  const dImage = <usize> word(r, 15), dRow = <usize> word(r, 16), dStep = <usize> word(r, 17);
  const d = ofThread(address(r, 13), <usize> word(r, 14), thread, from, dImage);
  const partBytes = <usize> word(r, 19);
  const out = address(r, 18) + <usize> chunk * partBytes;
  const packed = address(r, 21) + <usize> thread * <usize> word(r, 22), dPanel = <usize> word(r, 23);
  const panelBytes = <usize> (runs * run) << 5;
  if (fresh) memory.fill(out, 0, partBytes);
  if ((run & 3) != 0) {
    const step = windowStep(runs, run);
    const down = max(1, CACHE / (width * (<i32> step + 32)));
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < height; y += down) {
        const rows = min(down, height - y);
        for (let n = 0; n < rows; ++n) {
          packWindows(
            x + <usize> i * xImage + <usize> (y + n) * xRow, xStep, width, runs, run, jump,
            packed + <usize> (n * width) * step, step,
          );
        }
        for (let p = 0; p < panels; ++p) {
          const at = d + <usize> i * dImage + <usize> y * dRow + <usize> p * dPanel;
          addRows(at, rows * width, out + <usize> panels * panelBytes + (<usize> p << 5));
          outerProducts(
            packed, runs * run, 0, 0, step, at, 1, 1, rows * width, out + <usize> p * panelBytes,
          );
        }
      }
    }
    return;
  }
  // A few images at a time, so that they stay in the L1 cache for all panels.
  const few = max(1, CACHE / (<i32> xImage + height * width * 32));
  for (let i = from; i < to; i += few) {
    const images = min(few, to - i);
    for (let p = 0; p < panels; ++p) {
      const bias = out + <usize> panels * panelBytes + (<usize> p << 5);
      for (let n = 0; n < images; ++n) {
        packPanel(
          d + <usize> p * dPanel + <usize> (i + n) * dImage, dRow, dStep, height, width,
          packed + (<usize> (n * height * width) << 5), bias,
        );
      }
      let o = out + <usize> p * panelBytes;
      for (let q = 0; q < runs; ++q) {
        outerProducts(
          x + <usize> q * jump + <usize> i * xImage, run, xImage, xRow, xStep,
          packed, images, height, width, o,
        );
        o += <usize> run << 5;
      }
    }
  }
}

/** Adds `count` rows of eight, one behind the other, to those at `to`. */
function addRows(from: usize, count: i32, to: usize): void {
  let a0 = v128.load(to), a1 = v128.load(to, 16), b0 = f32x4.splat(0), b1 = b0;
  let left = count;
  for (; left > 1; left -= 2) {
    a0 = f32x4.add(a0, v128.load(from));
    a1 = f32x4.add(a1, v128.load(from, 16));
    b0 = f32x4.add(b0, v128.load(from, 32));
    b1 = f32x4.add(b1, v128.load(from, 48));
    from += 64;
  }
  if (left > 0) {
    a0 = f32x4.add(a0, v128.load(from));
    a1 = f32x4.add(a1, v128.load(from, 16));
  }
  v128.store(to, f32x4.add(a0, b0));
  v128.store(to, f32x4.add(a1, b1), 16);
}

/** A panel's gradients, close together; adds their sum to the bias's gradient. */
function packPanel(
  d: usize, dRow: usize, dStep: usize, height: i32, width: i32, packed: usize, bias: usize,
): void {
  let s0 = v128.load(bias), s1 = v128.load(bias, 16);
  for (let y = 0; y < height; ++y) {
    let at = d + <usize> y * dRow;
    for (let c = 0; c < width; ++c) {
      const d0 = v128.load(at), d1 = v128.load(at, 16);
      v128.store(packed, d0);
      v128.store(packed, d1, 16);
      s0 = f32x4.add(s0, d0);
      s1 = f32x4.add(s1, d1);
      at += dStep;
      packed += 32;
    }
  }
  v128.store(bias, s0);
  v128.store(bias, s1, 16);
}
