/**
 * Batch normalisation and max pooling of convolutions' outputs, forward and backward.
 *
 * The normalised activations are never stored: pooling normalises while it reads, and the gradient
 * of normalisation is an affine function of what is stored,
 * `dz = scale * dy + slope * (z - mean) + offset`, with coefficients for each channel.
 */
import { activateGradient, address, madd, real, rowsNow, word } from "./simd";

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
 * From the images' statistics to `scale` and `shift` of eight channels; updates the moving mean
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
 * Normalises (`z * scale + shift`) and pools into the padded image that the next layer reads.
 * Keeps, for the gradient, the place of each maximum in its window and the `z` found there.
 */
export function normalisePool(r: usize, from: i32, to: i32): void {
  const z = address(r, 3), height = word(r, 4), width = word(r, 5), channels = word(r, 6);
  const scale = address(r, 7), shift = address(r, 8);
  const windowHeight = word(r, 9), windowWidth = word(r, 10);
  const strideY = word(r, 11), strideX = word(r, 12), top = word(r, 13), left = word(r, 14);
  const outHeight = word(r, 15), outWidth = word(r, 16);
  const out = address(r, 17), outImage = <usize> word(r, 18), outRow = <usize> word(r, 19);
  const places = address(r, 20), maxima = address(r, 21); // 0 where not wanted
  const step = <usize> channels << 2, row = step * <usize> width;
  if (
    windowHeight == 2 && windowWidth == 2 && strideY == 2 && strideX == 2 &&
    height == 2 * outHeight && width == 2 * outWidth
  ) {
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < outHeight; ++y) {
        let at = z + (<usize> i * height + 2 * y) * row;
        let o = out + <usize> i * outImage + <usize> y * outRow;
        let pixel = (<usize> i * outHeight + y) * outWidth * <usize> channels;
        for (let x = 0; x < outWidth; ++x) {
          for (let c: usize = 0; c < step; c += 16) {
            const q = at + c;
            const s = v128.load(scale + c), t = v128.load(shift + c);
            let z0 = v128.load(q), z1 = v128.load(q + step);
            let z2 = v128.load(q + row), z3 = v128.load(q + row + step);
            let best = madd(z0, s, t);
            // Greater, or not a number: a NaN, once met, stays.
            let n = madd(z1, s, t);
            let g = v128.or(f32x4.gt(n, best), f32x4.ne(n, n));
            let place = v128.and(g, i32x4.splat(1));
            best = v128.bitselect(n, best, g);
            z0 = v128.bitselect(z1, z0, g);
            n = madd(z2, s, t);
            g = v128.or(f32x4.gt(n, best), f32x4.ne(n, n));
            place = v128.bitselect(i32x4.splat(2), place, g);
            best = v128.bitselect(n, best, g);
            z0 = v128.bitselect(z2, z0, g);
            n = madd(z3, s, t);
            g = v128.or(f32x4.gt(n, best), f32x4.ne(n, n));
            place = v128.bitselect(i32x4.splat(3), place, g);
            best = v128.bitselect(n, best, g);
            v128.store(o + c, best);
            if (places != 0) {
              place = i16x8.narrow_i32x4_u(place, place);
              v128.store32_lane(
                places + pixel + (c >> 2), i8x16.narrow_i16x8_u(place, place), 0,
              );
              v128.store(maxima + (pixel << 2) + c, v128.bitselect(z3, z0, g));
            }
          }
          at += 2 * step;
          o += step;
          pixel += <usize> channels;
        }
      }
    }
    return;
  }
  for (let i = from; i < to; ++i) {
    const image = z + <usize> i * row * <usize> height;
    for (let y = 0; y < outHeight; ++y) {
      const y0 = max(0, y * strideY - top);
      const y1 = min(height, y * strideY - top + windowHeight);
      for (let x = 0; x < outWidth; ++x) {
        const x0 = max(0, x * strideX - left);
        const x1 = min(width, x * strideX - left + windowWidth);
        const pixel = ((<usize> i * outHeight + y) * outWidth + x) * <usize> channels;
        const o = out + <usize> i * outImage + <usize> y * outRow + <usize> x * step;
        const first = image + <usize> y0 * row + <usize> x0 * step;
        const at0 = (y0 - (y * strideY - top)) * windowWidth + (x0 - (x * strideX - left));
        for (let c: usize = 0; c < step; c += 32) {
          const s0 = v128.load(scale + c), s1 = v128.load(scale + c, 16);
          const t0 = v128.load(shift + c), t1 = v128.load(shift + c, 16);
          let z0 = v128.load(first + c), z1 = v128.load(first + c, 16);
          let best0 = madd(z0, s0, t0), best1 = madd(z1, s1, t1);
          let at = i32x4.splat(at0);
          let p0 = at, p1 = at;
          for (let wy = y0; wy < y1; ++wy) {
            let from = image + <usize> wy * row + <usize> x0 * step + c;
            let place = (wy - (y * strideY - top)) * windowWidth + (x0 - (x * strideX - left));
            for (let wx = x0; wx < x1; ++wx) {
              if (wy != y0 || wx != x0) {
                const v0 = v128.load(from), v1 = v128.load(from, 16);
                const n0 = madd(v0, s0, t0), n1 = madd(v1, s1, t1);
                // Greater, or not a number: a NaN, once met, stays.
                const g0 = v128.or(f32x4.gt(n0, best0), f32x4.ne(n0, n0));
                const g1 = v128.or(f32x4.gt(n1, best1), f32x4.ne(n1, n1));
                at = i32x4.splat(place);
                best0 = v128.bitselect(n0, best0, g0);
                best1 = v128.bitselect(n1, best1, g1);
                z0 = v128.bitselect(v0, z0, g0);
                z1 = v128.bitselect(v1, z1, g1);
                p0 = v128.bitselect(at, p0, g0);
                p1 = v128.bitselect(at, p1, g1);
              }
              from += step;
              ++place;
            }
          }
          v128.store(o + c, best0);
          v128.store(o + c, best1, 16);
          if (places != 0) {
            const narrow = i16x8.narrow_i32x4_u(p0, p1);
            v128.store64_lane(places + pixel + (c >> 2), i8x16.narrow_i16x8_u(narrow, narrow), 0);
            v128.store(maxima + (pixel << 2) + c, z0);
            v128.store(maxima + (pixel << 2) + c, z1, 16);
          }
        }
      }
    }
  }
}

