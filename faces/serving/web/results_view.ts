/** What the networks made of a photo: a card for each face. */
import type { Analysis, Face, Prediction } from "../api.ts";
import { service } from "./service_info.ts";
import { byId, element } from "./dom.ts";
import { label, percent, short } from "./wording.ts";

const list = byId("faces");
const hint = byId("hint");
const timings = byId("timings");

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
  const figure = element("figure");
  if (face.crop) {
    figure.append(element("img", {
      src: face.crop,
      width: 96,
      height: 96,
      alt: `Face ${i + 1} as the networks see it`,
    }));
  }
  const number = count > 1 ? `Face ${i + 1}, ` : "";
  figure.append(element("figcaption", {}, `${number}${size} × ${size} pixels`));
  const said = element("div", {}, ...face.predictions.flatMap(shown));
  return element("li", { className: "face" }, figure, said);
}

/** A prediction: in words, then as bars of all classes or on a line of ages. */
function shown(prediction: Prediction): HTMLElement[] {
  if ("years" in prediction) {
    const { years, error } = prediction;
    const at = (age: number) => `${100 * Math.min(1, Math.max(0, age / oldest))}%`;
    const band = element("i"), mark = element("b");
    band.style.left = at(years - error);
    band.style.right = `${100 - parseFloat(at(years + error))}%`;
    mark.style.left = at(years);
    const range = element("div", { className: "range" }, band, mark);
    range.setAttribute("aria-hidden", "true");
    const scale = element(
      "p",
      { className: "scale" },
      ...[0, 25, 50, 75, 100].map((age) => element("span", {}, String(age))),
    );
    scale.setAttribute("aria-hidden", "true");
    return [element("p", { className: "said" }, short(prediction)), range, scale];
  }
  const bars = element("dl", { className: "bars" });
  for (const one of prediction.classes) {
    const bar = element("i");
    bar.style.width = `${100 * one.probability}%`;
    const track = element("dd", { className: "track" }, bar);
    track.setAttribute("aria-hidden", "true");
    bars.append(
      element("dt", {}, one.label),
      track,
      element("dd", {}, percent(one.probability)),
    );
  }
  return [
    element(
      "p",
      { className: "said" },
      `${label(prediction)} `,
      element("small", {}, percent(prediction.probability)),
    ),
    bars,
  ];
}
