/** One model's chapter of the page: network, training, results. */
import { networkDiagram } from "../charts/network_diagram.ts";
import { curves, epochSeconds } from "../charts/training_charts.ts";
import { type Html, html } from "../html.ts";
import type { ModelReport } from "../report_data.ts";
import { settingsList } from "../tables.ts";
import { count, duration, subject } from "../format_metric.ts";
import { resultsSection } from "./results_section.ts";

/** @param figure number of the network's figure */
export function modelSection(model: ModelReport, figure: number): Html {
  const { id, metrics } = model;
  return html`<section class="model">
<h2 id="${id}">${subject(metrics)} <span class="id">${id}</span></h2>
${worseThanConstant(model)}
<p>${course(model)}</p>
${resultsSection(model)}
<h3 class="row">Training</h3>
<div class="columns">
${learning(model)}
</div>
${network(model, figure)}
</section>`;
}

/** Warns of a network whose kept epoch is worse on validation than the constant baseline. */
function worseThanConstant({ training, metrics }: ModelReport): Html | "" {
  const { constantBaseline, weightsOfEpoch } = training;
  if (constantBaseline === undefined) return "";
  const guess = metrics.metric === "accuracy"
    ? `the majority class of the training set is right for ${(constantBaseline * 100).toFixed(1)} %`
    : `the median age of the training set has a mean absolute error of ${
      constantBaseline.toFixed(2)
    } years`;
  return html`<p class="notice" role="note"><b>This network has learned nothing of use.</b>
On validation, the weights of epoch ${weightsOfEpoch} are worse than the constant baseline: ${guess}.
Lower the learning rate, or train for more epochs.</p>`;
}

function course({ training, network }: ModelReport): string {
  const { epochs, weightsOfEpoch, stoppedEarly, backend, seed, secondsPerEpoch, computedBy } =
    training;
  const end = stoppedEarly
    ? `Training stopped by itself after epoch ${epochs}`
    : epochs === 1
    ? "Training ran its one epoch"
    : `Training ran all its ${epochs} epochs`;
  const kept = weightsOfEpoch === epochs
    ? "and kept the last weights"
    : `and went back to the weights of epoch ${weightsOfEpoch}`;
  const took = secondsPerEpoch && secondsPerEpoch.length > 0
    ? `, in ${duration(secondsPerEpoch.reduce((a, b) => a + b))}`
    : "";
  return `${end}${took}, ${kept}. The network has ${
    count(network.weights)
  } weights. Seed ${seed}, ` +
    `computed on ${backend}${computedBy === undefined ? "" : `, trained by ${computedBy}`}.`;
}

function learning({ curves: all, training }: ModelReport): Html[] {
  const { weightsOfEpoch: kept, stoppedEarly, epochs, secondsPerEpoch = [] } = training;
  const figures = all.map(({ name, title, points }) =>
    html`<figure class="card">
<figcaption><b>${title} <span class="id">epoch_${name}</span></b>
<span class="key"><i class="train"></i>train</span>
<span class="key"><i class="validation"></i>validation</span></figcaption>
${curves(points, name, { kept, ...(stoppedEarly && { stopped: epochs }) })}
</figure>`
  );
  if (secondsPerEpoch.length === 0) return figures;
  const median = secondsPerEpoch.toSorted((a, b) => a - b)[secondsPerEpoch.length >> 1];
  return [
    ...figures,
    html`<figure class="card">
<figcaption><b>Seconds an epoch</b>Median ${median.toPrecision(2)} s, with validation and
checkpoint</figcaption>
${epochSeconds(secondsPerEpoch)}
</figure>`,
  ];
}

function network({ network, params }: ModelReport, figure: number): Html {
  const { layers, weights, trainable, input, name } = network;
  const drawn = networkDiagram(network);
  return html`
    <h3 class="row">The network <small>Figure ${figure}: <span class="id">${name}</span>,
    ${count(weights)} weights, ${count(trainable)} of them trained, ${layers
      .length} layers</small></h3>
    <div class="network">
      <div>${drawn && html`<figure class="card">
<figcaption>Blue: as high as the picture is, as wide as it has channels. Orange: rows of
numbers.</figcaption>
${drawn}</figure>`}
    <div class="card"><h3>Training parameters</h3>
    ${settingsList(params)}</div></div>
      <div class="card scroll">
        <table class="data layers">
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col">what it does</th>
              <th scope="col">gives</th>
              <th scope="col">weights</th>
            </tr>
          </thead>
          <tbody><tr><th scope="row" class="id">input</th><td>the image, 0 to 1</td><td>${input}</td><td></td></tr>${layers
            .map(({ name, what, output, weights: own, from }) =>
              html`
                <tr>
                  <th scope="row" class="id">${name}</th>
                  <td>${what}${from && html`<small> of ${from.join(", ")}</small>`}</td>
                  <td>${output}</td>
                  <td style="--share:${(own / Math.max(1, weights)).toFixed(3)}">${own > 0 &&
                    count(own)}</td>
                </tr>
              `
            )}</tbody>
        </table>
      </div>
    </div>
  `;
}
