/**
 * Kernels of resampling, in libvips' fixed-point arithmetic. The caller manages the memory and passes
 * addresses. Sources and results may be accessed up to 16 bytes beyond their ends.
 */

/**
 * Computes each row of the result as a weighted sum of rows of the source; the border is repeated.
 * @param stride bytes of a row, in source and result
 * @param taps per row of the result: the first row, then `pairs` times two weights of 16 bits, in
 * 4096ths. An odd number of them ends with a weight of 0
 * @param rows space for `pairs` times two addresses
 */
export function combine(
  source: usize,
  stride: i32,
  height: i32,
  taps: usize,
  pairs: i32,
  rows: usize,
  result: usize,
  count: i32,
): void {
  const half = i32x4.splat(2048);
  for (let y = 0; y < count; y++) {
    const first = load<i32>(taps);
    const weights = taps + 4;
    taps = weights + (<usize>pairs << 2);
    for (let i = 0; i < pairs * 2; i++) {
      const row = min(height - 1, max(0, first + i));
      store<usize>(rows + (<usize>i << 2), source + <usize>row * <usize>stride);
    }
    for (let x: usize = 0; x < <usize>stride; x += 16) {
      let a = half, b = half, c = half, d = half;
      for (let pair: usize = 0; pair < <usize>pairs << 2; pair += 4) {
        const weight = v128.load32_splat(weights + pair); // two of 16 bits, four times
        const upper = v128.load(load<usize>(rows + (pair << 1)) + x);
        const lower = v128.load(load<usize>(rows + (pair << 1), 4) + x);
        // Interleaved bytes of both rows, as 16 bits: `dot` adds each pair.
        const left = v128.shuffle<u8>(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const right = v128.shuffle<u8>(upper, lower, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        a = i32x4.add(a, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(left), weight));
        b = i32x4.add(b, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(left), weight));
        c = i32x4.add(c, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(right), weight));
        d = i32x4.add(d, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(right), weight));
      }
      const low = i16x8.narrow_i32x4_s(i32x4.shr_s(a, 12), i32x4.shr_s(b, 12));
      const high = i16x8.narrow_i32x4_s(i32x4.shr_s(c, 12), i32x4.shr_s(d, 12));
      v128.store(result + x, i8x16.narrow_i16x8_u(low, high)); // clamped to 0 to 255
    }
    result += stride;
  }
}

/**
 * Averages `factor` rows into one; at the end the last row is repeated. libvips
 * divides by multiplying with a fraction of 24 bits, rounded down.
 */
export function average(
  source: usize,
  stride: i32,
  height: i32,
  factor: i32,
  result: usize,
  count: i32,
): void {
  if (factor > 256) return averageMany(source, stride, height, factor, result, count);
  const share = i32x4.splat((1 << 24) / factor);
  const half = i16x8.splat(<i16>(factor >> 1));
  for (let y = 0; y < count; y++) {
    for (let x: usize = 0; x < <usize>stride; x += 16) {
      let low = half, high = half;
      for (let i = 0; i < factor; i++) {
        const row = min(height - 1, y * factor + i);
        const bytes = v128.load(source + <usize>row * <usize>stride + x);
        low = i16x8.add(low, i16x8.extend_low_i8x16_u(bytes));
        high = i16x8.add(high, i16x8.extend_high_i8x16_u(bytes));
      }
      const a = divide(i32x4.extend_low_i16x8_u(low), share);
      const b = divide(i32x4.extend_high_i16x8_u(low), share);
      const c = divide(i32x4.extend_low_i16x8_u(high), share);
      const d = divide(i32x4.extend_high_i16x8_u(high), share);
      const bytes = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
      v128.store(result + x, bytes);
    }
    result += stride;
  }
}

/** Averages more rows than sums of 16 bits allow. */
function averageMany(
  source: usize,
  stride: i32,
  height: i32,
  factor: i32,
  result: usize,
  count: i32,
): void {
  const share = (1 << 24) / factor;
  for (let y = 0; y < count; y++) {
    for (let x: usize = 0; x < <usize>stride; x++) {
      let sum = factor >> 1;
      for (let i = 0; i < factor; i++) {
        const row = min(height - 1, y * factor + i);
        sum += load<u8>(source + <usize>row * <usize>stride + x);
      }
      store<u8>(result + x, <u8>(<u32>sum * <u32>share >> 24));
    }
    result += stride;
  }
}

@inline function divide(sums: v128, share: v128): v128 {
  return i32x4.shr_u(i32x4.mul(sums, share), 24);
}

/** Transposes an image of three bytes per pixel. */
export function transpose(source: usize, width: i32, height: i32, result: usize): void {
  const stride = <usize>height * 3;
  for (let y = 0; y < height; y++) {
    let to = result + <usize>y * 3;
    for (let x = 0; x < width; x++) {
      const pixel = load<u32>(source); // and the next one's red
      store<u16>(to, <u16>pixel);
      store<u8>(to, <u8>(pixel >> 16), 2);
      source += 3;
      to += stride;
    }
  }
}
