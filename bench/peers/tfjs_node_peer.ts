/** The report's networks in TensorFlow.js on TensorFlow's own library, as a peer of the bench. */
import process from "node:process";
import * as tf from "@tensorflow/tfjs-core";
import {
  input,
  layers,
  type LayersModel,
  model as functional,
  regularizers,
  sequential,
  type SymbolicTensor,
} from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { random } from "../../packages/random/random.ts";
import { servePeer } from "../peer_protocol.ts";
import { type Answer, type NetworkName, type Order, WARM_UP } from "../peer.ts";

await openBackend("node");

function blocks(l2?: number): layers.Layer[] {
  const parts = [16, 32, 64, 128].flatMap((filters, n): layers.Layer[] => [
    layers.conv2d({
      ...{ filters, kernelSize: 2, padding: "same", activation: "relu" },
      ...(n === 0 ? { inputShape: [32, 32, 3] } : {}),
      ...(l2 ? { kernelRegularizer: regularizers.l2({ l2 }) } : {}),
    }),
    layers.batchNormalization(),
    layers.maxPooling2d({ poolSize: 2, strides: 2, padding: "same" }),
  ]);
  return [...parts, layers.flatten()];
}

/** The best network, with Adam: TensorFlow.js has no AdamW. */
function best(): LayersModel {
  const image = input({ shape: [32, 32, 3] });
  const through = [
    ...[[32, 32], [48, 48], [64, 64], [128, 128]].flatMap((block) => [
      ...block.flatMap((filters) => [
        layers.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu" }),
        layers.batchNormalization(),
      ]),
      layers.maxPooling2d({ poolSize: 2, strides: 2, padding: "same" }),
    ]),
    ...[layers.flatten(), layers.dense({ units: 128, activation: "relu" })],
    ...[layers.batchNormalization(), layers.dropout({ rate: 0.3 })],
  ].reduce((x, layer) => layer.apply(x) as SymbolicTensor, image);
  const model = functional({
    inputs: image,
    outputs: [2, AGES].map((units) =>
      layers.dense({ units, activation: "softmax" }).apply(through) as SymbolicTensor
    ),
  });
  model.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
  return model;
}

function build(network: NetworkName): LayersModel {
  if (network === "best") return best();
  if (network === "gender") {
    const model = sequential({
      layers: [
        ...blocks(),
        ...[512, 256, 128].flatMap((units) => [
          layers.dense({ units, activation: "relu" }),
          layers.batchNormalization(),
          layers.dropout({ rate: 0.25 }),
        ]),
        layers.dense({ units: 64, activation: "relu" }),
        layers.batchNormalization(),
        layers.dense({ units: 16, activation: "relu" }),
        layers.dense({ units: 2, activation: "softmax" }),
      ],
    });
    model.compile({ optimizer: "adam", loss: "categoricalCrossentropy", metrics: ["accuracy"] });
    return model;
  }
  const penalty = () => regularizers.l2({ l2: 0.1 });
  const model = sequential({
    layers: [
      ...blocks(0.0005),
      ...[256, 64, 32].flatMap((units) => [
        layers.dense({ units, kernelRegularizer: penalty(), biasRegularizer: penalty() }),
        layers.leakyReLU({ alpha: 0.2 }),
        ...(units === 256 ? [layers.dropout({ rate: 0.25 })] : []),
      ]),
      layers.dense({ units: 1 }),
    ],
  });
  model.compile({ optimizer: "adam", loss: "meanAbsoluteError", metrics: ["mae"] });
  return model;
}

/** Bins of ages, of which the best network gives probabilities. */
const AGES = 62;

type Targets = tf.Tensor2D | tf.Tensor2D[];

function draw(network: NetworkName, rows: number): { x: tf.Tensor4D; y: Targets } {
  const rng = random(1, "bench", network, rows);
  const x = tf.tensor4d(Float32Array.from({ length: rows * 3072 }, () => rng.next()), [
    ...[rows, 32, 32, 3] as const,
  ]);
  if (network === "age") {
    return { x, y: tf.tensor2d(Float32Array.from({ length: rows }, () => rng.int(90)), [rows, 1]) };
  }
  const classes = (count: number) => {
    const truth = new Float32Array(rows * count);
    for (let row = 0; row < rows; row++) truth[row * count + rng.int(count)] = 1;
    return tf.tensor2d(truth, [rows, count]);
  };
  return { x, y: network === "best" ? [classes(2), classes(AGES)] : classes(2) };
}

const prepared = new Map<string, () => Promise<unknown>>();

async function obey(order: Order): Promise<Answer> {
  switch (order.op) {
    case "prepare": {
      const model = build(order.network), { x, y } = draw(order.network, order.batch);
      const step = () => model.trainOnBatch(x, y);
      prepared.set(`${order.network} ${order.batch}`, step);
      const end = performance.now() + WARM_UP;
      while (performance.now() < end) await step();
      return {};
    }
    case "steps": {
      const step = prepared.get(`${order.network} ${order.batch}`)!, ms: number[] = [];
      for (let n = 0; n < order.count; n++) {
        const start = performance.now();
        await step();
        ms.push(performance.now() - start);
      }
      return { ms };
    }
    case "fit": {
      const { network, batch, rows, epochs } = order;
      const model = build(network), { x, y } = draw(network, rows * 1.2);
      const part = <T extends tf.Tensor>(of: T, from: number, count: number) =>
        tf.slice(of, [from], [count]) as T;
      const parts = (of: Targets, from: number, count: number) =>
        Array.isArray(of) ? of.map((head) => part(head, from, count)) : part(of, from, count);
      const start = performance.now();
      await model.fit(part(x, 0, rows), parts(y, 0, rows), {
        ...{ batchSize: batch, epochs, verbose: 0 },
        validationData: [part(x, rows, rows * 0.2), parts(y, rows, rows * 0.2)],
      });
      return { ms: performance.now() - start };
    }
    case "infer": {
      const model = build(order.network), { x } = draw(order.network, order.rows);
      const predict = (images: tf.Tensor) =>
        Promise.all([model.predict(images, { batchSize: 256 })].flat().map((head) => head.data()));
      await predict(tf.slice(x, [0], [640]));
      const start = performance.now();
      await predict(x);
      return { ms: performance.now() - start };
    }
    case "memory":
      return { bytes: process.resourceUsage().maxRSS * 1024 };
    case "epoch":
      throw new Error("epoch is asked of this project alone");
  }
}

await servePeer(obey);
