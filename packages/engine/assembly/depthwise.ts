/** Convolutions of each channel by itself. Weights are `[channels / 8][taps][8]`. */
import { address, madd, word } from "./simd";
import { operand } from "./graph";

/** One output of four channels, over a window of `height` by `width` taps. */
@inline function oneWindow(
  x: usize, height: i32, width: i32, jump: usize, pixel: usize, w: usize, tap: usize, bias: v128,
): v128 {
  let sum = bias;
  for (let ky = 0; ky < height; ++ky) {
    let at = x;
    for (let kx = 0; kx < width; ++kx) {
      sum = madd(v128.load(at), v128.load(w), sum);
      at += pixel;
      w += tap;
    }
    x += jump;
  }
  return sum;
}

/**
 * Convolution; with the taps in reverse, also the gradient of its input. Words: x (its first window),
 * x's row and step, y, height, width, step of y, window height and width, bytes between a window's
 * rows and pixels, weights, bytes between taps (negative: reversed), taps, bias, whether there is one.
 */
export function depthwise(r: usize, from: i32, to: i32, thread: i32): void {
  const xRow = <usize> word(r, 6), xStep = <usize> word(r, 7), height = word(r, 11), width = word(r, 12);
  const step = <usize> word(r, 13), kh = word(r, 14), kw = word(r, 15), jump = <usize> word(r, 16);
  const pixel = <usize> word(r, 17), weights = address(r, 18), tap = <usize> word(r, 19);
  const panel = <usize> word(r, 20) << 5, biases = address(r, 21);
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), y = operand(r, 8, thread, from, i);
    for (let row = 0; row < height; ++row) {
      for (let c: usize = 0; c < step; c += 16) {
        const first = weights + (c >> 5) * panel + (c & 16);
        const bias = v128.load(word(r, 22) != 0 ? biases + c : biases);
        let a = x + <usize> row * xRow + c, o = y + <usize> (row * width) * step + c;
        let left = width;
        for (; left >= 4; left -= 4) {
          let s0 = bias, s1 = bias, s2 = bias, s3 = bias, line = a, w = first;
          for (let ky = 0; ky < kh; ++ky) {
            let at = line;
            if (kw == 3 && xStep == pixel) {
              // Neighboring windows share two of their three columns.
              const w0 = v128.load(w), w1 = v128.load(w + tap), w2 = v128.load(w + 2 * tap);
              const x0 = v128.load(at), x1 = v128.load(at + pixel), x2 = v128.load(at + 2 * pixel);
              s0 = madd(x0, w0, s0); s0 = madd(x1, w1, s0); s0 = madd(x2, w2, s0);
              const x3 = v128.load(at + 3 * pixel);
              s1 = madd(x1, w0, s1); s1 = madd(x2, w1, s1); s1 = madd(x3, w2, s1);
              const x4 = v128.load(at + 4 * pixel);
              s2 = madd(x2, w0, s2); s2 = madd(x3, w1, s2); s2 = madd(x4, w2, s2);
              const x5 = v128.load(at + 5 * pixel);
              s3 = madd(x3, w0, s3); s3 = madd(x4, w1, s3); s3 = madd(x5, w2, s3);
              w += 3 * tap;
            } else {
              for (let kx = 0; kx < kw; ++kx) {
                const v = v128.load(w);
                s0 = madd(v128.load(at), v, s0);
                s1 = madd(v128.load(at + xStep), v, s1);
                s2 = madd(v128.load(at + 2 * xStep), v, s2);
                s3 = madd(v128.load(at + 3 * xStep), v, s3);
                at += pixel;
                w += tap;
              }
            }
            line += jump;
          }
          v128.store(o, s0);
          v128.store(o + step, s1);
          v128.store(o + 2 * step, s2);
          v128.store(o + 3 * step, s3);
          a += 4 * xStep;
          o += 4 * step;
        }
        for (; left > 0; --left) {
          v128.store(o, oneWindow(a, kh, kw, jump, pixel, first, tap, bias));
          a += xStep;
          o += step;
        }
      }
    }
  }
}

/** Gradient of weights and bias, summed over a chunk. Words: as `depthwise` to 17 with d in y's place, then chunks' gradients, bytes between them, and between d's rows and pixels. */
export function depthwiseGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool,
): void {
  const xRow = <usize> word(r, 6), xStep = <usize> word(r, 7), height = word(r, 11), width = word(r, 12);
  const step = <usize> word(r, 13), kh = word(r, 14), kw = word(r, 15), jump = <usize> word(r, 16);
  const pixel = <usize> word(r, 17), panel = <usize> (kh * kw) << 5;
  const out = address(r, 18) + <usize> chunk * <usize> word(r, 19);
  const biases = out + (step >> 5) * panel, dRow = <usize> word(r, 20), dStep = <usize> word(r, 21);
  if (fresh) memory.fill(out, 0, <usize> word(r, 19));
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), d = operand(r, 8, thread, from, i);
    for (let c: usize = 0; c < step; c += 16) {
      const first = out + (c >> 5) * panel + (c & 16);
      let total = v128.load(biases + c), o = first;
      for (let ky = 0; ky < kh; ++ky) {
        let kx = 0;
        // Three taps at a time share the loads of d.
        for (; kx + 3 <= kw; kx += 3) {
          let s0 = v128.load(o), s1 = v128.load(o, 32), s2 = v128.load(o, 64);
          for (let row = 0; row < height; ++row) {
            let at = x + <usize> row * xRow + <usize> ky * jump + <usize> kx * pixel + c;
            let g = d + <usize> row * dRow + c;
            for (let column = 0; column < width; ++column) {
              const v = v128.load(g);
              s0 = madd(v128.load(at), v, s0);
              s1 = madd(v128.load(at + pixel), v, s1);
              s2 = madd(v128.load(at + 2 * pixel), v, s2);
              at += xStep;
              g += dStep;
            }
          }
          v128.store(o, s0);
          v128.store(o, s1, 32);
          v128.store(o, s2, 64);
          o += 96;
        }
        for (; kx < kw; ++kx) {
          let sum = v128.load(o);
          for (let row = 0; row < height; ++row) {
            let at = x + <usize> row * xRow + <usize> ky * jump + <usize> kx * pixel + c;
            let g = d + <usize> row * dRow + c;
            for (let column = 0; column < width; ++column) {
              sum = madd(v128.load(at), v128.load(g), sum);
              at += xStep;
              g += dStep;
            }
          }
          v128.store(o, sum);
          o += 32;
        }
      }
      for (let row = 0; row < height; ++row) {
        let g = d + <usize> row * dRow + c;
        for (let p = width; p > 0; --p) {
          total = f32x4.add(total, v128.load(g));
          g += dStep;
        }
      }
      v128.store(biases + c, total);
    }
  }
}
