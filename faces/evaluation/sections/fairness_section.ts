/** The report's section on differences between groups of people. */
import { count, faces, percent, subject } from "../format_result.ts";
import { counted } from "../../../packages/pipeline/causes.ts";
import { formatNumber } from "../../../packages/pipeline/format.ts";
import { type Fairness, LEAST, type MetricByGroup, MINIMUM } from "../fairness.ts";
import { type Child, type Html, html } from "../html.ts";
import { formatMetricValue, type MetricName, METRICS } from "../metrics.ts";
import type { ModelReport, Report } from "../report_data.ts";
import { SMALL_PRINT, table, wideCard, withRange } from "../tables.ts";

/** Renders the metrics of all models by groups, and the differences between them. */
export function fairnessSection({ models, data }: Report): Html {
  const tested = models.filter(({ fairness }) => fairness);
  if (tested.length === 0) return html``;
  const compared = tested.flatMap(({ fairness }) =>
    fairness!.groupings.flatMap(({ metrics }) => Object.values(metrics))
  );
  const tests = count(compared.filter(({ p }) => p !== undefined).length);
  const known = (label: string) => tested.some(({ fairness }) => fairness!.left_out[label] !== 0);
  const strata = known("age") && `Standardized: each group with the ages of the whole test set, by
strata of 10 years in which every group has at least ${LEAST} faces; “of faces” is the share in these
strata. The test permutes groups within them. Where there is none, it permutes faces of unknown age if
they are most of each group; else there is no test (–). Of groups of ages, it permutes all faces.`;
  const words = compared.length > 0 && html`Difference: largest minus smallest value of the groups.
p: permutation test, adjusted by Holm's method for all ${tests} tests of this page. ${strata} Paper has
no pairs of attributes; ratios and all numbers are in fairness.json.`;
  const sources = data.datasets.map(({ name }) =>
    `Labels of ${name}: ${data.labelledBy?.[name] ?? "by an unknown source"}.`
  );
  const gendered = known("gender") &&
    "Gender is labelled gender: what the data set states, not what a person is.";
  return html`<section>
<h2 id="fairness">Fairness</h2>
<p>Test set, by group. ${gendered}
${sources.join(" ")}</p>
<p class="note">Groups of fewer than ${MINIMUM} faces are hidden. ${SMALL_PRINT} ${words}</p>
${tested.map(modelFairnessSection)}
</section>`;
}

/** Pairs of attributes at most that are shown: their number is about half the square of the columns'. */
const MAX_PAIRS = 20;

