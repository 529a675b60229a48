/**
 * Kernels of graphs, over images [from, to). A tensor has its image's positions one after the other,
 * each with its channels padded to a multiple of eight; the padding is zero. An operand of a record
 * is three words: the address of the first image, bytes between threads (0: shared), and bytes
 * between images. `add` is 1 where a gradient is added to what other readers of the tensor stored.
 */
import { Activation, Combine, Control, Pool } from "./abi";
import { drop } from "./dense";
import { apply, applyGradient, exp4 } from "./functions";
import { address, madd, ofThread, real, word } from "./simd";

/** Address of image `i` of the operand at word `n`. */
@inline export function operand(r: usize, n: usize, thread: i32, from: i32, i: i32): usize {
  const image = <usize> word(r, n + 2);
  return ofThread(address(r, n), <usize> word(r, n + 1), thread, from, image) + <usize> i * image;
}

@inline function size(r: usize, n: usize): usize { return <usize> word(r, n); }

/** Stores a value, or adds it to the one there. */
@inline function put(to: usize, x: v128, add: bool): void {
  v128.store(to, add ? f32x4.add(v128.load(to), x) : x);
}

/** True in the lanes of channels [c / 4, c / 4 + 4) that are no padding. */
@inline function lanes(c: usize, channels: i32): v128 {
  return i32x4.lt_s(
    i32x4.add(i32x4.splat(<i32> (c >> 2)), i32x4(0, 1, 2, 3)), i32x4.splat(channels),
  );
}

/** Zeroes the padding of `positions` rows of `step` bytes. */
function clearPadding(at: usize, positions: i32, step: usize, channels: i32): void {
  for (let p = 0; p < positions; ++p) {
    for (let c = <usize> channels << 2; c < step; c += 4) store<f32>(at + c, 0);
    at += step;
  }
}

/** Positions that pass at once for each four channels, whose coefficients stay in registers. */
@inline const BLOCK = 16;

/** y = activation(scale * x + shift) of some positions, `xStep` and `yStep` bytes apart. */
@inline function affineRow(
  x: usize, xStep: usize, y: usize, yStep: usize, positions: i32, bytes: usize, kind: i32, alpha: v128,
  scale: usize, shift: usize,
): void {
  for (let c: usize = 0; c < bytes; c += 16) {
    const s = v128.load(scale + c), h = v128.load(shift + c);
    let a = x + c, o = y + c;
    for (let p = positions; p > 0; --p) {
      v128.store(o, apply(kind, madd(v128.load(a), s, h), alpha));
      a += xStep;
      o += yStep;
    }
  }
}

@inline function mapImage(
  x: usize, y: usize, positions: i32, step: usize, kind: i32, alpha: v128, scale: usize, shift: usize,
): void {
  if (scale == 0) {
    const end = x + <usize> positions * step;
    for (; x < end; x += 16) {
      v128.store(y, apply(kind, v128.load(x), alpha));
      y += 16;
    }
    return;
  }
  for (let p = 0; p < positions; p += BLOCK) {
    affineRow(x, step, y, step, min(BLOCK, positions - p), step, kind, alpha, scale, shift);
    x += BLOCK * step;
    y += BLOCK * step;
  }
}

/**
 * y = activation(scale * x + shift). Words: x, y, positions, step, kind, alpha, scale, shift,
 * channels to clear after.
 */
export function map(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), step = size(r, 10), kind = word(r, 11);
  const alpha = f32x4.splat(real(r, 12)), scale = address(r, 13), shift = address(r, 14);
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    if (kind == Activation.linear) mapImage(x, y, positions, step, 0, alpha, scale, shift);
    else if (kind == Activation.relu) mapImage(x, y, positions, step, 1, alpha, scale, shift);
    else mapImage(x, y, positions, step, kind, alpha, scale, shift);
    if (word(r, 15) != 0) clearPadding(y, positions, step, word(r, 15));
  }
}

