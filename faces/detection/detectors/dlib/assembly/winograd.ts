/**
 * Convolutions by Winograd's minimal filtering (Lavin and Gray 2016) on squares of 8 × 8: each
 * gives 4 × 4 outputs of a 5 × 5 filter for 64 products in place of 400, or 6 × 6 of a 3 × 3. The
 * points are 0, ±1, ±2, ±1/2 and infinity. The filters are already transformed and divided.
 */
import { relu } from "./simd";
import { sixRows } from "./conv";

/** 8 × 8 vectors between the two passes of a transform. */
const square = memory.data(1024, 16);

@inline function times(a: v128, factor: f32): v128 {
  return f32x4.mul(a, f32x4.splat(factor));
}

/** Evaluates eight vectors, `step` bytes apart, at the points. */
@inline function evaluate(from: usize, step: usize, to: usize, toStep: usize): void {
  const d0 = v128.load(from), d1 = v128.load(from + step), d2 = v128.load(from + 2 * step);
  const d3 = v128.load(from + 3 * step), d4 = v128.load(from + 4 * step);
  const d5 = v128.load(from + 5 * step), d6 = v128.load(from + 6 * step);
  const d7 = v128.load(from + 7 * step);
  v128.store(to, f32x4.add(f32x4.sub(d6, d0), times(f32x4.sub(d2, d4), 5.25)));
  let even = f32x4.add(f32x4.add(d2, d6), times(d4, -4.25));
  let odd = f32x4.add(f32x4.add(d1, d5), times(d3, -4.25));
  v128.store(to + toStep, f32x4.add(even, odd));
  v128.store(to + 2 * toStep, f32x4.sub(even, odd));
  even = f32x4.add(f32x4.add(d6, times(d2, 0.25)), times(d4, -1.25));
  odd = f32x4.add(f32x4.add(times(d1, 0.5), times(d3, -2.5)), times(d5, 2));
  v128.store(to + 3 * toStep, f32x4.add(even, odd));
  v128.store(to + 4 * toStep, f32x4.sub(even, odd));
  even = f32x4.add(f32x4.add(d6, times(d2, 4)), times(d4, -5));
  odd = f32x4.add(f32x4.add(times(d1, 2), times(d3, -2.5)), times(d5, 0.5));
  v128.store(to + 5 * toStep, f32x4.add(even, odd));
  v128.store(to + 6 * toStep, f32x4.sub(even, odd));
  v128.store(to + 7 * toStep, f32x4.add(f32x4.sub(d7, d1), times(f32x4.sub(d3, d5), 5.25)));
}

/** Transforms a square of the image to values at the points: [64][tiles][channels]. */
function transform(
  from: usize, step: usize, row: usize, channels: i32, v: usize, vPoint: usize,
): void {
  for (let c = channels; c > 0; c -= 4) {
    for (let x: usize = 0; x < 8; ++x) evaluate(from + x * step, row, square + (x << 4), 128);
    for (let y: usize = 0; y < 8; ++y) evaluate(square + (y << 7), 16, v + (y << 3) * vPoint, vPoint);
    from += 16;
    v += 16;
  }
}

/** Computes the first `count` of `outputs` outputs from eight vectors. */
@inline function interpolate(
  from: usize, step: usize, to: usize, toStep: usize, outputs: i32, count: i32, bias: v128,
  last: bool,
): void {
  const m0 = v128.load(from), m7 = v128.load(from + 7 * step);
  let a = v128.load(from + step), b = v128.load(from + 2 * step);
  const s1 = f32x4.add(a, b), d1 = f32x4.sub(a, b);
  a = v128.load(from + 3 * step); b = v128.load(from + 4 * step);
  const s2 = f32x4.add(a, b), d2 = f32x4.sub(a, b);
  a = v128.load(from + 5 * step); b = v128.load(from + 6 * step);
  const s3 = f32x4.add(a, b), d3 = f32x4.sub(a, b);
  let y = f32x4.add(f32x4.add(m0, s1), f32x4.add(s2, s3));
  v128.store(to, last ? relu(f32x4.add(y, bias)) : y);
  if (count < 2) return;
  y = f32x4.add(d1, f32x4.add(times(d2, 2), times(d3, 0.5)));
  v128.store(to + toStep, last ? relu(f32x4.add(y, bias)) : y);
  if (count < 3) return;
  y = f32x4.add(s1, f32x4.add(times(s2, 4), times(s3, 0.25)));
  v128.store(to + 2 * toStep, last ? relu(f32x4.add(y, bias)) : y);
  if (count < 4) return;
  y = f32x4.add(d1, f32x4.add(times(d2, 8), times(d3, 0.125)));
  if (outputs == 4) y = f32x4.add(y, m7);
  v128.store(to + 3 * toStep, last ? relu(f32x4.add(y, bias)) : y);
  if (outputs == 4 || count < 5) return;
  y = f32x4.add(s1, f32x4.add(times(s2, 16), times(s3, 1.0 / 16)));
  v128.store(to + 4 * toStep, last ? relu(f32x4.add(y, bias)) : y);
  if (count < 6) return;
  y = f32x4.add(f32x4.add(d1, m7), f32x4.add(times(d2, 32), times(d3, 1.0 / 32)));
  v128.store(to + 5 * toStep, last ? relu(f32x4.add(y, bias)) : y);
}

