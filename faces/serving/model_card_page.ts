/** The model card as a page of the server: see `faces/evaluation/model_card.ts` for what it says. */
import { cardBlocks, notices, toHtml } from "../evaluation/model_card.ts";
import { document, html } from "../evaluation/html.ts";
import type { MetricsFile } from "../evaluation/score_model.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { formatScore, origin, title } from "./web/wording.ts";
import type { Service } from "./api.ts";

/** What the card is about. */
export interface CardFacts {
  readonly service: Service;
  /** The first model's; shared by all of a pipeline, as a rule. */
  readonly preprocessing: Preprocessing;
  readonly judged: MetricsFile["models"];
}

/** A page in HTML. */
export function card({ service, preprocessing, judged }: CardFacts): string {
  const { models, cautions, detectors, mode } = service;
  const blocks = cardBlocks({
    models: models.map((model) => ({
      id: model.id,
      title: title(model),
      worth: `${formatScore(model)}.`,
      origin:
        `${origin(model)}; ${
          counted(model.trained.epochs, "epoch")
        }, seed ${model.trained.seed}, ` +
        `${model.trained.weights.toLocaleString("en")} weights`,
      metrics: judged[model.id],
    })),
    datasets: [...new Set(models.flatMap(({ trained }) => Object.keys(trained.datasets)))],
    preprocessing,
    serving: `Here ${detectors.photo} finds them in photos and ${detectors.live} in the live view.`,
    pictures: mode === "browser"
      ? "The page analyses pictures itself; they do not leave the browser."
      : "Pictures are analysed in the server's memory. They are not stored, and no log has them.",
  });
  return document(
    "Model card",
    html`
      <link rel="icon" href="/favicon.svg" type="image/svg+xml">
      <link rel="stylesheet" href="/style.css">
    `,
    html`
      <main class="document">
        <p><a href="/">Back to the camera</a></p>
        <h1>Model card</h1>
        ${toHtml([...notices(cautions), ...blocks])}
      </main>
    `,
  );
}