@inline function mapGradientImage(
  d: usize, x: usize, dx: usize, positions: i32, step: usize, kind: i32, alpha: v128,
  scale: usize, shift: usize, add: bool,
): void {
  if (scale == 0) {
    const end = x + <usize> positions * step;
    for (; x < end; x += 16) {
      put(dx, applyGradient(kind, v128.load(d), v128.load(x), alpha), add);
      d += 16;
      dx += 16;
    }
    return;
  }
  for (let p = 0; p < positions; p += BLOCK) {
    const few = min(BLOCK, positions - p);
    for (let c: usize = 0; c < step; c += 16) {
      const k = v128.load(scale + c), h = v128.load(shift + c);
      let at = c;
      for (let n = few; n > 0; --n) {
        const v = madd(v128.load(x + at), k, h);
        put(dx + at, applyGradient(kind, v128.load(d + at), v, alpha), add);
        at += step;
      }
    }
    d += BLOCK * step;
    x += BLOCK * step;
    dx += BLOCK * step;
  }
}

/** Words: d, x, dx, positions, step, kind, alpha, scale, shift, add. */
export function mapGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 12), step = size(r, 13), kind = word(r, 14);
  const alpha = f32x4.splat(real(r, 15)), scale = address(r, 16), shift = address(r, 17);
  const add = word(r, 18) != 0;
  for (let i = from; i < to; ++i) {
    const d = operand(r, 3, thread, from, i), x = operand(r, 6, thread, from, i);
    const dx = operand(r, 9, thread, from, i);
    if (kind == Activation.relu) {
      if (add) mapGradientImage(d, x, dx, positions, step, 1, alpha, scale, shift, true);
      else mapGradientImage(d, x, dx, positions, step, 1, alpha, scale, shift, false);
    } else mapGradientImage(d, x, dx, positions, step, kind, alpha, scale, shift, add);
  }
}

/**
 * Batch normalization: dx = scale * d + slope * (x - mean) + offset. Words: d, x, dx (its first pixel),
 * height, width, step, scale, slope, offset, mean, add, bytes between dx's rows, pixels, and panels of
 * eight channels.
 */
export function affineGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const height = word(r, 12), width = word(r, 13), step = size(r, 14), scale = address(r, 15);
  const slope = address(r, 16), offset = address(r, 17), mean = address(r, 18), add = word(r, 19) != 0;
  const dxRow = size(r, 20), dxStep = size(r, 21), panel = size(r, 22);
  for (let i = from; i < to; ++i) {
    let d = operand(r, 3, thread, from, i), x = operand(r, 6, thread, from, i);
    let dx = operand(r, 9, thread, from, i);
    for (let y = 0; y < height; ++y) {
      for (let done = 0; done < width; done += BLOCK) {
        const few = min(BLOCK, width - done);
        for (let c: usize = 0; c < step; c += 16) {
          const s = v128.load(scale + c), a = v128.load(slope + c), b = v128.load(offset + c);
          const m = v128.load(mean + c);
          let at = c, o = dx + <usize> done * dxStep + (c >> 5) * panel + (c & 31);
          for (let n = few; n > 0; --n) {
            const rest = madd(f32x4.sub(v128.load(x + at), m), a, b);
            put(o, madd(v128.load(d + at), s, rest), add);
            at += step;
            o += dxStep;
          }
        }
        d += <usize> few * step;
        x += <usize> few * step;
      }
      dx += dxRow;
    }
  }
}

/**
 * Copies an image's pixels to places apart: into a padded or dilated image, or back. Words: x, y (at
 * the first pixel's place), height, width, bytes of a pixel, x's row, y's row, y's step, add, bytes of y
 * to zero before; scale (0: none), shift, kind and alpha as of `map`.
 */
export function place(r: usize, from: i32, to: i32, thread: i32): void {
  const height = word(r, 9), width = word(r, 10), pixel = size(r, 11), xRow = size(r, 12);
  const yRow = size(r, 13), yStep = size(r, 14), add = word(r, 15) != 0, clear = size(r, 16);
  const scale = address(r, 17), shift = address(r, 18), kind = word(r, 19), alpha = f32x4.splat(real(r, 20));
  const close = yStep == pixel, run = close ? pixel * <usize> width : pixel, runs = close ? 1 : width;
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    if (clear != 0) memory.fill(y, 0, clear);
    for (let row = 0; row < height; ++row) {
      let a = x + <usize> row * xRow, o = y + <usize> row * yRow;
      if (scale != 0) {
        if (kind == Activation.linear) affineRow(a, pixel, o, yStep, width, pixel, 0, alpha, scale, shift);
        else if (kind == Activation.relu) affineRow(a, pixel, o, yStep, width, pixel, 1, alpha, scale, shift);
        else affineRow(a, pixel, o, yStep, width, pixel, kind, alpha, scale, shift);
        continue;
      }
      for (let n = 0; n < runs; ++n) {
        let at: usize = 0;
        for (; at + 16 <= run; at += 16) put(o + at, v128.load(a + at), add);
        for (; at < run; at += 4) store<f32>(o + at, load<f32>(a + at) + (add ? load<f32>(o + at) : 0));
        a += pixel;
        o += yStep;
      }
    }
  }
}

