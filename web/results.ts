/** What the networks made of a photo: a card for each face. */
import type { Analysis, Face, Prediction } from "../serving/api.ts";
import { service } from "./about.ts";
import { make, part } from "./dom.ts";
import { label, percent, short } from "./words.ts";

const list = part("faces");
const hint = part("hint");
const timings = part("timings");

/** The ages that a years prediction is shown among. */
const oldest = 100;

export function clearResults(): void {
  list.replaceChildren();
  timings.textContent = "";
  hint.hidden = false;
}

export function showResults(analysis: Analysis, where: "server" | "browser"): void {
  const { faces, detector } = analysis;
  hint.hidden = faces.length > 0;
  list.replaceChildren(...faces.map((face, i) => card(face, i, faces.length)));
  const { total, decode, detect, crop, predict } = analysis.timings;
  const ms = (value: number) => `${Math.round(value)} ms`;
  timings.textContent =
    `${ms(total)} ${where === "server" ? "on the server" : "in this browser"}: ` +
    `decoding ${ms(decode)}, finding faces ${ms(detect)} (${detector}), cutting ${ms(crop)}, ` +
    `predicting ${ms(predict)}.`;
}

function card(face: Face, i: number, count: number): HTMLElement {
  const size = service.models[0].input;
  const figure = make("figure");
  if (face.crop) {
    figure.append(make("img", {
      src: face.crop,
      width: 96,
      height: 96,
      alt: `Face ${i + 1} as the networks see it`,
    }));
  }
  const number = count > 1 ? `Face ${i + 1}, ` : "";
  figure.append(make("figcaption", {}, `${number}${size} × ${size} pixels`));
  const said = make("div", {}, ...face.predictions.flatMap(shown));
  return make("li", { className: "face" }, figure, said);
}

/** A prediction: in words, then as bars of all classes or on a line of ages. */
function shown(prediction: Prediction): HTMLElement[] {
  if ("years" in prediction) {
    const { years, error } = prediction;
    const at = (age: number) => `${100 * Math.min(1, Math.max(0, age / oldest))}%`;
    const band = make("i"), mark = make("b");
    band.style.left = at(years - error);
    band.style.right = `${100 - parseFloat(at(years + error))}%`;
    mark.style.left = at(years);
    const range = make("div", { className: "range" }, band, mark);
    range.setAttribute("aria-hidden", "true");
    const scale = make(
      "p",
      { className: "scale" },
      ...["0", "25", "50", "75", "100 years"].map((text) => make("span", {}, text)),
    );
    scale.setAttribute("aria-hidden", "true");
    return [make("p", { className: "said" }, short(prediction)), range, scale];
  }
  const bars = make("dl", { className: "bars" });
  for (const one of prediction.classes) {
    const bar = make("i");
    bar.style.width = `${100 * one.probability}%`;
    const track = make("dd", { className: "track" }, bar);
    track.setAttribute("aria-hidden", "true");
    bars.append(
      make("dt", {}, one.label),
      track,
      make("dd", {}, percent(one.probability)),
    );
  }
  return [
    make(
      "p",
      { className: "said" },
      `${label(prediction)} `,
      make("small", {}, percent(prediction.probability)),
    ),
    bars,
  ];
}
