/** Results of a photo: a card for each face. */
import type { Analysis, Face, Prediction } from "../api.ts";
import { byId, element, service } from "./dom.ts";
import { formatPrediction, label, percent } from "./wording.ts";

const list = byId("faces");
const hint = byId("hint");
const timings = byId("timings");

/** End of the age axis in years. */
const MAX_AGE = 100;

export function clearResults(): void {
  list.replaceChildren();
  timings.textContent = "";
  hint.hidden = false;
}

export function showResults({ faces, detector, timings: times }: Analysis): void {
  hint.hidden = faces.length > 0;
  list.replaceChildren(...faces.map((face, i) => card(face, i, faces.length)));
  const { total, decode, detect, crop, predict } = times;
  const ms = (value: number) => `${Math.round(value)} ms`;
  timings.textContent =
    `${ms(total)} ${service.mode === "server" ? "on the server" : "in this browser"}: ` +
    `decode ${ms(decode)}, detect ${ms(detect)} (${detector}), crop ${ms(crop)}, ` +
    `predict ${ms(predict)}.`;
}

function card(face: Face, i: number, count: number): HTMLElement {
  const size = service.models[0].input;
  const figure = element("figure");
  if (face.crop) {
    const alt = `Face ${i + 1} as the networks receive it`;
    figure.append(element("img", { src: face.crop, width: 96, height: 96, alt }));
  }
  const number = count > 1 ? `Face ${i + 1}, ` : "";
  figure.append(element("figcaption", {}, `${number}${size} × ${size} pixels`));
  const predictions = element("div", {}, ...face.predictions.flatMap(show));
  return element("li", { className: "face card" }, figure, predictions);
}

/** Shows a prediction as text, and as bars of all classes or on an age axis. */
function show(prediction: Prediction): HTMLElement[] {
  if ("years" in prediction) {
    const { years, error, interval = { low: years - error, high: years + error } } = prediction;
    const share = (age: number) => 100 * Math.min(1, Math.max(0, age / MAX_AGE));
    const band = element("i"), mark = element("b");
    band.style.left = `${share(interval.low)}%`;
    band.style.right = `${100 - share(interval.high)}%`;
    mark.style.left = `${share(years)}%`;
    const ticks = [0, 25, 50, 75, 100].map((age) => element("span", {}, String(age)));
    return [
      element("p", { className: "prediction" }, formatPrediction(prediction)),
      element("div", { className: "range", ariaHidden: "true" }, band, mark),
      element("p", { className: "scale", ariaHidden: "true" }, ...ticks),
    ];
  }
  if ("value" in prediction) {
    return [element("p", { className: "prediction" }, formatPrediction(prediction))];
  }
  const { probability, classes } = prediction;
  const small = element("small", {}, percent(probability));
  const bars = classes.flatMap((one) => {
    const bar = element("i");
    bar.style.width = `${100 * one.probability}%`;
    return [
      element("dt", {}, one.label),
      element("dd", { className: "track", ariaHidden: "true" }, bar),
      element("dd", {}, percent(one.probability)),
    ];
  });
  return [
    element("p", { className: "prediction" }, `${label(prediction)} `, small),
    element("dl", { className: "bars" }, ...bars),
  ];
}