/**
 * y (+)= a + b, a * b or factor * b. Words: a, b, y, positions, step, Combine, b's step between
 * positions, factor, add.
 */
export function combine(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 12), step = size(r, 13), kind = word(r, 14), bStep = size(r, 15);
  const factor = f32x4.splat(real(r, 16)), add = word(r, 17) != 0;
  for (let i = from; i < to; ++i) {
    let a = operand(r, 3, thread, from, i), b = operand(r, 6, thread, from, i);
    let y = operand(r, 9, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      for (let c: usize = 0; c < step; c += 16) {
        const v = v128.load(b + c);
        if (kind == Combine.add) put(y + c, f32x4.add(v128.load(a + c), v), add);
        else if (kind == Combine.multiply) put(y + c, f32x4.mul(v128.load(a + c), v), add);
        else put(y + c, f32x4.mul(v, factor), add);
      }
      a += step;
      b += bStep;
      y += step;
    }
  }
}

/**
 * y (+)= factor * the sum over positions of x, or of x * z. Words: x, z (address 0: none), y,
 * positions, step, factor, add.
 */
export function reduce(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 12), step = size(r, 13), factor = f32x4.splat(real(r, 14));
  const products = word(r, 6) != 0, add = word(r, 15) != 0;
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i), y = operand(r, 9, thread, from, i);
    const z = products ? operand(r, 6, thread, from, i) : x;
    for (let c: usize = 0; c < step; c += 16) {
      let a = f32x4.splat(0), at = c;
      for (let p = 0; p < positions; ++p) {
        const v = v128.load(x + at);
        a = products ? madd(v, v128.load(z + at), a) : f32x4.add(a, v);
        at += step;
      }
      put(y + c, f32x4.mul(a, factor), add);
    }
  }
}

/**
 * Copies some channels of each position. Words: x, y, positions, x's step, y's step, x's offset,
 * y's offset, bytes, end of the zeroes after them, add.
 */
export function copyChannels(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), xStep = size(r, 10), yStep = size(r, 11);
  const bytes = size(r, 14), end = size(r, 15), add = word(r, 16) != 0;
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i) + size(r, 12), y = operand(r, 6, thread, from, i);
    const offset = size(r, 13);
    for (let p = 0; p < positions; ++p) {
      const o = y + offset;
      let at: usize = 0;
      for (; at + 16 <= bytes; at += 16) put(o + at, v128.load(x + at), add);
      for (; at < bytes; at += 4) store<f32>(o + at, load<f32>(x + at) + (add ? load<f32>(o + at) : 0));
      if (!add) for (; offset + at < end; at += 4) store<f32>(o + at, 0);
      x += xStep;
      y += yStep;
    }
  }
}

/**
 * Copies an image's numbers in order to other channels per position. Words: x, y, numbers, x's
 * channels, x's step, y's channels, y's step, add.
 */
export function repack(r: usize, from: i32, to: i32, thread: i32): void {
  const all = word(r, 9), xChannels = word(r, 10), xStep = size(r, 11);
  const yChannels = word(r, 12), yStep = size(r, 13), add = word(r, 14) != 0;
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    let c = 0, o = 0;
    for (let n = 0; n < all; ++n) {
      const at = y + (<usize> o << 2), v = load<f32>(x + (<usize> c << 2));
      store<f32>(at, add ? load<f32>(at) + v : v);
      if (++c == xChannels) {
        c = 0;
        x += xStep;
      }
      if (++o == yChannels) {
        if (!add) for (let q = <usize> o << 2; q < yStep; q += 4) store<f32>(y + q, 0);
        o = 0;
        y += yStep;
      }
    }
  }
}

/** Repeats each channel `times`. Words: x, y, positions, channels, times, x's step, y's step. */
export function repeat(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), channels = word(r, 10), times = word(r, 11);
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      let at = y;
      for (let c = 0; c < channels; ++c) {
        for (let n = 0; n < times; ++n) {
          store<f32>(at, load<f32>(x + (<usize> c << 2)));
          at += 4;
        }
      }
      clearPadding(y, 1, size(r, 13), channels * times);
      x += size(r, 12);
      y += size(r, 13);
    }
  }
}

