/** The built-in optimizers, as in Keras. */
import { z } from "zod";
import type { Tensor } from "@tensorflow/tfjs-core";
import { defineOptimizer, type OptimizerDefinition, type Tf } from "./training_definitions.ts";

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-7;

/** Interpolates linearly from `old` to `value`. */
export function lerp(tf: Tf, old: Tensor, value: Tensor, share: Tensor | number): Tensor {
  return tf.add(old, tf.mul(tf.sub(value, old), share));
}

const momentum = z.number().min(0).lt(1).default(0).describe(
  "Momentum: the share of the last step that the next one continues",
);

const adamRule: Pick<OptimizerDefinition, "params" | "state" | "engine" | "prepare"> = {
  params: z.strictObject({}),
  state: ["adam/mean", "adam/square"],
  engine: "adam",
  prepare({ learningRate, step }, tf) {
    const rate = learningRate * Math.sqrt(1 - BETA2 ** step) / (1 - BETA1 ** step);
    // Tensors, because a number would be converted again for each variable.
    const [rateOfStep, toMean, toSquare, epsilon] = [rate, 1 - BETA1, 1 - BETA2, EPSILON]
      .map((value) => tf.scalar(value));
    return (gradient, [oldMean, oldSquare]) => {
      const mean = lerp(tf, oldMean, gradient, toMean);
      const square = lerp(tf, oldSquare, tf.square(gradient), toSquare);
      const change = tf.div(tf.mul(mean, rateOfStep), tf.add(tf.sqrt(square), epsilon));
      return { change, state: [mean, square] };
    };
  },
};

/** Kingma and Ba, "Adam: a method for stochastic optimization" (2015). */
const adam = defineOptimizer({
  name: "adam",
  summary: "Adam, without weight decay",
  weightDecay: null,
  ...adamRule,
});

/** Loshchilov and Hutter, "Decoupled weight decay regularization" (2019). */
export const adamw = defineOptimizer({
  name: "adamw",
  summary: "Adam with decoupled weight decay",
  weightDecay: 0.004,
  ...adamRule,
});

/** Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013). */
const sgd = defineOptimizer({
  name: "sgd",
  summary: "Stochastic gradient descent",
  params: z.strictObject({
    momentum,
    nesterov: z.boolean().default(false).describe("Nesterov momentum"),
  }),
  state: ["sgd/velocity"],
  engine: "sgd",
  prepare: ({ learningRate, momentum, nesterov }, tf) => (gradient, [old]) => {
    const step = tf.mul(gradient, learningRate);
    const velocity = tf.add(tf.mul(old, momentum), step);
    const change = nesterov ? tf.add(tf.mul(velocity, momentum), step) : velocity;
    return { change, state: [velocity] };
  },
});

/** Tieleman and Hinton, "Lecture 6.5: rmsprop" (2012). */
const rmsprop = defineOptimizer({
  name: "rmsprop",
  summary: "Steps divided by a moving average of the gradient's size",
  params: z.strictObject({
    momentum,
    rho: z.number().gt(0).lt(1).default(0.9).describe("Decay of the moving average"),
  }),
  state: ["rmsprop/square", "rmsprop/velocity"],
  engine: "rmsprop",
  prepare({ learningRate, momentum, rho }, tf) {
    const share = tf.scalar(1 - rho);
    return (gradient, [oldSquare, oldVelocity]) => {
      const square = lerp(tf, oldSquare, tf.square(gradient), share);
      const step = tf.div(tf.mul(gradient, learningRate), tf.sqrt(tf.add(square, EPSILON)));
      const velocity = tf.add(tf.mul(oldVelocity, momentum), step);
      return { change: velocity, state: [square, velocity] };
    };
  },
});

export const optimizers = [adam, adamw, sgd, rmsprop];
