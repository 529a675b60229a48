/** A peer: the same networks in TensorFlow.js on TensorFlow's own library. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { type NetworkName, servePeer } from "../peer.ts";
import { draw, heads, kinds, stepAnswers } from "./networks.ts";

await openBackend("node");

/** Compiles with Adam: TensorFlow.js has no AdamW. */
function build(network: NetworkName): LayersModel {
  const model = kinds[network].build();
  const columns = (of: tf.Tensor, from: number, count: number) =>
    tf.slice(of, [0, from], [-1, count]);
  const both = (truth: tf.Tensor, logits: tf.Tensor) =>
    [[0, 2], [2, heads.outputs - 2]].map(([from, count]) =>
      tf.losses.softmaxCrossEntropy(columns(truth, from, count), columns(logits, from, count))
    ).reduce((sum, loss) => tf.add(sum, loss)) as tf.Tensor;
  const losses = { age: "meanAbsoluteError", best: both } as const;
  const loss = network in losses ? losses[network as "age" | "best"] : "categoricalCrossentropy";
  model.compile({ optimizer: "adam", loss });
  return model;
}

/** Returns images from 0 to 1, and one-hot labels or years. */
function data(network: NetworkName, rows: number): { x: tf.Tensor4D; y: tf.Tensor2D } {
  const { images, targets } = draw(network, rows);
  const x = tf.tensor4d(Float32Array.from(images, (byte) => byte / 255), [rows, 32, 32, 3]);
  if (network === "age") return { x, y: tf.tensor2d(targets, [rows, 1]) };
  const [width, labels] = network === "best" ? [heads.outputs, 2] : [2, 1];
  const y = new Float32Array(rows * width);
  targets.forEach((target, i) => {
    const bin = i % labels === 0 ? target : 2 + target % (width - 2);
    y[Math.floor(i / labels) * width + bin] = 1;
  });
  return { x, y: tf.tensor2d(y, [rows, width]) };
}

await servePeer({
  ...stepAnswers((network, batch) => {
    const model = build(network), { x, y } = data(network, batch);
    return Promise.resolve(() => model.trainOnBatch(x, y));
  }),
  async fit({ network, batch, rows, epochs }) {
    const model = build(network), { x, y } = data(network, rows * 1.2);
    const part = <T extends tf.Tensor>(of: T, from: number, count: number) =>
      tf.slice(of, [from], [count]) as T;
    const start = performance.now();
    await model.fit(part(x, 0, rows), part(y, 0, rows), {
      ...{ batchSize: batch, epochs, verbose: 0 },
      validationData: [part(x, rows, rows * 0.2), part(y, rows, rows * 0.2)],
    });
    return { ms: performance.now() - start };
  },
  async infer({ network, rows }) {
    const model = build(network), { x } = data(network, rows);
    const predict = (images: tf.Tensor) =>
      (model.predict(images, { batchSize: 256 }) as tf.Tensor).data();
    await predict(tf.slice(x, [0], [640]));
    const start = performance.now();
    await predict(x);
    return { ms: performance.now() - start };
  },
});