/**
 * Adds up the gradients of a channel's repetitions. Words: d, dx, positions, channels, times, d's
 * step, dx's step, add.
 */
export function repeatGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), channels = word(r, 10), times = word(r, 11), add = word(r, 14) != 0;
  for (let i = from; i < to; ++i) {
    let d = operand(r, 3, thread, from, i), dx = operand(r, 6, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      let at = d;
      for (let c = 0; c < channels; ++c) {
        const o = dx + (<usize> c << 2);
        let sum: f32 = add ? load<f32>(o) : 0;
        for (let n = 0; n < times; ++n) {
          sum += load<f32>(at);
          at += 4;
        }
        store<f32>(o, sum);
      }
      if (!add) clearPadding(dx, 1, size(r, 13), channels);
      d += size(r, 12);
      dx += size(r, 13);
    }
  }
}

/**
 * Pooling of any kind. Average pooling leaves out the padding, as TensorFlow does. Words: x, y, height,
 * width, step, window height and width, strides, padding above and left, output height and width, Pool.
 */
export function poolAny(r: usize, from: i32, to: i32, thread: i32): void {
  const height = word(r, 9), width = word(r, 10), step = size(r, 11), kind = word(r, 20);
  for (let i = from; i < to; ++i) {
    const x = operand(r, 3, thread, from, i);
    let y = operand(r, 6, thread, from, i);
    for (let oy = 0; oy < word(r, 18); ++oy) {
      const top = oy * word(r, 14) - word(r, 16), y0 = max(0, top);
      const y1 = min(height, top + word(r, 12));
      for (let ox = 0; ox < word(r, 19); ++ox) {
        const left = ox * word(r, 15) - word(r, 17), x0 = max(0, left);
        const x1 = min(width, left + word(r, 13));
        const factor = f32x4.splat(<f32> 1 / <f32> ((y1 - y0) * (x1 - x0)));
        for (let c: usize = 0; c < step; c += 16) {
          const first = x + <usize> (y0 * width + x0) * step + c;
          let best = kind == Pool.average ? f32x4.splat(0) : v128.load(first);
          for (let wy = y0; wy < y1; ++wy) {
            let at = x + <usize> (wy * width + x0) * step + c;
            for (let wx = x0; wx < x1; ++wx) {
              const v = v128.load(at);
              best = kind == Pool.average ? f32x4.add(best, v) : f32x4.max(best, v);
              at += step;
            }
          }
          v128.store(y + c, kind == Pool.average ? f32x4.mul(best, factor) : best);
        }
        y += step;
      }
    }
  }
}

/**
 * Adds each window's gradient to where it came from. Words: d, x, y, dx, then as `poolAny` from height
 * on, add.
 */
export function poolAnyGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const height = word(r, 15), width = word(r, 16), step = size(r, 17), kind = word(r, 26);
  for (let i = from; i < to; ++i) {
    const x = operand(r, 6, thread, from, i), dx = operand(r, 12, thread, from, i);
    let d = operand(r, 3, thread, from, i), y = operand(r, 9, thread, from, i);
    if (word(r, 27) == 0) memory.fill(dx, 0, <usize> (height * width) * step);
    for (let oy = 0; oy < word(r, 24); ++oy) {
      const top = oy * word(r, 20) - word(r, 22), y0 = max(0, top);
      const y1 = min(height, top + word(r, 18));
      for (let ox = 0; ox < word(r, 25); ++ox) {
        const left = ox * word(r, 21) - word(r, 23), x0 = max(0, left);
        const x1 = min(width, left + word(r, 19));
        const factor = f32x4.splat(<f32> 1 / <f32> ((y1 - y0) * (x1 - x0)));
        for (let c: usize = 0; c < step; c += 16) {
          const value = v128.load(y + c);
          let g = v128.load(d + c), done = f32x4.splat(0);
          if (kind == Pool.average) g = f32x4.mul(g, factor);
          for (let wy = y0; wy < y1; ++wy) {
            let at = <usize> (wy * width + x0) * step + c;
            for (let wx = x0; wx < x1; ++wx) {
              let part = g;
              if (kind != Pool.average) {
                const hit = f32x4.eq(v128.load(x + at), value);
                part = v128.andnot(v128.and(g, hit), done);
                if (kind == Pool.max) done = v128.or(done, hit);
              }
              put(dx + at, part, true);
              at += step;
            }
          }
        }
        d += step;
        y += step;
      }
    }
  }
}

