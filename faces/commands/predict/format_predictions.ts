/** Predictions as lines: a CSV row for each face, or a JSON object for each photo. */
import { csvLine } from "../../../packages/formats/csv_write.ts";
import type { Result } from "../../serving/analyze_photo.ts";
import type { OutputSpec } from "../../serving/prediction.ts";

type Face = Result["faces"][number];
type Prediction = Face["predictions"][number];
type Years = Extract<Prediction, { years: number }>;
type Value = Extract<Prediction, { value: number }>;

/** Formats one photo after the other. */
export interface Lines {
  /** First line, if any. */
  readonly head: string;
  photo(path: string, result: Pick<Result, "width" | "height" | "faces">): string;
  unreadable(path: string, reason: string): string;
}

/**
 * Returns CSV with a row for each face: path, number in the photo (from 1, highest score first), box,
 * score, and each model's prediction. A column is named after the model's task or, if several models
 * have the same one, after its stage.
 */
export function csvLines(models: readonly OutputSpec[]): Lines {
  const columns: Record<string, (face: Face) => string | number | undefined> = {
    x: ({ box }) => box.x.toFixed(1),
    y: ({ box }) => box.y.toFixed(1),
    width: ({ box }) => box.width.toFixed(1),
    height: ({ box }) => box.height.toFixed(1),
    score: ({ score }) => score.toFixed(4),
  };
  for (const [i, { id, task, classes, interval }] of models.entries()) {
    const name = models.filter((other) => other.task === task).length === 1 ? task : id;
    if (classes === null) {
      const number = (face: Face) => face.predictions[i] as Years | Value;
      const decimals = task === "age" ? 1 : 4;
      columns[name] = (face) => {
        const one = number(face);
        return ("years" in one ? one.years : one.value).toFixed(decimals);
      };
      if (interval) {
        columns[`${name}_low`] = (face) => number(face).interval!.low.toFixed(decimals);
        columns[`${name}_high`] = (face) => number(face).interval!.high.toFixed(decimals);
      }
      continue;
    }
    const chosen = ({ predictions }: Face) => predictions[i] as Exclude<Prediction, Years | Value>;
    if (task !== "age") {
      columns[name] = (face) => chosen(face).uncertain ? "uncertain" : chosen(face).label;
    } else {
      // Two numbers, because spreadsheets read "3-9" as a date.
      columns[`${name}_from`] = (face) => chosen(face).minAge;
      columns[`${name}_to`] = (face) => chosen(face).maxAge;
    }
    columns[`${name}_probability`] = (face) => chosen(face).probability.toFixed(4);
  }
  const read = Object.values(columns);
  return {
    head: csvLine(["path", "face", ...Object.keys(columns)]),
    photo: (path, { faces }) =>
      faces.map((face, i) => csvLine([path, i + 1, ...read.map((column) => column(face))]))
        .join(""),
    unreadable: () => "", // logged to standard error
  };
}

/** Returns a JSON object for each photo, also for those without a face or that cannot be read. */
export function jsonLines(): Lines {
  const line = (value: unknown) => JSON.stringify(value) + "\n";
  return {
    head: "",
    photo: (path, { width, height, faces }) => {
      const numbered = faces.map(({ box, score, predictions }, i) => ({
        ...{ face: i + 1, box, score, predictions },
      }));
      return line({ path, width, height, faces: numbered });
    },
    unreadable: (path, reason) => line({ path, error: reason }),
  };
}
