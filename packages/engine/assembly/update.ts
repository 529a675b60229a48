/** Optimizers, and the repacking of weights. */
import { Control, Optimizer, Update } from "./abi";
import {
  address, madd, real, rowsNow, word,
} from "./simd";

/**
 * One piece of the parameters. The table holds for each: weights, floats, part, parts' distance in
 * bytes, parts, L2, and its decay flag.
 */
export function updateWeights(r: usize, item: i32): void {
  const entry = address(r, 3) + <usize> item * 32, penalty = address(r, 7) + (<usize> item << 3);
  const toM = address(r, 4), toV = address(r, 5), toG = address(r, 6), kind = word(r, 8);
  if (kind == Update.penaltyOnly) return store<f64>(penalty, penaltyOf(entry));
  if (kind == Update.apply) return step(entry, toM, toV, toG, 0, 0, 0, 0, load<f32>(Control.scale));
  update(
    entry, toM, toV, toG, penalty,
    address(entry, 2), <usize> word(entry, 3), min(rowsNow(), word(entry, 4)),
    kind == Update.gather ? address(r, 9) + (<usize> item << 3) : 0,
  );
}

/** Global gradient clipping: the factor that brings the norm over all pieces to at most the limit. */
export function clip(r: usize): void {
  let sum: f64 = 0;
  for (let n = 0; n < word(r, 4); ++n) sum += load<f64>(address(r, 3) + (<usize> n << 3));
  const norm = Math.sqrt(sum), most = <f64> load<f32>(Control.clipNorm);
  store<f32>(Control.scale, norm > most ? <f32> (most / norm) : 1);
}

/** Moving average of an entry's weights, in f64. The table holds for each: weights, floats, averages. */
export function average(r: usize, item: i32): void {
  const entry = address(r, 3) + <usize> item * 12, end = address(entry, 0) + (<usize> word(entry, 1) << 2);
  const share = f64x2.splat(load<f64>(Control.share));
  let to = address(entry, 2);
  for (let at = address(entry, 0); at < end; at += 8) {
    const old = f64x2.promote_low_f32x4(v128.load64_zero(to));
    const far = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at)), old);
    v128.store64_lane(to, f32x4.demote_f64x2_zero(f64x2.add(old, f64x2.mul(share, far))), 0);
    to += 8;
  }
}

/** The L2 penalty of an entry's weights. */
function penaltyOf(entry: usize): f64 {
  const l2 = real(entry, 5);
  if (l2 == 0) return 0;
  const start = address(entry, 0), end = start + (<usize> word(entry, 1) << 2);
  let sum: f64 = 0;
  for (let at = start; at < end; at += 16) sum += squares(v128.load(at));
  return sum * <f64> l2;
}

@inline function squares(w: v128): f64 {
  const q = f32x4.mul(w, w);
  return <f64> f32x4.extract_lane(q, 0) + <f64> f32x4.extract_lane(q, 1) +
    <f64> f32x4.extract_lane(q, 2) + <f64> f32x4.extract_lane(q, 3);
}

/**
 * Steps with the gradient, or with `norm` stores it and the sum of its squares there.
 * @param toG where gradients are stored, behind the weights
 * @param parts partial gradients, `partStep` bytes apart; 0: the gradient is stored already
 */
export function update(
  entry: usize, toM: usize, toV: usize, toG: usize, penaltyAt: usize,
  part: usize, partStep: usize, parts: i32, norm: usize,
): void {
  store<f64>(penaltyAt, penaltyOf(entry));
  const l2 = real(entry, 5);
  if (norm == 0) return step(entry, toM, toV, toG, part, partStep, parts, l2, 1);
  const start = address(entry, 0), end = start + (<usize> word(entry, 1) << 2);
  let sum: f64 = 0;
  for (let at = start; at < end; at += 16) {
    let g = gradientAt(at, toG, part + (at - start), partStep, parts);
    if (l2 != 0) g = madd(v128.load(at), f32x4.splat(2 * l2), g);
    v128.store(at + toG, g);
    sum += squares(g);
  }
  store<f64>(norm, sum);
}

@inline function gradientAt(at: usize, toG: usize, part: usize, partStep: usize, parts: i32): v128 {
  if (parts == 0) return v128.load(at + toG);
  let g = v128.load(part);
  for (let n = 1; n < parts; ++n) {
    part += partStep;
    g = f32x4.add(g, v128.load(part));
  }
  return g;
}

