/** The report's section on one model: results, training, network. */
import { curves } from "../charts/training_charts.ts";
import { type Html, html } from "../html.ts";
import { type Choice, useOf } from "../../../packages/pipeline/define.ts";
import { networkName } from "../describe_network.ts";
import type { ModelReport, Report } from "../report_data.ts";
import { figure, settingsList } from "../tables.ts";
import { count, duration, subject, unlabelledText } from "../format_result.ts";
import { METRICS } from "../metrics.ts";
import { MORE_STEPS } from "../../training/training_record.ts";
import { isUseful } from "../score_model.ts";
import { resultsSection } from "./results_section.ts";

export function modelSections({ models }: Report): Html {
  return html`${models.map(modelSection)}`;
}

function modelSection(model: ModelReport): Html {
  const { id, metrics } = model;
  return html`<section class="model">
<h2 id="${id}">${subject(metrics)} <span class="id">${id}</span></h2>
${worseThanConstant(model)}
<p>${trainingSummary(model)}${unlabelledText(metrics)}</p>
<div class="columns">
${learningCurves(model)}
</div>
${resultsSection(model)}
${network(model)}
</section>`;
}

/** Warns of a network that is worse than the constant baseline on validation, and no better on test. */
function worseThanConstant({ training, metrics }: ModelReport): Html | "" {
  const { constantBaseline, weightsOfEpoch } = training;
  if (constantBaseline === undefined || isUseful(metrics)) return "";
  const { name, unit } = METRICS[metrics.metric];
  const of = metrics.classes ? "majority class" : "median";
  return html`<p class="notice" role="note"><b>This network is of no use.</b>
On validation, the weights of epoch ${weightsOfEpoch} are worse than the constant baseline:
${name} ${constantBaseline.toFixed(3)}${unit} by the ${of} of the training set.
${MORE_STEPS}, change learningRate, or check the labels.</p>`;
}

function trainingSummary({ training, network }: ModelReport): string {
  const { epochs, weightsOfEpoch, stoppedEarly, backend, seed, secondsPerEpoch, computedBy } =
    training;
  const end = stoppedEarly
    ? `Early stopping after epoch ${epochs}`
    : epochs === 1
    ? "Trained for 1 epoch"
    : `Trained for all ${epochs} epochs`;
  const kept = weightsOfEpoch === epochs
    ? "keeping the last weights"
    : `restoring the weights of epoch ${weightsOfEpoch}`;
  const took = secondsPerEpoch?.length
    ? `, in ${duration(secondsPerEpoch.reduce((a, b) => a + b))}`
    : "";
  return `${end}${took}, ${kept}. ${count(network.weights)} parameters, seed ${seed}, ` +
    `backend ${backend}${computedBy === undefined ? "" : `, trained by ${computedBy}`}.`;
}

function learningCurves({ curves: all, training }: ModelReport): Html[] {
  const { weightsOfEpoch: kept, stoppedEarly, epochs } = training;
  const stopped = stoppedEarly ? epochs : undefined;
  const keys = html`<span class="key"><i class="train"></i>train</span>
<span class="key"><i class="validation"></i>validation</span>`;
  return all.map(({ name, title, points }) => {
    const heading = html`${title} <span class="id">epoch_${name}</span>`;
    return figure(heading, keys, curves(points, name === "mae" ? "MAE" : name, { kept, stopped }));
  });
}

/** Returns hyperparameters, with the documented name of the network. */
function documented(params: ModelReport["params"]): ModelReport["params"] {
  const { network } = params as { network?: Choice };
  if (network === undefined) return params;
  const name = networkName(useOf(network));
  return { ...params, network: typeof network === "string" ? name : { ...network, use: name } };
}

function network({ id, network, params, unused = [] }: ModelReport): Html {
  const { layers, weights, trainable, input, name } = network, { length } = layers;
  return html`
    <h3 class="row">Network <small><span class="id">${name}</span>,
    ${count(weights)} parameters, ${count(trainable)} trainable, ${length} layers</small></h3>
    <div class="network">
      <div class="card">
        <h3>Hyperparameters</h3>
        ${settingsList(documented(params), unused)}
      </div>
      <div class="card scroll" tabindex="0" role="region" aria-label="Layers of ${id}">
        <table class="data layers">
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col">operation</th>
              <th scope="col">output shape</th>
              <th scope="col">parameters</th>
            </tr>
          </thead>
          <tbody><tr><th scope="row" class="id">input</th><td>image, values 0 to 1</td><td>${input}</td><td></td></tr>
    ${layers.map(({ name, what, output, weights: own, from }) =>
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
