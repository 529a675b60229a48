/**
 * The two microkernels that do nearly all arithmetic. Matrices of weights are packed in panels of
 * eight columns, `[N / 8][K][8]`, so that both read them in order.
 *
 * Both hold a tile of 4×8 sums in registers. What limits them is not arithmetic but instructions:
 * the runtime checks the bounds of each load, which takes three of them. So four numbers are loaded
 * at once and spread by shuffles, which need no check.
 */
import { activate, madd } from "./simd";

// Broadcasts one of four lanes.
@inline function lane0(x: v128): v128 { return v128.shuffle<f32>(x, x, 0, 0, 0, 0); }
@inline function lane1(x: v128): v128 { return v128.shuffle<f32>(x, x, 1, 1, 1, 1); }
@inline function lane2(x: v128): v128 { return v128.shuffle<f32>(x, x, 2, 2, 2, 2); }
@inline function lane3(x: v128): v128 { return v128.shuffle<f32>(x, x, 3, 3, 3, 3); }

/**
 * Four rows of a product: `out_i[0..8] = activation(bias + sum over k of a_i[k] * b[k][0..8])`.
 * A row of `a` is `runs` pieces of `run` floats whose starts lie `jump` bytes apart, which is how
 * a convolution sees its window in an image: no copy is made. Rows may repeat, to fill a rest.
 * Reads each piece of `a` up to three floats too far.
 */
