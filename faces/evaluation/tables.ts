/** Tables and lists of the report. */
import type { Interval } from "../../packages/statistics/confidence_intervals.ts";
import { leaves } from "../../packages/pipeline/run_settings.ts";
import { count } from "./format_result.ts";
import { type Child, type Html, html } from "./html.ts";
import { formatInterval, formatMetricValue, type MetricName, NARROW_BELOW } from "./metrics.ts";

/** Renders a table whose first column names its rows; `strongLast` emphasizes the last row. */
export function table(
  columns: readonly string[],
  rows: readonly (readonly Child[])[],
  strongLast = false,
): Html {
  const last = rows.length - 1;
  return html`
    <table class="data">
      <thead>
        <tr>${columns.map((column) =>
          column === "" ? html`<td></td>` : html`<th scope="col">${column}</th>`
        )}</tr>
      </thead>
      <tbody>${rows.map(([name, ...cells], i) =>
        html`<tr class="${strongLast && i === last && "strong"}"><th scope="row">${name}</th>${
          cells.map((cell) => html`<td>${cell}</td>`)
        }</tr>`
      )}</tbody>
    </table>
  `;
}

/** Note on the cells of `withRange`. */
export const SMALL_PRINT =
  `Small print: 95 % CI; a bootstrap of fewer than ${NARROW_BELOW} faces, or people where they ` +
  "repeat, is too narrow.";

/** Renders a cell with a value and, below it, its confidence interval. */
export function withRange(value: Child, range: string | undefined): Html {
  return html`${value}<small class="range">${range ?? "too few"}</small>`;
}

/** Renders a cell with a metric and its confidence interval. */
export function valueCell(value: number, metric: MetricName, interval?: Interval): Html {
  return withRange(formatMetricValue(value, metric), interval && formatInterval(interval, metric));
}

/** Shortens the name of an age class: "21 to 32" becomes "21–32". */
export function className(label: string): string {
  return label.replace(/^(\d+) to (\d+)$/, "$1–$2");
}

/** Classes at most whose names are broken into the cells of a confusion matrix. */
const MAX_BROKEN = 12;

/** Renders a confusion matrix. Rows: true class, columns: predicted class. */
export function confusionTable(classes: readonly string[], counts: readonly number[][]): Html {
  const names = classes.map(className), scrolled = classes.length > MAX_BROKEN;
  const all = html`
    <table class="confusion${classes.length > 4 && " many"}${scrolled && " lots"}">
      <thead>
        <tr><td></td>${names.map((name) =>
          html`<th scope="col">${scrolled ? html`<span>${name}</span>` : name}</th>`
        )}</tr>
      </thead>
      <tbody>${counts.map((row, truth) => {
        const total = row.reduce((a, b) => a + b, 0);
        return html`<tr><th scope="row">${names[truth]}</th>${
          row.map((n, predicted) => {
            // At most 0.45 opacity: the numbers stay legible in both themes.
            const share = (total === 0 ? 0 : 0.45 * n / total).toFixed(3);
            const kind = n === 0 ? "none" : truth === predicted ? "right" : "wrong";
            return html`<td class="${kind}" style="--share:${share}">${count(n)}</td>`;
          })
        }</tr>`;
      })}</tbody>
    </table>
  `;
  return scrolled
    ? html`<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">${all}</div>`
    : all;
}

/**
 * Renders settings as a list. Nested settings are named by their path: `earlyStopping.patience`.
 * @param omitted names of settings that are not listed
 */
export function settingsList(settings: object, omitted: readonly string[] = []): Html {
  const shown = [...leaves({ ...settings })].filter(([name]) => !omitted.includes(name));
  const entries = shown.map(([name, value]) =>
    [name, Array.isArray(value) ? value.map(show).join(", ") || "none" : show(value)] as const
  );
  return html`<dl class="params">${listEntries(entries)}</dl>`;
}

/** Renders the entries of a list; omits those without a value. */
export function listEntries(facts: readonly (readonly [name: string, value: Child])[]): Html[] {
  return facts.filter(([, value]) => value !== undefined).map(([name, value]) =>
    html`
      <div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>
    `
  );
}

/** Renders a chart as a card with a caption. */
export function figure(title: Child, caption: Child, chart: Html): Html {
  return html`<figure class="card">
<figcaption><b>${title}</b>${caption}</figcaption>
${chart}
</figure>`;
}

/** Renders a card with a heading and a note above its content. */
export function noteCard(title: Child, note: Child, content: Html): Html {
  return html`<div class="card">
<h3>${title}</h3>
<p class="note">${note}</p>
${content}
</div>`;
}

/** Renders a card with a wide table, which is scrolled. @param label text for screen readers */
export function wideCard(label: string, content: Child): Html {
  return html`<div class="card scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;
}

function show(value: unknown): string | undefined {
  if (value === null || value === false) return "no";
  if (value === true) return "yes";
  return typeof value === "object" ? JSON.stringify(value) : value?.toString();
}
