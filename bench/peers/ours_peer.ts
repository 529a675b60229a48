/** A peer: this project's engine. */
import { openBackend } from "../../packages/compute/open_backend.ts";
import { random } from "../../packages/random/random.ts";
import { Engine } from "../../packages/engine/engine.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import { engineLoss, EngineTrainer } from "../../faces/training/engine_trainer.ts";
import { imagesInMemory, type ImageSource } from "../../faces/training/image_source.ts";
import { toEngineNetwork } from "../../faces/training/to_engine_network.ts";
import { train } from "../../faces/training/train.ts";
import type { NetworkName } from "../peer.ts";
import { draw, kinds, serveTraining } from "./networks.ts";

await openBackend("wasm");

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

const engines: Engine[] = [];
await serveTraining({
  async prepare(network, batch) {
    const engine = await open(network, batch);
    engines.push(engine);
    const { images, targets } = draw(network, batch);
    const { objective } = kinds[network];
    const labels = "heads" in objective ? objective.labels(targets) : targets;
    let step = 0;
    return () => engine.step(images, labels, [1, step++]);
  },
  async fit({ network, batch, rows, epochs }) {
    const { images, targets } = draw(network, rows * 1.2);
    return (await fit(network, batch, imagesInMemory(images, 32), targets, rows, epochs)).ms;
  },
  async epoch({ network, batch, rows, file }) {
    using images = new NpyFile(file, "uint8");
    const rng = random(1, "bench", network);
    const targets = Array.from({ length: images.rows }, () => kinds[network].draw(rng)).flat();
    return (await fit(network, batch, images, targets, rows, 1)).steps;
  },
  async infer(network, rows) {
    const engine = await open(network, 64);
    const { images } = draw(network, rows);
    await engine.predict(images.subarray(0, 640 * 3072));
    const start = performance.now();
    await engine.predict(images);
    const ms = performance.now() - start;
    await engine.close();
    return ms;
  },
});
for (const engine of engines) await engine.close();
