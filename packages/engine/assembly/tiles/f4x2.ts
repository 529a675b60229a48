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
import { add, half, store5, sub, times } from "./common";

// What is multiplied, from five inputs in a line.
@inline function m0(d0: v128, d1: v128, d2: v128, d3: v128): v128 {
  return times(2, sub(d0, d2), sub(d3, d1));
}
@inline function m1(d1: v128, d2: v128, d3: v128): v128 { return times(2, d1, sub(d2, d3)); }
@inline function m2(d1: v128, d2: v128, d3: v128): v128 {
  return times(2, sub(d1, d2), sub(d3, d2));
}
@inline function m3(d1: v128, d3: v128): v128 { return sub(d3, d1); }
@inline function m4(d1: v128, d2: v128, d3: v128, d4: v128): v128 {
  return times(-2, sub(d3, d1), sub(d4, d2));
}

@inline function inputRow(
  d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, o: usize, plane: usize,
): void {
  store5(
    o, plane,
    m0(d0, d1, d2, d3), m1(d1, d2, d3), m2(d1, d2, d3), m3(d1, d3), m4(d1, d2, d3, d4),
  );
}

/**
 * Transforms the input of a tile's windows to planes. Column by column, then row by row: spilled
 * values are on the runtime's stack, which is cached.
 */
@inline export function inputTile5(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  const row2 = row + row, row3 = row2 + row, row4 = row3 + row;
  let d0 = v128.load(p), d1 = v128.load(p + row), d2 = v128.load(p + row2);
  let d3 = v128.load(p + row3), d4 = v128.load(p + row4);
  const a0 = m0(d0, d1, d2, d3), a1 = m1(d1, d2, d3), a2 = m2(d1, d2, d3), a3 = m3(d1, d3);
  const a4 = m4(d1, d2, d3, d4);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4);
  const b0 = m0(d0, d1, d2, d3), b1 = m1(d1, d2, d3), b2 = m2(d1, d2, d3), b3 = m3(d1, d3);
  const b4 = m4(d1, d2, d3, d4);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4);
  const c0 = m0(d0, d1, d2, d3), c1 = m1(d1, d2, d3), c2 = m2(d1, d2, d3), c3 = m3(d1, d3);
  const c4 = m4(d1, d2, d3, d4);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4);
  const e0 = m0(d0, d1, d2, d3), e1 = m1(d1, d2, d3), e2 = m2(d1, d2, d3), e3 = m3(d1, d3);
  const e4 = m4(d1, d2, d3, d4);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4);
  const f0 = m0(d0, d1, d2, d3), f1 = m1(d1, d2, d3), f2 = m2(d1, d2, d3), f3 = m3(d1, d3);
  const f4 = m4(d1, d2, d3, d4);
  const five: usize = 5 * plane;
  inputRow(a0, b0, c0, e0, f0, o, plane);
  o += five;
  inputRow(a1, b1, c1, e1, f1, o, plane);
  o += five;
  inputRow(a2, b2, c2, e2, f2, o, plane);
  o += five;
  inputRow(a3, b3, c3, e3, f3, o, plane);
  o += five;
  inputRow(a4, b4, c4, e4, f4, o, plane);
}

@inline function sixth(a: v128): v128 { return f32x4.mul(a, f32x4.splat(1.0 / 6.0)); }

@inline function weightsRow(g0: v128, g1: v128, o: usize, plane: usize): void {
  store5(
    o, plane,
    half(g0), half(add(g0, g1)), sixth(sub(g1, g0)), sixth(times(2, g1, g0)), g1,
  );
}

/** Transforms a window of weights, its taps `tap` bytes apart, to planes. */
@inline export function weightsTile5(p: usize, tap: usize, o: usize, plane: usize): void {
  const a = v128.load(p), b = v128.load(p + tap);
  const c = v128.load(p + 2 * tap), d = v128.load(p + 3 * tap);
  weightsRow(half(a), half(b), o, plane);
  weightsRow(half(add(a, c)), half(add(b, d)), o + 5 * plane, plane);
  weightsRow(sixth(sub(c, a)), sixth(sub(d, b)), o + 10 * plane, plane);
  weightsRow(sixth(times(2, c, a)), sixth(times(2, d, b)), o + 15 * plane, plane);
  weightsRow(c, d, o + 20 * plane, plane);
}

/** Transforms planes to the gradients of a window of weights. */
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
