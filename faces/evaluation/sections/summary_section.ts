/** The report's summary: a lead, the contents, and a card for each model. */
import { counted } from "../../../packages/pipeline/causes.ts";
import { type Html, html } from "../html.ts";
import { published } from "../published_2021.ts";
import type { ModelReport, Report } from "../report_data.ts";
import {
  count,
  faces,
  leftOutModels,
  metricOf,
  overfitting,
  rangeOf,
  subject,
  summary,
  verdict,
} from "../format_result.ts";
import { formatMetric, METRICS } from "../metrics.ts";
import type { Links } from "../report_sections.ts";

/** Summarizes all models in two or three sentences. */
export function opening({ models, leftOut, data: { datasets } }: Report): string {
  const all = datasets.reduce((sum, { ages }) => sum + ages.length, 0);
  const better = models.filter(({ metrics }) => metrics.verdict === "better").length;
  const balanced = models.filter(({ metrics }) => metrics.balanced).length;
  // Imported models may have been trained on other faces.
  const own = models.filter(({ metrics }) => metrics.trainedOn === undefined);
  const trained = own.map(({ training }) => training.counts.train);
  const tested = rangeOf(models.map(({ metrics }) => metrics.counts.test));
  const what = own.length > 0
    ? `trained on ${rangeOf(trained)} of ${faces(all)} and tested on ${tested} held-out faces`
    : `trained elsewhere and tested on ${tested} of ${faces(all)}`;
  return `${counted(models.length, "network")}, ${what}. Significantly better than the constant ` +
    `baseline: ${count(better)} of ${count(models.length)}` +
    (balanced > 0 ? `, in balanced accuracy alone: ${count(balanced)}` : "") +
    `.${leftOutModels(leftOut)}`;
}

export function contents(links: Links): Html {
  const own = [["protocol", "Protocol"] as const, ...links, ["words", "Glossary"] as const];
  const all = own.map(([id, title]) =>
    html`
      <a href="#${id}">${title}</a>
    `
  );
  return html`<nav aria-label="Contents">${all}</nav>`;
}

export function cards({ models }: Report): Html {
  return html`
    <section aria-label="Summary">
      <h2 id="summary" class="unseen">Summary</h2>
      <div class="grid">${models.map(card)}</div>
    </section>
  `;
}

function card({ id, metrics, network }: ModelReport): Html {
  const { metric, test } = metrics, gap = overfitting(metrics), { name } = METRICS[metric];
  const overfits = gap && html`<p class="verdict">${gap}</p>`;
  return html`<article class="card">
<h3><a href="#${id}">${subject(metrics)}</a> <span class="id">${id}</span></h3>
<p class="figure">${formatMetric(metricOf(test, metric), metric)} <small>${name}</small></p>
<p class="note">${summary(metrics)}${compared(metrics)}</p>
<p class="note"><span class="id">${network.name}</span>, ${count(network.weights)} parameters</p>
<p class="verdict ${metrics.balanced ? "better" : metrics.verdict}">${
    verdict(metrics)
  }</p>${overfits}
</article>`;
}

function compared(metrics: ModelReport["metrics"]): string {
  const { metric, others = [], counts } = metrics;
  const report = published(metrics), show = (value: number) => formatMetric(value, metric);
  return [
    ...others.map(({ name, count: n, value, model }) =>
      n === counts.test
        ? ` ${name}: ${show(value)}.`
        : ` On a random ${faces(n)} of these, ${name}: ${show(value)}, this network: ` +
          `${show(model)}.`
    ),
    ...(report ? [` 2021 network: ${report.validation}${report.unit} on its validation set.`] : []),
  ].join("");
}
