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
import { add, load, scaled, store3, store6, sub, times } from "./common";

/** Computes what is multiplied, from six inputs in a line. */
@inline export function inputs6(p: usize, step: usize, o: usize, oStep: usize): void {
  const d0 = load(p, step, 0), d1 = load(p, step, 1), d2 = load(p, step, 2);
  const d3 = load(p, step, 3), d4 = load(p, step, 4), d5 = load(p, step, 5);
  const even = times(-4, d2, d4), odd = times(-4, d1, d3), d31 = sub(d3, d1), d42 = sub(d4, d2);
  const twice = add(d31, d31);
  store6(
    o, oStep,
    times(4, d0, times(-5, d2, d4)), add(even, odd), sub(even, odd), add(d42, twice), sub(d42, twice),
    times(4, d1, times(-5, d3, d5)),
  );
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
  store3(o, tap, x0, x1, x2);
  store3(o + 3 * tap, tap, y0, y1, y2);
  store3(o + 6 * tap, tap, z0, z1, z2);
}
