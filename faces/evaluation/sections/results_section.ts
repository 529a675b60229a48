/** The report's section on a model's results, compared with baselines and other networks. */
import {
  bandChart,
  biasByYear,
  cumulativeScore,
  reliability,
  roc,
  scatter,
  sensitivityChart,
} from "../charts/result_charts.ts";
import { type Child, type Html, html } from "../html.ts";
import { formatNumber } from "../../../packages/pipeline/format.ts";
import type { Interval } from "../../../packages/statistics/confidence_intervals.ts";
import { isUseful, type ModelMetrics, usedSplits } from "../score_model.ts";
import type { ErrorCurves } from "../error_curves.ts";
import { uncertaintyCards } from "./uncertainty_cards.ts";
import { published } from "../published_2021.ts";
import type { Examples, ModelReport } from "../report_data.ts";
import type { Sensitivity } from "../sensitivity.ts";
import {
  className,
  confusionTable,
  figure,
  noteCard,
  SMALL_PRINT,
  table,
  valueCell,
  withRange,
} from "../tables.ts";
import {
  count,
  describeBaseline,
  faces,
  formatFurther,
  groupedBy,
  groupName,
  metricOf,
  percent,
} from "../format_result.ts";
import {
  formatInterval,
  formatMetric,
  formatMetricValue,
  formatSigned,
  metricLabel,
  type MetricName,
  METRICS,
} from "../metrics.ts";

export function resultsSection(model: ModelReport): Html {
  const { metrics } = model;
  const unmarked = !isUseful(metrics) && model.examples.length > 0 &&
    html`<p class="note">Suspect labels are not marked: this network is
not significantly better than the constant baseline, so it contradicts labels by chance.</p>`;
  return html`${comparison(model)}
<div class="columns">
${metrics.confusion && confusion(metrics)}
${model.roc && metrics.auc !== undefined && rocFigure(model.roc, metrics)}
${metrics.calibration && calibrationFigure(metrics)}
${metrics.byAgeBand && ageErrors(metrics)}
${model.scatter && scatterFigure(model.scatter, metrics)}
${model.errors && errorFigures(model.errors)}
${model.sensitivity && sensitivityFigure(model.sensitivity, metrics)}
</div>
${(metrics.groups?.length ?? 0) > 0 && html`<div class="columns groups">${groups(metrics)}</div>`}
${uncertaintyCards(metrics)}
${model.examples.map(examples)}
${unmarked}`;
}

/** Renders the metric on each split: the network's, and those of baselines and other networks. */
function comparison({ metrics, params, network, training }: ModelReport): Html {
  const { metric, baseline, counts, interval, intervals, further = [], others = [] } = metrics;
  const ranges = { ...intervals, test: interval };
  const show = (value: number) => formatMetricValue(value, metric);
  const names = usedSplits(metrics);
  const report = names.length > 1 ? published(metrics) : undefined;
  const constant = describeBaseline(metrics);
  // Tables have the same loss with any other loss of the training, as of joint networks.
  const loss = params.loss === undefined && !("weights" in params) && metric !== "error"
    ? "loss"
    : (metrics.confusion ? "cross-entropy" : "MAE") + (network.penalized ? " and L2 penalty" : "");
  const rows: Child[][] = [
    ["faces", ...names.map((name) => count(counts[name]))],
    // An MAE without a penalty is the next row.
    ...loss === "MAE"
      ? []
      : [[loss, ...names.map((name) => formatMetricValue(metrics[name].loss, metric, 3))]],
    [
      html`<b>this network</b>`,
      ...names.map((name) =>
        html`<b>${valueCell(metricOf(metrics[name], metric), metric, ranges[name])}</b>`
      ),
    ],
    ...further.map((one) => [
      one.unit ? `${one.title}, ${one.unit}` : one.title,
      ...names.map((split) => {
        const { value, interval } = formatFurther(one, metrics, split);
        return withRange(value, interval);
      }),
    ]),
    ["constant baseline", ...names.map((name) => show(metricOf(baseline[name], metric)))],
    ...others.map(({ name, value, interval }) => [
      name,
      ...names.map((split) => split === "test" && valueCell(value, metric, interval)),
    ]),
    ...report ? [["2021 network", ...names.map((name) => name !== "test" && report[name])]] : [],
  ];
  return html`
    <div class="card comparison">
      <div><h3>${metricLabel(metric, "title")}</h3>
    ${table(["", ...names], rows)}</div>
      <div class="note"><p>${SMALL_PRINT} The constant baseline is ${constant}.${training.input
        .mirror &&
        " Predictions are means over the image and its mirror image; the curves have the image alone."}</p>
    ${others.map(({ name, count: n, model }) =>
      html`<p>${name} is a pretrained network, trained on other data. It was evaluated on ${
        n === counts.test
          ? "the whole test set"
          : `${faces(n)} of the test set, sampled at random; on these, this network scores ` +
            formatMetric(model, metric)
      }.</p>`
    )}${report &&
      html`<p>The 2021 network was evaluated on ${report.where}. The data differ, so the values are not
directly comparable.</p>`}
    ${further.map(({ title, leftOut }) =>
      leftOut !== undefined &&
      html`<p>${title}: without ${faces(leftOut)} of the test set that are in
none of its groups, such as of unknown gender.</p>`
    )}<p>Select models on the validation set; the test set is only for the final evaluation.</p></div>
    </div>
  `;
}

