/**
 * Transforms that F(4×4, 2×2) and F(4×4, 3×3) share: a tile has `n` × `n` products, with n = 5 on the
 * points 0, 1, -1, 2 and infinity, or 6 with -2 before infinity. `n` is constant.
 */
import { activate } from "../simd";
import { add, store5, store6, sub, times } from "./common";

// The outputs, from the products in a line.
@inline function y0(n: i32, p0: v128, p1: v128, p2: v128, p3: v128, p4: v128): v128 {
  return add(add(p0, n == 6 ? add(p3, p4) : p3), add(p1, p2));
}
@inline function y1(n: i32, p1: v128, p2: v128, p3: v128, p4: v128): v128 {
  return times(2, n == 6 ? sub(p3, p4) : p3, sub(p1, p2));
}
@inline function y2(n: i32, p1: v128, p2: v128, p3: v128, p4: v128): v128 {
  return times(4, n == 6 ? add(p3, p4) : p3, add(p1, p2));
}
@inline function y3(n: i32, p1: v128, p2: v128, p3: v128, p4: v128, last: v128): v128 {
  return add(times(8, n == 6 ? sub(p3, p4) : p3, sub(p1, p2)), last);
}

/** A column of outputs, with their activation. */
@inline function outputColumn(
  n: i32, p0: v128, p1: v128, p2: v128, p3: v128, p4: v128, last: v128, kind: i32, slope: v128,
  o: usize, row: usize,
): void {
  v128.store(o, activate(y0(n, p0, p1, p2, p3, p4), kind, slope));
  o += row;
  v128.store(o, activate(y1(n, p1, p2, p3, p4), kind, slope));
  o += row;
  v128.store(o, activate(y2(n, p1, p2, p3, p4), kind, slope));
  o += row;
  v128.store(o, activate(y3(n, p1, p2, p3, p4, last), kind, slope));
}

/** Transforms planes to a tile of outputs, with bias and activation. */
@inline export function outputTile(
  n: i32, p: usize, plane: usize, bias: v128, kind: i32, slope: v128, o: usize, step: usize, row: usize,
): void {
  const plane2 = plane + plane, plane3 = plane2 + plane, plane4 = plane3 + plane;
  const last = n == 6 ? plane4 + plane : plane4, line = last + plane;
  let p0 = v128.load(p), p1 = v128.load(p + plane), p2 = v128.load(p + plane2);
  let p3 = v128.load(p + plane3), p4 = v128.load(p + plane4), p5 = v128.load(p + last);
  const a0 = y0(n, p0, p1, p2, p3, p4), a1 = y1(n, p1, p2, p3, p4);
  const a2 = y2(n, p1, p2, p3, p4), a3 = y3(n, p1, p2, p3, p4, p5);
  p += line;
  p0 = v128.load(p); p1 = v128.load(p + plane); p2 = v128.load(p + plane2);
  p3 = v128.load(p + plane3); p4 = v128.load(p + plane4); p5 = v128.load(p + last);
  // Row 1 counts once in every output, and the bias with it.
  const b0 = add(bias, y0(n, p0, p1, p2, p3, p4)), b1 = add(bias, y1(n, p1, p2, p3, p4));
  const b2 = add(bias, y2(n, p1, p2, p3, p4)), b3 = add(bias, y3(n, p1, p2, p3, p4, p5));
  p += line;
  p0 = v128.load(p); p1 = v128.load(p + plane); p2 = v128.load(p + plane2);
  p3 = v128.load(p + plane3); p4 = v128.load(p + plane4); p5 = v128.load(p + last);
  const c0 = y0(n, p0, p1, p2, p3, p4), c1 = y1(n, p1, p2, p3, p4);
  const c2 = y2(n, p1, p2, p3, p4), c3 = y3(n, p1, p2, p3, p4, p5);
  p += line;
  p0 = v128.load(p); p1 = v128.load(p + plane); p2 = v128.load(p + plane2);
  p3 = v128.load(p + plane3); p4 = v128.load(p + plane4); p5 = v128.load(p + last);
  const d0 = y0(n, p0, p1, p2, p3, p4), d1 = y1(n, p1, p2, p3, p4);
  const d2 = y2(n, p1, p2, p3, p4), d3 = y3(n, p1, p2, p3, p4, p5);
  let e0 = d0, e1 = d1, e2 = d2, e3 = d3;
  if (n == 6) {
    p += line;
    p0 = v128.load(p); p1 = v128.load(p + plane); p2 = v128.load(p + plane2);
    p3 = v128.load(p + plane3); p4 = v128.load(p + plane4); p5 = v128.load(p + last);
    e0 = y0(n, p0, p1, p2, p3, p4); e1 = y1(n, p1, p2, p3, p4);
    e2 = y2(n, p1, p2, p3, p4); e3 = y3(n, p1, p2, p3, p4, p5);
  }
  p += line;
  p0 = v128.load(p); p1 = v128.load(p + plane); p2 = v128.load(p + plane2);
  p3 = v128.load(p + plane3); p4 = v128.load(p + plane4); p5 = v128.load(p + last);
  outputColumn(n, a0, b0, c0, d0, e0, y0(n, p0, p1, p2, p3, p4), kind, slope, o, row);
  o += step;
  outputColumn(n, a1, b1, c1, d1, e1, y1(n, p1, p2, p3, p4), kind, slope, o, row);
  o += step;
  outputColumn(n, a2, b2, c2, d2, e2, y2(n, p1, p2, p3, p4), kind, slope, o, row);
  o += step;
  outputColumn(n, a3, b3, c3, d3, e3, y3(n, p1, p2, p3, p4, p5), kind, slope, o, row);
}

