/** This project's training, as a peer of the bench. */
import process from "node:process";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { random, type Rng } from "../../packages/random/random.ts";
import { Engine, type Labels } from "../../packages/engine/engine.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import { multiHeadModel } from "../../faces/training/build_network.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../models/build_2021.ts";
import { engineLoss, EngineTrainer } from "../../faces/training/engine_trainer.ts";
import { classHead, distributionHead } from "../../faces/training/losses.ts";
import { jointHead } from "../../faces/training/objective.ts";
import { imagesInMemory, type ImageSource } from "../../faces/training/image_source.ts";
import { toEngineNetwork } from "../../faces/training/to_engine_network.ts";
import { classification, type Objective, regression } from "../../faces/training/objective.ts";
import { train } from "../../faces/training/train.ts";
import { servePeer } from "../peer_protocol.ts";
import { type Answer, type NetworkName, type Order, WARM_UP } from "../peer.ts";

await openBackend("wasm");

interface Kind {
  build(): LayersModel;
  objective: Objective;
  weightDecay?: number;
  /** What an image shows: a number for each head. */
  draw(rng: Rng): number[];
}

/** The best network as experiments/shared/best.yaml has it. */
const heads = jointHead([classHead(2, 1), distributionHead(3, 1, "median")]);
const trunk = () =>
  deepTrunk({ size: 32, dropout: 0.3, batchNormMomentum: 0.9, initializer: "heNormal" });

const kinds: Record<NetworkName, Kind> = {
  gender: {
    build: () => buildGender2021({ size: 32, classes: 2, seed: 1 }),
    ...{ objective: classification(2), draw: (rng) => [rng.int(2)] },
  },
  age: {
    build: () => buildAge2021({ size: 32, seed: 1 }),
    ...{ objective: regression(), draw: (rng) => [rng.int(90)] },
  },
  best: {
    build: () => multiHeadModel("best", trunk, heads.outputs, "glorotUniform", 1),
    ...{ objective: heads, weightDecay: 0.05, draw: (rng) => [rng.int(2), rng.int(90)] },
  },
};

function draw(network: NetworkName, rows: number) {
  const rng = random(1, "bench", network, rows);
  return {
    images: Uint8Array.from({ length: rows * 3072 }, () => rng.int(256)),
    targets: Array.from({ length: rows }, () => kinds[network].draw(rng)).flat(),
  };
}

async function open(network: NetworkName, batch: number): Promise<Engine> {
  const { build, objective, weightDecay = 0 } = kinds[network], model = build();
  const engine = await Engine.compile(toEngineNetwork(model, engineLoss(objective)), {
    batch,
    weightDecay,
  });
  engine.setWeights(
    new Map(model.weights.map((weight) => {
      const data = weight.read().dataSync() as Float32Array;
      return [weight.originalName, { shape: weight.shape as number[], data }];
    })),
  );
  return engine;
}

type Prepared = { engine: Engine; images: Uint8Array; labels: Labels; steps: number };
const prepared = new Map<string, Prepared>();

async function obey(order: Order): Promise<Answer> {
  switch (order.op) {
    case "prepare": {
      const engine = await open(order.network, order.batch);
      const { images, targets } = draw(order.network, order.batch);
      const { objective } = kinds[order.network];
      const labels = "heads" in objective ? objective.labels(targets) : targets;
      const batch = { engine, images, labels, steps: 0 };
      prepared.set(`${order.network} ${order.batch}`, batch);
      const end = performance.now() + WARM_UP;
      while (performance.now() < end) await steps(batch, 1);
      return {};
    }
    case "steps":
      return { ms: await steps(prepared.get(`${order.network} ${order.batch}`)!, order.count) };
    case "fit": {
      const { network, batch, rows, epochs } = order;
      const { images, targets } = draw(network, rows * 1.2);
      return {
        ms: (await fit(network, batch, imagesInMemory(images, 32), targets, rows, epochs)).ms,
      };
    }
    case "epoch": {
      using images = new NpyFile(order.file, "uint8");
      const rng = random(1, "bench", order.network);
      const targets = Array.from({ length: images.rows }, () => kinds[order.network].draw(rng))
        .flat();
      const { steps } = await fit(order.network, order.batch, images, targets, order.rows, 1);
      return { ms: steps };
    }
    case "infer": {
      const engine = await open(order.network, 64);
      const { images } = draw(order.network, order.rows);
      await engine.predict(images.subarray(0, 640 * 3072));
      const start = performance.now();
      await engine.predict(images);
      const ms = performance.now() - start;
      await engine.close();
      return { ms };
    }
    case "memory":
      return { bytes: process.resourceUsage().maxRSS * 1024 };
  }
}

/** Trains on the first `rows` images, as the stages do, and validates on up to 1,000 after them. */
async function fit(
  network: NetworkName,
  batch: number,
  images: ImageSource,
  targets: number[],
  rows: number,
  epochs: number,
): Promise<{ ms: number; steps: number[] }> {
  const range = (from: number, to: number) =>
    Int32Array.from({ length: to - from }, (_, i) => from + i);
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const { build, objective, weightDecay } = kinds[network];
  const steps: number[] = [];
  const start = performance.now();
  let last = start;
  try {
    await train({
      ...{ model: build(), images, targets, epochs, batchSize: batch, objective, weightDecay },
      trainer: EngineTrainer.open,
      rows: {
        train: range(0, rows),
        validation: range(rows, Math.min(images.shape[0], rows + 1000)),
      },
      learningRate: 0.001,
      earlyStopping: { monitor: "val_loss", patience: epochs, restoreBest: false },
      seed: 1,
      checkpoint: `${folder}/checkpoint.safetensors`,
      signal: new AbortController().signal,
      progress: {
        start: () => last = performance.now(),
        advance() {
          const now = performance.now();
          steps.push(now - last);
          last = now;
        },
      },
    });
    return { ms: performance.now() - start, steps };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function steps(batch: Prepared, count: number): Promise<number[]> {
  const ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await batch.engine.step(batch.images, batch.labels, [1, batch.steps++]);
    ms.push(performance.now() - start);
  }
  return ms;
}

await servePeer(obey);
for (const { engine } of prepared.values()) await engine.close();
