/**
 * Batch normalization of convolutions' outputs: its statistics, and the coefficients of its
 * gradient, which is an affine function, `dz = scale * dy + slope * (z - mean) + offset`, for each
 * channel.
 */
import { address, madd, real, rowsNow, word } from "./simd";

/** Mean and sum of squared deviations of each channel, for each image: `[image][2][channels]`. */
export function statistics(r: usize, from: i32, to: i32): void {
  const z = address(r, 3), positions = word(r, 4), channels = word(r, 5), out = address(r, 6);
  const step = <usize> channels << 2;
  const inverse = f32x4.splat(<f32> 1 / <f32> positions);
  for (let i = from; i < to; ++i) {
    for (let c = 0; c < channels; c += 8) {
      const start = z + <usize> (i * positions * channels + c) * 4;
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
      let at = start, n = positions;
      for (; n >= 2; n -= 2) {
        a0 = f32x4.add(a0, v128.load(at));
        a1 = f32x4.add(a1, v128.load(at, 16));
        at += step;
        b0 = f32x4.add(b0, v128.load(at));
        b1 = f32x4.add(b1, v128.load(at, 16));
        at += step;
      }
      if (n > 0) {
        a0 = f32x4.add(a0, v128.load(at));
        a1 = f32x4.add(a1, v128.load(at, 16));
      }
      const m0 = f32x4.mul(f32x4.add(a0, b0), inverse), m1 = f32x4.mul(f32x4.add(a1, b1), inverse);
      a0 = f32x4.splat(0); a1 = a0; b0 = a0; b1 = a0;
      at = start; n = positions;
      for (; n >= 2; n -= 2) {
        let e0 = f32x4.sub(v128.load(at), m0), e1 = f32x4.sub(v128.load(at, 16), m1);
        a0 = madd(e0, e0, a0);
        a1 = madd(e1, e1, a1);
        at += step;
        e0 = f32x4.sub(v128.load(at), m0); e1 = f32x4.sub(v128.load(at, 16), m1);
        b0 = madd(e0, e0, b0);
        b1 = madd(e1, e1, b1);
        at += step;
      }
      if (n > 0) {
        const e0 = f32x4.sub(v128.load(at), m0), e1 = f32x4.sub(v128.load(at, 16), m1);
        a0 = madd(e0, e0, a0);
        a1 = madd(e1, e1, a1);
      }
      const o = out + <usize> (i * 2 * channels + c) * 4;
      v128.store(o, m0);
      v128.store(o, m1, 16);
      v128.store(o + step, f32x4.add(a0, b0));
      v128.store(o + step, f32x4.add(a1, b1), 16);
    }
  }
}

/**
 * Computes `scale` and `shift` of eight channels from the images' statistics; updates the moving mean
 * and the moving (biased) variance. Sums in f64, in the images' order.
 */
export function finishStatistics(r: usize, item: i32): void {
  const partial = address(r, 3), positions = word(r, 4), channels = word(r, 5);
  const gamma = address(r, 6), beta = address(r, 7);
  const movingMean = address(r, 8), movingVariance = address(r, 9);
  const momentum = real(r, 10), epsilon = real(r, 11);
  const scale = address(r, 12), shift = address(r, 13), mean = address(r, 14);
  const deviation = address(r, 15); // 1 / standard deviation
  const rows = rowsNow();
  const stride = <usize> channels << 3;
  for (let c = item * 8; c < item * 8 + 8; ++c) {
    const o = <usize> c << 2;
    let m: f64 = 0, q: f64 = 0;
    for (let i = 0; i < rows; ++i) m += load<f32>(partial + <usize> i * stride + o);
    m /= <f64> rows;
    for (let i = 0; i < rows; ++i) {
      const at = partial + <usize> i * stride + o;
      const e = <f64> load<f32>(at) - m;
      q += <f64> load<f32>(at + (stride >> 1)) + <f64> positions * e * e;
    }
    const variance = <f32> (q / (<f64> rows * <f64> positions));
    const average = <f32> m;
    const d = <f32> 1 / sqrt<f32>(variance + epsilon);
    const s = load<f32>(gamma + o) * d;
    store<f32>(mean + o, average);
    store<f32>(deviation + o, d);
    store<f32>(scale + o, s);
    store<f32>(shift + o, load<f32>(beta + o) - average * s);
    const mm = load<f32>(movingMean + o), mv = load<f32>(movingVariance + o);
    store<f32>(movingMean + o, mm * momentum + average * (<f32> 1 - momentum));
    store<f32>(movingVariance + o, mv * momentum + variance * (<f32> 1 - momentum));
  }
}

