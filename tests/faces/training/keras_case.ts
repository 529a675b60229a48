/**
 * Two small trainings, told so that Keras can do the same: images, labels, initial kernels, and the
 * order of the batches. As a program, it writes them into the folder it is given:
 * `keras_reference.py` reads them there and writes what Keras makes of them.
 */
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { writeNpy } from "../../../packages/formats/npy.ts";
import { buildAge2021, buildGender2021 } from "../../models/build_2021.ts";
import { writeCheckpoint } from "../../../faces/training/checkpoint.ts";
import type { Objective } from "../../../faces/training/objective.ts";
import { classification, regression } from "./plain_objectives.ts";

export const seed = 5;
export const epochs = 4;
export const batchSize = 16; // the last batch has 8

const train = 72;
const validation = 24;
export const rows = {
  train: Int32Array.from({ length: train }, (_, i) => i),
  validation: Int32Array.from({ length: validation }, (_, i) => train + i),
};

/** Noise with a hint of gender in the upper left and of age everywhere. */
export function drawCase(): { images: Uint8Array<ArrayBuffer>; gender: number[]; age: number[] } {
  const count = train + validation;
  const images = new Uint8Array(count * 32 * 32 * 3);
  const gender: number[] = [];
  const age: number[] = [];
  for (let i = 0; i < count; i++) {
    const rng = random(seed, "image", i);
    gender.push(rng.int(2));
    age.push(rng.int(90));
    for (let y = 0, at = i * 32 * 32 * 3; y < 32; y++) {
      for (let x = 0; x < 32; x++) {
        for (let channel = 0; channel < 3; channel++, at++) {
          const hint = y < 12 && x < 12 && gender[i] === 1 ? 60 : 0;
          images[at] = rng.int(100) + hint + age[i];
        }
      }
    }
  }
  return { images, gender, age };
}

/** Without dropout, whose masks Keras could not repeat. */
export const cases: Record<string, { build(): LayersModel; objective: Objective }> = {
  gender: {
    build: () =>
      buildGender2021({ size: 32, classes: 2, seed, dropout: 0, batchNormMomentum: 0.9 }),
    objective: classification(2),
  },
  age: { build: () => buildAge2021({ size: 32, seed, dropout: 0 }), objective: regression() },
};

if (import.meta.main) {
  const [folder] = Deno.args;
  await openBackend("wasm");
  const { images, gender, age } = drawCase();
  writeNpy(join(folder, "images.npy"), images, [train + validation, 32, 32, 3]);
  writeNpy(join(folder, "gender.npy"), Int32Array.from(gender), [gender.length]);
  writeNpy(join(folder, "age.npy"), Int32Array.from(age), [age.length]);
  const orders = Array.from({ length: epochs }, (_, epoch) => {
    const order = rows.train.slice();
    random(seed, "shuffle", epoch + 1).shuffle(order);
    return [...order];
  });
  writeNpy(join(folder, "orders.npy"), Int32Array.from(orders.flat()), [epochs, train]);
  for (const [name, { build }] of Object.entries(cases)) {
    const model = build();
    const arrays: Record<string, Float32Array> = {};
    for (const weight of model.weights) {
      const { originalName } = weight;
      if (originalName.endsWith("kernel")) {
        arrays[originalName] = (await weight.read().data()) as Float32Array;
      }
    }
    await writeCheckpoint(join(folder, `${name}.safetensors`), { state: null, arrays });
  }
}
