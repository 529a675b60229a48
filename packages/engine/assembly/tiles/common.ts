/** Functions shared by the transforms of Winograd's algorithm (winograd.ts). */
import { madd } from "../simd";

@inline export function add(a: v128, b: v128): v128 { return f32x4.add(a, b); }
@inline export function sub(a: v128, b: v128): v128 { return f32x4.sub(a, b); }
@inline export function scaled(x: f32, a: v128): v128 { return f32x4.mul(f32x4.splat(x), a); }
@inline export function half(a: v128): v128 { return scaled(0.5, a); }
@inline export function sixth(a: v128): v128 { return scaled(1.0 / 6.0, a); }
/** x a + b */
@inline export function times(x: f32, a: v128, b: v128): v128 { return madd(f32x4.splat(x), a, b); }

/** Number `n` of some `step` bytes apart. */
@inline export function load(p: usize, step: usize, n: usize): v128 { return v128.load(p + n * step); }

// Rows of planes: numbers `plane` bytes apart.
@inline export function store3(o: usize, plane: usize, a: v128, b: v128, c: v128): void {
  v128.store(o, a);
  v128.store(o + plane, b);
  v128.store(o + 2 * plane, c);
}
@inline export function store4(
  o: usize, plane: usize, a: v128, b: v128, c: v128, d: v128,
): void {
  store3(o, plane, a, b, c);
  v128.store(o + 3 * plane, d);
}
@inline export function store5(
  o: usize, plane: usize, a: v128, b: v128, c: v128, d: v128, e: v128,
): void {
  store4(o, plane, a, b, c, d);
  v128.store(o + 4 * plane, e);
}
@inline export function store6(
  o: usize, plane: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128,
): void {
  store5(o, plane, a, b, c, d, e);
  v128.store(o + 5 * plane, f);
}
