/**
 * The report as one HTML page that needs nothing but itself. It holds no time and no path: the same
 * results give the same bytes.
 */
import { ageHistogram, genderShares, standing } from "./charts.ts";
import { type Html, html, trusted } from "./html.ts";
import { splitNames } from "./judge.ts";
import { modelSection } from "./modelSection.ts";
import type { DatasetReport, ModelReport, Report } from "./report.ts";
import { style } from "./style.ts";
import { settingsList, table } from "./tables.ts";
import {
  amount,
  count,
  faces,
  metricOf,
  networks,
  percent,
  subject,
  summary,
  verdict,
} from "./words.ts";

/** The whole page. All text from the data is escaped. */
export function page(report: Report): string {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Gender and age from faces: report</title>
        <style>${trusted(style)}</style>
      </head>
      <body>
        <header>
          <h1>Gender and age from faces</h1>
          <p class="lead">${opening(report)}</p>
        </header>
        <main>
    <section aria-label="Summary">
    <div class="grid">${report.models.map(card)}</div>
    </section>
    ${data(report)}
    ${report.models.map(modelSection)}
        </main>
        <footer>${glossary(report)}</footer>
      </body>
    </html>
  `.text.trimStart();
}

function opening({ models, datasets, splits }: Report): string {
  const all = datasets.reduce((sum, { ages }) => sum + ages.length, 0);
  const better = models.filter(({ metrics }) => metrics.verdict === "better").length;
  const found = models.length === 1
    ? `It is ${better === 1 ? "" : "not "}clearly better than guessing.`
    : better === models.length
    ? `${models.length === 2 ? "Both" : "All"} are clearly better than guessing.`
    : better === 0
    ? "None is clearly better than guessing."
    : `${better} of them ${better === 1 ? "is" : "are"} clearly better than guessing.`;
  return `${networks(models.length)}, trained on ${count(splits.train)} of ${faces(all)} and ` +
    `tested on ${count(splits.test)} that no training saw. ${found}`;
}

function card({ id, metrics }: ModelReport): Html {
  const { metric, test, interval, baseline } = metrics;
  const value = metricOf(test, metric);
  return html`<article class="card">
<h3><a href="#${id}">${subject(metrics)}</a> <span class="id">${id}</span></h3>
<p class="figure">${amount(value, metric)} <small>${
    metric === "accuracy" ? "right" : "off"
  }</small></p>
${standing({ metric, value, ...interval, guess: metricOf(baseline.test, metric) })}
<p class="note">${summary(metrics)}</p>
<p class="verdict ${metrics.verdict}">${verdict(metrics)}</p>
</article>`;
}

function data({ datasets, splits, preprocessing }: Report): Html {
  const all = splits.train + splits.validation + splits.test;
  const parts = splitNames.map((name) => [
    name,
    count(splits[name]),
    percent(splits[name] / all),
  ]);
  return html`<section>
<h2>The faces</h2>
<div class="columns">
${datasets.map(histogram)}
<figure class="card">
<figcaption><b>Women and men</b>as the data sets have it</figcaption>
${genderShares(datasets)}
</figure>
<div class="card">
<h3>Three parts</h3>
<p class="note">The networks learn from the first, the second decides when to stop, the third tests
what came out.</p>
${table(["part", "faces", "share"], parts)}
</div>
</div>
${
    preprocessing !== undefined &&
    html`<h4>From photo to image</h4>${settingsList(preprocessing)}`
  }
</section>`;
}

function histogram({ name, ages }: DatasetReport, index: number, { length }: ArrayLike<unknown>) {
  const figure = length === 1 ? "Figure 1" : `Figure 1${String.fromCharCode(97 + index)}`;
  return html`<figure class="card">
<figcaption><b>Ages in ${name}</b>${figure}: ${faces(ages.length)}, five years a bar</figcaption>
${ageHistogram(ages, name)}
</figure>`;
}

function glossary({ models }: Report): Html {
  const grouped = models.some(({ metrics }) => metrics.interval.unit === "person");
  return html`
    <h2>How to read this</h2>
    <dl class="words">
      <dt>Guess</dt>
      <dd>What somebody would score who never looks at a picture and says the same each time: the most
    frequent class of the training set, or its median age. A network worth anything beats it.</dd>
      <dt>95 % interval</dt>
      <dd>The test set is a sample. With other faces of the same kind, the score would have come out a
    little different; the interval says how much. Where it holds the guess's score, the network has not
    been shown to be better. ${grouped &&
      "Several pictures of one person count as one draw of that person, not as so many."}</dd>
      <dt>Loss</dt>
      <dd>What training makes small: the cross-entropy of classes, or the mean absolute error of ages, and
    the penalty on large weights (L2) that the network was trained with.</dd>
      <dt>Curves</dt>
      <dd>The training line is measured while the network still changes and with dropout on, so it can
    lie below the validation line; the table measures the finished network on both.</dd>
      <dt>Train, validation, test</dt>
      <dd>A network that is much better on the faces it was trained with than on the others has learnt
    them by heart.</dd>
      <dt>Gender and age</dt>
      <dd>What the data sets recorded. A prediction says what a picture resembles, nothing about who a
    person is, and must not decide anything about anybody.</dd>
    </dl>
  `;
}
