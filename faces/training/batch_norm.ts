/**
 * Batch normalisation in training, forward and backward, of a few operations that are fast on every
 * backend. (The gradient that tfjs derives tiles the statistics to full size, several times.)
 * Ioffe and Szegedy, "Batch normalization" (2015).
 */
import * as tf from "@tensorflow/tfjs-core";

/** What one batch says about its channels; the caller disposes of it. */
export interface BatchStatistics {
  mean: tf.Tensor1D;
  /** Biased (divided by n), as Keras has it in its moving average too. */
  variance: tf.Tensor1D;
}

/**
 * Normalises each channel (the last axis) of `x` over the batch, then scales and shifts it.
 * Hands the statistics of the batch to `report`.
 */
export function batchNormTraining(
  x: tf.Tensor,
  gamma: tf.Tensor1D, // [channels]
  beta: tf.Tensor1D,
  epsilon: number,
  report: (statistics: BatchStatistics) => void,
): tf.Tensor {
  const count = x.size / gamma.size; // values a channel
  const operation = tf.customGrad((x, gamma, beta, save) => {
    const mean = tf.div(sumOverBatch(x as tf.Tensor), count) as tf.Tensor1D;
    const centred = tf.sub(x as tf.Tensor, mean);
    const variance = tf.div(sumOverBatch(tf.square(centred)), count) as tf.Tensor1D;
    report({ mean: tf.keep(mean), variance: tf.keep(variance) });

    const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [channels]
    const normalised = tf.mul(centred, inverse);
    const value = tf.add(tf.mul(normalised, gamma as tf.Tensor), beta as tf.Tensor);
    (save as tf.GradSaveFunc)([normalised, inverse, gamma as tf.Tensor]);

    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [normalised, inverse, gamma] = saved;
      const dBeta = sumOverBatch(dy);
      const dGamma = sumOverBatch(tf.mul(dy, normalised));
      const scale = tf.mul(gamma, inverse);
      // dx = scale · (dy - mean(dy) - normalised · mean(dy · normalised))
      const dx = tf.sub(
        tf.mul(tf.sub(dy, tf.div(dBeta, count)), scale),
        tf.mul(normalised, tf.mul(scale, tf.div(dGamma, count))),
      );
      return [dx, dGamma, dBeta];
    };
    return { value, gradFunc };
  });
  return operation(x, gamma, beta);
}

/** [batch, ..., channels] → [channels] */
function sumOverBatch(x: tf.Tensor): tf.Tensor {
  return tf.sum(x, x.shape.slice(0, -1).map((_, axis) => axis));
}
