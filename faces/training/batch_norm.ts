/**
 * Batch normalization in training, forward and backward, in few operations that are fast on every
 * backend. (The gradient derived by tfjs tiles the statistics to full size several times.)
 * Ioffe and Szegedy, "Batch normalization" (2015).
 */
import * as tf from "@tensorflow/tfjs-core";

/** Statistics of a batch by channel. The caller disposes of them. */
export interface BatchStatistics {
  mean: tf.Tensor1D;
  /** Biased variance (divided by n), as in the moving average of Keras. */
  variance: tf.Tensor1D;
}

/**
 * Normalizes each channel (the last axis) of `x` over the batch, then scales and shifts it.
 * Passes the statistics of the batch to `report`.
 */
export function batchNormTraining(
  x: tf.Tensor,
  gamma: tf.Tensor1D, // [channels]
  beta: tf.Tensor1D,
  epsilon: number,
  report: (statistics: BatchStatistics) => void,
): tf.Tensor {
  const count = x.size / gamma.size; // values per channel
  const operation = tf.customGrad((x, gamma, beta, save) => {
    const mean = tf.div(sumOverBatch(x as tf.Tensor), count) as tf.Tensor1D;
    const centered = tf.sub(x as tf.Tensor, mean);
    const variance = tf.div(sumOverBatch(tf.square(centered)), count) as tf.Tensor1D;
    report({ mean: tf.keep(mean), variance: tf.keep(variance) });

    const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [channels]
    const normalized = tf.mul(centered, inverse);
    const value = tf.add(tf.mul(normalized, gamma as tf.Tensor), beta as tf.Tensor);
    (save as tf.GradSaveFunc)([normalized, inverse, gamma as tf.Tensor]);

    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [normalized, inverse, gamma] = saved;
      const dBeta = sumOverBatch(dy);
      const dGamma = sumOverBatch(tf.mul(dy, normalized));
      const scale = tf.mul(gamma, inverse);
      // dx = scale · (dy - mean(dy) - normalized · mean(dy · normalized))
      const dx = tf.sub(
        tf.mul(tf.sub(dy, tf.div(dBeta, count)), scale),
        tf.mul(normalized, tf.mul(scale, tf.div(dGamma, count))),
      );
      return [dx, dGamma, dBeta];
    };
    return { value, gradFunc };
  });
  return operation(x, gamma, beta);
}

/** Sums [batch, ..., channels] to [channels]. */
function sumOverBatch(x: tf.Tensor): tf.Tensor {
  return tf.sum(x, x.shape.slice(0, -1).map((_, axis) => axis));
}
