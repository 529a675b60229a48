/** Results of a photo: a card for each face. */
import type { Analysis, Face, Prediction, Service } from "../api.ts";
import { byId, dom, part } from "../page_dom.ts";
import { formatPrediction, label, percent } from "./wording.ts";

/** Description of the service, which the server writes into the page. */
export const service = JSON.parse(byId("service").textContent!) as Service;
const list = byId("faces");
const hint = byId("hint");
const timings = byId("timings");

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
  const ms = (value: number) => `${Math.round(value)}\u00a0ms`;
  timings.textContent =
    `${ms(total)} ${service.mode === "server" ? "on the server" : "in this browser"}: ` +
    `decode ${ms(decode)}, detect ${ms(detect)} (${detector}), crop ${ms(crop)}, ` +
    `predict ${ms(predict)}.`;
}

function card({ crop, predictions }: Face, i: number, count: number): Node {
  const { input: size } = service.models.find(({ id }) => id === predictions[0].model)!;
  return dom`<li class="face card"><figure>${
    crop && part`<img src="${crop}" width="96" height="96"
      alt="Face ${i + 1} as the networks receive it">`
  }<figcaption>${count > 1 && `Face ${i + 1}, `}${size} × ${size} pixels</figcaption></figure>
    <div>${predictions.map(show)}</div></li>`;
}

/** Shows a prediction as text, and as bars of all classes or on an age axis. */
function show(prediction: Prediction): Node {
  const { task = "" } = service.models.find(({ id }) => id === prediction.model) ?? {};
  const several = service.models.filter((model) => model.task === task).length > 1;
  const name = several && part`<p class="muted small">${prediction.model}</p>`;
  const column = task !== "gender" && task !== "age" && part`<small>${task}:</small> `;
  if ("classes" in prediction) {
    const { probability, classes } = prediction;
    const bars = classes.map((one) =>
      part`<dt>${one.label}</dt><dd class="track" aria-hidden="true"><i></i></dd>
        <dd>${percent(one.probability)}</dd>`
    );
    const small = part`<small>${percent(probability)}</small>`;
    const shown = dom`${name}<p class="prediction">${column}${label(prediction)} ${small}</p>
      <dl class="bars">${bars}</dl>`;
    for (const [i, bar] of shown.querySelectorAll("i").entries()) {
      bar.style.width = `${100 * classes[i].probability}%`;
    }
    return shown;
  }
  const shown = dom`${name}<p class="prediction">${column}${formatPrediction(prediction)}</p>`;
  if ("value" in prediction) return shown;
  const { years, error, interval = { low: years - error, high: years + error } } = prediction;
  const share = (age: number) => 100 * Math.min(1, Math.max(0, age / MAX_AGE));
  const ticks = [0, 25, 50, 75, 100].map((age) => part`<span>${age}</span>`);
  shown.append(dom`<div class="range" aria-hidden="true"><i></i><b></b></div>
    <p class="scale" aria-hidden="true">${ticks}</p>`);
  shown.querySelector("i")!.style.left = `${share(interval.low)}%`;
  shown.querySelector("i")!.style.right = `${100 - share(interval.high)}%`;
  shown.querySelector("b")!.style.left = `${share(years)}%`;
  return shown;
}