@inline function fourRows(
  a0: usize, a1: usize, a2: usize, a3: usize, runs: i32, run: i32, jump: usize,
  b: usize, bias: usize, kind: i32, alpha: f32, o0: usize, o1: usize, o2: usize, o3: usize,
): void {
  let c00 = v128.load(bias), c01 = v128.load(bias, 16);
  let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
  for (let r = runs; r > 0; --r) {
    let p0 = a0, p1 = a1, p2 = a2, p3 = a3;
    let k = run;
    for (; k >= 4; k -= 4) {
      const x0 = v128.load(p0), x1 = v128.load(p1), x2 = v128.load(p2), x3 = v128.load(p3);
      let b0 = v128.load(b), b1 = v128.load(b, 16);
      let s = lane0(x0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = lane0(x1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = lane0(x2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = lane0(x3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      b0 = v128.load(b, 32); b1 = v128.load(b, 48);
      s = lane1(x0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = lane1(x1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = lane1(x2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = lane1(x3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      b0 = v128.load(b, 64); b1 = v128.load(b, 80);
      s = lane2(x0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = lane2(x1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = lane2(x2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = lane2(x3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      b0 = v128.load(b, 96); b1 = v128.load(b, 112);
      s = lane3(x0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = lane3(x1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = lane3(x2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = lane3(x3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      p0 += 16; p1 += 16; p2 += 16; p3 += 16; b += 128;
    }
    for (; k > 0; --k) {
      const b0 = v128.load(b), b1 = v128.load(b, 16);
      let s = v128.load32_splat(p0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(p1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(p2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(p3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      p0 += 4; p1 += 4; p2 += 4; p3 += 4; b += 32;
    }
    // With one run, a constant of `matrixTimesPanel`, no loop is left.
    if (runs == 1) break;
    a0 += jump; a1 += jump; a2 += jump; a3 += jump;
  }
  if (kind != 0) {
    const slope = f32x4.splat(alpha);
    c00 = activate(c00, kind, slope); c01 = activate(c01, kind, slope);
    c10 = activate(c10, kind, slope); c11 = activate(c11, kind, slope);
    c20 = activate(c20, kind, slope); c21 = activate(c21, kind, slope);
    c30 = activate(c30, kind, slope); c31 = activate(c31, kind, slope);
  }
  v128.store(o0, c00); v128.store(o0, c01, 16);
  v128.store(o1, c10); v128.store(o1, c11, 16);
  v128.store(o2, c20); v128.store(o2, c21, 16);
  v128.store(o3, c30); v128.store(o3, c31, 16);
}

/** See `fourRows`. */
export function rowsTimesPanel(
  a0: usize, a1: usize, a2: usize, a3: usize, runs: i32, run: i32, jump: usize,
  b: usize, bias: usize, kind: i32, alpha: f32, o0: usize, o1: usize, o2: usize, o3: usize,
): void {
  fourRows(a0, a1, a2, a3, runs, run, jump, b, bias, kind, alpha, o0, o1, o2, o3);
}

/** The same for any number of rows, `aStep` and `oStep` bytes apart, each one run of `inner`. */
export function matrixTimesPanel(
  a: usize, aStep: usize, rows: i32, inner: i32,
  b: usize, bias: usize, kind: i32, alpha: f32, o: usize, oStep: usize,
): void {
  for (let left = rows; left > 0; left -= 4) {
    // The last row fills what is missing of four, and is written to its own place again.
    const a1 = left > 1 ? a + aStep : a, o1 = left > 1 ? o + oStep : o;
    const a2 = left > 2 ? a1 + aStep : a1, o2 = left > 2 ? o1 + oStep : o1;
    const a3 = left > 3 ? a2 + aStep : a2, o3 = left > 3 ? o2 + oStep : o2;
    fourRows(a, a1, a2, a3, 1, inner, 0, b, bias, kind, alpha, o, o1, o2, o3);
    a = a3 + aStep;
    o = o3 + oStep;
  }
}

/** Broadcasts float `n` of twenty; `n` is constant. */
@inline function float(n: i32, x0: v128, x1: v128, x2: v128, x3: v128, x4: v128): v128 {
  const x = n < 4 ? x0 : n < 8 ? x1 : n < 12 ? x2 : n < 16 ? x3 : x4, lane = n & 3;
  return lane == 0 ? lane0(x) : lane == 1 ? lane1(x) : lane == 2 ? lane2(x) : lane3(x);
}

/**
 * As `fourRows`, for windows of RGB pixels, `taps` (2 or 3, constant) across, that move by one pixel:
 * what four of them see is loaded once. Reads up to two floats too far.
 */
@inline export function fourWindows(
  a: usize, taps: i32, runs: i32, jump: usize,
  b: usize, bias: usize, kind: i32, alpha: f32, o: usize, oStep: usize,
): void {
  let c00 = v128.load(bias), c01 = v128.load(bias, 16);
  let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
  for (let r = runs; r > 0; --r) {
    const x0 = v128.load(a), x1 = v128.load(a, 16), x2 = v128.load(a, 32), x3 = v128.load(a, 48);
    const x4 = taps == 3 ? v128.load(a, 64) : x3;
    let b0: v128, b1: v128, s: v128;
    b0 = v128.load(b, 0); b1 = v128.load(b, 16);
    s = float(0, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(3, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(6, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(9, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    b0 = v128.load(b, 32); b1 = v128.load(b, 48);
    s = float(1, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(4, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(7, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(10, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    b0 = v128.load(b, 64); b1 = v128.load(b, 80);
    s = float(2, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(5, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(8, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(11, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    b0 = v128.load(b, 96); b1 = v128.load(b, 112);
    s = float(3, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(6, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(9, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(12, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    b0 = v128.load(b, 128); b1 = v128.load(b, 144);
    s = float(4, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(7, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(10, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(13, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    b0 = v128.load(b, 160); b1 = v128.load(b, 176);
    s = float(5, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    s = float(8, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
    s = float(11, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
    s = float(14, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    if (taps == 3) {
      b0 = v128.load(b, 192); b1 = v128.load(b, 208);
      s = float(6, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = float(9, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = float(12, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = float(15, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      b0 = v128.load(b, 224); b1 = v128.load(b, 240);
      s = float(7, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = float(10, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = float(13, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = float(16, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      b0 = v128.load(b, 256); b1 = v128.load(b, 272);
      s = float(8, x0, x1, x2, x3, x4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = float(11, x0, x1, x2, x3, x4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = float(14, x0, x1, x2, x3, x4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = float(17, x0, x1, x2, x3, x4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
    }
    a += jump;
    b += <usize> (3 * taps) << 5;
  }
  if (kind != 0) {
    const slope = f32x4.splat(alpha);
    c00 = activate(c00, kind, slope); c01 = activate(c01, kind, slope);
    c10 = activate(c10, kind, slope); c11 = activate(c11, kind, slope);
    c20 = activate(c20, kind, slope); c21 = activate(c21, kind, slope);
    c30 = activate(c30, kind, slope); c31 = activate(c31, kind, slope);
  }
  v128.store(o, c00); v128.store(o, c01, 16);
  o += oStep;
  v128.store(o, c10); v128.store(o, c11, 16);
  o += oStep;
  v128.store(o, c20); v128.store(o, c21, 16);
  o += oStep;
  v128.store(o, c30); v128.store(o, c31, 16);
}

/**
 * Adds to `out[0..inner][0..8]` the sum over `images` grids of `height` by `width` positions of
 * `a[0..inner] * b[0..8]`: the gradient of rows of a weight panel. `b` is packed, position by
 * position. Reads `a` and `out` up to three rows too far; writes only what is asked for.
 */
export function outerProducts(
  a: usize, inner: i32, aImage: usize, aRow: usize, aStep: usize, b: usize,
  images: i32, height: i32, width: i32, out: usize,
): void {
  const aSkip = aRow - aStep * <usize> width, aNext = aImage - aRow * <usize> height;
  for (let left = inner; left > 0; left -= 4) {
    let c00 = v128.load(out), c01 = v128.load(out, 16);
    let c10 = v128.load(out, 32), c11 = v128.load(out, 48);
    let c20 = v128.load(out, 64), c21 = v128.load(out, 80);
    let c30 = v128.load(out, 96), c31 = v128.load(out, 112);
    let at = a, d = b;
    for (let i = images; i > 0; --i) {
      for (let y = height; y > 0; --y) {
        for (let x = width; x > 0; --x) {
          const four = v128.load(at), b0 = v128.load(d), b1 = v128.load(d, 16);
          let s = lane0(four); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
          s = lane1(four); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
          s = lane2(four); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
          s = lane3(four); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
          at += aStep; d += 32;
        }
        at += aSkip;
      }
      at += aNext;
    }
    v128.store(out, c00); v128.store(out, c01, 16);
    if (left > 1) { v128.store(out, c10, 32); v128.store(out, c11, 48); }
    if (left > 2) { v128.store(out, c20, 64); v128.store(out, c21, 80); }
    if (left > 3) { v128.store(out, c30, 96); v128.store(out, c31, 112); }
    a += 16;
    out += 128;
  }
}
