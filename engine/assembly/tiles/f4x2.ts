/**
 * F(4×4, 2×2): tiles of 4×4 outputs for windows of 2×2, with 25 products in the place of 64. In one
 * dimension, by Toom and Cook's method on the points 0, 1, -1, 2 and infinity:
 *
 *     m0 = (2 d0 - d1 - 2 d2 + d3) g0 / 2,    m1 = (2 d1 + d2 - d3) (g0 + g1) / 2,
 *     m2 = (2 d1 - 3 d2 + d3) (g1 - g0) / 6,  m3 = (d3 - d1) (g0 + 2 g1) / 6,
 *     m4 = (2 d1 - d2 - 2 d3 + d4) g1,
 *
 *     y0 = m0 + m1 + m2 + m3,   y1 = m1 - m2 + 2 m3,
 *     y2 = m1 + m2 + 4 m3,      y3 = m1 - m2 + 8 m3 + m4.
 */
import { add, half, store5, storeColumns, sub, times } from "./common";

/** One column of the input, combined to row `n` of the planes. */
// @ts-ignore: decorator
@inline function inputColumn(p: usize, row: usize, n: i32): v128 {
  const p1 = p + row, p2 = p1 + row, p3 = p2 + row;
  if (n == 0) {
    const outer = sub(v128.load(p), v128.load(p2));
    return times(2, outer, sub(v128.load(p3), v128.load(p1)));
  }
  if (n == 1) return times(2, v128.load(p1), sub(v128.load(p2), v128.load(p3)));
  if (n == 2) {
    const c = v128.load(p2);
    return times(2, sub(v128.load(p1), c), sub(v128.load(p3), c));
  }
  if (n == 3) return sub(v128.load(p3), v128.load(p1));
  const outer = sub(v128.load(p3 + row), v128.load(p2));
  return times(2, sub(v128.load(p1), v128.load(p3)), outer);
}

// @ts-ignore: decorator
@inline function inputRow(p: usize, step: usize, row: usize, n: i32, o: usize, plane: usize): void {
  const d0 = inputColumn(p, row, n), d1 = inputColumn(p + step, row, n);
  const d2 = inputColumn(p + 2 * step, row, n), d3 = inputColumn(p + 3 * step, row, n);
  const d4 = inputColumn(p + 4 * step, row, n);
  const d31 = sub(d3, d1), d32 = sub(d3, d2);
  store5(
    o + <usize> (5 * n) * plane, plane,
    times(2, sub(d0, d2), d31), times(2, d1, sub(d2, d3)), times(2, sub(d1, d2), d32),
    d31, times(-2, d31, sub(d4, d2)),
  );
}

/** The input that a tile's windows see, to the planes. */
// @ts-ignore: decorator
@inline export function inputTile5(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  inputRow(p, step, row, 0, o, plane);
  inputRow(p, step, row, 1, o, plane);
  inputRow(p, step, row, 2, o, plane);
  inputRow(p, step, row, 3, o, plane);
  inputRow(p, step, row, 4, o, plane);
}

/** Two of the four columns of a tile of outputs: the first two, or the last two. */
// @ts-ignore: decorator
@inline function outputColumns(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128,
  o: usize, step: usize, row: usize, last: bool,
): void {
  let a0 = bias, a1 = bias, b0 = bias, b1 = bias, c0 = bias, c1 = bias, d0 = bias, d1 = bias;
  for (let n = 0; n < 5; ++n) {
    const m1 = v128.load(p + plane), m2 = v128.load(p + 2 * plane), m3 = v128.load(p + 3 * plane);
    let y0: v128, y1: v128;
    if (last) {
      y0 = times(4, m3, add(m1, m2));
      y1 = add(times(8, m3, sub(m1, m2)), v128.load(p + 4 * plane));
    } else {
      y0 = add(add(v128.load(p), m3), add(m1, m2));
      y1 = times(2, m3, sub(m1, m2));
    }
    if (n < 4) {
      a0 = add(a0, y0);
      a1 = add(a1, y1);
    }
    if (n == 1) {
      b0 = add(b0, y0); b1 = add(b1, y1);
      c0 = add(c0, y0); c1 = add(c1, y1);
      d0 = add(d0, y0); d1 = add(d1, y1);
    } else if (n == 2) {
      b0 = sub(b0, y0); b1 = sub(b1, y1);
      c0 = add(c0, y0); c1 = add(c1, y1);
      d0 = sub(d0, y0); d1 = sub(d1, y1);
    } else if (n == 3) {
      b0 = times(2, y0, b0); b1 = times(2, y1, b1);
      c0 = times(4, y0, c0); c1 = times(4, y1, c1);
      d0 = times(8, y0, d0); d1 = times(8, y1, d1);
    } else if (n == 4) {
      d0 = add(d0, y0); d1 = add(d1, y1);
    }
    p += 5 * plane;
  }
  storeColumns(
    last ? o + 2 * step : o, step, row, kind, slope, a0, a1, b0, b1, c0, c1, d0, d1,
  );
}

