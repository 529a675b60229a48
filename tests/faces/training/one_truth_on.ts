/**
 * A program that lets one backend speak: what it makes of each network, what it begins, and what it
 * makes of what others have begun. One process a backend, as in a run: the drivers of several do not
 * always bear with each other.
 *
 *     deno run --allow-all tests/faces/training/one_truth_on.ts webgpu OURS THEIRS...
 */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import type { Backend } from "../../../packages/compute/backends.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { loadModel, saveModel } from "../../../faces/training/model_files.ts";
import { predict } from "../../predict.ts";
import { preprocessing } from "../../stages/training_data.ts";
import { train } from "../../../faces/training/train.ts";
import { type Account, account, cases, draw, openTrainer, size } from "./one_truth.ts";

/** What a backend says. */
export interface Testimony {
  accounts: Record<string, Account>;
  /** Tensors that were left behind. */
  leaked: number;
  /** Losses of two epochs without interruption. */
  whole: number[];
  /** By its own model, of one epoch. */
  predictions: number[];
  /** By the models of others; and the losses, when what they began is trained for a second epoch. */
  theirs: { predictions: number[]; resumed: number[] }[];
}

const rows = 24;
const of = cases.gender;

/** Trains the gender network for some epochs, from the checkpoint if there is one. */
async function fit(backend: Backend, epochs: number, checkpoint: string, save?: string) {
  const model = of.build();
  const { images, targets } = draw(rows, of.most);
  const { history } = await train({
    model,
    objective: of.objective,
    images: imagesInMemory(images, size),
    targets,
    rows: {
      train: Int32Array.from({ length: 16 }, (_, row) => row),
      validation: Int32Array.from({ length: 8 }, (_, row) => 16 + row),
    },
    batchSize: 8,
    epochs,
    learningRate: 0.0001,
    earlyStopping: { monitor: "val_loss", patience: 9, restoreBest: false },
    seed: 5,
    checkpoint,
    trainer: (options) => openTrainer(backend, options),
    signal: new AbortController().signal,
    progress: { start: () => {}, advance: () => {} },
  });
  if (save !== undefined) {
    await saveModel(model, save);
    const record = {
      task: "gender",
      variant: "binary",
      metric: "accuracy",
      classes: null,
      input: { size, divisor: 255 },
      preprocessing,
      params: {},
      seed: 1,
      datasets: { drawn: 24 },
      counts: { train: 16, validation: 8 },
      epochs,
      weightsOfEpoch: epochs,
    };
    await Deno.writeTextFile(join(save, "training.json"), JSON.stringify(record));
  }
  model.dispose();
  return history.flatMap(({ loss, val_loss }) => [loss, val_loss]);
}

async function predictions(folder: string): Promise<number[]> {
  const { model } = await loadModel(folder);
  const values = await predict(model, draw(rows, of.most).images);
  model.dispose();
  return [...values];
}

async function testify(backend: Backend, ours: string, theirs: string[]): Promise<Testimony> {
  await openBackend(backend);
  const before = tf.memory().numTensors;
  const accounts: Record<string, Account> = {};
  for (const [name, one] of Object.entries(cases)) accounts[name] = await account(backend, one);
  await fit(backend, 1, join(ours, "checkpoint"), ours);
  const whole = await fit(backend, 2, join(ours, "whole"));
  const heard: Testimony["theirs"] = [];
  for (const folder of theirs) {
    const copy = join(ours, "theirs");
    await Deno.copyFile(join(folder, "checkpoint"), copy);
    heard.push({
      predictions: await predictions(folder),
      resumed: await fit(backend, 2, copy),
    });
  }
  return {
    accounts,
    whole,
    predictions: await predictions(ours),
    theirs: heard,
    leaked: tf.memory().numTensors - before,
  };
}

if (import.meta.main) {
  const [backend, ours, ...theirs] = Deno.args;
  console.log(JSON.stringify(await testify(backend as Backend, ours, theirs)));
  Deno.exit(0); // threads of TensorFlow or of a driver may be there still
}
