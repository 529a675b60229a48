/**
 * F(2×2, 3×3): tiles of 2×2 outputs for windows of 3×3, with 16 products in the place of 36. In one
 * dimension, y0 = m0 + m1 + m2 and y1 = m1 - m2 - m3, where
 *
 *     m0 = (d0 - d2) g0,                  m1 = (d1 + d2) (g0 + g1 + g2) / 2,
 *     m2 = (d2 - d1) (g0 - g1 + g2) / 2,  m3 = (d1 - d3) g2.
 */
import { activate } from "../simd";
import { add, half, store3, store4, sub } from "./common";

/** Transforms the input of a tile's four windows to planes. */
@inline export function inputTile4(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  const p1 = p + step, p2 = p1 + step, p3 = p2 + step, q = 2 * row;
  // Row by row, for few registers: the rows are loaded again, which costs less than to keep them.
  for (let n = 0; n < 4; ++n) {
    const r = n == 0 ? 0 : row, s = n == 3 ? r + q : q; // rows 0 2, 1 2, 1 2, 1 3
    const a0 = v128.load(p + r), a1 = v128.load(p1 + r);
    const a2 = v128.load(p2 + r), a3 = v128.load(p3 + r);
    const b0 = v128.load(p + s), b1 = v128.load(p1 + s);
    const b2 = v128.load(p2 + s), b3 = v128.load(p3 + s);
    if (n == 1) inputRow4(add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3), o, plane);
    else if (n == 2) inputRow4(sub(b0, a0), sub(b1, a1), sub(b2, a2), sub(b3, a3), o, plane);
    else inputRow4(sub(a0, b0), sub(a1, b1), sub(a2, b2), sub(a3, b3), o, plane);
    o += 4 * plane;
  }
}
@inline function inputRow4(d0: v128, d1: v128, d2: v128, d3: v128, o: usize, plane: usize): void {
  store4(o, plane, sub(d0, d2), add(d1, d2), sub(d2, d1), sub(d1, d3));
}

/** Transforms planes to a tile of outputs, with bias and activation. */
@inline export function outputTile4(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128, o: usize, step: usize, row: usize,
): void {
  let top0 = bias, top1 = bias, low0 = bias, low1 = bias;
  for (let n = 0; n < 4; ++n) {
    const m0 = v128.load(p), m1 = v128.load(p + plane);
    const m2 = v128.load(p + 2 * plane), m3 = v128.load(p + 3 * plane);
    const y0 = add(add(m0, m1), m2), y1 = sub(sub(m1, m2), m3);
    if (n < 3) {
      top0 = add(top0, y0);
      top1 = add(top1, y1);
    }
    if (n == 1) {
      low0 = add(low0, y0);
      low1 = add(low1, y1);
    } else if (n > 1) {
      low0 = sub(low0, y0);
      low1 = sub(low1, y1);
    }
    p += 4 * plane;
  }
  v128.store(o, activate(top0, kind, slope));
  v128.store(o + step, activate(top1, kind, slope));
  v128.store(o + row, activate(low0, kind, slope));
  v128.store(o + row + step, activate(low1, kind, slope));
}

/** Transforms the gradients of a tile's outputs to planes; returns the sum of the four. */
@inline export function gradientTile4(
  p: usize, step: usize, row: usize, o: usize, plane: usize,
): v128 {
  const a = v128.load(p), b = v128.load(p + step);
  const c = v128.load(p + row), d = v128.load(p + row + step);
  gradientRow4(a, b, o, plane);
  gradientRow4(add(a, c), add(b, d), o + 4 * plane, plane);
  gradientRow4(sub(a, c), sub(b, d), o + 8 * plane, plane);
  gradientRow4(f32x4.neg(c), f32x4.neg(d), o + 12 * plane, plane);
  return add(add(a, b), add(c, d));
}
@inline function gradientRow4(a: v128, b: v128, o: usize, plane: usize): void {
  store4(o, plane, a, add(a, b), sub(a, b), f32x4.neg(b));
}

/** Transforms planes to the gradients of a window of weights. */
@inline export function weightsGradientTile4(p: usize, plane: usize, o: usize, tap: usize): void {
  // Column by column of the planes, then along the rows.
  let x0 = f32x4.splat(0), x1 = x0, x2 = x0, y0 = x0, y1 = x0, y2 = x0, z0 = x0, z1 = x0, z2 = x0;
  for (let n = 0; n < 4; ++n) {
    const u0 = v128.load(p), u1 = v128.load(p + plane);
    const u2 = v128.load(p + 2 * plane), u3 = v128.load(p + 3 * plane);
    const sum = half(add(u1, u2));
    const g0 = add(u0, sum), g1 = half(sub(u1, u2)), g2 = add(sum, u3);
    if (n == 0) {
      x0 = g0; x1 = g1; x2 = g2;
    } else if (n == 3) {
      z0 = add(z0, g0); z1 = add(z1, g1); z2 = add(z2, g2);
    } else {
      const h0 = half(g0), h1 = half(g1), h2 = half(g2);
      x0 = add(x0, h0); x1 = add(x1, h1); x2 = add(x2, h2);
      z0 = add(z0, h0); z1 = add(z1, h1); z2 = add(z2, h2);
      if (n == 1) {
        y0 = h0; y1 = h1; y2 = h2;
      } else {
        y0 = sub(y0, h0); y1 = sub(y1, h1); y2 = sub(y2, h2);
      }
    }
    p += 4 * plane;
  }
  store3(o, tap, x0, x1, x2);
  store3(o + 3 * tap, tap, y0, y1, y2);
  store3(o + 6 * tap, tap, z0, z1, z2);
}
