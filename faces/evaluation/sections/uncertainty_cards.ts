/** The report's cards on prediction intervals and on withheld predictions. */
import { formatNumber } from "../../../packages/pipeline/format.ts";
import { riskCurve } from "../charts/result_charts.ts";
import { count, groupName, percent } from "../format_result.ts";
import { type Html, html } from "../html.ts";
import { formatInterval, formatMetricValue, type MetricName, METRICS } from "../metrics.ts";
import type { ModelMetrics } from "../score_model.ts";
import type { Abstention, Coverage } from "../uncertainty.ts";
import { figure, noteCard, SMALL_PRINT, table, valueCell } from "../tables.ts";

export function uncertaintyCards(
  { coverage, abstention, metric, counts }: ModelMetrics,
): Html | undefined {
  if (!coverage && !abstention) return undefined;
  return html`<div class="columns">
${coverage && coverageCard(coverage, counts.test, metric)}
${abstention && abstentionCards(abstention)}
</div>`;
}

/** Describes a model's threshold, and its result on the test set. */
export function thresholdText(
  { error, confidence, images, ...on }: NonNullable<Abstention["threshold"]>,
): string {
  const aim = `errors of at most ${percent(error)} on the ${count(images)} images of the ` +
    "calibration set";
  if (confidence === null) return `All predictions are uncertain: no probability gives ${aim}.`;
  return `Below ${percent(confidence)}, a prediction is uncertain: chosen for ${aim}. ` +
    ("accuracy" in on
      ? `The other ${percent(on.kept)} of the test set have an accuracy of ` +
        `${formatMetricValue(on.accuracy, "accuracy")} (95 % CI ` +
        `${formatInterval(on.interval, "accuracy")}).`
      : "All of the test set are.");
}

function coverageCard(
  { level, of, images, coverage, interval, width, groups = [] }: Coverage,
  tested: number,
  metric: MetricName,
): Html {
  const from = of === "distribution" ? "predicted age distribution" : "absolute errors";
  const { unit } = METRICS[metric], size = (width: number) => formatMetricValue(width, metric, 1);
  const note = `Of all true values, ${percent(level, 0)} are meant to lie inside: split-conformal,
from the ${from} of the ${
    count(images)
  } images of the calibration set. That holds on average, not for each group. ${SMALL_PRINT}`;
  const rows = [
    ["all", count(tested), valueCell(coverage, "accuracy", interval), size(width)],
    ...groups.map(({ count: n, value, interval, width, ...group }) => [
      ...[groupName(group), count(n), valueCell(value, "accuracy", interval), size(width)],
    ]),
  ];
  const columns = ["", "faces", "coverage", `mean width${unit && ", years"}`];
  return noteCard("Prediction intervals", note, table(columns, rows));
}

function abstentionCards({ aurc, at, curve, threshold }: Abstention): Html {
  const caption = html`Share of wrong predictions among those kept, if the least confident are
withheld. Area under the curve (AURC): <b class="inline">${
    formatNumber(aurc, 0)
  }</b>; lower is better.`;
  const chosen = threshold ? thresholdText(threshold) : "";
  const note = `Predictions below a probability are withheld. ${chosen} ${SMALL_PRINT}`;
  const rows = at.map(({ confidence, kept, accuracy, interval }) => [
    ...[percent(confidence, 0), percent(kept), valueCell(accuracy, "accuracy", interval)],
  ]);
  const shares = rows.length === 0
    ? html`<p>No prediction is that confident.</p>`
    : table(["at least", "kept", "accuracy"], rows);
  return html`${figure("Risk and coverage", caption, riskCurve(curve))}
${noteCard("Accuracy of confident predictions", note, shares)}`;
}
