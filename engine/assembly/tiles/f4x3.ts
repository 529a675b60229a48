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
import { add, store3, storeColumns, sub, times } from "./common";

// @ts-ignore: decorator
@inline function scaled(x: f32, a: v128): v128 { return f32x4.mul(f32x4.splat(x), a); }

// @ts-ignore: decorator
@inline function inputRow(
  d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, o: usize, plane: usize,
): void {
  let even = times(-4, d2, d4), odd = times(-4, d1, d3);
  store3(o, plane, times(4, d0, times(-5, d2, d4)), add(even, odd), sub(even, odd));
  even = sub(d4, d2); odd = sub(d3, d1);
  store3(
    o + 3 * plane, plane,
    times(2, odd, even), times(-2, odd, even), times(4, d1, times(-5, d3, d5)),
  );
}

/** Row 0 of the planes from rows 0, 2, 4 of a column of the input, or row 5 from rows 1, 3, 5. */
// @ts-ignore: decorator
@inline function outer(p: usize, row: usize): v128 {
  const p2 = p + 2 * row;
  return times(4, v128.load(p), times(-5, v128.load(p2), v128.load(p2 + 2 * row)));
}

/** What rows 1 and 2 of the planes are the sum and the difference of, or rows 3 and 4. */
// @ts-ignore: decorator
@inline function even(p: usize, row: usize, near: bool): v128 {
  const d2 = v128.load(p + 2 * row), d4 = v128.load(p + 4 * row);
  return near ? times(-4, d2, d4) : sub(d4, d2);
}
// @ts-ignore: decorator
@inline function odd(p: usize, row: usize, near: bool): v128 {
  const d1 = v128.load(p + row), d3 = v128.load(p + 3 * row);
  return near ? times(-4, d1, d3) : scaled(2, sub(d3, d1));
}

// @ts-ignore: decorator
@inline function inputRows(
  p: usize, step: usize, row: usize, near: bool, o: usize, plane: usize,
): void {
  const p1 = p + step, p2 = p1 + step, p3 = p2 + step, p4 = p3 + step, p5 = p4 + step;
  const a0 = even(p, row, near), a1 = even(p1, row, near), a2 = even(p2, row, near);
  const a3 = even(p3, row, near), a4 = even(p4, row, near), a5 = even(p5, row, near);
  const b0 = odd(p, row, near), b1 = odd(p1, row, near), b2 = odd(p2, row, near);
  const b3 = odd(p3, row, near), b4 = odd(p4, row, near), b5 = odd(p5, row, near);
  inputRow(
    add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3), add(a4, b4), add(a5, b5), o, plane,
  );
  inputRow(
    sub(a0, b0), sub(a1, b1), sub(a2, b2), sub(a3, b3), sub(a4, b4), sub(a5, b5),
    o + 6 * plane, plane,
  );
}

// @ts-ignore: decorator
@inline function outerRow(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  const p1 = p + step, p2 = p1 + step, p3 = p2 + step, p4 = p3 + step;
  inputRow(
    outer(p, row), outer(p1, row), outer(p2, row), outer(p3, row), outer(p4, row),
    outer(p4 + step, row), o, plane,
  );
}

/** The input that a tile's windows see, to the planes. */
// @ts-ignore: decorator
@inline export function inputTile6(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  outerRow(p, step, row, o, plane);
  inputRows(p, step, row, true, o + 6 * plane, plane);
  inputRows(p, step, row, false, o + 18 * plane, plane);
  outerRow(p + row, step, row, o + 30 * plane, plane);
}