/**
 * Steps as Keras does: Adam, `w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)`; SGD,
 * `m = momentum * m + rate * g; w -= m`, with Nesterov's `w -= momentum * m + rate * g`; RMSprop,
 * `m = momentum * m + rate * g / sqrt(v + epsilon); w -= m`. The gradient includes that of the L2
 * penalty. Weights that decay shrink by their share first, as in Keras's AdamW (Loshchilov and
 * Hutter, "Decoupled weight decay").
 */
function step(
  entry: usize, toM: usize, toV: usize, toG: usize, part: usize, partStep: usize, parts: i32,
  l2: f32, scale: f32,
): void {
  const start = address(entry, 0), end = start + (<usize> word(entry, 1) << 2);
  const double = f32x4.splat(2 * l2);
  const rate = f32x4.splat(load<f32>(Control.rate)), epsilon = f32x4.splat(load<f32>(Control.epsilon));
  const take1 = f32x4.splat(load<f32>(Control.beta1)), take2 = f32x4.splat(load<f32>(Control.beta2));
  const momentum = f32x4.splat(load<f32>(Control.momentum));
  const nesterov = load<i32>(Control.nesterov) != 0;
  const kind = load<i32>(Control.optimizer), keep = load<i32>(Control.keepGradients) != 0;
  const decay = word(entry, 6) != 0 ? load<f32>(Control.decay) : 0;
  for (let at = start; at < end; at += 16) {
    let w = v128.load(at);
    let g = gradientAt(at, toG, part + (at - start), partStep, parts);
    if (scale != 1) g = f32x4.mul(g, f32x4.splat(scale));
    if (l2 != 0) g = madd(w, double, g);
    if (keep) v128.store(at + toG, g);
    let m = v128.load(at + toM), v = v128.load(at + toV);
    if (decay != 0) w = f32x4.sub(w, f32x4.mul(w, f32x4.splat(decay)));
    if (kind != Optimizer.sgd) v = madd(f32x4.sub(f32x4.mul(g, g), v), take2, v);
    if (kind == Optimizer.adam) {
      m = madd(f32x4.sub(g, m), take1, m);
      w = f32x4.sub(w, f32x4.div(f32x4.mul(rate, m), f32x4.add(f32x4.sqrt(v), epsilon)));
    } else {
      g = f32x4.mul(rate, g);
      if (kind == Optimizer.rmsprop) g = f32x4.div(g, f32x4.sqrt(f32x4.add(v, epsilon)));
      m = madd(m, momentum, g);
      w = f32x4.sub(w, nesterov ? madd(m, momentum, g) : m);
    }
    v128.store(at + toM, m);
    v128.store(at + toV, v);
    v128.store(at, w);
  }
}

/** Transposes four vectors, `step` bytes apart, to `to`, also `step` apart. */
@inline function transpose4(from: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from, 32), c = v128.load(from, 64);
  const d = v128.load(from, 96);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab0, cd0, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<f32>(ab0, cd0, 2, 3, 6, 7), 32);
  v128.store(to, v128.shuffle<f32>(ab1, cd1, 0, 1, 4, 5), 64);
  v128.store(to, v128.shuffle<f32>(ab1, cd1, 2, 3, 6, 7), 96);
}

/** Transposes eight rows of eight floats. */
@inline export function turn8(from: usize, to: usize): void {
  transpose4(from, to);
  transpose4(from + 16, to + 128);
  transpose4(from + 128, to + 16);
  transpose4(from + 144, to + 144);
}

/**
 * Repacks a convolution's weights for the gradient of its input: `[out / 8][taps][in][8]` to
 * `[in / 8][taps reversed][out][8]`. One item is eight inputs.
 */
export function turn(r: usize, item: i32): void {
  const weights = address(r, 3), taps = word(r, 4), inputs = word(r, 5), panels = word(r, 6);
  const out = address(r, 7) + <usize> (item * taps * panels) * 256;
  for (let t = 0; t < taps; ++t) {
    for (let p = 0; p < panels; ++p) {
      const from = weights + <usize> ((p * taps + t) * inputs + item * 8) * 32;
      const to = out + <usize> ((taps - 1 - t) * panels + p) * 256;
      turn8(from, to);
    }
  }
}
