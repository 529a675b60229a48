/** The artifact `reference`: see `stages/kinds.ts`. */
import { join } from "node:path";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import type { AgeGender } from "./age_gender_net.ts";

/** Predictions of a pretrained network. */
export type Reference = Awaited<ReturnType<typeof readReference>>;

export async function writeReference(
  folder: string,
  name: string,
  faces: readonly { dataset: string; path: string }[],
  predictions: readonly AgeGender[],
): Promise<void> {
  await writeParquet(join(folder, "predictions.parquet"), {
    dataset: { type: "string", values: faces.map(({ dataset }) => dataset) },
    path: { type: "string", values: faces.map(({ path }) => path) },
    age: { type: "float64", values: predictions.map(({ age }) => age) },
    male: { type: "float64", values: predictions.map(({ male }) => male) },
  });
  await Deno.writeTextFile(join(folder, "reference.json"), jsonText({ name, faces: faces.length }));
}

/** Reads the artifact `reference`; `of` returns the prediction for a photo, if there is one. */
export async function readReference(folder: string) {
  const { name }: { name: string } = JSON.parse(
    await Deno.readTextFile(join(folder, "reference.json")),
  );
  const { dataset, path, age, male } = await readParquet(join(folder, "predictions.parquet"), {
    dataset: "string",
    path: "string",
    age: "float64",
    male: "float64",
  });
  const predictions = new Map(
    dataset.map((set, i) => [`${set}\n${path[i]}`, { age: age[i], male: male[i] }]),
  );
  return { name, of: (set: string, path: string) => predictions.get(`${set}\n${path}`) };
}
