/** The artifact `reference`: see `stages/kinds.ts`. */
import { join } from "node:path";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import type { AgeGender } from "./age_gender_net.ts";

export interface Reference {
  name: string;
  /** What is said of a picture, if it was asked about. */
  of(dataset: string, path: string): AgeGender | undefined;
}

export async function writeReference(
  folder: string,
  name: string,
  faces: readonly { dataset: string; path: string }[],
  said: readonly AgeGender[],
): Promise<void> {
  await writeParquet(join(folder, "predictions.parquet"), {
    dataset: { type: "string", values: faces.map(({ dataset }) => dataset) },
    path: { type: "string", values: faces.map(({ path }) => path) },
    age: { type: "float64", values: said.map(({ age }) => age) },
    male: { type: "float64", values: said.map(({ male }) => male) },
  });
  await Deno.writeTextFile(
    join(folder, "reference.json"),
    JSON.stringify({ name, faces: faces.length }, null, 2) + "\n",
  );
}

export async function readReference(folder: string): Promise<Reference> {
  const { name } = JSON.parse(await Deno.readTextFile(join(folder, "reference.json")));
  const { dataset, path, age, male } = await readParquet(join(folder, "predictions.parquet"), {
    dataset: "string",
    path: "string",
    age: "float64",
    male: "float64",
  });
  const said = new Map(
    dataset.map((set, i) => [`${set}\n${path[i]}`, { age: age[i], male: male[i] }]),
  );
  return { name, of: (set, path) => said.get(`${set}\n${path}`) };
}
