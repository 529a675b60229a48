/** Convolutions of each channel by itself. Weights are `[channels / 8][taps][8]`. */
import { address, madd, word } from "./simd";
import { operand } from "./graph";

/** One output of four channels, over a window of `height` by `width` taps. */
@inline function oneWindow(
  x: usize, height: i32, width: i32, jump: usize, pixel: usize, w: usize, taps: usize, tap: usize,
  bias: v128,
): v128 {
  let sum = bias;
  for (let ky = 0; ky < height; ++ky) {
    let at = x, v = w;
    for (let kx = 0; kx < width; ++kx) {
      sum = madd(v128.load(at), v128.load(v), sum);
      at += pixel;
      v += tap;
    }
    x += jump;
    w += taps;
  }
  return sum;
}

/**
 * Convolution; with the taps in reverse, also the gradient of its input. Words: x (its first window),
 * x's row and step, y, height, width, bytes of a pixel, window height and width, bytes between a window's
 * rows and pixels, weights, bytes between taps (negative: reversed) and rows of taps, taps of all weights,
 * bias, whether there is one, bytes between y's rows and pixels.
 */
export function depthwise(r: usize, from: i32, to: i32, thread: i32): void {
  const xRow = <usize> word(r, 6), xStep = <usize> word(r, 7), height = word(r, 11), width = word(r, 12);
  const step = <usize> word(r, 13), kh = word(r, 14), kw = word(r, 15), jump = <usize> word(r, 16);
  const pixel = <usize> word(r, 17), weights = address(r, 18), tap = <usize> word(r, 19);
  const taps = <usize> word(r, 20), panel = <usize> word(r, 21) << 5, biases = address(r, 22);
  const yRow = <usize> word(r, 24), yStep = <usize> word(r, 25);
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), y = operand(r, 8, thread, from, i);
    for (let row = 0; row < height; ++row) {
      for (let c: usize = 0; c < step; c += 32) {
        const first = weights + (c >> 5) * panel, bias = word(r, 23) != 0 ? biases + c : biases;
        let a = x + <usize> row * xRow + c, o = y + <usize> row * yRow + c;
        let left = width;
        for (; left >= 4; left -= 4) {
          // Eight sums at once, because one has to wait for its last product.
          let s0 = v128.load(bias), s1 = s0, s2 = s0, s3 = s0, line = a, w = first;
          let t0 = v128.load(bias, 16), t1 = t0, t2 = t0, t3 = t0;
          for (let ky = 0; ky < kh; ++ky) {
            let at = line, p = w;
            if (kw == 3 && xStep == pixel) {
              // Neighboring windows share two of their three columns.
              const wb = w + tap, wc = wb + tap, xb = at + pixel, xc = xb + pixel;
              const xd = xc + pixel, xe = xd + pixel, xf = xe + pixel;
              let w0 = v128.load(w), w1 = v128.load(wb), w2 = v128.load(wc);
              let x0 = v128.load(at), x1 = v128.load(xb), x2 = v128.load(xc);
              s0 = madd(x0, w0, s0); s0 = madd(x1, w1, s0); s0 = madd(x2, w2, s0);
              let x3 = v128.load(xd);
              s1 = madd(x1, w0, s1); s1 = madd(x2, w1, s1); s1 = madd(x3, w2, s1);
              let x4 = v128.load(xe);
              s2 = madd(x2, w0, s2); s2 = madd(x3, w1, s2); s2 = madd(x4, w2, s2);
              let x5 = v128.load(xf);
              s3 = madd(x3, w0, s3); s3 = madd(x4, w1, s3); s3 = madd(x5, w2, s3);
              w0 = v128.load(w, 16); w1 = v128.load(wb, 16); w2 = v128.load(wc, 16);
              x0 = v128.load(at, 16); x1 = v128.load(xb, 16); x2 = v128.load(xc, 16);
              t0 = madd(x0, w0, t0); t0 = madd(x1, w1, t0); t0 = madd(x2, w2, t0);
              x3 = v128.load(xd, 16);
              t1 = madd(x1, w0, t1); t1 = madd(x2, w1, t1); t1 = madd(x3, w2, t1);
              x4 = v128.load(xe, 16);
              t2 = madd(x2, w0, t2); t2 = madd(x3, w1, t2); t2 = madd(x4, w2, t2);
              x5 = v128.load(xf, 16);
              t3 = madd(x3, w0, t3); t3 = madd(x4, w1, t3); t3 = madd(x5, w2, t3);
            } else {
              for (let kx = 0; kx < kw; ++kx) {
                const v = v128.load(p), u = v128.load(p, 16);
                const xb = at + xStep, xc = xb + xStep, xd = xc + xStep;
                s0 = madd(v128.load(at), v, s0); t0 = madd(v128.load(at, 16), u, t0);
                s1 = madd(v128.load(xb), v, s1); t1 = madd(v128.load(xb, 16), u, t1);
                s2 = madd(v128.load(xc), v, s2); t2 = madd(v128.load(xc, 16), u, t2);
                s3 = madd(v128.load(xd), v, s3); t3 = madd(v128.load(xd, 16), u, t3);
                at += pixel;
                p += tap;
              }
            }
            line += jump;
            w += taps;
          }
          v128.store(o, s0); v128.store(o, t0, 16);
          o += yStep;
          v128.store(o, s1); v128.store(o, t1, 16);
          o += yStep;
          v128.store(o, s2); v128.store(o, t2, 16);
          o += yStep;
          v128.store(o, s3); v128.store(o, t3, 16);
          o += yStep;
          a += 4 * xStep;
        }
        for (; left > 0; --left) {
          for (let q: usize = 0; q < 32; q += 16) {
            const sum = oneWindow(a + q, kh, kw, jump, pixel, first + q, taps, tap, v128.load(bias + q));
            v128.store(o + q, sum);
          }
          a += xStep;
          o += yStep;
        }
      }
    }
  }
}

