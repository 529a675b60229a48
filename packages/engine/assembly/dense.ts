/**
 * Dense layers. One item is a panel of eight columns, for all rows of the batch, so that batch
 * normalization, dropout and the weights' gradient need nothing from other items.
 */
import { Control } from "./abi";
import {
  activateGradient, address, madd, real, rowsNow, word,
} from "./simd";
import { matrixTimesPanel, outerProducts } from "./gemm";
import { turn8, update } from "./update";

/** Four random words from four counters (the finalizer of MurmurHash3, twice keyed). */
@inline function hash(counter: v128, key0: v128, key1: v128): v128 {
  let x = i32x4.add(i32x4.mul(counter, i32x4.splat(0x9E3779B1)), key0);
  x = v128.xor(x, i32x4.shr_u(x, 16));
  x = i32x4.mul(x, i32x4.splat(0x85EBCA6B));
  x = v128.xor(x, i32x4.shr_u(x, 13));
  x = i32x4.mul(v128.xor(x, key1), i32x4.splat(0xC2B2AE35));
  x = v128.xor(x, i32x4.shr_u(x, 16));
  x = i32x4.mul(x, i32x4.splat(0x7FEB352D));
  return v128.xor(x, i32x4.shr_u(x, 15));
}

/** Counters of a row's units from byte `at` on. */
@inline function counters(row: i32, at: usize): v128 {
  return i32x4.add(i32x4.splat((row << 16) | <i32> (at >> 2)), i32x4(0, 1, 2, 3));
}

/** Keeps a lane where the random word of its counter reaches `threshold` = rate * 2^32. */
@inline export function drop(
  x: v128, counter: v128, key0: v128, key1: v128, threshold: v128, factor: v128,
): v128 {
  return v128.and(f32x4.mul(x, factor), i32x4.ge_u(hash(counter, key0, key1), threshold));
}

/**
 * The gradient of a dense layer's input: a product with repacked weights. One item is a panel of eight
 * inputs, whose weights are repacked first.
 */
export function denseInputGradient(r: usize, item: i32, thread: i32): void {
  const x = address(r, 3), columns = word(r, 4), weights = address(r, 5), zeros = address(r, 6);
  const out = address(r, 7), outRow = <usize> word(r, 8), xRow = <usize> word(r, 9);
  const panel = <usize> word(r, 10) << 5;
  const turned = address(r, 11) + <usize> thread * <usize> word(r, 12);
  let from = weights + (<usize> item << 8);
  for (let to = turned; to < turned + (<usize> columns << 5); to += 256) {
    turn8(from, to);
    from += panel;
  }
  matrixTimesPanel(
    x, xRow, rowsNow(), columns, turned, zeros, 0, 0, out + (<usize> item << 5), outRow,
  );
}

/**
 * Product, bias, activation; then, where the layer has them, normalization over the batch (or, in
 * inference, by the moving statistics) and dropout.
 */
export function denseForward(r: usize, item: i32): void {
  const x = address(r, 3), inner = word(r, 4), weights = address(r, 5), bias = address(r, 6);
  const activated = address(r, 7), rowBytes = <usize> word(r, 8);
  const kind = word(r, 9), alpha = real(r, 10);
  const out = address(r, 11), gamma = address(r, 12); // gamma 0: no normalization
  const rows = rowsNow();
  const column = <usize> item * 32;
  matrixTimesPanel(
    x, <usize> word(r, 24), rows, inner, weights + <usize> (item * inner) * 32, bias + column,
    kind, alpha, activated + column, rowBytes,
  );
  if (out == activated) return;
  const beta = address(r, 13), movingMean = address(r, 14), movingVariance = address(r, 15);
  const momentum = real(r, 16), epsilon = real(r, 17);
  const means = address(r, 18), deviations = address(r, 19), training = word(r, 20) != 0;
  const dropout = word(r, 21) != 0 && training;
  const threshold = i32x4.splat(word(r, 21)), factor = f32x4.splat(real(r, 22));
  const key0 = i32x4.splat(load<i32>(Control.key) ^ word(r, 23)), key1 = i32x4.splat(load<i32>(Control.key, 4));
  for (let half: usize = column; half < column + 32; half += 16) {
    let scale = f32x4.splat(1), shift = f32x4.splat(0);
    if (gamma != 0) {
      let mean: v128, variance: v128;
      if (training) {
        const count = f32x4.splat(<f32> rows);
        mean = f32x4.splat(0);
        for (let i = 0; i < rows; ++i) {
          mean = f32x4.add(mean, v128.load(activated + <usize> i * rowBytes + half));
        }
        mean = f32x4.div(mean, count);
        variance = f32x4.splat(0);
        for (let i = 0; i < rows; ++i) {
          const e = f32x4.sub(v128.load(activated + <usize> i * rowBytes + half), mean);
          variance = madd(e, e, variance);
        }
        variance = f32x4.div(variance, count);
        const keep = f32x4.splat(momentum), take = f32x4.splat(<f32> 1 - momentum);
        v128.store(
          movingMean + half,
          f32x4.add(f32x4.mul(v128.load(movingMean + half), keep), f32x4.mul(mean, take)),
        );
        v128.store(
          movingVariance + half,
          f32x4.add(f32x4.mul(v128.load(movingVariance + half), keep), f32x4.mul(variance, take)),
        );
      } else {
        mean = v128.load(movingMean + half);
        variance = v128.load(movingVariance + half);
      }
      const deviation = f32x4.div(
        f32x4.splat(1), f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon))),
      );
      v128.store(means + half, mean);
      v128.store(deviations + half, deviation);
      scale = f32x4.mul(v128.load(gamma + half), deviation);
      shift = f32x4.sub(v128.load(beta + half), f32x4.mul(mean, scale));
    }
    for (let i = 0; i < rows; ++i) {
      const at = <usize> i * rowBytes + half;
      let y = v128.load(activated + at);
      if (gamma != 0) y = madd(y, scale, shift);
      if (dropout) y = drop(y, counters(i, half), key0, key1, threshold, factor);
      v128.store(out + at, y);
    }
  }
}

