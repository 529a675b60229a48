/**
 * Adam as in Keras, with its whole state exposed, so a training resumes with the same result.
 * Kingma and Ba, "Adam: a method for stochastic optimization" (2015).
 */
import * as tf from "@tensorflow/tfjs-core";

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-7;

export class Adam {
  /** Number of steps. */
  steps = 0;
  /** Learning rate of the next step. */
  learningRate: number;
  /** Moving averages of each variable's gradient and squared gradient. */
  readonly means: tf.Tensor[];
  readonly squares: tf.Tensor[];
  readonly #variables: readonly tf.Variable[];
  readonly #weightDecay: number;
  readonly #decays: readonly boolean[];

  /**
   * @param decay decoupled weight decay: AdamW (Loshchilov and Hutter, "Decoupled weight decay
   *   regularization", 2019); `decays` selects the variables
   */
  constructor(
    variables: readonly tf.Variable[],
    learningRate: number,
    decay: { weightDecay: number; decays: readonly boolean[] } = { weightDecay: 0, decays: [] },
  ) {
    this.#variables = variables;
    this.learningRate = learningRate;
    this.#weightDecay = decay.weightDecay;
    this.#decays = decay.decays;
    this.means = variables.map((variable) => tf.zerosLike(variable));
    this.squares = variables.map((variable) => tf.zerosLike(variable));
  }

  /** Takes one step; `gradients` are in the order of the variables. */
  step(gradients: readonly tf.Tensor[]): void {
    this.steps++;
    const rate = this.learningRate * Math.sqrt(1 - BETA2 ** this.steps) / (1 - BETA1 ** this.steps);
    tf.tidy(() => {
      // Tensors, because a number would be converted again for each variable.
      const [rateOfStep, toMean, toSquare, epsilon] = [rate, 1 - BETA1, 1 - BETA2, EPSILON]
        .map((value) => tf.scalar(value));
      for (const [i, variable] of this.#variables.entries()) {
        const gradient = gradients[i];
        const mean = lerp(this.means[i], gradient, toMean);
        const square = lerp(this.squares[i], tf.square(gradient), toSquare);
        const step = tf.div(tf.mul(mean, rateOfStep), tf.add(tf.sqrt(square), epsilon));
        const kept = this.#weightDecay > 0 && this.#decays[i]
          ? tf.mul(variable as tf.Tensor, 1 - this.learningRate * this.#weightDecay)
          : variable as tf.Tensor;
        variable.assign(tf.sub(kept, step));
        this.#replace(this.means, i, mean);
        this.#replace(this.squares, i, square);
      }
    });
  }

  /** Restores the state of a checkpoint. */
  restore(steps: number, means: readonly Float32Array[], squares: readonly Float32Array[]): void {
    this.steps = steps;
    for (const [i, { shape }] of this.#variables.entries()) {
      this.#replace(this.means, i, tf.tensor(means[i], shape));
      this.#replace(this.squares, i, tf.tensor(squares[i], shape));
    }
  }

  dispose(): void {
    tf.dispose([this.means, this.squares]);
  }

  #replace(list: tf.Tensor[], i: number, tensor: tf.Tensor): void {
    list[i].dispose();
    list[i] = tf.keep(tensor);
  }
}

/** Interpolates linearly from `old` to `value`. */
export function lerp(old: tf.Tensor, value: tf.Tensor, share: tf.Scalar | number): tf.Tensor {
  return tf.add(old, tf.mul(tf.sub(value, old), share));
}
