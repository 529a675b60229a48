/** Predictions as Parquet: of the artifact `reference`, see `stages/kinds.ts`, and of all models. */
import { join } from "node:path";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import type { AgeGender } from "./age_gender_net.ts";
import { type Predictions, type SplitName, splitNames } from "./score_model.ts";

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

/**
 * Writes `predictions.parquet`, with a row for each model, split and image. `truth` and `prediction`
 * are class indices or years. `probabilities` are those of all classes, `probability` that of the
 * predicted class; both are null for years. `low` and `high` end the interval of a calibrated model.
 */
export async function writePredictions(
  path: string,
  predicted: readonly { stage: string; predictions: Record<SplitName, Predictions> }[],
): Promise<void> {
  const parts = predicted.flatMap(({ stage, predictions }) =>
    splitNames.map((split) => ({ stage, split, ...predictions[split] }))
  );
  type Of<T> = (part: (typeof parts)[number], i: number) => T;
  const column = <T>(of: Of<T>) =>
    parts.flatMap((part) => Array.from(part.rows, (_, i) => of(part, i)));
  const optional = (of: Of<number | undefined>) => {
    const values = column((part, i) => of(part, i) ?? null);
    return { type: "float64", values, nullable: true } as const;
  };
  await writeParquet(path, {
    stage: { type: "string", values: column(({ stage }) => stage) },
    row: { type: "int32", values: column(({ rows }, i) => rows[i]) },
    split: { type: "string", values: column(({ split }) => split) },
    truth: { type: "float64", values: column(({ truth }, i) => truth[i]) },
    prediction: { type: "float64", values: column(({ prediction }, i) => prediction[i]) },
    probability: optional(({ probabilities, prediction }, i) => probabilities?.[i][prediction[i]]),
    probabilities: {
      type: "float64[]",
      values: column(({ probabilities: all }, i) => all ? Array.from(all[i]) : null),
      nullable: true,
    },
    // Of calibrated models only.
    ...(parts.some(({ bounds }) => bounds) && {
      low: optional(({ bounds }, i) => bounds?.[i].low),
      high: optional(({ bounds }, i) => bounds?.[i].high),
    }),
  });
}
