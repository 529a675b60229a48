/** Losses of heads: each takes some of the last layer's columns, and counts by its weight. */
import { address, real, rowsNow, word } from "./simd";

/**
 * Softmax over a head's columns and cross-entropy towards probabilities, from the sums before the
 * softmax. Writes probabilities and, if wanted, the gradient of the mean loss times the weight.
 */
export function softCrossEntropy(r: usize): void {
  const x = address(r, 3), stride = <usize> word(r, 4) << 2, columns = <usize> word(r, 5) << 2;
  const labels = address(r, 6), out = address(r, 7), gradient = address(r, 8);
  const row = <usize> word(r, 9) << 2;
  const rows = rowsNow(), share = real(r, 10) / <f32> rows;
  let loss: f64 = 0;
  for (let i = 0; i < rows; ++i) {
    const at = x + <usize> i * stride, t = labels + <usize> i * row, o = out + <usize> i * row;
    let top = load<f32>(at);
    for (let q: usize = 4; q < columns; q += 4) top = max<f32>(top, load<f32>(at + q));
    // The exponentials wait where the probabilities will be.
    let sum: f64 = 0, all: f64 = 0;
    for (let q: usize = 0; q < columns; q += 4) {
      const z = load<f32>(at + q) - top, e = Math.exp(<f64> z), target = <f64> load<f32>(t + q);
      store<f32>(o + q, <f32> e);
      sum += e;
      all += target;
      // A probability of 0 costs nothing, however unlikely the column.
      if (target != 0) loss -= target * <f64> z;
    }
    loss += all * Math.log(sum);
    const inverse = <f32> (1 / sum);
    for (let q: usize = 0; q < columns; q += 4) {
      const p = load<f32>(o + q) * inverse;
      store<f32>(o + q, p);
      if (gradient != 0) {
        store<f32>(gradient + <usize> i * stride + q, (p * <f32> all - load<f32>(t + q)) * share);
      }
    }
  }
  store<f64>(address(r, 11), loss);
}

/** Mean absolute error over a head's columns; its gradient is 0 where the error is. */
export function headAbsoluteError(r: usize): void {
  const x = address(r, 3), stride = <usize> word(r, 4) << 2, columns = <usize> word(r, 5) << 2;
  const labels = address(r, 6), out = address(r, 7), gradient = address(r, 8);
  const row = <usize> word(r, 9) << 2;
  const rows = rowsNow(), share = real(r, 10) / <f32> (rows * word(r, 5));
  let loss: f64 = 0;
  for (let i = 0; i < rows; ++i) {
    for (let q: usize = 0; q < columns; q += 4) {
      const y = load<f32>(x + <usize> i * stride + q);
      const e = y - load<f32>(labels + <usize> i * row + q);
      store<f32>(out + <usize> i * row + q, y);
      loss += <f64> abs<f32>(e);
      if (gradient != 0) {
        let g = e; // a NaN stays one
        if (e > 0) g = share;
        else if (e < 0) g = -share;
        store<f32>(gradient + <usize> i * stride + q, g);
      }
    }
  }
  store<f64>(address(r, 11), loss / <f64> word(r, 5));
}
