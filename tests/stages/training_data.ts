/** A small dataset and its splits as artifacts, to train on. */
import { join } from "node:path";
import { random } from "../../packages/random/random.ts";
import { attributeColumns, labelColumn } from "../../faces/datasets/attributes.ts";
import type { Preprocessing } from "../../faces/images/preprocessing.ts";
import { writeNpy } from "../../packages/formats/npy.ts";
import { writeParquet } from "../../packages/formats/parquet.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { testArtifact } from "../context.ts";

export const preprocessing: Preprocessing = {
  detector: { name: "metadata", minConfidence: 0, inputSizes: [] },
  crop: { margin: 0.2, maxSize: 256 },
  background: "#ffffff",
  steps: [],
  resize: { size: 32, kernel: "lanczos3", fit: "fill" },
};

export interface Person {
  /** Its brightness; unknown where there is an interval. */
  age: number;
  gender: number;
  identity?: string | null;
  ageInterval?: readonly [low: number, high: number];
}

/** An artifact `dataset` of noise that is brighter for men and the older the person. */
export async function writeDataset(folder: string, people: readonly Person[]): Promise<Artifact> {
  await Deno.mkdir(folder, { recursive: true });
  const size = 32;
  const images = new Uint8Array(people.length * size * size * 3);
  for (const [i, { age, gender }] of people.entries()) {
    const rng = random(1, "face", i);
    const length = size * size * 3;
    for (let j = 0; j < length; j++) {
      images[i * length + j] = rng.int(60) + age + (gender === 1 && j < length / 3 ? 80 : 0);
    }
  }
  writeNpy(join(folder, "images.npy"), images, [people.length, size, size, 3]);
  const strings = (text: (i: number) => string) => people.map((_, i) => text(i));
  await writeParquet(join(folder, "table.parquet"), {
    name: { type: "string", values: strings((i) => `Person ${i}`), nullable: true },
    age: labelColumn(people.map(({ age, ageInterval }) => ageInterval ? NaN : age)),
    gender: { type: "int32", values: people.map(({ gender }) => gender) },
    identity: {
      type: "string",
      values: people.map(({ identity }) => identity ?? null),
      nullable: true,
    },
    dataset: { type: "string", values: strings(() => "test") },
    path: { type: "string", values: strings((i) => `${i}.jpg`) },
    ...attributeColumns(
      people.map(({ ageInterval }) =>
        ageInterval && { age_low: ageInterval[0], age_high: ageInterval[1] }
      ),
    ),
  });
  await Deno.writeTextFile(join(folder, "preprocessing.json"), JSON.stringify(preprocessing));
  return testArtifact(folder, "dataset");
}

/** An artifact `splits` of consecutive rows. */
export async function writeSplits(
  folder: string,
  counts: { train: number; validation: number; test: number; calibration?: number },
): Promise<Artifact> {
  await Deno.mkdir(folder, { recursive: true });
  let next = 0;
  for (const [name, count] of Object.entries(counts)) {
    writeNpy(join(folder, `${name}.npy`), Int32Array.from({ length: count }, () => next++), [
      count,
    ]);
  }
  await Deno.writeTextFile(join(folder, "summary.json"), JSON.stringify(counts));
  return testArtifact(folder, "splits");
}
