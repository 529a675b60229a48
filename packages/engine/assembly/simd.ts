/** Shared by all kernels: multiply-add and small vector functions. */
import { Activation, Control } from "./abi";

/**
 * a * b + c, lane by lane. With relaxed SIMD it is one fused instruction where the processor has
 * one; the plain build rounds twice.
 */
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Activation of one vector; NaN passes. `pmax(a, b)` is `a < b ? b : a`. */
@inline export function activate(x: v128, kind: i32, alpha: v128): v128 {
  if (kind == Activation.relu) return f32x4.pmax(x, f32x4.splat(0));
  if (kind == Activation.leakyRelu) {
    return v128.bitselect(x, f32x4.mul(x, alpha), f32x4.gt(x, f32x4.splat(0)));
  }
  return x;
}

/**
 * Gradient through the activation whose output was `y`: the sign of the output is the sign of the
 * input. At 0 it is that of the negative side, as in TensorFlow; a NaN in `y` lets `d` through.
 */
@inline export function activateGradient(d: v128, y: v128, kind: i32, alpha: v128): v128 {
  if (kind == Activation.relu) return v128.andnot(d, f32x4.le(y, f32x4.splat(0)));
  if (kind == Activation.leakyRelu) {
    return v128.bitselect(f32x4.mul(d, alpha), d, f32x4.le(y, f32x4.splat(0)));
  }
  return d;
}

/** Rows (images) in the current batch. */
@inline export function rowsNow(): i32 {
  return load<i32>(Control.rows);
}

/** Word `n` of a kernel's record. */
@inline export function word(record: usize, n: usize): i32 {
  return load<i32>(record + (n << 2));
}

@inline export function address(record: usize, n: usize): usize {
  return load<u32>(record + (n << 2)) as usize;
}

@inline export function real(record: usize, n: usize): f32 {
  return load<f32>(record + (n << 2));
}

/**
 * Returns the address of image 0. A thread has its own images from `from` on, `step` bytes after those
 * of the previous thread; with a step of 0 they are shared.
 */
@inline export function ofThread(
  first: usize, step: usize, thread: i32, from: i32, image: usize,
): usize {
  return step == 0 ? first : first + <usize> thread * step - <usize> from * image;
}
