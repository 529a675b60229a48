/** What a model's predictions are worth, beside what others score. */
import { bandBias, bandErrors, groupValues, reliability, roc, scatter } from "../charts/results.ts";
import { type Child, type Html, html } from "../html.ts";
import { type ModelMetrics, splitNames } from "../judge.ts";
import { published } from "../report2021.ts";
import type { Examples, ModelReport } from "../report.ts";
import { confusionTable, table } from "../tables.ts";
import { amount, count, faces, guess, metricOf, percent, plain, range, signed } from "../words.ts";

export function results(model: ModelReport): Html {
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
  const { metric, baseline, counts, interval, others = [] } = metrics;
  const show = (value: number) => plain(value, metric);
  const report = published(metrics);
  const rows: Child[][] = [
    ["faces", ...splitNames.map((name) => count(counts[name])), ""],
    ["loss", ...splitNames.map((name) => metrics[name].loss.toFixed(3)), ""],
    [
      html`<b>this network</b>`,
      ...splitNames.map((name) => html`<b>${show(metricOf(metrics[name], metric))}</b>`),
      range(interval, metric, false),
    ],
    ["guess", ...splitNames.map((name) => show(metricOf(baseline[name], metric))), ""],
    ...others.map(({ name, value, interval }) => [
      `${name}’s network`,
      "",
      "",
      show(value),
      range(interval, metric, false),
    ]),
    ...(report ? [["report of 2021", report.train, report.validation, "", ""]] : []),
  ];
  return html`
    <div class="card comparison">
      <div><h3>${metric === "accuracy" ? "Right, %" : "Years off"}</h3>
    ${table(["", ...splitNames, "95 %, test"], rows)}</div>
      <div
        class="note"><p>The guess is ${guess(metrics)}.</p>${others.map((
          { name, count: n, model },
        ) =>
          html`<p>${name}’s network was trained by others on other data. It saw the faces of ${
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
who are of the class, the share that was recognised. F1: their harmonic mean.</p>
${
    table(
      ["class", "faces", "precision", "recall", "F1"],
      perClass.map(({ count: n, precision, recall, f1 }, i) => [
        name(classes[i]),
        count(n),
        percent(precision),
        percent(recall),
        percent(f1),
      ]),
    )
  }
</div>`;
}

function ranking(points: NonNullable<ModelReport["roc"]>, { classes, auc }: ModelMetrics): Html {
  const [other, positive] = classes!;
  return html`<figure class="card">
<figcaption><b>ROC curve</b>What recognising more of “${positive}” costs in “${other}” taken for it.
Area under the curve: <b class="inline">${auc!.toFixed(3)}</b>; the dashed line, guessing, has
0.5.</figcaption>
${roc(points, positive)}
</figure>`;
}

function trust({ calibration, classes }: ModelMetrics): Html {
  const { brier, ece, bins } = calibration!;
  const two = classes!.length === 2;
  const of = two ? `“${classes![1]}”` : "what is said";
  return html`<figure class="card">
<figcaption><b>Calibration</b>On the dashed line, probabilities mean what they say; dots are as large
as they have faces. Expected calibration error <b class="inline">${percent(ece)}</b>, Brier score
<b class="inline">${brier.toFixed(3)}</b>${two && " (always saying one half: 0.250)"}.</figcaption>
${reliability(bins, of)}
</figure>`;
}

function ageErrors({ byAgeBand, bias }: ModelMetrics): Html {
  const bands = byAgeBand!;
  const rows = bands.map(({ from, to, count: n, mae, guessMae, bias }) => [
    `${from}–${to}`,
    count(n),
    mae.toFixed(1),
    guessMae.toFixed(1),
    signed(bias),
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
      Over all: <b class="inline">${signed(bias.value)}</b> (95 %: ${signed(
        bias.interval.low,
      )} to ${signed(bias.interval.high)}).
    `
  }</figcaption>
${bandBias(bands)}
</figure>
<div class="card">
<h3>Error by age, in numbers</h3>
<p class="note">Mean absolute error of the network and of the guess; bias: how much older than they
are people are taken for.</p>
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
  const rows = groups.map(({ gender, from, to, count: n, value, interval, bias }) => [
    from === undefined
      ? html`<b>${gender === 1 ? "men" : "women"}</b>`
      : `${gender === 1 ? "men" : "women"}, ${from}–${to}`,
    count(n),
    plain(value, metric),
    interval ? range(interval, metric, false) : "too few",
    ...(years ? [signed(bias!)] : []),
  ]);
  return html`<figure class="card">
<figcaption><b>By gender and age</b>${years ? "Years off" : "Right"}, with 95 % intervals<br>
<span class="key"><i class="female"></i>women</span>
<span class="key"><i class="male"></i>men</span></figcaption>
${groupValues(groups, metric)}
</figure>
<div class="card">
<h3>By gender and age, in numbers</h3>
<p class="note">Of the test set. Where intervals are wide, there are too few faces to tell.</p>
${table(["", "faces", years ? "error" : "right, %", "95 %", ...(years ? ["bias"] : [])], rows)}
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
