/** Losses of the last layer, or of a head: some of its columns, with a loss weight. */
import { Control } from "./abi";
import { address, real, rowsNow, word } from "./simd";

/**
 * Softmax and categorical cross-entropy, from the sums before the softmax. Writes probabilities
 * and, if wanted, the gradient of the mean loss; adds up loss and correct predictions (the first of
 * equal maxima counts, as in Keras). A label outside the classes (-1: none) has no loss and gradient.
 */
export function crossEntropy(r: usize): void {
  const x = address(r, 3), stride = <usize> word(r, 4) << 2, classes = word(r, 5);
  const labels = address(r, 6), out = address(r, 7), gradient = address(r, 8);
  const rows = rowsNow();
  let loss: f64 = 0, right: f64 = 0;
  for (let i = 0; i < rows; ++i) {
    const at = x + <usize> i * stride, o = out + <usize> (i * classes) * 4;
    const label = load<i32>(labels + (<usize> i << 2));
    let top = load<f32>(at), best = 0;
    for (let c = 1; c < classes; ++c) {
      const v = load<f32>(at + (<usize> c << 2));
      if (v > top) {
        top = v;
        best = c;
      }
    }
    let sum: f64 = 0;
    for (let c = 0; c < classes; ++c) sum += Math.exp(<f64> (load<f32>(at + (<usize> c << 2)) - top));
    for (let c = 0; c < classes; ++c) {
      const q = <usize> c << 2;
      const p = <f32> (Math.exp(<f64> (load<f32>(at + q) - top)) / sum);
      store<f32>(o + q, p);
      if (gradient != 0) {
        const t: f32 = c == label ? 1 : 0;
        const g = label >= 0 && label < classes ? (p - t) / <f32> rows : 0;
        store<f32>(gradient + <usize> i * stride + q, g);
      }
    }
    if (label >= 0 && label < classes) {
      loss += Math.log(sum) - <f64> (load<f32>(at + (<usize> label << 2)) - top);
      if (best == label) right += 1;
    }
  }
  store<f64>(Control.loss, loss);
  store<f64>(Control.metric, right);
}

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
    // The exponentials are stored in place of the probabilities.
    let sum: f64 = 0, all: f64 = 0;
    for (let q: usize = 0; q < columns; q += 4) {
      const z = load<f32>(at + q) - top, e = Math.exp(<f64> z), target = <f64> load<f32>(t + q);
      store<f32>(o + q, <f32> e);
      sum += e;
      all += target;
      // A target probability of 0 has no loss, even where the prediction underflows.
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

/**
 * Mean absolute error over a head's columns. Writes outputs and, if wanted, the gradient of the mean
 * error times the weight, which is 0 where the error is.
 */
export function absoluteError(r: usize): void {
  const x = address(r, 3), stride = <usize> word(r, 4) << 2, columns = <usize> word(r, 5) << 2;
  const labels = address(r, 6), out = address(r, 7), gradient = address(r, 8);
  const row = <usize> word(r, 9) << 2;
  const rows = rowsNow(), share = real(r, 10) / <f32> (rows * word(r, 5));
  let sum: f64 = 0;
  for (let i = 0; i < rows; ++i) {
    for (let q: usize = 0; q < columns; q += 4) {
      const y = load<f32>(x + <usize> i * stride + q);
      const e = y - load<f32>(labels + <usize> i * row + q);
      store<f32>(out + <usize> i * row + q, y);
      sum += <f64> abs<f32>(e);
      if (gradient != 0) {
        let g = e; // a NaN stays one
        if (e > 0) g = share;
        else if (e < 0) g = -share;
        store<f32>(gradient + <usize> i * stride + q, g);
      }
    }
  }
  store<f64>(address(r, 11), sum / <f64> word(r, 5));
}
