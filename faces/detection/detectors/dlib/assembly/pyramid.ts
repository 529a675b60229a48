/** Input of the network: the image minus its mean, and its pyramid, in one tiled image. */

/** Bytes of a pixel in the tiled image: three floats. */
@inline const PIXEL: usize = 12;

/**
 * Converts RGB bytes of `width` by `height` pixels to floats, (value - mean) / 256, in the tiled image.
 * @param to address of the first pixel; rows are `step` bytes apart
 */
export function normalize(
  from: usize, width: i32, height: i32, to: usize, step: usize, red: f32, green: f32, blue: f32,
): void {
  for (let y = 0; y < height; ++y) {
    let o = to + <usize> y * step;
    for (let x = 0; x < width; ++x) {
      store<f32>(o, (<f32> load<u8>(from) - red) * (1.0 / 256));
      store<f32>(o, (<f32> load<u8>(from, 1) - green) * (1.0 / 256), 4);
      store<f32>(o, (<f32> load<u8>(from, 2) - blue) * (1.0 / 256), 8);
      from += 3;
      o += PIXEL;
    }
  }
}

/**
 * Interpolates the next level of the pyramid bilinearly; rows are `step` and `newStep` bytes apart, the
 * centers of the corners coincide. Pixels are written lane by lane, so the space beside them stays 0.
 */
export function reduce(
  from: usize, width: i32, height: i32, step: usize,
  to: usize, newWidth: i32, newHeight: i32, newStep: usize,
): void {
  const xScale = <f64> (width - 1) / <f64> max(newWidth - 1, 1);
  const yScale = <f64> (height - 1) / <f64> max(newHeight - 1, 1);
  for (let y = 0; y < newHeight; ++y) {
    const place = <f64> y * yScale, top = <i32> place;
    const down = f32x4.splat(<f32> (place - <f64> top));
    const above = from + <usize> top * step;
    const below = from + <usize> min(top + 1, height - 1) * step;
    let o = to + <usize> y * newStep;
    for (let x = 0; x < newWidth; ++x) {
      const across = <f64> x * xScale, left = <i32> across;
      const right = f32x4.splat(<f32> (across - <f64> left));
      const l = <usize> left * PIXEL, r = <usize> min(left + 1, width - 1) * PIXEL;
      let a = v128.load(above + l), b = v128.load(below + l);
      a = f32x4.add(a, f32x4.mul(f32x4.sub(v128.load(above + r), a), right));
      b = f32x4.add(b, f32x4.mul(f32x4.sub(v128.load(below + r), b), right));
      a = f32x4.add(a, f32x4.mul(f32x4.sub(b, a), down));
      v128.store64_lane(o, a, 0);
      v128.store32_lane(o, a, 2, 8);
      o += PIXEL;
    }
  }
}
