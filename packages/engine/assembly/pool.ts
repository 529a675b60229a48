/**
 * Max pooling of convolutions' outputs and what follows it, normalization, forward and backward.
 *
 * Normalization keeps or reverses the order of a channel's values, by the sign of its gamma. So the
 * maxima of the normalized values are known before the batch's statistics: pooling comes first,
 * while the values are cached, and only pooled values are normalized.
 */
import { activateGradient, address, madd, ofThread, real, word } from "./simd";

/** Reverses the order of a channel with a negative gamma; with a gamma of 0, all values are equal. */
@inline function ordered(z: v128, sign: v128, some: v128): v128 {
  return v128.and(v128.xor(z, sign), some);
}

/** Mask of lanes in which `n` is greater than `best`, or `z` not a number: a NaN, once met, stays. */
@inline function beats(n: v128, best: v128, z: v128): v128 {
  return v128.or(f32x4.gt(n, best), f32x4.ne(z, z));
}

/** Four places, a byte each. */
@inline function storePlaces(to: usize, place: v128): void {
  place = i16x8.narrow_i32x4_u(place, place);
  v128.store32_lane(to, i8x16.narrow_i16x8_u(place, place), 0);
}

/**
 * A row of windows of 2×2, side by side: as `pool`, with fewer instructions. Returns false for a
 * NaN or a gamma of 0, which it cannot order: the caller then repeats the row with `pool`.
 */
function halve(
  z: usize, step: usize, row: usize, outWidth: i32, gammas: usize, maxima: usize, places: usize,
): bool {
  const one = i32x4.splat(1);
  let strange = i32x4.splat(0);
  for (let c: usize = 0; c < step; c += 16) {
    const gamma = v128.load(gammas + c), sign = v128.and(gamma, f32x4.splat(-0.0));
    strange = v128.or(strange, f32x4.eq(gamma, f32x4.splat(0)));
    let at = z + c, to = maxima + c, placeTo = places + (c >> 2);
    for (let x = 0; x < outWidth; ++x) {
      const a = v128.load(at), b = v128.load(at + step);
      const c = v128.load(at + row), d = v128.load(at + row + step);
      const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
      strange = v128.or(strange, f32x4.ne(sum, sum));
      const oa = v128.xor(a, sign), ob = v128.xor(b, sign), oc = v128.xor(c, sign);
      const best = f32x4.pmax(f32x4.pmax(oa, ob), f32x4.pmax(oc, v128.xor(d, sign)));
      v128.store(to, v128.xor(best, sign));
      if (places != 0) {
        let place = v128.andnot(one, f32x4.eq(oc, best));
        place = v128.andnot(i32x4.add(place, one), f32x4.eq(ob, best));
        storePlaces(placeTo, v128.andnot(i32x4.add(place, one), f32x4.eq(oa, best)));
      }
      at += 2 * step;
      to += step;
      placeTo += step >> 2;
    }
  }
  return !v128.any_true(strange);
}

/**
 * Finds in each window the value `z` whose normalized value is the greatest, the first of equal ones,
 * and its place in the window, for the gradient. Bytes of places are kept where they are wanted.
 */
export function pool(r: usize, from: i32, to: i32, thread: i32): void {
  const height = word(r, 4), width = word(r, 5), channels = word(r, 6);
  const gammas = address(r, 7);
  const windowHeight = word(r, 8), windowWidth = word(r, 9);
  const strideY = word(r, 10), strideX = word(r, 11), top = word(r, 12), left = word(r, 13);
  const outHeight = word(r, 14), outWidth = word(r, 15);
  const places = address(r, 17); // 0 where not wanted
  const step = <usize> channels << 2, row = step * <usize> width;
  const z = ofThread(address(r, 3), <usize> word(r, 18), thread, from, row * <usize> height);
  const maxima = ofThread(
    address(r, 16), <usize> word(r, 19), thread, from, step * <usize> (outHeight * outWidth),
  );
  const minus = f32x4.splat(-0.0), zero = f32x4.splat(0);
  const halves = windowHeight == 2 && windowWidth == 2 && strideY == 2 && strideX == 2 &&
    height == 2 * outHeight && width == 2 * outWidth;
  for (let i = from; i < to; ++i) {
    const image = z + <usize> i * row * <usize> height;
    for (let y = 0; y < outHeight; ++y) {
      if (halves) {
        const pixel = (<usize> i * outHeight + y) * outWidth * <usize> channels;
        const plain = halve(
          image + <usize> (2 * y) * row, step, row, outWidth, gammas, maxima + (pixel << 2),
          places == 0 ? 0 : places + pixel,
        );
        if (plain) continue;
      }
      const y0 = max(0, y * strideY - top);
      const y1 = min(height, y * strideY - top + windowHeight);
      for (let x = 0; x < outWidth; ++x) {
        const x0 = max(0, x * strideX - left);
        const x1 = min(width, x * strideX - left + windowWidth);
        const first = image + <usize> y0 * row + <usize> x0 * step;
        const pixel = ((<usize> i * outHeight + y) * outWidth + x) * <usize> channels;
        for (let c: usize = 0; c < step; c += 16) {
          const gamma = v128.load(gammas + c);
          const sign = v128.and(gamma, minus), some = f32x4.ne(gamma, zero);
          const at = first + c;
          let value = v128.load(at), best = ordered(value, sign, some);
          let place = i32x4.splat((y0 - y * strideY + top) * windowWidth + x0 - x * strideX + left);
          for (let wy = y0; wy < y1; ++wy) {
            let here = (wy - y * strideY + top) * windowWidth + x0 - x * strideX + left;
            let from = image + <usize> wy * row + <usize> x0 * step + c;
            for (let wx = x0; wx < x1; ++wx) {
              if (from != at) {
                const v = v128.load(from), n = ordered(v, sign, some), g = beats(n, best, v);
                place = v128.bitselect(i32x4.splat(here), place, g);
                best = v128.bitselect(n, best, g);
                value = v128.bitselect(v, value, g);
              }
              from += step;
              ++here;
            }
          }
          v128.store(maxima + (pixel << 2) + c, value);
          if (places != 0) storePlaces(places + pixel + (c >> 2), place);
        }
      }
    }
  }
}

