/**
 * The two microkernels that do nearly all arithmetic. Matrices of weights are packed in panels of
 * eight columns, `[N / 8][K][8]`, so that both read them in order.
 */
import { activate, madd } from "./simd";

/**
 * Six rows of a product: `out_i[0..8] = activation(bias + sum over k of a_i[k] * b[k][0..8])`.
 * A row of `a` is `runs` pieces of `run` floats whose starts lie `jump` bytes apart, which is how
 * a convolution sees its window in an image: no copy is made. Rows may repeat, to fill a rest.
 */
// @ts-ignore: decorator
@inline function sixRows(
  a0: usize, a1: usize, a2: usize, a3: usize, a4: usize, a5: usize,
  runs: i32, run: i32, jump: usize,
  b: usize, bias: usize, kind: i32, alpha: f32,
  o0: usize, o1: usize, o2: usize, o3: usize, o4: usize, o5: usize,
): void {
  let c00 = v128.load(bias), c01 = v128.load(bias, 16);
  let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
  let c40 = c00, c41 = c01, c50 = c00, c51 = c01;
  const skip = jump - (<usize> run << 2);
  for (let r = runs; r > 0; --r) {
    let k = run;
    while (k >= 4) {
      let b0 = v128.load(b), b1 = v128.load(b, 16);
      let s = v128.load32_splat(a0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(a1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(a2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(a3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      s = v128.load32_splat(a4); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
      s = v128.load32_splat(a5); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
      b0 = v128.load(b, 32); b1 = v128.load(b, 48);
      s = v128.load32_splat(a0, 4); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(a1, 4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(a2, 4); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(a3, 4); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      s = v128.load32_splat(a4, 4); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
      s = v128.load32_splat(a5, 4); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
      b0 = v128.load(b, 64); b1 = v128.load(b, 80);
      s = v128.load32_splat(a0, 8); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(a1, 8); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(a2, 8); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(a3, 8); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      s = v128.load32_splat(a4, 8); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
      s = v128.load32_splat(a5, 8); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
      b0 = v128.load(b, 96); b1 = v128.load(b, 112);
      s = v128.load32_splat(a0, 12); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(a1, 12); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(a2, 12); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(a3, 12); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      s = v128.load32_splat(a4, 12); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
      s = v128.load32_splat(a5, 12); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
      a0 += 16; a1 += 16; a2 += 16; a3 += 16; a4 += 16; a5 += 16;
      b += 128; k -= 4;
    }
    while (k > 0) {
      const b0 = v128.load(b), b1 = v128.load(b, 16);
      let s = v128.load32_splat(a0); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
      s = v128.load32_splat(a1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
      s = v128.load32_splat(a2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
      s = v128.load32_splat(a3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
      s = v128.load32_splat(a4); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
      s = v128.load32_splat(a5); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
      a0 += 4; a1 += 4; a2 += 4; a3 += 4; a4 += 4; a5 += 4;
      b += 32; --k;
    }
    a0 += skip; a1 += skip; a2 += skip; a3 += skip; a4 += skip; a5 += skip;
  }
  if (kind == 0) {
    v128.store(o0, c00); v128.store(o0, c01, 16);
    v128.store(o1, c10); v128.store(o1, c11, 16);
    v128.store(o2, c20); v128.store(o2, c21, 16);
    v128.store(o3, c30); v128.store(o3, c31, 16);
    v128.store(o4, c40); v128.store(o4, c41, 16);
    v128.store(o5, c50); v128.store(o5, c51, 16);
  } else {
    const slope = f32x4.splat(alpha);
    v128.store(o0, activate(c00, kind, slope)); v128.store(o0, activate(c01, kind, slope), 16);
    v128.store(o1, activate(c10, kind, slope)); v128.store(o1, activate(c11, kind, slope), 16);
    v128.store(o2, activate(c20, kind, slope)); v128.store(o2, activate(c21, kind, slope), 16);
    v128.store(o3, activate(c30, kind, slope)); v128.store(o3, activate(c31, kind, slope), 16);
    v128.store(o4, activate(c40, kind, slope)); v128.store(o4, activate(c41, kind, slope), 16);
    v128.store(o5, activate(c50, kind, slope)); v128.store(o5, activate(c51, kind, slope), 16);
  }
}

/** See `sixRows`. */
export function rowsTimesPanel(
  a0: usize, a1: usize, a2: usize, a3: usize, a4: usize, a5: usize,
  runs: i32, run: i32, jump: usize,
  b: usize, bias: usize, kind: i32, alpha: f32,
  o0: usize, o1: usize, o2: usize, o3: usize, o4: usize, o5: usize,
): void {
  sixRows(
    a0, a1, a2, a3, a4, a5, runs, run, jump, b, bias, kind, alpha, o0, o1, o2, o3, o4, o5,
  );
}

/** The same for any number of rows, `aStep` and `oStep` bytes apart, each one run of `inner`. */
export function matrixTimesPanel(
  a: usize, aStep: usize, rows: i32, inner: i32,
  b: usize, bias: usize, kind: i32, alpha: f32, o: usize, oStep: usize,
): void {
  for (let left = rows; left > 0; left -= 6) {
    // The last row fills what is missing of six, and is written to its own place again.
    const a1 = left > 1 ? a + aStep : a, o1 = left > 1 ? o + oStep : o;
    const a2 = left > 2 ? a1 + aStep : a1, o2 = left > 2 ? o1 + oStep : o1;
    const a3 = left > 3 ? a2 + aStep : a2, o3 = left > 3 ? o2 + oStep : o2;
    const a4 = left > 4 ? a3 + aStep : a3, o4 = left > 4 ? o3 + oStep : o3;
    const a5 = left > 5 ? a4 + aStep : a4, o5 = left > 5 ? o4 + oStep : o4;
    sixRows(a, a1, a2, a3, a4, a5, 1, inner, 0, b, bias, kind, alpha, o, o1, o2, o3, o4, o5);
    a = a5 + aStep;
    o = o5 + oStep;
  }
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
  if (inner == 6) { // two pixels of three colours
    sixProducts(a, aImage, aRow, aStep, b, images, height, width, out);
    return;
  }
  for (let left = inner; left > 0; left -= 4) {
    fourProducts(a, aImage, aRow, aStep, b, images, height, width, out, left);
    a += 16;
    out += 128;
  }
}

// @ts-ignore: decorator
@inline function fourProducts(
  a: usize, aImage: usize, aRow: usize, aStep: usize, b: usize,
  images: i32, height: i32, width: i32, out: usize, rows: i32,
): void {
  let c00 = v128.load(out), c01 = v128.load(out, 16);
  let c10 = v128.load(out, 32), c11 = v128.load(out, 48);
  let c20 = v128.load(out, 64), c21 = v128.load(out, 80);
  let c30 = v128.load(out, 96), c31 = v128.load(out, 112);
  const aSkip = aRow - aStep * <usize> width, aNext = aImage - aRow * <usize> height;
  for (let i = images; i > 0; --i) {
    for (let y = height; y > 0; --y) {
      for (let x = width; x > 0; --x) {
        const b0 = v128.load(b), b1 = v128.load(b, 16);
        let s = v128.load32_splat(a); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
        s = v128.load32_splat(a, 4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
        s = v128.load32_splat(a, 8); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
        s = v128.load32_splat(a, 12); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
        a += aStep; b += 32;
      }
      a += aSkip;
    }
    a += aNext;
  }
  v128.store(out, c00); v128.store(out, c01, 16);
  if (rows > 1) { v128.store(out, c10, 32); v128.store(out, c11, 48); }
  if (rows > 2) { v128.store(out, c20, 64); v128.store(out, c21, 80); }
  if (rows > 3) { v128.store(out, c30, 96); v128.store(out, c31, 112); }
}

// @ts-ignore: decorator
@inline function sixProducts(
  a: usize, aImage: usize, aRow: usize, aStep: usize, b: usize,
  images: i32, height: i32, width: i32, out: usize,
): void {
  let c00 = v128.load(out), c01 = v128.load(out, 16);
  let c10 = v128.load(out, 32), c11 = v128.load(out, 48);
  let c20 = v128.load(out, 64), c21 = v128.load(out, 80);
  let c30 = v128.load(out, 96), c31 = v128.load(out, 112);
  let c40 = v128.load(out, 128), c41 = v128.load(out, 144);
  let c50 = v128.load(out, 160), c51 = v128.load(out, 176);
  const aSkip = aRow - aStep * <usize> width, aNext = aImage - aRow * <usize> height;
  for (let i = images; i > 0; --i) {
    for (let y = height; y > 0; --y) {
      for (let x = width; x > 0; --x) {
        const b0 = v128.load(b), b1 = v128.load(b, 16);
        let s = v128.load32_splat(a); c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
        s = v128.load32_splat(a, 4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11);
        s = v128.load32_splat(a, 8); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21);
        s = v128.load32_splat(a, 12); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31);
        s = v128.load32_splat(a, 16); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41);
        s = v128.load32_splat(a, 20); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51);
        a += aStep; b += 32;
      }
      a += aSkip;
    }
    a += aNext;
  }
  v128.store(out, c00); v128.store(out, c01, 16);
  v128.store(out, c10, 32); v128.store(out, c11, 48);
  v128.store(out, c20, 64); v128.store(out, c21, 80);
  v128.store(out, c30, 96); v128.store(out, c31, 112);
  v128.store(out, c40, 128); v128.store(out, c41, 144);
  v128.store(out, c50, 160); v128.store(out, c51, 176);
}
