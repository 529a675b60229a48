/** What a model's predictions are worth, beside what others score. */
import {
  bandBias,
  bandErrors,
  groupValues,
  reliability,
  roc,
  scatter,
} from "../charts/result_charts.ts";
import { type Child, type Html, html } from "../html.ts";
import type { Interval } from "../../../packages/statistics/confidence_intervals.ts";
import { type ModelMetrics, splitNames } from "../score_model.ts";
import { published } from "../published_2021.ts";
import type { Examples, ModelReport } from "../report_data.ts";
import { confusionTable, table, withRange } from "../tables.ts";
import { amount, count, faces, guess, metricOf, percent, plain, range } from "../format_metric.ts";
import { signed, signedRange } from "../format_metric.ts";

export function resultsSection(model: ModelReport): Html {
  const { metrics } = model;
  return html`${comparison(metrics)}
<div class="columns">
${metrics.confusion && confusion(metrics)}
${model.roc && metrics.auc !== undefined && ranking(model.roc, metrics)}
${metrics.calibration && trust(metrics)}
${metrics.byAgeBand && ageErrors(metrics)}
${model.scatter && agreement(model.scatter)}
${metrics.groups && groups(metrics)}
</div>
${model.examples.map(examples)}`;
}

/** The metric on each part: the network's, and beside it what it should be compared with. */
function comparison(metrics: ModelMetrics): Html {
  const { metric, baseline, counts, interval, intervals, others = [] } = metrics;
  const ranges = { ...intervals, test: interval };
  const show = (value: number) => plain(value, metric);
  const report = published(metrics);
  const rows: Child[][] = [
    ["faces", ...splitNames.map((name) => count(counts[name]))],
    ["loss", ...splitNames.map((name) => metrics[name].loss.toFixed(3))],
    [
      html`<b>this network</b>`,
      ...splitNames.map((name) =>
        withRange(
          html`<b>${show(metricOf(metrics[name], metric))}</b>`,
          range(ranges[name], metric, false),
        )
      ),
    ],
    ["guess", ...splitNames.map((name) => show(metricOf(baseline[name], metric)))],
    ...others.map(({ name, value, interval }) => [
      `${name}’s network`,
      "",
      "",
      withRange(show(value), range(interval, metric, false)),
    ]),
    ...(report ? [["report of 2021", report.train, report.validation, ""]] : []),
  ];
  return html`
    <div class="card comparison">
      <div><h3>${metric === "accuracy" ? "Right, %" : "Years off"}</h3>
    ${table(["", ...splitNames], rows)}</div>
      <div
        class="note"><p>Small below each: the 95 % interval. The guess is ${guess(
          metrics,
        )}.</p>${others.map((
          { name, count: n, model },
        ) =>
          html`<p>${name}’s network was trained by others on other data. It was evaluated on ${
            n === counts.test
              ? "the whole test set"
              : `${faces(n)} of the test set, drawn at random; on these, this one scores ${
                amount(model, metric)
              }`
          }.</p>`
        )}${report &&
          html`<p>The report of 2021 had ${report.where}: not these, so its numbers say how well
it did, not who is better.</p>`}<p>The test set is looked at once, for this page; choices are to be made on the validation
    set.</p></div>
    </div>
  `;
}

function confusion({ confusion, perClass = [] }: ModelMetrics): Html {
  const { classes, counts } = confusion!;
  const share = (value: number, interval?: Interval) =>
    withRange(percent(value), interval && range(interval, "accuracy", false));
  const name = (label: string) => label.replace(/^(\d+) to (\d+)$/, "$1–$2");
  return html`<figure class="card">
<figcaption><b>Who was taken for whom</b>Confusion matrix of the test set: a row for each true
class, a column for what the network said; the stronger the colour, the larger the part of its
row.</figcaption>
${confusionTable(classes, counts)}
</figure>
<div class="card">
<h3>Precision and recall</h3>
<p class="note">Precision: of those taken for the class, the share that is right. Recall: of those
who are of the class, the share that was recognised. F1: their harmonic mean. Small below each: the
95 % interval.</p>
${
    table(
      ["class", "faces", "precision", "recall", "F1"],
      perClass.map(({ count: n, precision, recall, f1, intervals }, i) => [
        name(classes[i]),
        count(n),
        share(precision, intervals.precision),
        share(recall, intervals.recall),
        share(f1, intervals.f1),
      ]),
    )
  }
</div>`;
}

