/** The engine's networks in plain tfjs operations, to compare with. */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-layers"; // registers the gradients
import { type Layer, type Network, type Tensors } from "../../../packages/engine/engine.ts";
import { dropoutMask } from "./dropout_mask.ts";

await tf.setBackend("cpu");

export interface Outcome {
  outputs: Float32Array;
  /** Mean loss of the batch, without penalties. */
  loss: number;
  penalty: number;
  /** Mean loss of each head, not weighted. */
  heads: number[];
  gradients: Map<string, Float32Array>;
  /** Moving statistics after the step. */
  moving: Map<string, Float32Array>;
}

/** One pass over a batch of images (already divided), with gradients if `training`. */
export function pass(
  network: Network,
  weights: Tensors,
  images: Float32Array,
  labels: ArrayLike<number>,
  training: { key: readonly [number, number] } | undefined,
): Outcome {
  const [height, width, channels] = network.input;
  const rows = images.length / (height * width * channels);
  const names = [...weights.keys()].filter((name) => !name.includes("/moving_"));
  const moving = new Map<string, Float32Array>();
  const give = (name: string) => {
    const { shape, data } = weights.get(name)!;
    return tf.tensor(data, [...shape]);
  };
  const result: Omit<Outcome, "gradients" | "moving"> = {
    outputs: new Float32Array(),
    loss: 0,
    penalty: 0,
    heads: [],
  };
  const forward = (...values: tf.Tensor[]): tf.Scalar => {
    const of = (name: string) => values[names.indexOf(name)];
    let x: tf.Tensor = tf.tensor(images, [rows, height, width, channels]);
    let penalty: tf.Tensor = tf.scalar(0);
    let block = -1;
    for (const layer of network.layers) {
      if (layer.kind === "conv2d" || layer.kind === "dense") {
        block++;
        const kernel = of(`${layer.name}/kernel`);
        x = layer.kind === "dense" ? tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D) : tf.conv2d(
          x as tf.Tensor4D,
          kernel as tf.Tensor4D,
          [...layer.strides] as [number, number],
          layer.padding,
        );
        if (layer.bias) x = tf.add(x, of(`${layer.name}/bias`));
        for (const part of ["kernel", "bias"] as const) {
          const l2 = layer.l2?.[part];
          if (l2 && (part === "kernel" || layer.bias)) {
            penalty = tf.add(penalty, tf.mul(tf.sum(tf.square(of(`${layer.name}/${part}`))), l2));
          }
        }
      } else {
        x = simple(x, layer, block);
      }
    }
    function simple(x: tf.Tensor, layer: Layer, block: number): tf.Tensor {
      switch (layer.kind) {
        case "relu":
          return tf.relu(x);
        case "leakyRelu":
          return tf.leakyRelu(x, layer.alpha);
        case "flatten":
          return tf.reshape(x, [rows, -1]);
        case "softmax":
          return x; // the loss takes what comes before
        case "maxPool":
          return tf.maxPool(
            x as tf.Tensor4D,
            [...layer.poolSize] as [number, number],
            [...layer.strides] as [number, number],
            layer.padding,
          );
        case "dropout": {
          if (!training) return x;
          const kept = dropoutMask(training.key, block, layer.rate, rows, x.shape[1]!);
          return tf.mul(tf.mul(x, tf.tensor(kept, x.shape, "float32")), 1 / (1 - layer.rate));
        }
        case "batchNorm": {
          const { name, momentum, epsilon } = layer;
          let mean: tf.Tensor, variance: tf.Tensor;
          const axes = x.shape.map((_, i) => i).slice(0, -1);
          if (training) {
            mean = tf.mean(x, axes);
            variance = tf.mean(tf.square(tf.sub(x, mean)), axes);
            for (const [suffix, now] of [["mean", mean], ["variance", variance]] as const) {
              const old = weights.get(`${name}/moving_${suffix}`)!.data, value = now.dataSync();
              moving.set(
                `${name}/moving_${suffix}`,
                old.map((v, i) => v * momentum + value[i] * (1 - momentum)),
              );
            }
          } else {
            mean = give(`${name}/moving_mean`);
            variance = give(`${name}/moving_variance`);
          }
          const scale = tf.div(of(`${name}/gamma`), tf.sqrt(tf.add(variance, epsilon)));
          return tf.add(tf.mul(tf.sub(x, mean), scale), of(`${name}/beta`));
        }
        default:
          throw new Error(layer.kind);
      }
    }
    let loss: tf.Tensor;
    if (typeof network.loss === "object") {
      const truth = tf.tensor2d(Array.from(labels), [rows, x.shape[1]!]);
      let at = 0;
      const outputs: tf.Tensor[] = [], losses: tf.Tensor[] = [];
      for (const { loss, columns, weight } of network.loss) {
        const said = tf.slice(x, [0, at], [rows, columns]);
        const target = tf.slice(truth, [0, at], [rows, columns]);
        const soft = loss === "categoricalCrossentropy";
        outputs.push(soft ? tf.softmax(said) : said);
        const one = soft
          ? tf.neg(tf.mean(tf.sum(tf.mul(target, tf.logSoftmax(said)), 1)))
          : tf.mean(tf.abs(tf.sub(said, target)));
        result.heads.push(one.dataSync()[0]);
        losses.push(tf.mul(one, weight));
        at += columns;
      }
      loss = tf.addN(losses);
      result.outputs = tf.concat(outputs, 1).dataSync() as Float32Array;
    } else if (network.loss === "categoricalCrossentropy") {
      const truth = tf.oneHot(tf.tensor1d([...Array.from(labels)], "int32"), x.shape[1]!);
      loss = tf.losses.softmaxCrossEntropy(truth, x);
      result.outputs = tf.softmax(x).dataSync() as Float32Array;
    } else {
      const truth = tf.tensor(Float32Array.from(labels), x.shape);
      loss = tf.mean(tf.abs(tf.sub(x, truth)));
      result.outputs = x.dataSync() as Float32Array;
    }
    result.loss = loss.dataSync()[0];
    result.penalty = penalty.dataSync()[0];
    return tf.add(loss, penalty) as tf.Scalar;
  };
  const gradients = new Map<string, Float32Array>();
  tf.tidy(() => {
    const values = names.map(give);
    if (!training) return void forward(...values);
    const { grads } = tf.valueAndGrads((...v: tf.Tensor[]) => forward(...v))(values);
    grads.forEach((g, i) => gradients.set(names[i], g.dataSync() as Float32Array));
  });
  return { ...result, gradients, moving };
}
