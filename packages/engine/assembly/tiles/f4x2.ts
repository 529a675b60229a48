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
import { add, half, load, sixth, store4, store5, sub, times } from "./common";

/** Computes what is multiplied, from five inputs in a line. */
@inline export function inputs5(p: usize, step: usize, o: usize, oStep: usize): void {
  const d0 = load(p, step, 0), d1 = load(p, step, 1), d2 = load(p, step, 2);
  const d3 = load(p, step, 3), d4 = load(p, step, 4), d31 = sub(d3, d1);
  store5(
    o, oStep,
    times(2, sub(d0, d2), d31), times(2, d1, sub(d2, d3)), times(2, sub(d1, d2), sub(d3, d2)), d31,
    times(-2, d31, sub(d4, d2)),
  );
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
  store4(o, tap, a, b, c, d);
}
