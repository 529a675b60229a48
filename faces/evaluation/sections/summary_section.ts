/** The page's beginning: what was found, in a card for each model. */
import { intervalChart } from "../charts/result_charts.ts";
import { type Html, html } from "../html.ts";
import { published } from "../published_2021.ts";
import type { ModelReport, Report } from "../report_data.ts";
import {
  amount,
  count,
  faces,
  metricOf,
  networks,
  subject,
  summary,
  verdict,
} from "../format_metric.ts";

export function opening({ models, data: { datasets, splits } }: Report): string {
  const all = datasets.reduce((sum, { ages }) => sum + ages.length, 0);
  const better = models.filter(({ metrics }) => metrics.verdict === "better").length;
  const found = models.length === 1
    ? `It is ${better === 1 ? "" : "not "}clearly better than guessing.`
    : better === models.length
    ? `${models.length === 2 ? "Both" : "All"} are clearly better than guessing.`
    : better === 0
    ? "None is clearly better than guessing."
    : `${better} of them ${better === 1 ? "is" : "are"} clearly better than guessing.`;
  return `${networks(models.length)}, trained on ${count(splits.train.ages.length)} of ` +
    `${faces(all)} and tested on ${count(splits.test.ages.length)} that no training saw. ${found}`;
}

/** What every chapter of the page is, for jumping there. */
export function contents({ models }: Report): Html {
  return html`
    <nav
      aria-label="Contents"><a href="#faces">The faces</a>${models.map(({ id, metrics }) =>
        html`
          <a href="#${id}">${subject(metrics)}</a>
        `
      )} <a href="#made">What made it</a> <a href="#words">How to read this</a></nav>
  `;
}

export function cards({ models }: Report): Html {
  return html`
    <section aria-label="Summary">
      <div class="grid">${models.map(card)}</div>
    </section>
  `;
}

function card({ id, metrics }: ModelReport): Html {
  const { metric, test, interval, baseline } = metrics;
  const value = metricOf(test, metric);
  return html`<article class="card">
<h3><a href="#${id}">${subject(metrics)}</a> <span class="id">${id}</span></h3>
<p class="figure">${amount(value, metric)} <small>${
    metric === "accuracy" ? "right" : "off"
  }</small></p>
${intervalChart({ metric, value, ...interval, guess: metricOf(baseline.test, metric) })}
<p class="note">${summary(metrics)}${compared(metrics)}</p>
<p class="verdict ${metrics.verdict}">${verdict(metrics)}</p>
</article>`;
}

function compared(metrics: ModelReport["metrics"]): string {
  const { metric, others = [], counts } = metrics;
  const report = published(metrics);
  const told = (value: number) =>
    metric === "accuracy"
      ? `is right for ${amount(value, metric)}`
      : `is off by ${amount(value, metric)}`;
  return [
    ...others.map(({ name, count: n, value, model }) =>
      n === counts.test
        ? ` ${name}’s network ${told(value)}.`
        : ` On ${faces(n)} of them, ${name}’s network ${told(value)} and this one ${
          amount(model, metric)
        }.`
    ),
    ...(report
      ? [` The report of 2021 got ${report.validation}${report.unit} on its validation set.`]
      : []),
  ].join("");
}
