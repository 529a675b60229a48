/** Which faces of the test set the page shows. */
import { random } from "../compute/random.ts";
import type { Predictions, Subject } from "./judge.ts";
import type { Examples, ModelReport } from "./report.ts";
import { count, faces, percent } from "./words.ts";

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
 * Some faces that the model got right and some that it got wrong, drawn at random; of ages, some
 * that it knows within 5 years and some that it misses by more than 10.
 */
export function choose(subject: Subject, test: Predictions, n: number): Chosen[] {
  const { truth, prediction } = test;
  const all = Array.from(truth, (_, i) => i);
  const off = (i: number) => Math.abs(prediction[i] - truth[i]);
  const groups = subject.classes
    ? [
      { name: "Right", members: all.filter((i) => off(i) === 0) },
      { name: "Wrong", members: all.filter((i) => off(i) !== 0) },
    ]
    : [
      { name: "At most 5 years off", members: all.filter((i) => off(i) <= 5) },
      { name: "More than 10 years off", members: all.filter((i) => off(i) > 10) },
    ];
  return groups.map(({ name, members }) => {
    random(SEED, "examples", name).shuffle(members);
    const positions = members.slice(0, n);
    const shown = members.length > n && n > 0 ? `, ${count(n)} of them drawn at random` : "";
    return {
      title: `${name}: ${count(members.length)} of ${faces(all.length)}${shown}`,
      positions,
    };
  });
}

/** What the page writes below a face. */
export function caption(
  { classes }: Subject,
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
