/**
 * Transforms that F(4×4, 2×2) and F(4×4, 3×3) share: a tile has `n` × `n` products, with n = 5 on the
 * points 0, 1, -1, 2 and infinity, or 6 with -2 before infinity. `n` is constant.
 *
 * A transform does one direction, then the other. What is between lies in `square`, memory of the thread
 * for n × n vectors, which is cached. Without loops, because those would load their constants each time.
 */
import { activate } from "../simd";
import { add, load, store4, store5, store6, sub, times } from "./common";
import { inputs5 } from "./f4x2";
import { inputs6 } from "./f4x3";

/** Computes what is multiplied, from `n` inputs in a line. */
@inline function inputs(n: i32, p: usize, step: usize, o: usize, oStep: usize): void {
  if (n == 5) inputs5(p, step, o, oStep);
  else inputs6(p, step, o, oStep);
}

/** Transforms the input of a tile's windows to planes. */
@inline export function inputTile(
  n: i32, p: usize, step: usize, row: usize, square: usize, o: usize, plane: usize,
): void {
  const line = <usize> n << 4, planes = <usize> n * plane;
  inputs(n, p, row, square, line);
  inputs(n, p + step, row, square + 16, line);
  inputs(n, p + 2 * step, row, square + 32, line);
  inputs(n, p + 3 * step, row, square + 48, line);
  inputs(n, p + 4 * step, row, square + 64, line);
  if (n == 6) inputs(n, p + 5 * step, row, square + 80, line);
  inputs(n, square, 16, o, plane);
  inputs(n, square + line, 16, o + planes, plane);
  inputs(n, square + 2 * line, 16, o + 2 * planes, plane);
  inputs(n, square + 3 * line, 16, o + 3 * planes, plane);
  inputs(n, square + 4 * line, 16, o + 4 * planes, plane);
  if (n == 6) inputs(n, square + 5 * line, 16, o + 5 * planes, plane);
}

/** Computes four outputs, from the products in a line; of the `last` direction, with bias and activation. */
@inline function outputs(
  n: i32, p: usize, step: usize, last: bool, bias: v128, kind: i32, slope: v128, o: usize, oStep: usize,
): void {
  // Row 1 counts once in every output, and the bias with it.
  const p1 = last ? add(bias, load(p, step, 1)) : load(p, step, 1);
  const p2 = load(p, step, 2), p3 = load(p, step, 3), p4 = n == 6 ? load(p, step, 4) : p3;
  const near = add(p1, p2), apart = sub(p1, p2);
  const far = n == 6 ? add(p3, p4) : p3, farApart = n == 6 ? sub(p3, p4) : p3;
  const far2 = add(far, far), apart2 = add(farApart, farApart), apart4 = add(apart2, apart2);
  let y0 = add(add(load(p, step, 0), far), near), y1 = add(apart2, apart);
  let y2 = add(add(far2, far2), near), y3 = add(add(add(apart4, apart4), apart), load(p, step, n - 1));
  if (last && kind != 0) {
    y0 = activate(y0, kind, slope);
    y1 = activate(y1, kind, slope);
    y2 = activate(y2, kind, slope);
    y3 = activate(y3, kind, slope);
  }
  store4(o, oStep, y0, y1, y2, y3);
}

/** Transforms planes to a tile of outputs, with bias and activation. */
@inline export function outputTile(
  n: i32, p: usize, plane: usize, bias: v128, kind: i32, slope: v128, square: usize,
  o: usize, step: usize, row: usize,
): void {
  const line = <usize> n * plane;
  outputs(n, p, plane, false, bias, kind, slope, square, 16);
  outputs(n, p + line, plane, false, bias, kind, slope, square + 64, 16);
  outputs(n, p + 2 * line, plane, false, bias, kind, slope, square + 128, 16);
  outputs(n, p + 3 * line, plane, false, bias, kind, slope, square + 192, 16);
  outputs(n, p + 4 * line, plane, false, bias, kind, slope, square + 256, 16);
  if (n == 6) outputs(n, p + 5 * line, plane, false, bias, kind, slope, square + 320, 16);
  outputs(n, square, 64, true, bias, kind, slope, o, row);
  outputs(n, square + 16, 64, true, bias, kind, slope, o + step, row);
  outputs(n, square + 32, 64, true, bias, kind, slope, o + 2 * step, row);
  outputs(n, square + 48, 64, true, bias, kind, slope, o + 3 * step, row);
}

/**
 * Computes what is multiplied, from the gradients of four outputs in a line: at the points 1, -1, 2 and
 * -2; first and last come those of the outer two as they are.
 */
@inline function gradients(n: i32, p: usize, step: usize, o: usize, oStep: usize): void {
  const a = load(p, step, 0), b = load(p, step, 1), c = load(p, step, 2), d = load(p, step, 3);
  const sum = add(add(a, c), add(b, d)), minus = sub(add(a, c), add(b, d));
  const even = times(4, c, a), odd = times(4, d, b), twice = times(2, odd, even);
  if (n == 5) store5(o, oStep, a, sum, minus, twice, d);
  else store6(o, oStep, a, sum, minus, twice, times(-2, odd, even), d);
}

/** Transforms the gradients of a tile's outputs to planes; returns the sum of the sixteen. */
@inline export function gradientTile(
  n: i32, p: usize, step: usize, row: usize, square: usize, o: usize, plane: usize,
): v128 {
  const planes = <usize> n * plane;
  gradients(n, p, row, square, 64);
  gradients(n, p + step, row, square + 16, 64);
  gradients(n, p + 2 * step, row, square + 32, 64);
  gradients(n, p + 3 * step, row, square + 48, 64);
  gradients(n, square, 16, o, plane);
  gradients(n, square + 64, 16, o + planes, plane);
  gradients(n, square + 128, 16, o + 2 * planes, plane);
  gradients(n, square + 192, 16, o + 3 * planes, plane);
  gradients(n, square + 256, 16, o + 4 * planes, plane);
  if (n == 6) gradients(n, square + 320, 16, o + 5 * planes, plane);
  return load(o, plane, n + 1);
}