/** Classes at most that are shown: a page of 1,000 would have 45 MB. */
const MAX_CLASSES = 100;

function confusion({ confusion, perClass }: ModelMetrics): Html {
  const { classes, counts } = confusion!, tested = perClass!.map(({ count }) => count);
  const shown = [...classes.keys()].sort((a, b) => tested[b] - tested[a]).slice(0, MAX_CLASSES)
    .sort((a, b) => a - b);
  const few = shown.length < classes.length &&
    ` Only the ${MAX_CLASSES} with most faces of ${count(classes.length)}; metrics.json has all.`;
  const rows = shown.map((i) => [
    ...[className(classes[i]), count(tested[i])],
    ...(["precision", "recall", "f1"] as const).map((name) => {
      const { intervals, [name]: score } = perClass![i];
      // Without an interval, the share is of none.
      return intervals[name] ? valueCell(score, "accuracy", intervals[name]) : "–";
    }),
  ]);
  const note =
    html`Precision: correct share of the predictions of a class. Recall: correctly predicted
share of the faces of a class. F1: harmonic mean of both. –: none of the class. ${SMALL_PRINT}${few}`;
  const color =
    html`Test set. Rows: true class, columns: predicted class; color: share of the row.${few}`;
  const cells = shown.map((i) => shown.map((j) => counts[i][j]));
  const matrix = confusionTable(shown.map((i) => classes[i]), cells);
  const scores = table(["class", "faces", "precision", "recall", "F1"], rows);
  return html`${figure("Confusion matrix", color, matrix)}
${noteCard("Precision and recall", note, scores)}`;
}

function rocFigure(points: NonNullable<ModelReport["roc"]>, metrics: ModelMetrics): Html {
  const { classes, auc, aucInterval } = metrics;
  const [other, positive] = classes!;
  const range = aucInterval && ` (95 % CI ${formatInterval(aucInterval, "accuracy")})`;
  const caption =
    html`True positive rate of “${positive}” against the false positive rate on “${other}”.
Area under the curve: <b class="inline">${auc!.toFixed(3)}</b>${range}; dashed line: random scores,
AUC 0.5.`;
  return figure("ROC curve", caption, roc(points, positive));
}

function calibrationFigure({ calibration, classes }: ModelMetrics): Html {
  const { brier, brierInterval, ece, bins } = calibration!;
  const two = classes!.length === 2;
  const of = two ? `“${classes![1]}”` : "the predicted class";
  const range = brierInterval && ` (95 % CI ${formatInterval(brierInterval, "accuracy")})`;
  const constant = two && "; a constant probability of 0.5 scores 0.250";
  const caption = html`Dashed line: perfect calibration. Dot size: faces in the bin; lines: 95 % CI.
Expected calibration error (ECE) <b class="inline">${formatNumber(ece, 0)}</b>,
${!two && "top-label"} Brier score
<b class="inline">${formatNumber(brier, 0)}</b>${range}${constant}.`;
  return figure("Calibration", caption, reliability(bins, of));
}

function biasCell(bias: number, metric: MetricName, interval?: Interval): Html {
  return withRange(formatSigned(bias, metric), interval && formatInterval(interval, metric, true));
}