/**
 * Converts the gradient of a block's output, in place, to that of its sum; also the gradients of
 * gamma, beta and bias.
 */
export function denseBackward(r: usize, item: i32): void {
  const d = address(r, 5);
  const activated = address(r, 7), rowBytes = <usize> word(r, 8);
  const kind = word(r, 9), alpha = f32x4.splat(real(r, 10));
  const dBias = address(r, 11), gamma = address(r, 12), dGamma = address(r, 13);
  const dBeta = address(r, 14), means = address(r, 18), deviations = address(r, 19);
  const dropout = word(r, 21) != 0;
  const threshold = i32x4.splat(word(r, 21)), factor = f32x4.splat(real(r, 22));
  const key0 = i32x4.splat(load<i32>(Control.key) ^ word(r, 23)), key1 = i32x4.splat(load<i32>(Control.key, 4));
  const rows = rowsNow();
  const column = <usize> item * 32;
  for (let half: usize = column; half < column + 32; half += 16) {
    let scale = f32x4.splat(1), slope = f32x4.splat(0), offset = slope, mean = slope;
    if (dropout || gamma != 0) {
      let sum = f32x4.splat(0), product = sum;
      if (gamma != 0) mean = v128.load(means + half);
      for (let i = 0; i < rows; ++i) {
        const at = <usize> i * rowBytes + half;
        let g = v128.load(d + at);
        if (dropout) {
          g = drop(g, counters(i, half), key0, key1, threshold, factor);
          v128.store(d + at, g);
        }
        sum = f32x4.add(sum, g);
        product = madd(g, f32x4.sub(v128.load(activated + at), mean), product);
      }
      if (gamma != 0) {
        const deviation = v128.load(deviations + half), count = f32x4.splat(<f32> rows);
        product = f32x4.mul(product, deviation);
        v128.store(dGamma + half, product);
        v128.store(dBeta + half, sum);
        scale = f32x4.mul(v128.load(gamma + half), deviation);
        slope = f32x4.neg(f32x4.div(f32x4.mul(f32x4.mul(scale, deviation), product), count));
        offset = f32x4.neg(f32x4.div(f32x4.mul(scale, sum), count));
      }
    }
    let bias = f32x4.splat(0);
    for (let i = 0; i < rows; ++i) {
      const at = <usize> i * rowBytes + half;
      const y = v128.load(activated + at);
      let g = v128.load(d + at);
      if (gamma != 0) g = madd(g, scale, madd(f32x4.sub(y, mean), slope, offset));
      g = activateGradient(g, y, kind, alpha);
      bias = f32x4.add(bias, g);
      v128.store(d + at, g);
    }
    v128.store(dBias + half, bias);
  }
}

/**
 * The gradient of a panel of weights, from that of the layer's sums, and the optimizer's step with
 * it, while it is cached.
 */
export function denseUpdate(r: usize, item: i32, thread: i32): void {
  const x = address(r, 3), inner = word(r, 4), d = address(r, 5);
  const xRow = <usize> word(r, 6), dRow = <usize> word(r, 7);
  const packed = address(r, 8) + <usize> thread * <usize> word(r, 9);
  const rows = rowsNow(), gradient = packed + (<usize> rows << 5);
  let at = d + (<usize> item << 5);
  for (let to = packed; to < gradient; to += 32) {
    v128.store(to, v128.load(at));
    v128.store(to, v128.load(at, 16), 16);
    at += dRow;
  }
  memory.fill(gradient, 0, <usize> inner << 5);
  outerProducts(x, inner, 0, 0, xRow, packed, 1, 1, rows, gradient);
  update(
    address(r, 10) + <usize> item * 32, address(r, 11), address(r, 12), address(r, 13),
    address(r, 14) + (<usize> item << 3), gradient, 0, 1,
    word(r, 15) == 0 ? 0 : address(r, 15) + (<usize> item << 3),
  );
}