/** Softmax over the channels. Words: x, y, positions, step, channels. */
export function softmax(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), step = size(r, 10), end = size(r, 11) << 2;
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      let top = load<f32>(x);
      for (let c: usize = 4; c < end; c += 4) top = max<f32>(top, load<f32>(x + c));
      let sum: f32 = 0;
      for (let c: usize = 0; c < step; c += 16) {
        const e = exp4(f32x4.sub(v128.load(x + c), f32x4.splat(top)));
        v128.store(y + c, v128.and(e, lanes(c, word(r, 11))));
      }
      for (let c: usize = 0; c < end; c += 4) sum += load<f32>(y + c);
      for (let c: usize = 0; c < step; c += 16) {
        v128.store(y + c, f32x4.div(v128.load(y + c), f32x4.splat(sum)));
      }
      x += step;
      y += step;
    }
  }
}

/** Words: d, y, dx, positions, step, channels, add. */
export function softmaxGradient(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 12), step = size(r, 13), end = size(r, 14) << 2, add = word(r, 15) != 0;
  for (let i = from; i < to; ++i) {
    let d = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    let dx = operand(r, 9, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      let sum: f32 = 0;
      for (let c: usize = 0; c < end; c += 4) sum += load<f32>(d + c) * load<f32>(y + c);
      for (let c: usize = 0; c < step; c += 16) {
        const e = f32x4.sub(v128.load(d + c), f32x4.splat(sum));
        put(dx + c, f32x4.mul(v128.load(y + c), e), add);
      }
      d += step;
      y += step;
      dx += step;
    }
  }
}

@inline function sumLanes(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** Mean of a position's channels; the padding is zero. */
@inline function meanOf(x: usize, step: usize, channels: i32): f32 {
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < step; c += 16) sum = f32x4.add(sum, v128.load(x + c));
  return sumLanes(sum) / <f32> channels;
}

/** 1 / standard deviation of a position's channels. */
@inline function deviationOf(x: usize, step: usize, channels: i32, mean: f32, epsilon: f32): f32 {
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < step; c += 16) {
    const e = v128.and(f32x4.sub(v128.load(x + c), f32x4.splat(mean)), lanes(c, channels));
    sum = madd(e, e, sum);
  }
  return <f32> 1 / sqrt<f32>(sumLanes(sum) / <f32> channels + epsilon);
}

/** Normalizes the channels of each position. Words: x, y, positions, step, channels, gamma, beta, epsilon. */
export function layerNorm(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), step = size(r, 10), channels = word(r, 11);
  const gamma = address(r, 12), beta = address(r, 13);
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      const mean = meanOf(x, step, channels);
      const d = f32x4.splat(deviationOf(x, step, channels, mean, real(r, 14)));
      for (let c: usize = 0; c < step; c += 16) {
        const e = f32x4.mul(f32x4.sub(v128.load(x + c), f32x4.splat(mean)), d);
        v128.store(y + c, madd(e, v128.load(gamma + c), v128.load(beta + c)));
      }
      x += step;
      y += step;
    }
  }
}

/**
 * Words: d, x, dx, positions, step, channels, gamma, epsilon, chunks' gradients (gamma, beta),
 * bytes between them, add.
 */