/**
 * Sums over an image of the gradient of the normalised activations, and of that times the
 * deviation from the mean: `[image][2][channels]`. Only maxima have a gradient.
 */
export function gradientSums(r: usize, from: i32, to: i32): void {
  const d = address(r, 3), z = address(r, 4), positions = word(r, 5), channels = word(r, 6);
  const mean = address(r, 7), out = address(r, 8);
  const step = <usize> channels << 2;
  for (let i = from; i < to; ++i) {
    for (let c = 0; c < channels; c += 8) {
      const o = <usize> c << 2;
      const m0 = v128.load(mean + o), m1 = v128.load(mean + o, 16);
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
      let at = <usize> i * <usize> positions * step + o;
      for (let n = positions; n > 0; --n) {
        const d0 = v128.load(d + at), d1 = v128.load(d + at, 16);
        a0 = f32x4.add(a0, d0);
        a1 = f32x4.add(a1, d1);
        b0 = madd(d0, f32x4.sub(v128.load(z + at), m0), b0);
        b1 = madd(d1, f32x4.sub(v128.load(z + at, 16), m1), b1);
        at += step;
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

/** One of the four places in a window: the maximum has the gradient `g`, the others none. */
// @ts-ignore: decorator
@inline function four(
  z: usize, out: usize, mean: v128, slope: v128, offset: v128, g: v128, place: v128, here: i32,
  kind: i32, alpha: v128,
): void {
  const v = v128.load(z);
  const own = v128.and(g, i32x4.eq(place, i32x4.splat(here)));
  const d = f32x4.add(own, madd(f32x4.sub(v, mean), slope, offset));
  v128.store(out, activateGradient(d, v, kind, alpha));
}

/**
 * Gradient of a convolution's sum from the gradient of its block's output: back through pooling,
 * normalisation and activation, into this thread's scratch, where it lies padded (and with zeros
 * between, if the convolution strides) as the next product wants it.
 */
export function preActivationGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const d = address(r, 3), z = address(r, 4), height = word(r, 5), width = word(r, 6);
  const channels = word(r, 7), places = address(r, 8);
  const windowHeight = word(r, 9), windowWidth = word(r, 10);
  const strideY = word(r, 11), strideX = word(r, 12), top = word(r, 13), left = word(r, 14);
  const dHeight = word(r, 15), dWidth = word(r, 16);
  const scale = address(r, 17), slope = address(r, 18), offset = address(r, 19); // slope 0: no norm
  const kind = word(r, 20), alpha = f32x4.splat(real(r, 21));
  const scratch = <usize> word(r, 23), outImage = <usize> word(r, 24);
  const outRow = <usize> word(r, 25), outStep = <usize> word(r, 26), mean = address(r, 27);
  const out = address(r, 22) + <usize> thread * scratch - <usize> from * outImage;
  const step = <usize> channels << 2, row = step * <usize> width;
  const single = windowHeight == 1 && windowWidth == 1 && strideY == 1 && strideX == 1;
  const apart = windowHeight <= strideY && windowWidth <= strideX;
  if (
    slope != 0 && windowHeight == 2 && windowWidth == 2 && strideY == 2 && strideX == 2 &&
    height == 2 * dHeight && width == 2 * dWidth
  ) {
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < dHeight; ++y) {
        let at = z + (<usize> i * height + 2 * y) * row;
        let o = out + <usize> i * outImage + <usize> (2 * y) * outRow;
        let pixel = (<usize> i * dHeight + y) * dWidth * <usize> channels;
        for (let x = 0; x < dWidth; ++x) {
          for (let c: usize = 0; c < step; c += 16) {
            const m = v128.load(mean + c), a = v128.load(slope + c), b = v128.load(offset + c);
            const g = f32x4.mul(v128.load(d + (pixel << 2) + c), v128.load(scale + c));
            const place = i32x4.extend_low_i16x8_u(
              i16x8.extend_low_i8x16_u(v128.load32_zero(places + pixel + (c >> 2))),
            );
            four(at + c, o + c, m, a, b, g, place, 0, kind, alpha);
            four(at + c + step, o + c + outStep, m, a, b, g, place, 1, kind, alpha);
            four(at + c + row, o + c + outRow, m, a, b, g, place, 2, kind, alpha);
            four(at + c + row + step, o + c + outRow + outStep, m, a, b, g, place, 3, kind, alpha);
          }
          at += 2 * step;
          o += 2 * outStep;
          pixel += <usize> channels;
        }
      }
    }
    return;
  }
  for (let i = from; i < to; ++i) {
    const image = <usize> i * row * <usize> height;
    const o = out + <usize> i * outImage;
    if (apart) {
      // Each input belongs to one window at most: gather.
      for (let y = 0; y < height; ++y) {
        const py = (y + top) / strideY, wy = (y + top) % strideY;
        for (let x = 0; x < width; ++x) {
          const px = (x + left) / strideX, wx = (x + left) % strideX;
          const inside = py < dHeight && px < dWidth && wy < windowHeight && wx < windowWidth;
          const place = i32x4.splat(wy * windowWidth + wx);
          const pixel = ((<usize> i * dHeight + py) * dWidth + px) * <usize> channels;
          const zAt = z + image + <usize> y * row + <usize> x * step;
          const oAt = o + <usize> y * outRow + <usize> x * outStep;
          for (let c: usize = 0; c < step; c += 32) {
            let d0 = f32x4.splat(0), d1 = d0;
            if (inside) {
              d0 = v128.load(d + (pixel << 2) + c);
              d1 = v128.load(d + (pixel << 2) + c, 16);
              if (!single) {
                const p = i16x8.extend_low_i8x16_u(v128.load64_zero(places + pixel + (c >> 2)));
                d0 = v128.and(d0, i32x4.eq(i32x4.extend_low_i16x8_u(p), place));
                d1 = v128.and(d1, i32x4.eq(i32x4.extend_high_i16x8_u(p), place));
              }
            }
            const z0 = v128.load(zAt + c), z1 = v128.load(zAt + c, 16);
            if (slope != 0) {
              d0 = madd(
                d0, v128.load(scale + c),
                madd(
                  f32x4.sub(z0, v128.load(mean + c)), v128.load(slope + c), v128.load(offset + c),
                ),
              );
              d1 = madd(
                d1, v128.load(scale + c, 16),
                madd(
                  f32x4.sub(z1, v128.load(mean + c, 16)),
                  v128.load(slope + c, 16), v128.load(offset + c, 16),
                ),
              );
            }
            v128.store(oAt + c, activateGradient(d0, z0, kind, alpha));
            v128.store(oAt + c, activateGradient(d1, z1, kind, alpha), 16);
          }
        }
      }
    } else {
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          memory.fill(o + <usize> y * outRow + <usize> x * outStep, 0, step);
        }
      }
      for (let y = 0; y < dHeight; ++y) {
        for (let x = 0; x < dWidth; ++x) {
          const pixel = ((<usize> i * dHeight + y) * dWidth + x) * <usize> channels;
          for (let c = 0; c < channels; ++c) {
            const place = <i32> load<u8>(places + pixel + <usize> c);
            const at = o + <usize> (y * strideY - top + place / windowWidth) * outRow +
              <usize> (x * strideX - left + place % windowWidth) * outStep + (<usize> c << 2);
            store<f32>(at, load<f32>(at) + load<f32>(d + ((pixel + <usize> c) << 2)));
          }
        }
      }
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const zAt = z + image + <usize> y * row + <usize> x * step;
          const oAt = o + <usize> y * outRow + <usize> x * outStep;
          for (let c: usize = 0; c < step; c += 16) {
            let g = v128.load(oAt + c);
            const zc = v128.load(zAt + c);
            if (slope != 0) {
              g = madd(
                g, v128.load(scale + c),
                madd(
                  f32x4.sub(zc, v128.load(mean + c)), v128.load(slope + c), v128.load(offset + c),
                ),
              );
            }
            v128.store(oAt + c, activateGradient(g, zc, kind, alpha));
          }
        }
      }
    }
  }
}