function ageErrors({ byAgeBand, bias }: ModelMetrics): Html {
  const bands = byAgeBand!;
  const rows = bands.map(({ from, to, count: n, mae, interval, guessMae, bias, biasInterval }) => [
    `${from}–${to}`,
    count(n),
    valueCell(mae, "mae", interval),
    formatMetricValue(guessMae, "mae"),
    biasCell(bias, "mae", biasInterval),
  ]);
  const keys = html`<span class="key"><i class="train"></i>network</span>
<span class="key"><i class="baseline"></i>constant baseline</span>`;
  const range = bias?.interval && ` (95 % CI ${formatInterval(bias.interval, "mae", true)})`;
  const overall = bias && html`, overall ${formatSigned(bias.value, "mae")}${range}`;
  const note = html`MAE of the network and of the constant baseline; bias: mean of predicted minus
true age${overall}. In years. ${SMALL_PRINT}`;
  return html`${figure("MAE by age, years", keys, bandChart(bands))}
${noteCard("MAE and bias by age", note, table(["age", "faces", "MAE", "baseline", "bias"], rows))}`;
}

function scatterFigure(
  { truth, prediction, of, line }: NonNullable<ModelReport["scatter"]>,
  { task }: ModelMetrics,
): Html {
  const which = truth.length < of
    ? `${count(truth.length)} of the ${faces(of)} of the test set, sampled at random.`
    : `${faces(of)} of the test set.`;
  const slope = line?.slope.toFixed(2).replace("-", "−");
  const solid = slope && html` Solid line: least squares, slope <b class="inline">${slope}</b>; a
slope below 1 is regression to the mean.`;
  return figure(
    `Predicted and true ${task}`,
    html`${which} Dashed line: prediction equals truth.${solid}`,
    scatter(truth, prediction, task, line),
  );
}

function errorFigures({ cumulative, bias, line }: ErrorCurves): Html {
  const within = [5, 10].map((error) =>
    `${percent(cumulative[error].share)} within ${error} years`
  );
  const shares = html`Share of the test set by maximum error: ${within.join(", ")}.<br>
<span class="key"><i class="train"></i>network</span>
<span class="key"><i class="baseline"></i>constant baseline, dashed</span>`;
  const slope = line && " Line: regression to the mean, by the slope of all predictions.";
  const dots = html`Mean of predicted minus true age. A dot for each true age, its size by
the number of faces.${slope}`;
  return html`${figure("Cumulative score", shares, cumulativeScore(cumulative))}
${figure("Bias by year", dots, biasByYear(bias, line))}`;
}

function sensitivityFigure(sensitivity: Sensitivity, { metric }: ModelMetrics): Html {
  const { unchanged, changes } = sensitivity, tested = faces(sensitivity.count);
  const show = (value: number) => formatMetricValue(value, metric), usual = show(unchanged);
  const sign = METRICS[metric].better === "more" ? 1 : -1;
  const worst = changes.reduce((a, b) => sign * b.value < sign * a.value ? b : a);
  const harm = sign * worst.value < sign * unchanged
    ? html`Most harm: <b class="inline">${worst.name}</b>, ${show(worst.value)}.`
    : "None of the changes does harm.";
  const caption = html`
    ${METRICS[metric].title} on ${tested} of the test set, each image changed.
    Dashed line: the same images unchanged, <b
      class="inline">${usual}</b>. ${harm} Changes are of the
    network's input; photos change before their faces are detected.
  `;
  return figure("Sensitivity", caption, sensitivityChart(sensitivity, metric));
}

function groups({ groups = [], metric }: ModelMetrics): Html {
  const { name, title } = METRICS[metric];
  const rows = groups.map(({ count: n, value, interval, bias, biasInterval, ...group }) => [
    group.from === undefined ? html`<b>${groupName(group)}</b>` : groupName(group),
    count(n),
    valueCell(value, metric, interval),
    ...(bias === undefined ? [] : [biasCell(bias, metric, biasInterval)]),
  ]);
  const values = table(["", "faces", name, ...(metric === "accuracy" ? [] : ["bias"])], rows);
  return noteCard(`${title} by ${groupedBy(groups)}`, `Test set. ${SMALL_PRINT}`, values);
}

function examples({ title, faces }: Examples): Html {
  const heading = html`<h3 class="row">${title}</h3>`;
  if (faces.length === 0) return html`${heading}<p class="note">None in the test set.</p>`;
  return html`${heading}
<ul class="faces">${
    faces.map(({ image, row, truth, prediction, suspect }) =>
      html`
        <li class="${suspect && "suspect"}"
          title="row ${row} of the dataset"><img src="${image}" width="32" height="32"
        alt="Face, true label ${truth}"><b>${truth}</b><span>pred. ${prediction}</span>${suspect &&
          html`<em>suspect label</em>`}</li>
      `
    )
  }</ul>`;
}
