/** Writer of `predictions.parquet`: every prediction of every model, for further analysis. */
import { writeParquet } from "../../packages/formats/parquet.ts";
import { type Predictions, type SplitName, splitNames } from "./score_model.ts";

/**
 * Writes `predictions.parquet`, with a row for each model, split and image. `truth` and `prediction`
 * are class indices or years. `probabilities` are those of all classes, `probability` that of the
 * predicted class; both are null for years. `low` and `high` end the interval of a calibrated model.
 */
export async function writePredictions(
  path: string,
  predicted: readonly { stage: string; predictions: Record<SplitName, Predictions> }[],
): Promise<void> {
  const lines = predicted.flatMap(({ stage, predictions }) =>
    splitNames.flatMap((split) => {
      const { rows, truth, prediction, probabilities, bounds } = predictions[split];
      return Array.from(rows, (row, i) => ({
        stage,
        row,
        split,
        truth: truth[i],
        prediction: prediction[i],
        probability: probabilities?.[i][prediction[i]] ?? null,
        probabilities: probabilities ? Array.from(probabilities[i]) : null,
        low: bounds?.[i].low ?? null,
        high: bounds?.[i].high ?? null,
      }));
    })
  );
  const column = <K extends keyof (typeof lines)[number]>(name: K) =>
    lines.map((line) => line[name]);
  await writeParquet(path, {
    stage: { type: "string", values: column("stage") },
    row: { type: "int32", values: column("row") },
    split: { type: "string", values: column("split") },
    truth: { type: "float64", values: column("truth") },
    prediction: { type: "float64", values: column("prediction") },
    probability: { type: "float64", values: column("probability"), nullable: true },
    probabilities: { type: "float64[]", values: column("probabilities"), nullable: true },
    // Of calibrated models only.
    ...(lines.some(({ low }) => low !== null) && {
      low: { type: "float64", values: column("low"), nullable: true },
      high: { type: "float64", values: column("high"), nullable: true },
    }),
  });
}
