/** The report's section on age gates. */
import * as Plot from "@observablehq/plot";
import type { AgeGate, GateRates } from "../age_gate.ts";
import { colors, draw, whiskers } from "../charts/draw.ts";
import { MINIMUM } from "../fairness.ts";
import { count, faces, modelTitle } from "../format_result.ts";
import { type Html, html } from "../html.ts";
import { formatInterval, formatMetricValue } from "../metrics.ts";
import type { Report } from "../report_data.ts";
import { figure, table, withRange } from "../tables.ts";
import { groupingName } from "./fairness_section.ts";

/** Renders the error rates of the age gate of every model of years. */
export function gateSection({ models }: Report): Html {
  const gated = models.filter(({ metrics }) => metrics.gate);
  if (gated.length === 0) return html``;
  const { threshold, limit } = gated[0].metrics.gate!;
  const keys = html`<span class="key"><i class="validation"></i>false accept</span>
<span class="key"><i class="train"></i>false reject</span>`;
  const lax = limit < threshold &&
    html`<p class="notice">The limit is below the legal age: the gate lets in people
that it estimates as minors.</p>`;
  return html`<section>
<h2 id="gate">Age gate</h2>
<p>A person is let in from an estimated age of ${limit} years on; the legal age is ${threshold}. False
accept: share of the faces below ${threshold} years that is let in. False reject: share of the others
that is refused. Test set, 95 % CI.</p>
${lax}
${
    gated.map((model) =>
      html`
        <h3 class="row">${modelTitle(model, models)}</h3>
        <div class="columns">
          ${figure("Errors by true age", keys, rateChart(model.metrics.gate!))}
          <div class="card">${rateTable(model.metrics.gate!)}</div>
        </div>
      `
    )
  }
</section>`;
}

function rateTable(gate: AgeGate): Html {
  const leftOut = gate.left_out > 0 &&
    ` ${faces(gate.left_out)} left out: the age is an interval on both sides of ${gate.threshold}.`;
  const row = (name: string, { false_accept, false_reject }: GateRates) => [
    name,
    ...[false_accept, false_reject].map((rate) =>
      rate
        ? withRange(
          formatMetricValue(rate.value, "accuracy"),
          `${formatInterval(rate.interval, "accuracy")} of ${count(rate.count)}`,
        )
        : "–"
    ),
  ];
  return html`
    <p class="note">Rates of fewer than ${MINIMUM} faces of a group are hidden.${leftOut}</p>
    ${table(["", "false accept", "false reject"], [
      row("all", gate),
      ...gate.by_group.map(({ by, group, ...rates }) =>
        row(`${groupingName(by)}: ${group}`, rates)
      ),
    ])}
  `;
}

function rateChart({ by_year, threshold, limit }: AgeGate): Html {
  const points = by_year.flatMap(({ age, false_accept, false_reject }) => [
    ...false_accept ? [{ age, color: colors.validation, ...false_accept }] : [],
    ...false_reject ? [{ age, color: colors.train, ...false_reject }] : [],
  ]);
  return draw(`False accepts below ${threshold} and false rejects by true age, limit ${limit}`, {
    x: { label: "true age, years" },
    y: { label: "error rate", domain: [0, 1], grid: true },
    marks: [
      Plot.ruleX([threshold - 0.5], { stroke: colors.baseline, strokeDasharray: "4 3" }),
      whiskers(points, "age", { stroke: ({ color }) => color, strokeOpacity: 0.5 }),
      Plot.dot(points, {
        x: "age",
        y: "value",
        r: 3,
        fill: ({ color }) => color,
        title: ({ age, value, count: n }) => `${age} years: ${value.toFixed(3)}, ${faces(n)}`,
      }),
    ],
  });
}