function modelFairnessSection({ id, metrics, fairness }: ModelReport): Html {
  const { groupings, left_out } = fairness!;
  const shown = groupings.filter(({ metrics }) => Object.keys(metrics).length > 0);
  const hidden = groupings.reduce((sum, { hidden }) => sum + hidden.groups, 0);
  const left = Object.entries(left_out).flatMap(([name, values]) =>
    values > 0 ? `${name} (${counted(values, "value")})` : []
  );
  const aged = left_out.age !== 0;
  const differences = (label: string, some: typeof shown) => {
    const rows = some.flatMap(({ by, metrics: all }) =>
      Object.entries(all).map(([name, { difference, standardized, worst_group, p_holm }]) => {
        const number = (value: number) => show(name, value, metrics.metric);
        const covered = standardized && `${percent(standardized.covered, 0)} of faces`;
        const like = standardized ? withRange(number(standardized.difference), covered) : "–";
        const own = worst_group ?? (standardized?.worst_group && "none");
        const worst = new Set([own, standardized?.worst_group ?? own]);
        return [
          ...[groupingName(by), metricName(name, metrics), number(difference)],
          ...aged ? [like] : [],
          ...[[...worst].join("; standardized: ")],
          ...[p_holm === undefined ? "–" : formatNumber(p_holm, 0)],
        ];
      })
    );
    const columns = ["groups", "metric", "difference", ...aged ? ["standardized"] : []];
    return wideCard(`${label} of ${id}`, table([...columns, "worst group", "p, adjusted"], rows));
  };
  const values = (some: typeof shown) =>
    some.map(({ by, metrics: all, unknown, hidden: { groups, faces: few } }) => {
      const name = groupingName(by), small = counted(groups, "small group");
      const note = [
        ...unknown > 0 ? [`${faces(unknown)} without a label`] : [],
        ...groups > 0 ? [`hidden: ${small} of ${faces(few)}`] : [],
      ].join("; ");
      return html`<h3 class="row">${name}</h3>
${unknown + groups > 0 && html`<p class="note">${note}.</p>`}
${wideCard(`${name}, ${id}`, groupTable(all, metrics))}`;
    });
  const heading = html`<h3 class="row">${subject(metrics)} <small class="id">${id}</small></h3>`;
  if (shown.length === 0) {
    const all = count(hidden);
    return html`${heading}<p class="note">No groups to compare: all ${all} are hidden as small.</p>`;
  }
  const alone = shown.filter(({ by }) => by.length === 1);
  const crossings = shown.filter(({ by }) => by.length > 1);
  const lost = ({ unknown, hidden }: typeof shown[number]) => unknown + hidden.faces;
  const most = new Set(crossings.toSorted((a, b) => lost(a) - lost(b)).slice(0, MAX_PAIRS));
  const pairs = crossings.filter((one) => most.has(one));
  const few = pairs.length < crossings.length &&
    html`<p class="note">Only the ${MAX_PAIRS} with most
faces in large groups of ${count(crossings.length)}; fairness.json has all.</p>`;
  const crossed = html`<details class="screen">
<summary>Pairs of attributes: ${counted(pairs.length, "grouping")}</summary>${few}
${differences("Differences by pairs", pairs)}${values(pairs)}</details>`;
  const others = left.length > 0 && ` Not compared: ${left.join(", ")}.`;
  return html`${heading}
${alone.length > 0 && differences("Differences", alone)}
${alone.length > 0 && html`<details><summary>Values by group</summary>${values(alone)}</details>`}
${pairs.length > 0 && crossed}
<p class="note">${counted(hidden, "small group is", "small groups are")} hidden.${others}</p>`;
}

export function groupingName(by: Fairness["groupings"][number]["by"]): string {
  const names = by.map((name) =>
    name === "gender" ? "labelled gender" : name === "age" ? "age band" : name
  );
  return names.join(" × ");
}

/** Renders a row for each group. A metric of other faces than the first one has their number. */
function groupTable(all: Readonly<Record<string, MetricByGroup>>, metrics: ModelReport["metrics"]) {
  const [[, first]] = Object.entries(all);
  const names = [...new Set(Object.values(all).flatMap(({ by_group }) => Object.keys(by_group)))];
  const columns = Object.entries(all).flatMap(([name, { by_group: groups, standardized }], i) => {
    const counted = i === 0 ||
      Object.entries(groups).some(([group, { count }]) => count !== first.by_group[group]?.count);
    const number = (value: number) => show(name, value, metrics.metric);
    const column = (title: string, cell: (group: typeof groups[string]) => Child) => ({
      title,
      cells: names.map((group) => groups[group] ? cell(groups[group]) : "–"),
    });
    return [
      ...counted ? [column("faces", (group) => count(group.count))] : [],
      column(
        metricName(name, metrics),
        ({ value, interval: range }) =>
          withRange(number(value), range && `${number(range.low)} to ${number(range.high)}`),
      ),
      ...standardized ? [column("standardized", (group) => number(group.standardized!))] : [],
    ];
  });
  const rows = names.map((group, row) => [group, ...columns.map(({ cells }) => cells[row])]);
  return table(["", ...columns.map(({ title }) => title)], rows);
}

const RATES: Readonly<Record<string, string>> = {
  selection_rate: "selection rate",
  true_positive_rate: "true positive rate",
  false_positive_rate: "false positive rate",
};

function metricName(name: string, { further = [] }: ModelReport["metrics"]): string {
  return RATES[name] ?? METRICS[name as MetricName]?.name ??
    further.find((one) => one.name === name)?.title ?? name;
}

function show(name: string, value: number, metric: MetricName): string {
  const own = name in METRICS || name in RATES || name === "bias";
  return formatMetricValue(value, metric, own ? undefined : 2);
}
