/** A comparison for people: as text for a terminal, or as Markdown. */
import {
  broken,
  formatNumber,
  formatTable,
  formatTimestamp,
  formatValue,
} from "../../../packages/pipeline/format.ts";
import type { Comparison, ModelTest } from "./compare_runs.ts";
import type { OverSeeds } from "./group_by_seed.ts";
import { counted } from "../../../packages/pipeline/causes.ts";

interface Style {
  heading(text: string): string[];
  table(rows: readonly (readonly string[])[]): string[];
  best(text: string): string;
  item(text: string): string;
}

const textStyle = (room: number): Style => ({
  heading: (text) => ["", text],
  table: (rows) => formatTable(rows, [], room - 2).map((row) => `  ${row}`),
  best: (text) => `${text} *`,
  item: (text) => broken(text, room - 4).map((line, i) => `${i ? "    " : "  "}${line}`).join("\n"),
});

const MARKDOWN: Style = {
  heading: (text) => ["", `### ${text}`, ""],
  table: ([head = [], ...rows]) => {
    const row = (cells: readonly string[]) =>
      `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    return [row(head), row(head.map(() => "---")), ...rows.map(row)];
  },
  best: (text) => `**${text}**`,
  item: (text) => `- ${text}`,
};

/** @param room columns that a text has */
export function formatComparison(
  comparison: Comparison,
  format: "text" | "markdown",
  room = 80,
): string {
  const { runs, parameters, metrics, seeds, tests, cautions, notes } = comparison;
  const style = format === "text" ? textStyle(room) : MARKDOWN;
  const ids = runs.map(({ id }) => id);
  const lines = cautions.flatMap((caution) => [caution, ""]);
  lines.push(...style.table([
    ["run", "pipeline", "ended", ""],
    ...runs.map((
      { id, pipeline, at, ok },
    ) => [id, pipeline, formatTimestamp(at), ok ? "" : "failed"]),
  ]));
  lines.push(...style.heading("Parameters"));
  lines.push(
    ...parameters.length === 0 ? [style.item("the same in all")] : style.table([
      ["", ...ids],
      ...parameters.map(({ name, values }) => [name, ...values.map(formatValue)]),
    ]),
  );
  lines.push(...style.heading("Metrics"));
  lines.push(
    ...metrics.length === 0 ? [style.item("the same in all")] : style.table([
      ["", ...ids],
      ...metrics.map(({ model, split, metric, values, best, intervals }) => [
        `${model} ${split} ${metric}`,
        ...values.map((value, i) => {
          if (value === undefined) return "–";
          const { low, high } = intervals?.[i] ?? {};
          const text = low === undefined || high === undefined
            ? formatNumber(value)
            : `${formatNumber(value)} (${formatNumber(low)} to ${formatNumber(high)})`;
          return i === best ? style.best(text) : text;
        }),
      ]),
    ]),
  );
  if (metrics.length > 0) {
    lines.push(
      "",
      style.item(
        `${
          format === "text" ? "* is the better value" : "Bold is the better value"
        }; in brackets, ` +
          "95 % bootstrap intervals on the test set",
      ),
    );
  }
  if (seeds) lines.push(...style.heading("Over seeds"), ...style.table(seedRows(seeds)));
  if (tests.length > 0) {
    lines.push(...style.heading("Is the difference real?"));
    lines.push(...tests.map((test) => style.item(sentence(test))));
    lines.push(style.item(
      "It is asked of these very models; what their settings make with other seeds, a sweep over " +
        "seeds tells",
    ));
  }
  if (notes.length > 0) lines.push(...style.heading("Not compared"), ...notes.map(style.item));
  return lines.join("\n").replace(/^\n/, "") + "\n";
}

/** A column for each group of runs that differ in seeds alone: mean ± standard deviation. */
function seedRows({ groups, rows }: OverSeeds): string[][] {
  const name = ([first, ...rest]: readonly string[]) =>
    rest.length === 0 ? first! : `${first} and ${rest.length} more`;
  return [
    ["mean ± standard deviation", ...groups.map(name)],
    // A result that several runs took counts once.
    [
      "runs",
      ...groups.map((_, i) => String(Math.max(...rows.map((row) => row.spreads[i]?.runs ?? 0)))),
    ],
    ...rows.map(({ model, split, metric, spreads }) => [
      `${model} ${split} ${metric}`,
      ...spreads.map((spread) => {
        if (!spread) return "–";
        const { mean, deviation } = spread;
        return formatNumber(mean) +
          (deviation === undefined ? "" : ` ± ${formatNumber(deviation)}`);
      }),
    ]),
  ];
}

/** "gender: yes, abcd is better by 0.020 in accuracy (95 % 0.010 to 0.030; McNemar ...)". */
function sentence(test: ModelTest): string {
  const { model, metric, a, b, difference, interval, real, better, pictures, unit } = test;
  const [low, high] = difference < 0
    ? [-interval.high, -interval.low]
    : [interval.low, interval.high];
  const unitName = metric === "accuracy" ? "in accuracy" : "years of error";
  const size = `${formatNumber(Math.abs(difference))} ${unitName} (95 % ${signed(low)} to ${
    signed(high)
  })`;
  const p = test.corrected ?? test.p;
  const how = [
    test.test === "mcnemar" ? "McNemar's exact test" : "paired bootstrap",
    `p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`}`,
    ...(test.corrected === undefined ? [] : ["Holm-corrected"]),
    ...(test.wilcoxon === undefined ? [] : [
      `Wilcoxon p ${test.wilcoxon < 0.001 ? "< 0.001" : `= ${test.wilcoxon.toFixed(3)}`}`,
    ]),
    `${counted(pictures, "picture")}${unit === "person" ? ", people resampled" : ""}`,
  ].join(", ");
  return real
    ? `${model}: yes, ${better} is better than ${better === a ? b : a} by ${size}; ${how}`
    : `${model}: not shown, ${a} and ${b} differ by ${size}; ${how}`;
}

function signed(value: number): string {
  return value < 0 ? `−${formatNumber(-value)}` : formatNumber(value);
}
