/**
 * F(2×2, 2×2): tiles of 2×2 outputs for windows of 2×2, with 9 products in the place of 16. In one
 * dimension, y0 = d0 g0 + d1 g1 and y1 = d1 g0 + d2 g1 are m0 + m1 and m1 + m2, where
 *
 *     m0 = (d0 - d1) g0,  m1 = d1 (g0 + g1),  m2 = (d2 - d1) g1.
 */
import { activate } from "../simd";
import { add, store3, sub } from "./common";

/** Transforms the input of a tile's four windows to planes. */
@inline export function inputTile3(p: usize, step: usize, row: usize, o: usize, plane: usize): void {
  const a0 = v128.load(p), a1 = v128.load(p + step), a2 = v128.load(p + 2 * step);
  p += row;
  const b0 = v128.load(p), b1 = v128.load(p + step), b2 = v128.load(p + 2 * step);
  p += row;
  const c0 = v128.load(p), c1 = v128.load(p + step), c2 = v128.load(p + 2 * step);
  inputRow3(sub(a0, b0), sub(a1, b1), sub(a2, b2), o, plane);
  inputRow3(b0, b1, b2, o + 3 * plane, plane);
  inputRow3(sub(c0, b0), sub(c1, b1), sub(c2, b2), o + 6 * plane, plane);
}
@inline function inputRow3(d0: v128, d1: v128, d2: v128, o: usize, plane: usize): void {
  store3(o, plane, sub(d0, d1), d1, sub(d2, d1));
}

/** Transforms planes to a tile of outputs, with bias and activation. */
@inline export function outputTile3(
  p: usize, plane: usize, bias: v128, kind: i32, slope: v128, o: usize, step: usize, row: usize,
): void {
  const a0 = v128.load(p), a1 = v128.load(p + plane), a2 = v128.load(p + 2 * plane);
  p += 3 * plane;
  const b0 = v128.load(p), b1 = v128.load(p + plane), b2 = v128.load(p + 2 * plane);
  p += 3 * plane;
  const c0 = v128.load(p), c1 = v128.load(p + plane), c2 = v128.load(p + 2 * plane);
  const s = add(add(a1, b1), bias), z = add(add(b1, c1), bias);
  v128.store(o, activate(add(add(a0, b0), s), kind, slope));
  v128.store(o + step, activate(add(add(a2, b2), s), kind, slope));
  v128.store(o + row, activate(add(add(b0, c0), z), kind, slope));
  v128.store(o + row + step, activate(add(add(b2, c2), z), kind, slope));
}

/** Transforms the gradients of a tile's outputs to planes; returns the sum of the four. */
@inline export function gradientTile3(
  p: usize, step: usize, row: usize, o: usize, plane: usize,
): v128 {
  const a = v128.load(p), b = v128.load(p + step);
  const c = v128.load(p + row), d = v128.load(p + row + step);
  const ab = add(a, b), cd = add(c, d), all = add(ab, cd);
  store3(o, plane, a, ab, b);
  store3(o + 3 * plane, plane, add(a, c), all, add(b, d));
  store3(o + 6 * plane, plane, c, cd, d);
  return all;
}

/** Transforms planes to the gradients of a window of weights. */
@inline export function weightsGradientTile3(p: usize, plane: usize, o: usize, tap: usize): void {
  const a0 = v128.load(p), a1 = v128.load(p + plane), a2 = v128.load(p + 2 * plane);
  p += 3 * plane;
  const b0 = v128.load(p), b1 = v128.load(p + plane), b2 = v128.load(p + 2 * plane);
  p += 3 * plane;
  const c0 = v128.load(p), c1 = v128.load(p + plane), c2 = v128.load(p + 2 * plane);
  const ab = add(a1, b1), bc = add(b1, c1);
  v128.store(o, add(add(a0, b0), ab));
  v128.store(o + tap, add(add(a2, b2), ab));
  v128.store(o + 2 * tap, add(add(b0, c0), bc));
  v128.store(o + 3 * tap, add(add(b2, c2), bc));
}
