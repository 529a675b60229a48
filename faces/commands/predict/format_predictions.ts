/** Predictions as lines: a CSV row for each face, or a JSON object for each picture. */
import { csvLine } from "../../../packages/formats/csv_write.ts";
import type { Result } from "../../serving/analyze_photo.ts";
import type { OutputSpec } from "../../serving/prediction.ts";

type Face = Result["faces"][number];
type Prediction = Face["predictions"][number];

/** Writes what is known of one picture after the other. */
export interface Lines {
  /** What comes before everything. */
  readonly head: string;
  picture(path: string, result: Pick<Result, "width" | "height" | "faces">): string;
  unreadable(path: string, reason: string): string;
}

/** Columns of a CSV, and what each says of a face. */
type Columns = Record<string, (face: Face) => string | number | undefined>;

/**
 * A row for each face: path, its number in the picture (from 1, the surest first), box, score, and
 * what each model says. A model is called by its task or, of several for one, by its stage.
 */
export function csvLines(models: readonly OutputSpec[]): Lines {
  const columns: Columns = {
    x: ({ box }) => box.x.toFixed(1),
    y: ({ box }) => box.y.toFixed(1),
    width: ({ box }) => box.width.toFixed(1),
    height: ({ box }) => box.height.toFixed(1),
    score: ({ score }) => score.toFixed(4),
  };
  for (const [i, { id, task, classes }] of models.entries()) {
    const name = models.filter((other) => other.task === task).length === 1 ? task : id;
    const said = (face: Face) => face.predictions[i];
    if (classes === null) columns[name] = (face) => years(said(face));
    else {
      if (task === "gender") columns[name] = (face) => chosen(said(face)).label;
      else {
        // As two numbers: spreadsheets take "3-9" for the third of September.
        columns[`${name}_from`] = (face) => chosen(said(face)).minAge;
        columns[`${name}_to`] = (face) => chosen(said(face)).maxAge;
      }
      columns[`${name}_probability`] = (face) => chosen(said(face)).probability.toFixed(4);
    }
  }
  const read = Object.values(columns);
  return {
    head: csvLine(["path", "face", ...Object.keys(columns)]),
    picture: (path, { faces }) =>
      faces.map((face, i) => csvLine([path, i + 1, ...read.map((column) => column(face))])).join(
        "",
      ),
    unreadable: () => "", // told on standard error
  };
}

/** A JSON object for each picture, also for those without a face or that cannot be read. */
export function jsonLines(): Lines {
  const line = (value: unknown) => JSON.stringify(value) + "\n";
  return {
    head: "",
    picture: (path, { width, height, faces }) =>
      line({
        path,
        width,
        height,
        faces: faces.map(({ box, score, predictions }, i) => ({
          face: i + 1,
          box,
          score,
          predictions,
        })),
      }),
    unreadable: (path, reason) => line({ path, error: reason }),
  };
}

function years(prediction: Prediction): string {
  return "years" in prediction ? prediction.years.toFixed(1) : "";
}

function chosen(prediction: Prediction): Exclude<Prediction, { years: number }> {
  return prediction as Exclude<Prediction, { years: number }>;
}
