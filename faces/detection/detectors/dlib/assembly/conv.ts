/** Direct convolutions: a window is `size` runs of contiguous floats in the image. */
import { madd, relu, sum } from "./simd";

/**
 * Multiplies six windows by eight filters. The lines of a float of the run are repeated, because sums
 * must be locals to stay in registers and no function can change its caller's locals.
 * @param run floats in a run, `skip` bytes from its end to the next one's beginning
 * @param b filters, [runs × run, 8]; of a layer, behind their eight biases
 * @param layer true: adds biases and applies a relu
 */
@inline function sixWindows(
  a0: usize, a1: usize, a2: usize, a3: usize, a4: usize, a5: usize,
  runs: i32, run: i32, skip: usize, b: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, o4: usize, o5: usize, layer: bool,
): void {
  let c00 = f32x4.splat(0), c01 = c00;
  if (layer) {
    c00 = v128.load(b);
    c01 = v128.load(b, 16);
    b += 32;
  }
  let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01;
  let c40 = c00, c41 = c01, c50 = c00, c51 = c01;
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
  if (layer) {
    v128.store(o0, relu(c00)); v128.store(o0, relu(c01), 16);
    v128.store(o1, relu(c10)); v128.store(o1, relu(c11), 16);
    v128.store(o2, relu(c20)); v128.store(o2, relu(c21), 16);
    v128.store(o3, relu(c30)); v128.store(o3, relu(c31), 16);
    v128.store(o4, relu(c40)); v128.store(o4, relu(c41), 16);
    v128.store(o5, relu(c50)); v128.store(o5, relu(c51), 16);
  } else {
    v128.store(o0, c00); v128.store(o0, c01, 16);
    v128.store(o1, c10); v128.store(o1, c11, 16);
    v128.store(o2, c20); v128.store(o2, c21, 16);
    v128.store(o3, c30); v128.store(o3, c31, 16);
    v128.store(o4, c40); v128.store(o4, c41, 16);
    v128.store(o5, c50); v128.store(o5, c51, 16);
  }
}

/**
 * Computes `rows` rows of `width` outputs, with a relu. The output's channels are a multiple of eight.
 * @param a the first window; the next is `aStep` bytes on, the next row's `aRow`
 * @param runs rows of a window, `jump` bytes apart, each of `run` floats
 * @param b filters in panels of eight: biases, then [runs × run, 8]
 */
export function convolve(
  a: usize, aStep: usize, aRow: usize, runs: i32, run: i32, jump: usize,
  b: usize, panels: i32, o: usize, oStep: usize, oRow: usize, width: i32, rows: i32,
): void {
  const skip = jump - (<usize> run << 2), panel = (<usize> (runs * run) << 5) + 32;
  const aLast = <usize> (width - 1) * aStep, oLast = <usize> (width - 1) * oStep;
  for (let y = 0; y < rows; ++y) {
    for (let p = 0; p < panels; ++p) {
      const filters = b + <usize> p * panel, out = o + (<usize> p << 5);
      for (let x: usize = 0; x < <usize> width; x += 6) {
        // The row's last window fills up the six and is written repeatedly.
        const i0 = x * aStep, j0 = x * oStep;
        const i1 = min(i0 + aStep, aLast), j1 = min(j0 + oStep, oLast);
        const i2 = min(i1 + aStep, aLast), j2 = min(j1 + oStep, oLast);
        const i3 = min(i2 + aStep, aLast), j3 = min(j2 + oStep, oLast);
        const i4 = min(i3 + aStep, aLast), j4 = min(j3 + oStep, oLast);
        const i5 = min(i4 + aStep, aLast), j5 = min(j4 + oStep, oLast);
        sixWindows(
          a + i0, a + i1, a + i2, a + i3, a + i4, a + i5, runs, run, skip, filters,
          out + j0, out + j1, out + j2, out + j3, out + j4, out + j5, true,
        );
      }
    }
    a += aRow;
    o += oRow;
  }
}

/** Multiplies `rows` rows, `aStep` bytes apart, by a panel [inner, 8]. */
export function sixRows(
  a: usize, aStep: usize, inner: i32, b: usize, o: usize, oStep: usize, rows: i32,
): void {
  for (let left = rows; left > 0; left -= 6) {
    // The last row fills up the six and is written repeatedly.
    const a1 = left > 1 ? a + aStep : a, o1 = left > 1 ? o + oStep : o;
    const a2 = left > 2 ? a1 + aStep : a1, o2 = left > 2 ? o1 + oStep : o1;
    const a3 = left > 3 ? a2 + aStep : a2, o3 = left > 3 ? o2 + oStep : o2;
    const a4 = left > 4 ? a3 + aStep : a3, o4 = left > 4 ? o3 + oStep : o3;
    const a5 = left > 5 ? a4 + aStep : a4, o5 = left > 5 ? o4 + oStep : o4;
    sixWindows(a, a1, a2, a3, a4, a5, 1, inner, 0, b, o, o1, o2, o3, o4, o5, false);
    a = a5 + aStep;
    o = o5 + oStep;
  }
}

/**
 * Convolves with a single filter and no relu: four windows at once, vectors along their channels.
 * Parameters as in `convolve`; `run` is a multiple of four; `b` is [runs × run].
 */
export function score(
  a: usize, aStep: usize, aRow: usize, runs: i32, run: i32, jump: usize,
  b: usize, bias: f32, o: usize, width: i32, rows: i32,
): void {
  const skip = jump - (<usize> run << 2), last = <usize> (width - 1) * aStep;
  for (let y = 0; y < rows; ++y) {
    for (let x = 0; x < width; x += 4) {
      const i = <usize> x * aStep;
      let a0 = a + i, a1 = a + min(i + aStep, last);
      let a2 = a + min(i + 2 * aStep, last), a3 = a + min(i + 3 * aStep, last);
      let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, d0 = c0, d1 = c0, d2 = c0, d3 = c0;
      let f = b;
      for (let r = runs; r > 0; --r) {
        let k = run;
        for (; k >= 8; k -= 8) {
          const f0 = v128.load(f), f1 = v128.load(f, 16);
          c0 = madd(v128.load(a0), f0, c0); d0 = madd(v128.load(a0, 16), f1, d0);
          c1 = madd(v128.load(a1), f0, c1); d1 = madd(v128.load(a1, 16), f1, d1);
          c2 = madd(v128.load(a2), f0, c2); d2 = madd(v128.load(a2, 16), f1, d2);
          c3 = madd(v128.load(a3), f0, c3); d3 = madd(v128.load(a3, 16), f1, d3);
          a0 += 32; a1 += 32; a2 += 32; a3 += 32; f += 32;
        }
        for (; k > 0; k -= 4) {
          const f0 = v128.load(f);
          c0 = madd(v128.load(a0), f0, c0);
          c1 = madd(v128.load(a1), f0, c1);
          c2 = madd(v128.load(a2), f0, c2);
          c3 = madd(v128.load(a3), f0, c3);
          a0 += 16; a1 += 16; a2 += 16; a3 += 16; f += 16;
        }
        a0 += skip; a1 += skip; a2 += skip; a3 += skip;
      }
      const out = o + (<usize> x << 2);
      store<f32>(out, sum(f32x4.add(c0, d0)) + bias);
      if (x + 1 < width) store<f32>(out, sum(f32x4.add(c1, d1)) + bias, 4);
      if (x + 2 < width) store<f32>(out, sum(f32x4.add(c2, d2)) + bias, 8);
      if (x + 3 < width) store<f32>(out, sum(f32x4.add(c3, d3)) + bias, 12);
    }
    a += aRow;
    o += <usize> width << 2;
  }
}