/** Offset, in panels of eight, of the channel whose first four bytes are the `c`th of a pixel. */
@inline function inPanel(c: usize, panel: usize): usize { return (c >> 5) * panel + (c & 31); }

/** One of the four places in a window: the maximum has the gradient `g`, the others none. */
@inline function four(
  z: usize, out: usize, mean: v128, slope: v128, offset: v128, g: v128, place: v128, here: i32,
  kind: i32, alpha: v128,
): void {
  const v = v128.load(z);
  const own = v128.and(g, i32x4.eq(place, i32x4.splat(here)));
  const d = f32x4.add(own, madd(f32x4.sub(v, mean), slope, offset));
  v128.store(out, activateGradient(d, v, kind, alpha));
}

/** The gradient of a convolution's sum `z`, from that of its normalized activation; slope 0: no norm. */
@inline function before(
  g: v128, z: v128, scale: usize, mean: usize, slope: usize, offset: usize, c: usize,
  kind: i32, alpha: v128,
): v128 {
  if (slope != 0) {
    const rest = madd(
      f32x4.sub(z, v128.load(mean + c)), v128.load(slope + c), v128.load(offset + c),
    );
    g = madd(g, v128.load(scale + c), rest);
  }
  return activateGradient(g, z, kind, alpha);
}

/**
 * Gradient of a convolution's sum from the gradient of its block's output: back through pooling,
 * normalization and activation, into this thread's scratch, where it lies padded (and with zeros
 * between, if the convolution strides) as the next product wants it: `panel` bytes from eight channels
 * to the next eight.
 */
