/** A peer: this project's engine. */
import process from "node:process";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { random } from "../../packages/random/random.ts";
import { Engine } from "../../packages/engine/engine.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";
import { engineLoss, EngineTrainer } from "../../faces/training/engine_trainer.ts";
import { imagesInMemory } from "../../faces/training/image_source.ts";
import { classification, regression } from "../../tests/faces/training/plain_objectives.ts";
import { predictRows } from "../../faces/training/predict_rows.ts";
import { toEngineNetwork } from "../../faces/training/to_engine_network.ts";
import { train, type TrainOptions } from "../../faces/training/train.ts";
import { buildAge2021, buildGender2021 } from "../../tests/models/build_2021.ts";
import { type NetworkName, servePeer } from "../peer.ts";
import { draw, kinds } from "./networks.ts";

await openBackend("wasm");

async function open(network: NetworkName, batch: number): Promise<Engine> {
  const { build, objective, weightDecay = 0 } = kinds[network], model = build();
  const description = toEngineNetwork(model, engineLoss(objective));
  const engine = await Engine.compile(description, { batch, weightDecay });
  engine.setWeights(
    new Map(model.weights.map((weight) => {
      const data = weight.read().dataSync() as Float32Array;
      return [weight.originalName, { shape: weight.shape as number[], data }];
    })),
  );
  return engine;
}

/** Trains as the stages do. Returns the ms of each step, and the seconds of each epoch. */
async function trained(
  options: Omit<TrainOptions, "trainer" | "learningRate" | "checkpoint" | "signal" | "progress">,
) {
  const folder = await Deno.makeTempDir({ prefix: "bench-" }), steps: number[] = [];
  let last = 0;
  try {
    const { seconds } = await train({
      ...options,
      trainer: EngineTrainer.open,
      learningRate: 0.001,
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
    return { steps, seconds };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Trains on the first `rows` images, and validates on up to 1,000 after them. */
async function fit(
  network: NetworkName,
  data: Pick<TrainOptions, "images" | "targets">,
  rows: number,
  options: { batchSize: number; epochs: number },
) {
  const range = (from: number, to: number) =>
    Int32Array.from({ length: to - from }, (_, i) => from + i);
  const { build, objective, weightDecay } = kinds[network];
  return await trained({
    ...data,
    ...options,
    objective,
    weightDecay,
    model: build(),
    seed: 1,
    rows: {
      train: range(0, rows),
      validation: range(rows, Math.min(data.images.shape[0], rows + 1000)),
    },
    earlyStopping: { monitor: "val_loss", patience: options.epochs, restoreBest: false },
  });
}

/** Milliseconds: runtimes that compile while they run, as V8 does, need as long. */
const WARM_UP = 3000;

const engines: Engine[] = [];
/** Functions that take one training step, by network and batch. */
const steps = new Map<string, () => Promise<unknown>>();
await servePeer({
  async prepare({ network, batch }) {
    const engine = await open(network, batch);
    engines.push(engine);
    const { images, targets } = draw(network, batch);
    const { objective } = kinds[network];
    const labels = objective.plain ? targets : objective.labels(targets);
    let count = 0;
    const step = () => engine.step(images, labels, [1, count++]);
    const end = performance.now() + WARM_UP;
    while (performance.now() < end) await step();
    steps.set(`${network} ${batch}`, step);
    return {};
  },
  async steps({ network, batch, count }) {
    const step = steps.get(`${network} ${batch}`)!, ms: number[] = [];
    for (let n = 0; n < count; n++) {
      const start = performance.now();
      await step();
      ms.push(performance.now() - start);
    }
    return { ms };
  },
  memory: () => Promise.resolve({ bytes: process.resourceUsage().maxRSS * 1024 }),
  async fit({ network, batch, rows, epochs }) {
    const { images, targets } = draw(network, rows * 1.2);
    const start = performance.now();
    const data = { images: imagesInMemory(images, 32), targets };
    await fit(network, data, rows, { batchSize: batch, epochs });
    return { ms: performance.now() - start };
  },
  async epoch({ network, batch, rows, file }) {
    using images = new NpyFile(file, "uint8");
    const rng = random(1, "bench", network);
    const targets = Array.from({ length: images.rows }, () => kinds[network].draw(rng)).flat();
    const { steps } = await fit(network, { images, targets }, rows, {
      batchSize: batch,
      epochs: 1,
    });
    return { ms: steps };
  },
  async infer({ network, rows }) {
    const engine = await open(network, 64);
    const { images } = draw(network, rows);
    await engine.predict(images.subarray(0, 640 * 3072));
    const start = performance.now();
    await engine.predict(images);
    const ms = performance.now() - start;
    await engine.close();
    return { ms };
  },
  async learn({ network, seed, patience, batchNormMomentum, ...order }) {
    using images = new NpyFile(order.images, "uint8");
    const targets = readNpy(order.labels, "int32").data;
    const [training, validation, test] = (["train", "validation", "test"] as const)
      .map((part) => readNpy(order.rows[part], "int32").data);
    const gender = network === "gender";
    const model = gender
      ? buildGender2021({ size: 32, classes: 2, seed, batchNormMomentum })
      : buildAge2021({ size: 32, seed, batchNormMomentum });
    const { seconds } = await trained({
      model,
      images,
      targets,
      seed,
      batchSize: order.batchSize,
      epochs: order.epochs,
      objective: gender ? classification(2) : regression(),
      rows: { train: training, validation },
      earlyStopping: { monitor: "val_loss", patience, restoreBest: true },
    });
    const said = await predictRows(model, images, test), weights = model.countParams();
    const scores = Array.from(
      test,
      (row, i) =>
        gender
          ? Number(Number(said[2 * i + 1] > said[2 * i]) === targets[row])
          : Math.abs(said[i] - targets[row]),
    );
    model.dispose();
    return { ms: seconds.map((second) => second * 1000), metric: mean(scores), weights };
  },
});
for (const engine of engines) await engine.close();
