/**
 * Measures training steps of the 2021 gender network on one backend, and prints the result as a line
 * of JSON. Runs as a process of its own, because drivers may crash:
 *
 *     deno run --allow-all faces/commands/compute/backend_probe.ts wasm
 */
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { median } from "../../../packages/statistics/prediction_metrics.ts";
import type { Backend } from "../../../packages/compute/backends.ts";
import { networks } from "../../../models/mod.ts";
import { chooseNetwork, singleHeadModel } from "../../training/build_network.ts";
import { EngineTrainer } from "../../training/engine_trainer.ts";
import { classHead } from "../../training/losses.ts";
import { jointHead } from "../../training/objective.ts";
import { TfjsTrainer } from "../../training/tfjs_trainer.ts";
import type { Timing } from "../compute.ts";

const BATCH = 64;

/** Batch sizes in plain JavaScript, too slow for `BATCH`: their difference is the time per image. */
const FEW = 4, FEWEST = 1;

/** Warm-up steps, and seconds of measurement; each ends earlier on slow backends. */
const WARM_UP = 5, SECONDS = 2;

async function probe(backend: Backend): Promise<Timing> {
  await openBackend(backend);
  const batch = backend === "cpu" ? FEW : BATCH, few = await time(backend, batch);
  const image = batch < BATCH ? Math.max(0, few - await time(backend, FEWEST)) / (FEW - FEWEST) : 0;
  return { version: version(), batch, msPerStep: few + (BATCH - batch) * image };
}

/** Returns the median duration of a step, ms. */
async function time(backend: Backend, batch: number): Promise<number> {
  const rng = random(1, "probe");
  const images = Uint8Array.from({ length: batch * 32 * 32 * 3 }, () => rng.int(256));
  const targets = Array.from({ length: batch }, () => rng.int(2));
  const { name, trunk, initializer } = chooseNetwork(undefined, networks, "gender2021", {});
  const model = singleHeadModel(name, trunk(32), 2, initializer, 1);
  const options = {
    model,
    objective: jointHead([classHead(2, 1)], { plain: true }),
    learningRate: 0.001,
    batchSize: batch,
  };
  const trainer = backend === "wasm" ? await EngineTrainer.open(options) : new TfjsTrainer(options);
  const step = async () => {
    const began = performance.now();
    await trainer.step(images, targets, (layer) => random(1, layer));
    return performance.now() - began;
  };
  let began = performance.now();
  const timeLeft = () => performance.now() - began < SECONDS * 1000;
  await step();
  for (let i = 1; i < WARM_UP && timeLeft(); i++) await step();
  const times: number[] = [];
  began = performance.now();
  while (times.length < 3 || timeLeft()) times.push(await step());
  await trainer.close();
  model.dispose();
  return median(times);
}

/** Returns the version of TensorFlow, if the backend uses it, or else of TensorFlow.js. */
function version(): string {
  const { binding } = tf.backend() as { binding?: { TF_Version: string } };
  return binding ? `TensorFlow ${binding.TF_Version}` : `TensorFlow.js ${tf.version_core}`;
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await probe(Deno.args[0] as Backend)));
  } catch (error) {
    console.log(JSON.stringify({ error: (error as Error).message }));
  }
  Deno.exit(0); // ends threads of TensorFlow and drivers
}
