/** Shared parts of the kernels. */

/** Computes a * b + c; fused if build and processor have relaxed SIMD. */
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

@inline export function relu(x: v128): v128 {
  return f32x4.pmax(f32x4.splat(0), x);
}

/** Returns the sum of the four lanes. */
@inline export function sum(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
