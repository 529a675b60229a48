/** What the transforms of Winograd's algorithm share (winograd.ts). */
import { activate, madd } from "../simd";

// @ts-ignore: decorator
@inline export function add(a: v128, b: v128): v128 { return f32x4.add(a, b); }
// @ts-ignore: decorator
@inline export function sub(a: v128, b: v128): v128 { return f32x4.sub(a, b); }
// @ts-ignore: decorator
@inline export function half(a: v128): v128 { return f32x4.mul(a, f32x4.splat(0.5)); }
/** x a + b */
// @ts-ignore: decorator
@inline export function times(x: f32, a: v128, b: v128): v128 { return madd(f32x4.splat(x), a, b); }

// Rows of planes: numbers `plane` bytes apart.
// @ts-ignore: decorator
@inline export function store3(o: usize, plane: usize, a: v128, b: v128, c: v128): void {
  v128.store(o, a);
  v128.store(o + plane, b);
  v128.store(o + 2 * plane, c);
}
// @ts-ignore: decorator
@inline export function store4(
  o: usize, plane: usize, a: v128, b: v128, c: v128, d: v128,
): void {
  store3(o, plane, a, b, c);
  v128.store(o + 3 * plane, d);
}
// @ts-ignore: decorator
@inline export function store5(
  o: usize, plane: usize, a: v128, b: v128, c: v128, d: v128, e: v128,
): void {
  store4(o, plane, a, b, c, d);
  v128.store(o + 4 * plane, e);
}

/** Two columns of four outputs, two a row, with their activation. */
// @ts-ignore: decorator
@inline export function storeColumns(
  o: usize, step: usize, row: usize, kind: i32, slope: v128,
  a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128,
): void {
  v128.store(o, activate(a0, kind, slope));
  v128.store(o + step, activate(a1, kind, slope));
  o += row;
  v128.store(o, activate(b0, kind, slope));
  v128.store(o + step, activate(b1, kind, slope));
  o += row;
  v128.store(o, activate(c0, kind, slope));
  v128.store(o + step, activate(c1, kind, slope));
  o += row;
  v128.store(o, activate(d0, kind, slope));
  v128.store(o + step, activate(d1, kind, slope));
}
