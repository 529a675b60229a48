/** HTML of the page and of the model card, with everything about the service in place. */
import { type Child, html } from "../evaluation/html.ts";
import { document } from "../evaluation/html_document.ts";
import { cardBlocks, notices, toHtml } from "../evaluation/model_card.ts";
import type { MetricsFile } from "../evaluation/score_model.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import type { ServedModel, Service } from "./api.ts";
import { formatScore, origin, title } from "./web/wording.ts";

/**
 * Fills in `faces/serving/web/index.html`, so nothing moves when its script starts.
 * @param local true if the server accepts local requests only
 */
export function renderPage(template: string, service: Service, local: boolean): string {
  const { models, cautions, mode, report } = service;
  const parts: Record<string, Child> = {
    where: mode === "browser"
      ? "Photos are analyzed in this browser and do not leave it."
      : local
      ? "Photos are analyzed on this computer and not stored."
      : "Photos are sent to the server, analyzed there and not stored.",
    notice: cautions.map((caution) => html`<p class="notice">${caution}</p>`),
    models: models.map((model) =>
      html`
        <article class="card">
          <h3>${title(model)}</h3>
          <p class="muted small">${formatScore(model)}.</p>
          <p class="muted small">Trained on ${origin(model)} (${model.id}).</p>
        </article>
      `
    ),
    links: html`<a href="/card">model card</a>${
      report && html`, <a href="/report">report</a>`
    } and <a href="/openapi.json">API</a>`,
  };
  // "<" would allow "</script>" in a text.
  const facts = JSON.stringify(service).replaceAll("<", "\\u003c");
  return template
    .replace(/\{\{ (\w+) \}\}/g, (_, name: string) => html`${parts[name]}`.text)
    .replace('"{{service}}"', () => facts);
}

/** Renders the model card; `faces/evaluation/model_card.ts` has its content. */
export function renderCard(
  { models, cautions, detectors, mode }: Service,
  preprocessing: Preprocessing,
  reported: MetricsFile["models"],
): string {
  const originOf = (model: ServedModel) => {
    const { epochs, seed, weights } = model.trained;
    return `${origin(model)}; ${counted(epochs, "epoch")}, seed ${seed}, ` +
      `${weights.toLocaleString("en")} parameters`;
  };
  const blocks = cardBlocks({
    models: models.map((model) => ({
      id: model.id,
      title: title(model),
      worth: `${formatScore(model)}.`,
      origin: originOf(model),
      metrics: reported[model.id],
    })),
    datasets: [...new Set(models.flatMap(({ trained }) => Object.keys(trained.datasets)))],
    preprocessing,
    serving: `Here ${detectors.photo} detects them in photos, ${detectors.live} in the live view.`,
    pictures: mode === "browser"
      ? "The page analyzes photos itself; they do not leave the browser."
      : "Photos are analyzed in the server's memory. They are neither stored nor logged.",
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
