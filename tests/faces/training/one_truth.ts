/** What every backend has to agree on: each network's outputs, gradients and first ten steps. */
import assert from "node:assert/strict";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import type { Backend } from "../../../packages/compute/backends.ts";
import { multiHeadModel } from "../../../faces/training/build_network.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../models/build_2021.ts";
import { EngineTrainer } from "../../../faces/training/engine_trainer.ts";
import { classHead, distributionHead } from "../../../faces/training/losses.ts";
import { jointHead, type Objective } from "../../../faces/training/objective.ts";
import { classification, regression } from "./plain_objectives.ts";
import { predict } from "../../predict.ts";
import { TfjsTrainer } from "../../../faces/training/tfjs_trainer.ts";
import type { Trainer, TrainerOptions } from "../../../faces/training/trainer.ts";
import file from "./cpu_reference.json" with { type: "json" };

export const size = 32;
const batchSize = 8;

export interface Case {
  build(): LayersModel;
  objective: Objective;
  /** The targets of an image are whole numbers below these. */
  most: number[];
  /** Images in a step, if not as many as usual. */
  batch?: number;
}

// Without dropout: the engine draws its masks in an order of its own.
const common = { size, seed: 3, dropout: 0, batchNormMomentum: 0.9 };
const leaveOut = [512, 16] as const;
const both = jointHead([classHead(2, 1), distributionHead(2, 1)]);

export const cases: Record<string, Case> = {
  gender: {
    build: () => buildGender2021({ ...common, classes: 2 }),
    objective: classification(2),
    most: [2],
  },
  "age regression": { build: () => buildAge2021(common), objective: regression(), most: [90] },
  "age multiclass": {
    build: () => buildGender2021({ ...common, classes: 8, leaveOut }),
    objective: classification(8),
    most: [8],
  },
  "age binary": {
    build: () => buildGender2021({ ...common, classes: 2, leaveOut }),
    objective: classification(2),
    most: [2],
  },
  best: {
    build: () =>
      multiHeadModel(
        "best",
        () => deepTrunk({ ...common, initializer: "heNormal" }),
        both.outputs,
        "glorotUniform",
        common.seed,
      ),
    objective: both,
    most: [2, 90],
    batch: 4,
  },
};

/** What trains on a backend in a pipeline. */
export async function openTrainer(backend: Backend, options: TrainerOptions): Promise<Trainer> {
  return backend === "wasm" ? await EngineTrainer.open(options) : new TfjsTrainer(options);
}

/** Smooth images, as faces are, and their targets: [rows, size, size, 3], [rows · targets]. */
export function draw(rows: number, most: number[]): { images: Uint8Array; targets: number[] } {
  const rng = random(9, "one truth");
  const targets: number[] = [];
  const images = new Uint8Array(rows * size * size * 3);
  for (let row = 0; row < rows; row++) {
    targets.push(...most.map((n) => rng.int(n)));
    for (let channel = 0; channel < 3; channel++) {
      const [a, b, c] = [rng.next() * 9, rng.next() * 9, rng.next() * 6];
      for (let i = 0; i < size * size; i++) {
        const phase = a * (i % size) / size + b * Math.floor(i / size) / size + c;
        images[(row * size * size + i) * 3 + channel] = 127 + 120 * Math.sin(phase);
      }
    }
  }
  return { images, targets };
}

/** What a backend makes of a network. */
export interface Account {
  /** Of the untrained network, [4, outputs]. */
  outputs: number[];
  /** In the first step: of each weight the gradient's length, and some of its numbers. */
  gradients: Record<string, { length: number; some: number[] }>;
  /** Of ten steps on the same batch. */
  losses: number[];
}

/** @param steps how many steps to take, for those who have no time */
export async function account(backend: Backend, of: Case, steps = 10): Promise<Account> {
  await openBackend(backend);
  const model = of.build();
  const { batch = batchSize } = of;
  const { images, targets } = draw(batch, of.most);
  const outputs = await predict(model, images.subarray(0, 4 * size * size * 3));
  const options = { model, objective: of.objective, learningRate: 0.0001, batchSize: batch };
  const trainer = await openTrainer(backend, options);
  const losses: number[] = [];
  const gradients: Account["gradients"] = {};
  for (let step = 0; step < steps; step++) {
    losses.push((await trainer.step(images, targets, () => random(1))).loss);
    if (step > 0) continue;
    for (const [name, moved] of Object.entries(await trainer.save([]))) {
      if (!name.startsWith("adam/mean/")) continue;
      // After one step, Adam's moving average of the gradient is a tenth of it.
      const gradient = moved.map((value) => value * 10);
      const every = Math.ceil(gradient.length / 5);
      gradients[name.slice("adam/mean/".length)] = {
        length: Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0)),
        some: [...gradient.filter((_, i) => i % every === 0)],
      };
    }
  }
  await trainer.close();
  model.dispose();
  return { outputs: [...outputs], gradients, losses };
}

/** What TensorFlow.js's plain JavaScript makes of the networks that do not change any more. */
export const kept = file as unknown as Record<string, Account>;

/**
 * What counts as rounding, as a share of the largest number. Batch normalisation over eight images
 * magnifies it, in the gradients and from step to step, the more so the deeper the network.
 */
export const tolerances = { outputs: 1e-5, gradients: 2e-3, losses: 2e-3, later: 1e-2 };

export function within(
  tolerance: number,
  actual: readonly number[],
  expected: readonly number[],
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  const largest = Math.max(...expected.map(Math.abs)) || 1;
  for (const [i, value] of actual.entries()) {
    const far = Math.abs(value - expected[i]) / largest;
    assert.ok(far <= tolerance, `${what}: ${value} at ${i}, expected ${expected[i]} (${far})`);
  }
}

/** Compares an account with the reference, whose later losses may be missing. */
export function checkAccount(
  name: string,
  { outputs, gradients, losses }: Account,
  expected: Account,
  otherLosses: readonly number[] = [],
): void {
  within(tolerances.outputs, outputs, expected.outputs, `${name}: outputs`);
  assert.deepEqual(Object.keys(gradients).sort(), Object.keys(expected.gradients).sort(), name);
  for (const [weight, { length, some }] of Object.entries(expected.gradients)) {
    const actual = gradients[weight], what = `${name}: gradient of ${weight}`;
    within(tolerances.gradients, actual.some, some, what);
    within(tolerances.gradients, [actual.length], [length], `${what}, length`);
  }
  assert.equal(losses.length, 10);
  for (const [step, loss] of losses.entries()) {
    const what = `${name}: loss of step ${step + 1}`;
    const truth = expected.losses[step] ?? otherLosses[step];
    within(step < 5 ? tolerances.losses : tolerances.later, [loss], [truth], what);
  }
}