/** Computes `height` by `width` outputs of a tile from its products, with biases and a relu. */
@inline function restore(
  m: usize, mPoint: usize, channels: i32, bias: usize, to: usize, step: usize, row: usize,
  outputs: i32, width: i32, height: i32,
): void {
  for (let c = channels; c > 0; c -= 4) {
    const shift = v128.load(bias);
    for (let x: usize = 0; x < 8; ++x) {
      interpolate(m + x * mPoint, mPoint << 3, square + (x << 4), 128, outputs, outputs, shift, false);
    }
    for (let y = 0; y < height; ++y) {
      interpolate(
        square + (<usize> y << 7), 16, to + <usize> y * row, step, outputs, width, shift, true,
      );
    }
    m += 16;
    bias += 16;
    to += 16;
  }
}

/** Tiles per step. */
@inline const TILES = 12;

/**
 * Computes `rows` rows of `width` outputs, with a relu.
 * @param a address of the first output's window; its next pixels are `step` and `row` bytes on
 * @param phases images that lie `phase` bytes apart and are the window's further channels
 * @param outputs 4 (filters of 5 × 5) or 6 (3 × 3)
 * @param u filters: biases [panels × 8], then [64][panels][phases × channels][8]
 * @param scratch of 64 × 12 × (phases × channels + panels × 8) floats
 */
export function winograd(
  a: usize, step: usize, row: usize, channels: i32, phases: i32, phase: usize, outputs: i32,
  u: usize, panels: i32, o: usize, oStep: usize, oRow: usize, width: i32, rows: i32, scratch: usize,
): void {
  const across = (width + outputs - 1) / outputs, all = across * ((rows + outputs - 1) / outputs);
  const depth = phases * channels, filters = panels << 3;
  const vRow = <usize> depth << 2, mRow = <usize> filters << 2;
  const vPoint = vRow * TILES, mPoint = mRow * TILES;
  const v = scratch, m = scratch + 64 * vPoint;
  const panel = <usize> depth << 5, bias = u;
  u += mRow;
  for (let first = 0; first < all; first += TILES) {
    const tiles = min(TILES, all - first);
    for (let t = 0; t < tiles; ++t) {
      const ty = (first + t) / across, tx = (first + t) - ty * across;
      const from = a + <usize> (ty * outputs) * row + <usize> (tx * outputs) * step;
      for (let p = 0; p < phases; ++p) {
        transform(
          from + <usize> p * phase, step, row, channels,
          v + <usize> t * vRow + (<usize> (p * channels) << 2), vPoint,
        );
      }
    }
    let b = u;
    for (let e: usize = 0; e < 64; ++e) {
      const vs = v + e * vPoint, ms = m + e * mPoint;
      for (let p = 0; p < panels; ++p) {
        sixRows(vs, vRow, depth, b, ms + (<usize> p << 5), mRow, tiles);
        b += panel;
      }
    }
    for (let t = 0; t < tiles; ++t) {
      const ty = (first + t) / across, tx = (first + t) - ty * across;
      const y = ty * outputs, x = tx * outputs;
      const to = o + <usize> y * oRow + <usize> x * oStep, from = m + <usize> t * mRow;
      const wide = min(outputs, width - x), high = min(outputs, rows - y);
      if (outputs == 4) {
        restore(from, mPoint, filters, bias, to, oStep, oRow, 4, wide, high);
      } else {
        restore(from, mPoint, filters, bias, to, oStep, oRow, 6, wide, high);
      }
    }
  }
}