// What is multiplied, from the gradients of four outputs in a line, at the points 1, -1, 2 and -2; first
// and last come those of the outer two as they are.
@inline function g1(a: v128, b: v128, c: v128, d: v128): v128 { return add(add(a, c), add(b, d)); }
@inline function g2(a: v128, b: v128, c: v128, d: v128): v128 { return sub(add(a, c), add(b, d)); }
@inline function g3(a: v128, b: v128, c: v128, d: v128): v128 {
  return times(2, times(4, d, b), times(4, c, a));
}
@inline function g4(a: v128, b: v128, c: v128, d: v128): v128 {
  return times(-2, times(4, d, b), times(4, c, a));
}

/** Returns the sum of the row. */
@inline function gradientRow(
  n: i32, a: v128, b: v128, c: v128, d: v128, o: usize, plane: usize,
): v128 {
  const sum = g1(a, b, c, d), minus = g2(a, b, c, d), twice = g3(a, b, c, d);
  if (n == 5) store5(o, plane, a, sum, minus, twice, d);
  else store6(o, plane, a, sum, minus, twice, g4(a, b, c, d), d);
  return sum;
}

/** Transforms the gradients of a tile's outputs to planes; returns the sum of the sixteen. */
@inline export function gradientTile(
  n: i32, p: usize, step: usize, row: usize, o: usize, plane: usize,
): v128 {
  const q = p + row, r = q + row, s = r + row, step2 = step + step, step3 = step2 + step;
  const a0 = v128.load(p), a1 = v128.load(q), a2 = v128.load(r), a3 = v128.load(s);
  const b0 = v128.load(p + step), b1 = v128.load(q + step);
  const b2 = v128.load(r + step), b3 = v128.load(s + step);
  const c0 = v128.load(p + step2), c1 = v128.load(q + step2);
  const c2 = v128.load(r + step2), c3 = v128.load(s + step2);
  const d0 = v128.load(p + step3), d1 = v128.load(q + step3);
  const d2 = v128.load(r + step3), d3 = v128.load(s + step3);
  const line = <usize> n * plane;
  gradientRow(n, a0, b0, c0, d0, o, plane);
  o += line;
  const sum = gradientRow(
    n, g1(a0, a1, a2, a3), g1(b0, b1, b2, b3), g1(c0, c1, c2, c3), g1(d0, d1, d2, d3), o, plane,
  );
  o += line;
  gradientRow(
    n, g2(a0, a1, a2, a3), g2(b0, b1, b2, b3), g2(c0, c1, c2, c3), g2(d0, d1, d2, d3), o, plane,
  );
  o += line;
  gradientRow(
    n, g3(a0, a1, a2, a3), g3(b0, b1, b2, b3), g3(c0, c1, c2, c3), g3(d0, d1, d2, d3), o, plane,
  );
  o += line;
  if (n == 6) {
    gradientRow(
      n, g4(a0, a1, a2, a3), g4(b0, b1, b2, b3), g4(c0, c1, c2, c3), g4(d0, d1, d2, d3), o, plane,
    );
    o += line;
  }
  gradientRow(n, a3, b3, c3, d3, o, plane);
  return sum;
}