/** `scale` and `shift` of eight channels from the moving statistics, for inference. */
export function movingScale(r: usize, item: i32): void {
  const gamma = address(r, 3), beta = address(r, 4);
  const movingMean = address(r, 5), movingVariance = address(r, 6), epsilon = real(r, 7);
  const scale = address(r, 8), shift = address(r, 9);
  for (let c = item * 8; c < item * 8 + 8; ++c) {
    const o = <usize> c << 2;
    const s = load<f32>(gamma + o) / sqrt<f32>(load<f32>(movingVariance + o) + epsilon);
    store<f32>(scale + o, s);
    store<f32>(shift + o, load<f32>(beta + o) - load<f32>(movingMean + o) * s);
  }
}

/**
 * Sums over an image of the gradient of the normalized activations, and of that times the
 * deviation from the mean: `[image][2][channels]`. Only maxima have a gradient.
 */
export function gradientSums(r: usize, from: i32, to: i32): void {
  const d = address(r, 3), z = address(r, 4), positions = word(r, 5), channels = word(r, 6);
  const mean = address(r, 7), out = address(r, 8), dImage = <usize> word(r, 9);
  const step = <usize> channels << 2;
  for (let i = from; i < to; ++i) {
    for (let c = 0; c < channels; c += 8) {
      const o = <usize> c << 2;
      const m0 = v128.load(mean + o), m1 = v128.load(mean + o, 16);
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
      let at = z + <usize> i * <usize> positions * step + o, dAt = d + <usize> i * dImage + o;
      for (let n = positions; n > 0; --n) {
        const d0 = v128.load(dAt), d1 = v128.load(dAt, 16);
        a0 = f32x4.add(a0, d0);
        a1 = f32x4.add(a1, d1);
        b0 = madd(d0, f32x4.sub(v128.load(at), m0), b0);
        b1 = madd(d1, f32x4.sub(v128.load(at, 16), m1), b1);
        at += step;
        dAt += step;
      }
      const q = out + <usize> i * 2 * step + o;
      v128.store(q, a0);
      v128.store(q, a1, 16);
      v128.store(q + step, b0);
      v128.store(q + step, b1, 16);
    }
  }
}

/** Gradients of gamma and beta, and the coefficients of `dz`, for eight channels. */
export function finishGradient(r: usize, item: i32): void {
  const partial = address(r, 3), positions = word(r, 4), channels = word(r, 5);
  const deviation = address(r, 6), scale = address(r, 7);
  const dGamma = address(r, 8), dBeta = address(r, 9);
  const slope = address(r, 10), offset = address(r, 11);
  const rows = rowsNow();
  const stride = <usize> channels << 3;
  for (let c = item * 8; c < item * 8 + 8; ++c) {
    const o = <usize> c << 2;
    let sum: f64 = 0, product: f64 = 0;
    for (let i = 0; i < rows; ++i) {
      const at = partial + <usize> i * stride + o;
      sum += load<f32>(at);
      product += load<f32>(at + (stride >> 1));
    }
    const d = <f64> load<f32>(deviation + o), s = <f64> load<f32>(scale + o);
    const count = <f64> rows * <f64> positions;
    const a = -s * d * d * product / count;
    store<f32>(dBeta + o, <f32> sum);
    store<f32>(dGamma + o, <f32> (product * d));
    store<f32>(slope + o, <f32> a);
    store<f32>(offset + o, <f32> (-s * sum / count));
  }
}
