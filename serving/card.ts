/** The model card, after Mitchell et al. 2019: what the models are for, and what they are worth. */
import { type Html, html } from "../evaluation/html.ts";
import type { MetricsFile } from "../evaluation/judge.ts";
import type { Preprocessing } from "../faces/preprocessing.ts";
import { drawnOnly, origin, percent, title, worth } from "../web/words.ts";
import { drawnNotice } from "./page.ts";
import type { ServedModel, Service } from "./api.ts";

/** What the card is about. */
export interface CardFacts {
  readonly service: Service;
  /** The first model's; shared by all of a pipeline, as a rule. */
  readonly preprocessing: Preprocessing;
  readonly judged: MetricsFile["models"];
}

/** A page in HTML. */
export function card({ service, preprocessing, judged }: CardFacts): string {
  const { models, detectors, mode } = service;
  const { crop, resize, detector, steps } = preprocessing;
  const pixels = `${resize.size} × ${resize.size} pixels`;
  const foundFor = detector.name === "metadata" ? "the data set itself" : detector.name;
  const page = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Model card</title>
        <link rel="icon" href="/favicon.svg" type="image/svg+xml">
        <link rel="stylesheet" href="/style.css">
      </head>
      <body>
        <main class="document">
    <p><a href="/">Back to the camera</a></p>
    <h1>Model card</h1>
    ${models.every(drawnOnly) && drawnNotice}
    <h2>What it is for</h2>
    <p>To show, and to study, what small convolutional networks that are fed with faces of ${pixels} learn
    about gender and age from labelled pictures.</p>
    <h2>What it must not be used for</h2>
    <p>Deciding anything about a person: access, prices, work, health, policing, moderation, proof of
    age. It does not know who somebody is, how old, or of which gender; it says which label similar
    pictures had in its data set. Its two genders are that data set's, not the world's.</p>
    <h2>The models</h2>
    ${table(
      ["Predicts", "How well", "Trained with"],
      models.map((model) => [
        `${title(model)} (${model.id})`,
        `${worth(model)}.`,
        `${origin(model)}; ${model.trained.epochs} epochs, seed ${model.trained.seed}, ` +
        `${model.trained.weights.toLocaleString("en")} weights`,
      ]),
    )}
    <p>The “±” beside an age is how far off the model was on average on its validation set; for one face it
    may be nothing, or several times as much. The percentages beside classes are the network's own, and
    networks are often too sure of themselves.</p>
    ${models.map((model) => groups(model, judged[model.id]))}
    <h2>From a photo to what a network sees</h2>
    <p>The photo is decoded, turned upright as its EXIF data says, and put on white where it is
    transparent. Faces are found by ${detectors.photo} in photos and by ${detectors
      .live} in the live
    view; for training they were found by ${foundFor}. A square around the face,
    ${Math.round(100 * crop.margin)} % of it added on each side, is scaled to ${pixels} by Lanczos's
    filter. Training and serving share the code.${steps.length > 0 &&
      ` For training only, the faces also went through: ${steps.join(", ")}.`}</p>
    <h2>Where it fails</h2>
    <p>Faces in profile, covered, small, blurred or badly lit are missed or misjudged. A data set shows
    some people more often than others (by age, gender, skin, fame, make-up, light), and a network is
    worse for those whom it saw less. Beyond the tables above, nothing is known about how it does for a
    group.</p>
    <h2>Pictures</h2>
    <p>${mode === "browser"
      ? "The page analyses pictures itself; they do not leave the browser."
      : "Pictures are analysed in the server's memory. They are not stored, and no log has them."}</p>
        </main>
      </body>
    </html>
  `;
  return page.text;
}

/** How well a model does for each group of the test set, if it was tested. */
function groups(model: ServedModel, judged?: MetricsFile["models"][string]): Html | false {
  const { byAgeBand, confusion } = judged ?? {};
  if (byAgeBand) {
    return html`<h3>${title(model)}, by age</h3>${
      table(
        ["Age", "Faces", "Off by", "Too old (+) or young by"],
        byAgeBand.map(({ from, to, count, mae, bias }) => [
          `${from} to ${to}`,
          String(count),
          `${mae.toFixed(1)} years`,
          `${bias > 0 ? "+" : ""}${bias.toFixed(1)} years`,
        ]),
      )
    }`;
  }
  if (!confusion) return false;
  return html`<h3>${title(model)}, by group</h3>${
    table(
      ["Group", "Faces", "Right"],
      confusion.counts.map((row, truth) => {
        const count = row.reduce((sum, n) => sum + n, 0);
        const right = count > 0 ? percent(row[truth] / count) : "none to tell";
        return [confusion.classes[truth], String(count), right];
      }),
    )
  }`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`
    <div class="wide">
      <table>
        <thead>
          <tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr>
        </thead>
        <tbody>${rows.map((row) =>
          html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`
        )}</tbody>
      </table>
    </div>
  `;
}