export function preActivationGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const z = address(r, 4), height = word(r, 5), width = word(r, 6);
  const channels = word(r, 7), places = address(r, 8);
  const windowHeight = word(r, 9), windowWidth = word(r, 10);
  const strideY = word(r, 11), strideX = word(r, 12), top = word(r, 13), left = word(r, 14);
  const dHeight = word(r, 15), dWidth = word(r, 16);
  const scale = address(r, 17), slope = address(r, 18), offset = address(r, 19); // slope 0: no norm
  const kind = word(r, 20), alpha = f32x4.splat(real(r, 21));
  const outImage = <usize> word(r, 24);
  const outRow = <usize> word(r, 25), outStep = <usize> word(r, 26), mean = address(r, 27);
  const dImage = <usize> word(r, 28), panel = <usize> word(r, 29);
  const d = ofThread(address(r, 3), <usize> word(r, 30), thread, from, dImage);
  const out = ofThread(address(r, 22), <usize> word(r, 23), thread, from, outImage);
  const step = <usize> channels << 2, row = step * <usize> width;
  const single = windowHeight == 1 && windowWidth == 1 && strideY == 1 && strideX == 1;
  const apart = windowHeight <= strideY && windowWidth <= strideX;
  if (
    slope != 0 && windowHeight == 2 && windowWidth == 2 && strideY == 2 && strideX == 2 &&
    height == 2 * dHeight && width == 2 * dWidth
  ) {
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < dHeight; ++y) {
        const first = z + (<usize> i * height + 2 * y) * row;
        const firstOut = out + <usize> i * outImage + <usize> (2 * y) * outRow;
        const pixel = <usize> (y * dWidth * channels);
        const gradients = d + <usize> i * dImage + (pixel << 2);
        const firstPlace = places + <usize> (i * dHeight * dWidth * channels) + pixel;
        for (let c: usize = 0; c < step; c += 16) {
          const m = v128.load(mean + c), a = v128.load(slope + c), b = v128.load(offset + c);
          const times = v128.load(scale + c);
          let at = first + c, o = firstOut + inPanel(c, panel), dAt = gradients + c;
          let placeAt = firstPlace + (c >> 2);
          for (let x = 0; x < dWidth; ++x) {
            const g = f32x4.mul(v128.load(dAt), times);
            const place = i32x4.extend_low_i16x8_u(
              i16x8.extend_low_i8x16_u(v128.load32_zero(placeAt)),
            );
            four(at, o, m, a, b, g, place, 0, kind, alpha);
            four(at + step, o + outStep, m, a, b, g, place, 1, kind, alpha);
            four(at + row, o + outRow, m, a, b, g, place, 2, kind, alpha);
            four(at + row + step, o + outRow + outStep, m, a, b, g, place, 3, kind, alpha);
            at += 2 * step;
            o += 2 * outStep;
            dAt += step;
            placeAt += step >> 2;
          }
        }
      }
    }
    return;
  }
  if (slope != 0 && single) {
    for (let i = from; i < to; ++i) {
      for (let y = 0; y < height; ++y) {
        const first = z + (<usize> i * height + y) * row, dFirst = d + <usize> i * dImage + <usize> y * row;
        for (let c: usize = 0; c < step; c += 16) {
          const m = v128.load(mean + c), a = v128.load(slope + c), b = v128.load(offset + c);
          const times = v128.load(scale + c);
          let at = c, o = out + <usize> i * outImage + <usize> y * outRow + inPanel(c, panel);
          for (let x = 0; x < width; ++x) {
            const v = v128.load(first + at);
            const g = madd(v128.load(dFirst + at), times, madd(f32x4.sub(v, m), a, b));
            v128.store(o, activateGradient(g, v, kind, alpha));
            at += step;
            o += outStep;
          }
        }
      }
    }
    return;
  }
  for (let i = from; i < to; ++i) {
    const image = <usize> i * row * <usize> height;
    const o = out + <usize> i * outImage, gradients = d + <usize> i * dImage;
    const place0 = places + <usize> (i * dHeight * dWidth * channels);
    if (apart) {
      // Each input belongs to one window at most: gather.
      for (let y = 0; y < height; ++y) {
        const py = (y + top) / strideY, wy = (y + top) % strideY;
        for (let x = 0; x < width; ++x) {
          const px = (x + left) / strideX, wx = (x + left) % strideX;
          const inside = py < dHeight && px < dWidth && wy < windowHeight && wx < windowWidth;
          const place = i32x4.splat(wy * windowWidth + wx);
          const pixel = <usize> ((py * dWidth + px) * channels);
          const zAt = z + image + <usize> y * row + <usize> x * step;
          const oAt = o + <usize> y * outRow + <usize> x * outStep;
          for (let c: usize = 0; c < step; c += 32) {
            let d0 = f32x4.splat(0), d1 = d0;
            if (inside) {
              d0 = v128.load(gradients + (pixel << 2) + c);
              d1 = v128.load(gradients + (pixel << 2) + c, 16);
              if (!single) {
                const p = i16x8.extend_low_i8x16_u(v128.load64_zero(place0 + pixel + (c >> 2)));
                d0 = v128.and(d0, i32x4.eq(i32x4.extend_low_i16x8_u(p), place));
                d1 = v128.and(d1, i32x4.eq(i32x4.extend_high_i16x8_u(p), place));
              }
            }
            d0 = before(d0, v128.load(zAt + c), scale, mean, slope, offset, c, kind, alpha);
            d1 = before(d1, v128.load(zAt + c, 16), scale, mean, slope, offset, c + 16, kind, alpha);
            v128.store(oAt + inPanel(c, panel), d0);
            v128.store(oAt + inPanel(c, panel), d1, 16);
          }
        }
      }
    } else {
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const pixel = o + <usize> y * outRow + <usize> x * outStep;
          for (let c: usize = 0; c < step; c += 32) memory.fill(pixel + inPanel(c, panel), 0, 32);
        }
      }
      for (let y = 0; y < dHeight; ++y) {
        for (let x = 0; x < dWidth; ++x) {
          const pixel = <usize> ((y * dWidth + x) * channels);
          for (let c = 0; c < channels; ++c) {
            const place = <i32> load<u8>(place0 + pixel + <usize> c);
            const at = o + <usize> (y * strideY - top + place / windowWidth) * outRow +
              <usize> (x * strideX - left + place % windowWidth) * outStep +
              inPanel(<usize> c << 2, panel);
            store<f32>(at, load<f32>(at) + load<f32>(gradients + ((pixel + <usize> c) << 2)));
          }
        }
      }
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const zAt = z + image + <usize> y * row + <usize> x * step;
          const oAt = o + <usize> y * outRow + <usize> x * outStep;
          for (let c: usize = 0; c < step; c += 16) {
            const o = oAt + inPanel(c, panel), z = v128.load(zAt + c);
            const g = before(v128.load(o), z, scale, mean, slope, offset, c, kind, alpha);
            v128.store(o, g);
          }
        }
      }
    }
  }
}
