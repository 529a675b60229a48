/** HTML of the page and of the model card, with everything about the service in place. */
import { type Child, document, html } from "../evaluation/html.ts";
import { capitalized, subject, subjects, summary, verdict } from "../evaluation/format_result.ts";
import { cardBlocks, notices, toHtml } from "../evaluation/model_card.ts";
import { formatMetric, METRICS, primaryMetric } from "../evaluation/metrics.ts";
import type { ModelMetrics } from "../evaluation/score_model.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import type { ServedModel, Service } from "./api.ts";
import type { Setup } from "./inference_session.ts";
import { otherFramings, type ReportedMetrics } from "./model_sources.ts";

/**
 * Fills in `faces/serving/web/index.html`, so nothing moves when its script starts.
 * @param local true if the page is opened on the server's machine only
 */
export function renderPage(
  template: string,
  service: Service,
  reported: ReportedMetrics,
  local: boolean,
): string {
  const { models, cautions, mode, report } = service;
  const toReport = report && html`, <a href="/report">report</a>`;
  const parts: Record<string, Child> = {
    title: capitalized(subjects(models)),
    where: mode === "browser"
      ? "Photos are analyzed in this browser and do not leave it."
      : local
      ? "Photos are analyzed on this computer and not stored."
      : "Photos are sent to the server, analyzed there and not stored.",
    notice: cautions.map((caution) => html`<p class="notice">${caution}</p>`),
    judged: models.some(({ test }) => test) ? "test" : "validation",
    models: models.map((model) =>
      html`
        <article class="card">
          <h3>${subject(model)}</h3>
          <p class="muted small">${formatScore(model, reported.models[model.id])}</p>
          <p class="muted small">Trained on ${origin(model)} (${model.id}).</p>
        </article>
      `
    ),
    links: html`<a href="/card">model card</a>${toReport} and <a href="/openapi.json">API</a>`,
  };
  // "<" would allow "</script>" in a text.
  const facts = JSON.stringify(service).replaceAll("<", "\\u003c");
  return template.replace(/\{\{ (\w+) \}\}/g, (_, name: string) => html`${parts[name]}`.toString())
    .replace('"{{service}}"', () => facts);
}

/** Renders the model card; `faces/evaluation/model_card.ts` has its content. */
export function renderCard(
  { models, cautions, detectors, mode }: Service,
  sources: Setup["models"],
  { models: metrics, earlier, terms, framedBy }: ReportedMetrics,
): string {
  const [{ id: first, preprocessing }] = sources, others = otherFramings(sources);
  const several = detectors.photo.includes(",");
  const described = ` This paragraph describes "${first}". Of others, ${others.join("; ")}.`;
  const blocks = cardBlocks({
    models: models.map((model) => {
      const { id, trained: { epochs, seed, weights } } = model;
      return {
        id,
        task: model.task,
        title: subject(model),
        metrics: metrics[id],
        worth: formatScore(model, metrics[id]),
        origin: `${origin(model)}; ${counted(epochs, "epoch")}, seed ${seed}, ` +
          counted(weights, "parameter"),
      };
    }),
    datasets: [...new Set(models.flatMap(({ trained }) => Object.keys(trained.datasets)))],
    earlier,
    terms,
    framedBy,
    preprocessing,
    serving: `Here ${detectors.photo} ${several ? "detect" : "detects"} them in photos, ` +
      `${detectors.live} in the live view.` + (others.length > 0 ? described : ""),
    privacy: mode === "browser"
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

/** Formats the test result of a model, or else its validation result. */
export function formatScore(
  { task, metric, validation }: Pick<ServedModel, "task" | "metric" | "validation">,
  metrics?: ModelMetrics,
): string {
  if (metrics) return `${summary(metrics)} ${verdict(metrics)}.`;
  const faces = counted(validation.images, "validation face");
  const primary = primaryMetric(task, metric); // only ages are in years
  const value = formatMetric(validation.value, primary);
  return `${METRICS[primary].title} ${value} on ${faces}; no test result.`;
}

/**
 * Describes the training: "256 faces of wiki_crop and imdb_crop, on 24 November 2026; pretraining: init
 * 3f2a/trainAge, trained on sample".
 */
export function origin({ trained }: ServedModel): string {
  const sets = Object.keys(trained.datasets).map((name) =>
    name === "sample" ? "the synthetic data set" : name
  );
  const date = new Date(trained.at).toLocaleDateString("en-GB", { dateStyle: "long" });
  const before = trained.pretraining === undefined ? "" : `; pretraining: ${trained.pretraining}`;
  return `${counted(trained.images, "face")} of ${joinWords(sets)}, on ${date}${before}`;
}
