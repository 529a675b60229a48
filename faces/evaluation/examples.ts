/** Which faces of the test set the page shows. */
import { random } from "../../packages/random/random.ts";
import type { Predictions, PredictionTask } from "./score_model.ts";
import type { Examples, ModelReport } from "./report_data.ts";
import { percent } from "./format_metric.ts";

/** Fixed: which faces are shown depends on the results alone. */
const SEED = 20210;
/** Dots that a scatter plot of a phone's width bears. */
const DOTS = 1000;

/** Positions in the test set, `Examples` but for the pictures. */
export interface Chosen {
  title: string;
  positions: number[];
}

/**
 * Some faces drawn at random, those that the model knows best, and those that it gets most wrong: of
 * ages by the error, of classes by how sure it is that the right or a wrong one is meant.
 */
export function chooseExamples(subject: PredictionTask, test: Predictions, n: number): Chosen[] {
  const { truth, prediction, probabilities } = test;
  const all = Array.from(truth, (_, i) => i);
  const off = (i: number) => Math.abs(prediction[i] - truth[i]);
  const drawn = all.slice();
  random(SEED, "examples").shuffle(drawn);
  // Sorting is stable: of equals, the first of the test set.
  const by = (members: number[], score: (i: number) => number) =>
    members.sort((a, b) => score(b) - score(a)).slice(0, n);
  const sure = (i: number) => probabilities?.[i][prediction[i]] ?? 0;
  const [best, worst] = subject.classes
    ? [
      { title: "Right, and surest of it", positions: by(all.filter((i) => off(i) === 0), sure) },
      { title: "Wrong, and surest of it", positions: by(all.filter((i) => off(i) !== 0), sure) },
    ]
    : [
      { title: "Nearest to the truth", positions: by(all.slice(), (i) => -off(i)) },
      { title: "Farthest from the truth", positions: by(all.slice(), off) },
    ];
  return [{ title: "Drawn at random", positions: drawn.slice(0, n) }, best, worst];
}

/** What the page writes below a face. */
export function caption(
  { classes }: PredictionTask,
  { truth, prediction, probabilities }: Predictions,
  i: number,
): Pick<Examples["faces"][number], "truth" | "prediction"> {
  if (!classes) return { truth: String(truth[i]), prediction: prediction[i].toFixed(1) };
  const sure = probabilities?.[i][prediction[i]];
  return {
    truth: classes[truth[i]],
    prediction: classes[prediction[i]] + (sure === undefined ? "" : ` (${percent(sure, 0)})`),
  };
}

/** The test set for the scatter plot, thinned out if there are too many. */
export function dots({ truth, prediction }: Predictions): NonNullable<ModelReport["scatter"]> {
  const positions = Array.from(truth, (_, i) => i);
  if (positions.length > DOTS) {
    random(SEED, "scatter").shuffle(positions);
    positions.length = DOTS;
  }
  return {
    truth: positions.map((i) => truth[i]),
    prediction: positions.map((i) => prediction[i]),
    of: truth.length,
  };
}
