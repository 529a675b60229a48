/**
 * F(4×4, 3×3): tiles of 4×4 outputs for windows of 3×3, with 36 products in the place of 144. In one
 * dimension, on the points 0, ±1, ±2 and infinity:
 *
 *     m0 = (4 d0 - 5 d2 + d4) g0 / 4,
 *     m1 = (d4 - 4 d2 + d3 - 4 d1) · -(g0 + g1 + g2) / 6,
 *     m2 = (d4 - 4 d2 - d3 + 4 d1) · -(g0 - g1 + g2) / 6,
 *     m3 = (d4 - d2 + 2 (d3 - d1)) (g0 + 2 g1 + 4 g2) / 24,
 *     m4 = (d4 - d2 - 2 (d3 - d1)) (g0 - 2 g1 + 4 g2) / 24,
 *     m5 = (4 d1 - 5 d3 + d5) g2,
 *
 *     y0 = m0 + m1 + m2 + m3 + m4,    y1 = m1 - m2 + 2 (m3 - m4),
 *     y2 = m1 + m2 + 4 (m3 + m4),     y3 = m1 - m2 + 8 (m3 - m4) + m5.
 */
import { add, store3, store6, sub, times } from "./common";

// What is multiplied, from six inputs in a line.
@inline function m0(d0: v128, d2: v128, d4: v128): v128 { return times(4, d0, times(-5, d2, d4)); }
@inline function m1(d1: v128, d2: v128, d3: v128, d4: v128): v128 {
  return add(times(-4, d2, d4), times(-4, d1, d3));
}
@inline function m2(d1: v128, d2: v128, d3: v128, d4: v128): v128 {
  return sub(times(-4, d2, d4), times(-4, d1, d3));
}
@inline function m3(d1: v128, d2: v128, d3: v128, d4: v128): v128 {
  return times(2, sub(d3, d1), sub(d4, d2));
}
@inline function m4(d1: v128, d2: v128, d3: v128, d4: v128): v128 {
  return times(-2, sub(d3, d1), sub(d4, d2));
}
@inline function m5(d1: v128, d3: v128, d5: v128): v128 { return times(4, d1, times(-5, d3, d5)); }

@inline function inputRow(
  d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, o: usize, plane: usize,
): void {
  store6(
    o, plane, m0(d0, d2, d4), m1(d1, d2, d3, d4), m2(d1, d2, d3, d4), m3(d1, d2, d3, d4),
    m4(d1, d2, d3, d4), m5(d1, d3, d5),
  );
}

/**
 * Transforms the input of a tile's windows to planes. Column by column, then row by row: spilled
 * values are on the runtime's stack, which is cached.
 */
@inline export function inputTile6(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  const row2 = row + row, row3 = row2 + row, row4 = row3 + row, row5 = row4 + row;
  let d0 = v128.load(p), d1 = v128.load(p + row), d2 = v128.load(p + row2);
  let d3 = v128.load(p + row3), d4 = v128.load(p + row4), d5 = v128.load(p + row5);
  const a0 = m0(d0, d2, d4), a1 = m1(d1, d2, d3, d4), a2 = m2(d1, d2, d3, d4);
  const a3 = m3(d1, d2, d3, d4), a4 = m4(d1, d2, d3, d4), a5 = m5(d1, d3, d5);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4); d5 = v128.load(p + row5);
  const b0 = m0(d0, d2, d4), b1 = m1(d1, d2, d3, d4), b2 = m2(d1, d2, d3, d4);
  const b3 = m3(d1, d2, d3, d4), b4 = m4(d1, d2, d3, d4), b5 = m5(d1, d3, d5);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4); d5 = v128.load(p + row5);
  const c0 = m0(d0, d2, d4), c1 = m1(d1, d2, d3, d4), c2 = m2(d1, d2, d3, d4);
  const c3 = m3(d1, d2, d3, d4), c4 = m4(d1, d2, d3, d4), c5 = m5(d1, d3, d5);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4); d5 = v128.load(p + row5);
  const e0 = m0(d0, d2, d4), e1 = m1(d1, d2, d3, d4), e2 = m2(d1, d2, d3, d4);
  const e3 = m3(d1, d2, d3, d4), e4 = m4(d1, d2, d3, d4), e5 = m5(d1, d3, d5);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4); d5 = v128.load(p + row5);
  const f0 = m0(d0, d2, d4), f1 = m1(d1, d2, d3, d4), f2 = m2(d1, d2, d3, d4);
  const f3 = m3(d1, d2, d3, d4), f4 = m4(d1, d2, d3, d4), f5 = m5(d1, d3, d5);
  p += step;
  d0 = v128.load(p); d1 = v128.load(p + row); d2 = v128.load(p + row2);
  d3 = v128.load(p + row3); d4 = v128.load(p + row4); d5 = v128.load(p + row5);
  const h0 = m0(d0, d2, d4), h1 = m1(d1, d2, d3, d4), h2 = m2(d1, d2, d3, d4);
  const h3 = m3(d1, d2, d3, d4), h4 = m4(d1, d2, d3, d4), h5 = m5(d1, d3, d5);
  const six: usize = 6 * plane;
  inputRow(a0, b0, c0, e0, f0, h0, o, plane);
  o += six;
  inputRow(a1, b1, c1, e1, f1, h1, o, plane);
  o += six;
  inputRow(a2, b2, c2, e2, f2, h2, o, plane);
  o += six;
  inputRow(a3, b3, c3, e3, f3, h3, o, plane);
  o += six;
  inputRow(a4, b4, c4, e4, f4, h4, o, plane);
  o += six;
  inputRow(a5, b5, c5, e5, f5, h5, o, plane);
}

