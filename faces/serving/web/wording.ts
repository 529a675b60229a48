/** Predictions, models and troubles in a person's words. Pure; tested without a browser. */
import type { Face, Prediction, ServedModel } from "../api.ts";

/** "female 93 %", "34 ± 8 years", "33 to 44 years 61 %" */
export function short(prediction: Prediction): string {
  return "years" in prediction
    ? `${prediction.years.toFixed(0)} ± ${prediction.error.toFixed(0)} years`
    : `${label(prediction)} ${percent(prediction.probability)}`;
}

/** A class's name; one of ages with its unit. */
export function label(one: { label: string; minAge?: number; maxAge?: number }): string {
  return one.minAge === undefined && one.maxAge === undefined ? one.label : `${one.label} years`;
}

/** What stands over a face: "female 93 %, 34 ± 8 years". */
export function caption({ gender, age }: Pick<Face, "gender" | "age">): string {
  return [gender, age].filter((said) => said !== undefined).map(short).join(", ");
}

/** "93 %" of 0.934. All but certain is not certain: 99.7 % is not told as 100 %. */
export function percent(share: number): string {
  const rounded = Math.round(share * 100);
  return `${
    rounded === 100 && share < 1 ? "> 99" : rounded === 0 && share > 0 ? "< 1" : rounded
  } %`;
}

/** What is said aloud of a picture's faces. */
export function announcement(faces: readonly Face[]): string {
  if (faces.length === 0) return "No face found: come closer, more light.";
  const count = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  return `${count}: ${faces.map(caption).join("; ")}.`;
}

function faces(n: number): string {
  return n === 1 ? "1 face" : `${n} faces`;
}

/** What a model says, as a title. */
export function title({ task, variant, classes }: ServedModel): string {
  if (task === "gender") return "Gender";
  if (variant === "regression") return "Age in years";
  return `Age in ${classes?.length} groups`;
}

/** "right for 92 % of 80 faces it never saw (95 % interval: 84 to 96 %); always the same: 52 %" */
export function formatScore({ metric, validation, test }: ServedModel): string {
  const value = (value: number) =>
    metric === "accuracy" ? percent(value) : `${value.toFixed(1)} years`;
  const told = (value: string) =>
    metric === "accuracy" ? `right for ${value} of` : `off by ${value} on average for`;
  if (!test) {
    return `${told(value(validation.value))} the ${
      faces(validation.images)
    } of its validation set; ` +
      "not tested on others";
  }
  const low = metric === "accuracy" ? String(Math.round(test.low * 100)) : test.low.toFixed(1);
  const guess = metric === "accuracy"
    ? `always saying the same is right for ${value(test.guess)}`
    : `always saying the same is off by ${value(test.guess)}`;
  return `${told(value(test.value))} ${faces(test.images)} that it never saw ` +
    `(95 % interval: ${low} to ${value(test.high)}); ${guess}`;
}

/** "256 faces of wiki_crop and imdb_crop, on 24 November 2026" */
export function origin({ trained }: ServedModel, locale = "en-GB"): string {
  const sets = Object.keys(trained.datasets).map((name) =>
    name === "sample" ? "the drawn sample" : name
  );
  const date = new Date(trained.at).toLocaleDateString(locale, {
    day: "numeric",
    month: "long",
    year: "numeric",
  });
  return `${faces(trained.images)} of ${sets.join(" and ")}, on ${date}`;
}

/** Why there is no camera, and what to do. */
export function cameraTrouble(name: string, secure: boolean): string {
  const instead = "or choose a photo instead.";
  if (!secure) {
    return `Browsers give the camera to secure pages only: open this page by https, ${instead}`;
  }
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The camera was refused: allow it beside the page's address, ${instead}`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No camera was found: connect one, ${instead}`;
    case "NotReadableError":
    case "AbortError":
      return `The camera is taken by another program: close that, ${instead}`;
    default:
      return `The camera does not start (${name}): try again, ${instead}`;
  }
}