function ranking(points: NonNullable<ModelReport["roc"]>, metrics: ModelMetrics): Html {
  const { classes, auc, aucInterval } = metrics;
  const [other, positive] = classes!;
  return html`<figure class="card">
<figcaption><b>ROC curve</b>What recognising more of “${positive}” costs in “${other}” taken for it.
Area under the curve: <b class="inline">${auc!.toFixed(3)}</b>${
    aucInterval && ` (95 %: ${decimals(aucInterval)})`
  }; the dashed line, guessing, has
0.5.</figcaption>
${roc(points, positive)}
</figure>`;
}

function trust({ calibration, classes }: ModelMetrics): Html {
  const { brier, brierInterval, ece, bins } = calibration!;
  const two = classes!.length === 2;
  const of = two ? `“${classes![1]}”` : "what is said";
  return html`<figure class="card">
<figcaption><b>Calibration</b>On the dashed line, probabilities mean what they say; dots are as large
as they have faces, with 95 % intervals. Expected calibration error <b class="inline">${
    percent(ece)
  }</b>, Brier score
<b class="inline">${brier.toFixed(3)}</b> (95 %: ${decimals(brierInterval)})${
    two && "; always saying one half has 0.250"
  }.</figcaption>
${reliability(bins, of)}
</figure>`;
}

/** "0.912 to 0.934" */
function decimals({ low, high }: Interval): string {
  return `${low.toFixed(3)} to ${high.toFixed(3)}`;
}

function ageErrors({ byAgeBand, bias }: ModelMetrics): Html {
  const bands = byAgeBand!;
  const rows = bands.map(({ from, to, count: n, mae, interval, guessMae, bias, biasInterval }) => [
    `${from}–${to}`,
    count(n),
    withRange(mae.toFixed(1), interval && range(interval, "mae", false)),
    guessMae.toFixed(1),
    withRange(signed(bias), biasInterval && signedRange(biasInterval)),
  ]);
  return html`<figure class="card">
<figcaption><b>Error by age, years</b>
<span class="key"><i class="train"></i>network</span>
<span class="key"><i class="guess"></i>guess</span></figcaption>
${bandErrors(bands)}
</figure>
<figure class="card">
<figcaption><b>Too old or too young</b>Mean of predicted less true age, years.${
    bias && html`
      Over all: <b class="inline">${signed(bias.value)}</b> (95 %: ${signedRange(bias.interval)}).
    `
  }</figcaption>
${bandBias(bands)}
</figure>
<div class="card">
<h3>Error by age, in numbers</h3>
<p class="note">Mean absolute error of the network and of the guess; bias: how much older than they
are people are taken for. Small below: 95 % intervals.</p>
${table(["age", "faces", "error", "guess", "bias"], rows)}
</div>`;
}

function agreement({ truth, prediction, of }: NonNullable<ModelReport["scatter"]>): Html {
  const which = truth.length < of
    ? `${count(truth.length)} of the ${faces(of)} of the test set, drawn at random.`
    : `The ${faces(of)} of the test set.`;
  return html`<figure class="card">
<figcaption><b>Predicted and true age</b>${which} On the dashed line, both are the same.</figcaption>
${scatter(truth, prediction)}
</figure>`;
}

function groups({ groups = [], metric }: ModelMetrics): Html {
  const years = metric === "mae";
  const rows = groups.map(({ gender, from, to, count: n, value, interval, bias, biasInterval }) => [
    from === undefined
      ? html`<b>${gender === 1 ? "men" : "women"}</b>`
      : `${gender === 1 ? "men" : "women"}, ${from}–${to}`,
    count(n),
    withRange(plain(value, metric), interval && range(interval, metric, false)),
    ...(years ? [withRange(signed(bias!), biasInterval && signedRange(biasInterval))] : []),
  ]);
  return html`<figure class="card">
<figcaption><b>By gender and age</b>${years ? "Years off" : "Right"}, with 95 % intervals<br>
<span class="key"><i class="female"></i>women</span>
<span class="key"><i class="male"></i>men</span></figcaption>
${groupValues(groups, metric)}
</figure>
<div class="card">
<h3>By gender and age, in numbers</h3>
<p class="note">Of the test set. Small below: 95 % intervals; where they are wide, there are too few
faces to tell.</p>
${table(["", "faces", years ? "error" : "right, %", ...(years ? ["bias"] : [])], rows)}
</div>`;
}

function examples({ title, faces }: Examples): Html {
  if (faces.length === 0) {
    return html`
      <h3 class="row">${title}</h3>
      <p class="note">None in the test set.</p>
    `;
  }
  return html`<h3 class="row">${title}</h3>
<ul class="faces">${
    faces.map(({ image, row, truth, prediction }) =>
      html`<li title="row ${row} of the dataset"><img src="${image}" width="32" height="32"
alt="A face, in truth ${truth}"><b>${truth}</b><span>said ${prediction}</span></li>`
    )
  }</ul>`;
}