@inline function scaled(x: f32, a: v128): v128 { return f32x4.mul(f32x4.splat(x), a); }

/** Factor of product `n`, from three weights. */
@inline function weight(g0: v128, g1: v128, g2: v128, n: i32): v128 {
  if (n == 0) return scaled(0.25, g0);
  if (n == 5) return g2;
  if (n < 3) {
    const outer = add(g0, g2);
    return scaled(-1.0 / 6.0, n == 1 ? add(outer, g1) : sub(outer, g1));
  }
  const outer = times(4, g2, g0);
  return scaled(1.0 / 24.0, n == 3 ? times(2, g1, outer) : times(-2, g1, outer));
}

/** Transforms a window of weights, its taps `tap` bytes apart, to planes. */
@inline export function weightsTile6(p: usize, tap: usize, o: usize, plane: usize): void {
  const q = p + 3 * tap, r = q + 3 * tap;
  for (let n = 0; n < 6; ++n) {
    const a = weight(v128.load(p), v128.load(q), v128.load(r), n);
    const b = weight(v128.load(p + tap), v128.load(q + tap), v128.load(r + tap), n);
    const c = weight(v128.load(p + 2 * tap), v128.load(q + 2 * tap), v128.load(r + 2 * tap), n);
    store3(o, plane, weight(a, b, c, 0), weight(a, b, c, 1), weight(a, b, c, 2));
    store3(o + 3 * plane, plane, weight(a, b, c, 3), weight(a, b, c, 4), c);
    o += 6 * plane;
  }
}

/** Transforms planes to the gradients of a window of weights. */
@inline export function weightsGradientTile6(p: usize, plane: usize, o: usize, tap: usize): void {
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, y0 = x0, y1 = x0, y2 = x0, z0 = x0, z1 = x0, z2 = x0;
  for (let n = 0; n < 6; ++n) {
    const m1 = v128.load(p + plane), m2 = v128.load(p + 2 * plane);
    const m3 = v128.load(p + 3 * plane), m4 = v128.load(p + 4 * plane);
    const near = scaled(-1.0 / 6.0, add(m1, m2)), far = add(m3, m4);
    const g0 = add(times(0.25, v128.load(p), near), scaled(1.0 / 24.0, far));
    const g1 = times(1.0 / 6.0, sub(m2, m1), scaled(1.0 / 12.0, sub(m3, m4)));
    const g2 = add(times(1.0 / 6.0, far, near), v128.load(p + 5 * plane));
    // What row n counts in the three rows of the window.
    const x: f32 = n == 0 ? 0.25 : n == 5 ? 0 : n < 3 ? -1.0 / 6.0 : 1.0 / 24.0;
    const y: f32 = n == 0 || n == 5 ? 0
      : n == 1 ? -1.0 / 6.0 : n == 2 ? 1.0 / 6.0 : n == 3 ? 1.0 / 12.0 : -1.0 / 12.0;
    const z: f32 = n == 0 ? 0 : n == 5 ? 1 : n < 3 ? -1.0 / 6.0 : 1.0 / 6.0;
    if (n < 5) {
      x0 = times(x, g0, x0); x1 = times(x, g1, x1); x2 = times(x, g2, x2);
    }
    if (n > 0) {
      z0 = times(z, g0, z0); z1 = times(z, g1, z1); z2 = times(z, g2, z2);
      if (n < 5) {
        y0 = times(y, g0, y0); y1 = times(y, g1, y1); y2 = times(y, g2, y2);
      }
    }
    p += 6 * plane;
  }
  v128.store(o, x0); v128.store(o + tap, x1); v128.store(o + 2 * tap, x2);
  o += 3 * tap;
  v128.store(o, y0); v128.store(o + tap, y1); v128.store(o + 2 * tap, y2);
  o += 3 * tap;
  v128.store(o, z0); v128.store(o + tap, z1); v128.store(o + 2 * tap, z2);
}
