/** One model's part of the page. */
import { bandErrors, curves, scatter } from "./charts.ts";
import { type Html, html } from "./html.ts";
import { type ModelMetrics, splitNames } from "./judge.ts";
import type { Examples, ModelReport } from "./report.ts";
import { confusionTable, settingsList, table } from "./tables.ts";
import { count, faces, guess, metricOf, percent, subject } from "./words.ts";

export function modelSection(model: ModelReport): Html {
  const { id, metrics, params } = model;
  return html`<section class="model">
<h2 id="${id}">${subject(metrics)} <span class="id">${id}</span></h2>
<p>${course(model)}</p>
<div class="columns">
${scores(metrics)}
${learning(model)}
${metrics.confusion && confusion(metrics.confusion)}
${metrics.byAgeBand && ageErrors(metrics.byAgeBand)}
${model.scatter && agreement(model.scatter)}
</div>
${model.examples.map(examples)}
<h4>Training parameters</h4>
${settingsList(params)}
</section>`;
}

function course({ training }: ModelReport): string {
  const { epochs, weightsOfEpoch, stoppedEarly, weights, backend, seed } = training;
  const end = stoppedEarly
    ? `Training stopped by itself after epoch ${epochs}`
    : `Training ran all its ${epochs} epochs`;
  const kept = weightsOfEpoch === epochs
    ? "and kept the last weights"
    : `and went back to the weights of epoch ${weightsOfEpoch}`;
  return `${end} ${kept}. The network has ${count(weights)} weights. Seed ${seed}, computed on ` +
    `${backend}.`;
}

function scores(metrics: ModelMetrics): Html {
  const { metric, baseline, counts } = metrics;
  const show = (value: number) => metric === "accuracy" ? percent(value) : value.toFixed(1);
  const rows = splitNames.map((name) => [
    name,
    count(counts[name]),
    metrics[name].loss.toFixed(3),
    show(metricOf(metrics[name], metric)),
    show(metricOf(baseline[name], metric)),
  ]);
  return html`<div class="card">
<h3>${metric === "accuracy" ? "Right on each part" : "Years off on each part"}</h3>
<p class="note">The guess is ${guess(metrics)}.</p>
${table(["part", "faces", "loss", metric, "guess"], rows, true)}
</div>`;
}

function learning({ history, metrics: { metric }, training }: ModelReport): Html[] {
  const loss = history.map(({ epoch, loss, val_loss }) => ({
    epoch,
    train: loss,
    validation: val_loss,
  }));
  const measured = history.map(({ epoch, metric, val_metric }) => ({
    epoch,
    train: metric,
    validation: val_metric,
  }));
  const title = metric === "accuracy" ? "Accuracy" : "Mean absolute error, years";
  const kept = training.weightsOfEpoch;
  return [
    { name: "loss", title: "Loss", points: loss },
    { name: metric, title, points: measured },
  ].map(({ name, title, points }) =>
    html`<figure class="card">
<figcaption><b>${title} <span class="id">epoch_${name}</span></b>
<span class="key"><i class="train"></i>train</span>
<span class="key"><i class="validation"></i>validation</span>
<span class="key"><i class="kept"></i>epoch kept</span></figcaption>
${curves(points, { name, kept })}
</figure>`
  );
}

function confusion({ classes, counts }: NonNullable<ModelMetrics["confusion"]>): Html {
  return html`<figure class="card">
<figcaption><b>Who was taken for whom</b>Confusion matrix of the test set: a row for each true
class, a column for what the network said; the stronger the colour, the larger the part of its
row.</figcaption>
${confusionTable(classes, counts)}
</figure>`;
}

function ageErrors(bands: NonNullable<ModelMetrics["byAgeBand"]>): Html {
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

function examples({ title, faces }: Examples): Html {
  if (faces.length === 0) {
    return html`
      <h4>${title}</h4>
      <p class="note">None in the test set.</p>
    `;
  }
  return html`<h4>${title}</h4>
<ul class="faces">${
    faces.map(({ image, row, truth, prediction }) =>
      html`<li title="row ${row} of the dataset"><img src="${image}" width="32" height="32"
alt="A face, in truth ${truth}"><b>${truth}</b><span>said ${prediction}</span></li>`
    )
  }</ul>`;
}

function signed(n: number): string {
  return n < 0 ? `−${(-n).toFixed(1)}` : `+${n.toFixed(1)}`;
}