/** From the planes to a tile of outputs, with bias and activation. */
// @ts-ignore: decorator
@inline export function outputTile5(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128, o: usize, step: usize, row: usize,
): void {
  outputColumns(p, plane, bias, kind, slope, o, step, row, false);
  outputColumns(p, plane, bias, kind, slope, o, step, row, true);
}

/** One column of the outputs' gradients, combined to row `n` of the planes. */
// @ts-ignore: decorator
@inline function gradientColumn(p: usize, row: usize, n: i32): v128 {
  const p1 = p + row, p2 = p1 + row, p3 = p2 + row;
  if (n == 0) return v128.load(p);
  if (n == 4) return v128.load(p3);
  if (n == 3) {
    const even = times(4, v128.load(p2), v128.load(p));
    return times(2, times(4, v128.load(p3), v128.load(p1)), even);
  }
  const even = add(v128.load(p), v128.load(p2)), odd = add(v128.load(p1), v128.load(p3));
  return n == 1 ? add(even, odd) : sub(even, odd);
}

/** Returns the sum of the row. */
// @ts-ignore: decorator
@inline function gradientRow(
  p: usize, step: usize, row: usize, n: i32, o: usize, plane: usize,
): v128 {
  const a = gradientColumn(p, row, n), b = gradientColumn(p + step, row, n);
  const c = gradientColumn(p + 2 * step, row, n), d = gradientColumn(p + 3 * step, row, n);
  const even = add(a, c), odd = add(b, d), sum = add(even, odd);
  store5(
    o + <usize> (5 * n) * plane, plane,
    a, sum, sub(even, odd), times(2, times(4, d, b), times(4, c, a)), d,
  );
  return sum;
}

/** The gradients of a tile's outputs, to the planes; returns the sum of the sixteen. */
// @ts-ignore: decorator
@inline export function gradientTile5(
  p: usize, step: usize, row: usize, o: usize, plane: usize,
): v128 {
  gradientRow(p, step, row, 0, o, plane);
  const sum = gradientRow(p, step, row, 1, o, plane);
  gradientRow(p, step, row, 2, o, plane);
  gradientRow(p, step, row, 3, o, plane);
  gradientRow(p, step, row, 4, o, plane);
  return sum;
}

// @ts-ignore: decorator
@inline function sixth(a: v128): v128 { return f32x4.mul(a, f32x4.splat(1.0 / 6.0)); }

// @ts-ignore: decorator
@inline function weightsRow(g0: v128, g1: v128, o: usize, plane: usize): void {
  store5(
    o, plane,
    half(g0), half(add(g0, g1)), sixth(sub(g1, g0)), sixth(times(2, g1, g0)), g1,
  );
}

/** A window of weights, its taps `tap` bytes apart, to the planes. */
// @ts-ignore: decorator
@inline export function weightsTile5(p: usize, tap: usize, o: usize, plane: usize): void {
  const a = v128.load(p), b = v128.load(p + tap);
  const c = v128.load(p + 2 * tap), d = v128.load(p + 3 * tap);
  weightsRow(half(a), half(b), o, plane);
  weightsRow(half(add(a, c)), half(add(b, d)), o + 5 * plane, plane);
  weightsRow(sixth(sub(c, a)), sixth(sub(d, b)), o + 10 * plane, plane);
  weightsRow(sixth(times(2, c, a)), sixth(times(2, d, b)), o + 15 * plane, plane);
  weightsRow(c, d, o + 20 * plane, plane);
}

/** From the planes to the gradients of a window of weights. */
// @ts-ignore: decorator
@inline export function weightsGradientTile5(p: usize, plane: usize, o: usize, tap: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (let n = 0; n < 5; ++n) {
    const m0 = v128.load(p), m1 = v128.load(p + plane), m2 = v128.load(p + 2 * plane);
    const m3 = v128.load(p + 3 * plane), m4 = v128.load(p + 4 * plane);
    const ones = half(m1), thirds = sixth(m3);
    const g0 = add(half(m0), add(ones, sixth(sub(m3, m2))));
    const g1 = add(add(ones, m4), times(2, thirds, sixth(m2)));
    if (n == 0) {
      a = half(g0); b = half(g1);
    } else if (n == 1) {
      const h0 = half(g0), h1 = half(g1);
      a = add(a, h0); b = add(b, h1);
      c = h0; d = h1;
    } else if (n == 4) {
      c = add(c, g0); d = add(d, g1);
    } else {
      const h0 = sixth(g0), h1 = sixth(g1);
      if (n == 2) {
        a = sub(a, h0); b = sub(b, h1);
        c = add(c, h0); d = add(d, h1);
      } else {
        a = add(a, h0); b = add(b, h1);
        c = times(2, h0, c); d = times(2, h1, d);
      }
    }
    p += 5 * plane;
  }
  v128.store(o, a); v128.store(o + tap, b);
  v128.store(o + 2 * tap, c); v128.store(o + 3 * tap, d);
}