/** Two of the four columns of a tile of outputs: the first two, or the last two. */
// @ts-ignore: decorator
@inline function outputColumns(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128,
  o: usize, step: usize, row: usize, last: bool,
): void {
  let a0 = bias, a1 = bias, b0 = bias, b1 = bias, c0 = bias, c1 = bias, d0 = bias, d1 = bias;
  for (let n = 0; n < 6; ++n) {
    const m1 = v128.load(p + plane), m2 = v128.load(p + 2 * plane);
    const m3 = v128.load(p + 3 * plane), m4 = v128.load(p + 4 * plane);
    let y0: v128, y1: v128;
    if (last) {
      y0 = times(4, add(m3, m4), add(m1, m2));
      y1 = add(times(8, sub(m3, m4), sub(m1, m2)), v128.load(p + 5 * plane));
    } else {
      y0 = add(add(v128.load(p), add(m3, m4)), add(m1, m2));
      y1 = times(2, sub(m3, m4), sub(m1, m2));
    }
    if (n < 5) {
      a0 = add(a0, y0); a1 = add(a1, y1);
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
      b0 = times(-2, y0, b0); b1 = times(-2, y1, b1);
      c0 = times(4, y0, c0); c1 = times(4, y1, c1);
      d0 = times(-8, y0, d0); d1 = times(-8, y1, d1);
    } else if (n == 5) {
      d0 = add(d0, y0); d1 = add(d1, y1);
    }
    p += 6 * plane;
  }
  storeColumns(
    last ? o + 2 * step : o, step, row, kind, slope, a0, a1, b0, b1, c0, c1, d0, d1,
  );
}

/** From the planes to a tile of outputs, with bias and activation. */
// @ts-ignore: decorator
@inline export function outputTile6(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128, o: usize, step: usize, row: usize,
): void {
  outputColumns(p, plane, bias, kind, slope, o, step, row, false);
  outputColumns(p, plane, bias, kind, slope, o, step, row, true);
}

/** Returns the sum of the row. */
// @ts-ignore: decorator
@inline function gradientRow(
  a: v128, b: v128, c: v128, d: v128, o: usize, plane: usize,
): v128 {
  let even = add(a, c), odd = add(b, d);
  const sum = add(even, odd);
  store3(o, plane, a, sum, sub(even, odd));
  even = times(4, c, a); odd = scaled(2, times(4, d, b));
  store3(o + 3 * plane, plane, add(even, odd), sub(even, odd), d);
  return sum;
}

/** Two rows of the planes: sum and difference of what is even and odd in the four rows. */
// @ts-ignore: decorator
@inline function gradientRows(
  p: usize, step: usize, row: usize, near: bool, o: usize, plane: usize,
): v128 {
  const q = p + row, p2 = p + 2 * row, q2 = p + 3 * row;
  const far: f32 = near ? 1 : 4, twice: f32 = near ? 1 : 2;
  const a0 = times(far, v128.load(p2), v128.load(p));
  const a1 = times(far, v128.load(p2 + step), v128.load(p + step));
  const a2 = times(far, v128.load(p2 + 2 * step), v128.load(p + 2 * step));
  const a3 = times(far, v128.load(p2 + 3 * step), v128.load(p + 3 * step));
  const b0 = scaled(twice, times(far, v128.load(q2), v128.load(q)));
  const b1 = scaled(twice, times(far, v128.load(q2 + step), v128.load(q + step)));
  const b2 = scaled(twice, times(far, v128.load(q2 + 2 * step), v128.load(q + 2 * step)));
  const b3 = scaled(twice, times(far, v128.load(q2 + 3 * step), v128.load(q + 3 * step)));
  const sum = gradientRow(add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3), o, plane);
  gradientRow(sub(a0, b0), sub(a1, b1), sub(a2, b2), sub(a3, b3), o + 6 * plane, plane);
  return sum;
}

// @ts-ignore: decorator
@inline function outerGradientRow(p: usize, step: usize, o: usize, plane: usize): void {
  const a = v128.load(p), b = v128.load(p + step), c = v128.load(p + 2 * step);
  gradientRow(a, b, c, v128.load(p + 3 * step), o, plane);
}

/** The gradients of a tile's outputs, to the planes; returns the sum of the sixteen. */
// @ts-ignore: decorator
@inline export function gradientTile6(
  p: usize, step: usize, row: usize, o: usize, plane: usize,
): v128 {
  outerGradientRow(p, step, o, plane);
  const sum = gradientRows(p, step, row, true, o + 6 * plane, plane);
  gradientRows(p, step, row, false, o + 18 * plane, plane);
  outerGradientRow(p + 3 * row, step, o + 30 * plane, plane);
  return sum;
}

/** Of three weights, what is multiplied for `n`. */
// @ts-ignore: decorator
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

/** A window of weights, its taps `tap` bytes apart, to the planes. */
// @ts-ignore: decorator
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

/** From the planes to the gradients of a window of weights. */
// @ts-ignore: decorator
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