export function layerNormGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool,
): void {
  const positions = word(r, 12), step = size(r, 13), channels = word(r, 14), gamma = address(r, 15);
  const out = address(r, 17) + <usize> chunk * size(r, 18), add = word(r, 19) != 0;
  if (fresh) memory.fill(out, 0, 2 * step);
  for (let i = from; i < to; ++i) {
    let d = operand(r, 3, thread, from, i), x = operand(r, 6, thread, from, i);
    let dx = operand(r, 9, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      const mean = meanOf(x, step, channels);
      const s = deviationOf(x, step, channels, mean, real(r, 16)), v = f32x4.splat(s);
      let sum = f32x4.splat(0), product = sum;
      for (let c: usize = 0; c < step; c += 16) {
        const e = f32x4.mul(f32x4.sub(v128.load(x + c), f32x4.splat(mean)), v);
        const g = v128.load(d + c), scaled = f32x4.mul(g, v128.load(gamma + c));
        sum = f32x4.add(sum, scaled);
        product = madd(scaled, e, product);
        put(out + c, f32x4.mul(g, e), true);
        put(out + step + c, g, true);
      }
      const along = f32x4.splat(sumLanes(product) / <f32> channels);
      const middle = f32x4.splat(sumLanes(sum) / <f32> channels);
      for (let c: usize = 0; c < step; c += 16) {
        const e = f32x4.mul(f32x4.sub(v128.load(x + c), f32x4.splat(mean)), v);
        const scaled = f32x4.mul(v128.load(d + c), v128.load(gamma + c));
        const g = f32x4.sub(f32x4.sub(scaled, middle), f32x4.mul(e, along));
        put(dx + c, v128.and(f32x4.mul(g, v), lanes(c, channels)), add);
      }
      d += step;
      x += step;
      dx += step;
    }
  }
}

/**
 * Dropout, forward and backward. Words: x, y, height, width, step, threshold, factor, salt, then the
 * random numbers' steps from image to image, row, column and channel (0: shared), add.
 */
export function dropout(r: usize, from: i32, to: i32, thread: i32): void {
  const step = size(r, 11), threshold = i32x4.splat(word(r, 12)), factor = f32x4.splat(real(r, 13));
  const key0 = i32x4.splat(load<i32>(Control.key) ^ word(r, 14));
  const key1 = i32x4.splat(load<i32>(Control.key, 4)), along = i32x4.splat(word(r, 18));
  const ramp = i32x4.mul(i32x4(0, 1, 2, 3), along), add = word(r, 19) != 0;
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    for (let row = 0; row < word(r, 9); ++row) {
      for (let column = 0; column < word(r, 10); ++column) {
        const first = i * word(r, 15) + row * word(r, 16) + column * word(r, 17);
        for (let c: usize = 0; c < step; c += 16) {
          const counter = i32x4.add(i32x4.splat(first + <i32> (c >> 2) * word(r, 18)), ramp);
          put(y + c, drop(v128.load(x + c), counter, key0, key1, threshold, factor), add);
        }
        x += step;
        y += step;
      }
    }
  }
}

/**
 * Words: x, y, positions, step, alpha `[channels / 8][positions][8]`, bytes from position to
 * position (0: shared).
 */
export function prelu(r: usize, from: i32, to: i32, thread: i32): void {
  const positions = word(r, 9), step = size(r, 10), slopes = address(r, 11), next = size(r, 12);
  const panel = next == 0 ? 32 : next * <usize> positions;
  for (let i = from; i < to; ++i) {
    let x = operand(r, 3, thread, from, i), y = operand(r, 6, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      for (let c: usize = 0; c < step; c += 16) {
        const a = v128.load(slopes + (c >> 5) * panel + <usize> p * next + (c & 16));
        v128.store(y + c, applyGradient(Activation.leakyRelu, v128.load(x + c), v128.load(x + c), a));
      }
      x += step;
      y += step;
    }
  }
}

/** Words: d, x, dx, positions, step, alpha, its step, chunks' gradients, bytes between them, add. */
export function preluGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool,
): void {
  const positions = word(r, 12), step = size(r, 13), slopes = address(r, 14), next = size(r, 15);
  const panel = next == 0 ? 32 : next * <usize> positions, add = word(r, 18) != 0;
  const out = address(r, 16) + <usize> chunk * size(r, 17);
  if (fresh) memory.fill(out, 0, size(r, 17));
  for (let i = from; i < to; ++i) {
    let d = operand(r, 3, thread, from, i), x = operand(r, 6, thread, from, i);
    let dx = operand(r, 9, thread, from, i);
    for (let p = 0; p < positions; ++p) {
      for (let c: usize = 0; c < step; c += 16) {
        const at = (c >> 5) * panel + <usize> p * next + (c & 16);
        const g = v128.load(d + c), v = v128.load(x + c);
        put(dx + c, applyGradient(Activation.leakyRelu, g, v, v128.load(slopes + at)), add);
        put(out + at, v128.and(f32x4.mul(g, v), f32x4.le(v, f32x4.splat(0))), true);
      }
      d += step;
      x += step;
      dx += step;
    }
  }
}