/** Bytes of rows that stay in the nearest cache while all channels pass. */
@inline const CACHE: usize = 16384;

/**
 * Gradient of weights and bias, summed over a chunk. Words: as `depthwise` to 17 with d in y's
 * place, then chunks' gradients, bytes between them, and between d's rows and pixels.
 */
export function depthwiseGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool,
): void {
  const xRow = <usize> word(r, 6), xStep = <usize> word(r, 7), height = word(r, 11), width = word(r, 12);
  const step = <usize> word(r, 13), kh = word(r, 14), kw = word(r, 15), jump = <usize> word(r, 16);
  const pixel = <usize> word(r, 17), panel = <usize> (kh * kw) << 5;
  const out = address(r, 18) + <usize> chunk * <usize> word(r, 19);
  const biases = out + (step >> 5) * panel, dRow = <usize> word(r, 20), dStep = <usize> word(r, 21);
  const rows = max(1, <i32> (CACHE / (xRow + dRow)));
  if (fresh) memory.fill(out, 0, <usize> word(r, 19));
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), d = operand(r, 8, thread, from, i);
    if (kh == 3 && kw == 3) {
      // Nine sums at once, because one has to wait for its last product.
      for (let top = 0; top < height; top += rows) {
        const bottom = min(top + rows, height);
        for (let c: usize = 0; c < step; c += 16) {
          const o = out + (c >> 5) * panel + (c & 16);
          let total = v128.load(biases + c);
          let s0 = v128.load(o), s1 = v128.load(o, 32), s2 = v128.load(o, 64);
          let s3 = v128.load(o, 96), s4 = v128.load(o, 128), s5 = v128.load(o, 160);
          let s6 = v128.load(o, 192), s7 = v128.load(o, 224), s8 = v128.load(o, 256);
          for (let row = top; row < bottom; ++row) {
            let at = x + <usize> row * xRow + c, under = at + jump, last = under + jump;
            let g = d + <usize> row * dRow + c;
            for (let column = 0; column < width; ++column) {
              const v = v128.load(g);
              s0 = madd(v128.load(at), v, s0);
              s1 = madd(v128.load(at + pixel), v, s1);
              s2 = madd(v128.load(at + 2 * pixel), v, s2);
              s3 = madd(v128.load(under), v, s3);
              s4 = madd(v128.load(under + pixel), v, s4);
              s5 = madd(v128.load(under + 2 * pixel), v, s5);
              s6 = madd(v128.load(last), v, s6);
              s7 = madd(v128.load(last + pixel), v, s7);
              s8 = madd(v128.load(last + 2 * pixel), v, s8);
              total = f32x4.add(total, v);
              at += xStep;
              under += xStep;
              last += xStep;
              g += dStep;
            }
          }
          v128.store(o, s0); v128.store(o, s1, 32); v128.store(o, s2, 64);
          v128.store(o, s3, 96); v128.store(o, s4, 128); v128.store(o, s5, 160);
          v128.store(o, s6, 192); v128.store(o, s7, 224); v128.store(o, s8, 256);
          v128.store(biases + c, total);
        }
      }
      continue;
    }
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
