/** A comparison as text for a terminal, as Markdown or as LaTeX. */
import { counted } from "../../../packages/pipeline/causes.ts";
import { joinWords, printable } from "../../../packages/pipeline/errors.ts";
import {
  broken,
  escapeMarkdown,
  formatNumber,
  formatTable,
  formatTimestamp,
  formatValue,
  signedNumber,
} from "../../../packages/pipeline/format.ts";
import { METRICS } from "../../evaluation/metrics.ts";
import type { Comparison, ModelTest, Pooled, SeedCounts } from "./compare_runs.ts";
import { ACCURACY_NOTE, type UiComparison } from "../../ui/ui_api.ts";
import type { OverSeeds } from "./differences.ts";

interface Style {
  heading(text: string): string[];
  table(rows: readonly (readonly string[])[]): string[];
  best(text: string): string;
  item(text: string): string;
  text(text: string): string;
}

const textStyle = (room: number): Style => ({
  heading: (text) => ["", text],
  table: (rows) => formatTable(rows, [], room - 2).map((row) => `  ${row}`),
  best: (text) => `${text} *`,
  item: (text) => broken(text, room - 4).map((line, i) => `${i ? "    " : "  "}${line}`).join("\n"),
  text: (text) => text,
});

/** Marks a cell that is set in bold once its text is escaped. */
const BOLD = "\u0001";

function markdown(text: string): string {
  return text.startsWith(BOLD) ? `**${escapeMarkdown(text.slice(1))}**` : escapeMarkdown(text);
}

const MARKDOWN: Style = {
  heading: (text) => ["", `### ${markdown(text)}`, ""],
  table: ([head = [], ...rows]) => {
    const row = (cells: readonly string[]) => `| ${cells.map(markdown).join(" | ")} |`;
    return [row(head), row(head.map(() => "---")), ...rows.map(row)];
  },
  best: (text) => BOLD + text,
  item: (text) => `- ${markdown(text)}`,
  text: markdown,
};

/** For the package booktabs. */
const LATEX: Style = {
  heading: (text) => ["", `\\subsection*{${tex(text)}}`],
  table: ([head = [], ...rows]) => {
    const row = (cells: readonly string[]) => `${cells.map(tex).join(" & ")} \\\\`;
    return [
      ...[`\\begin{tabular}{l${"r".repeat(Math.max(0, head.length - 1))}}`, "\\toprule"],
      ...[row(head), "\\midrule", ...rows.map(row), "\\bottomrule", "\\end{tabular}"],
    ];
  },
  best: (text) => BOLD + text,
  item: (text) => `${tex(text)}\n`,
  text: tex,
};

function tex(text: string): string {
  const plain = text.replace(BOLD, "").replace(/[&%$#_{}]/g, "\\$&")
    .replace(/\\(?![&%$#_{}])/g, "\\textbackslash{}")
    .replace(/[~^]/g, "\\$&{}")
    .replaceAll("±", "$\\pm$").replaceAll("–", "--").replaceAll("−", "$-$")
    // Other characters in LaTeX's default encoding.
    .replace(/[<>|]/g, "$$$&$$");
  return text.startsWith(BOLD) ? `\\textbf{${plain}}` : plain;
}

/** Formats a comparison. @param room columns of the terminal */
export function formatComparison(
  comparison: Comparison,
  format: "text" | "markdown" | "latex",
  room = 80,
  { overSeeds, pooled, sentences, scope, further } = shown(comparison),
): string {
  const { runs, parameters, metrics, cautions, notes } = comparison;
  const style = { text: textStyle(room), markdown: MARKDOWN, latex: LATEX }[format];
  const differences = (rows: readonly (readonly string[])[]) =>
    rows.length === 0
      ? [style.item("no differences")]
      : style.table([["", ...runs.map(({ id }) => id)], ...rows]);
  // The loss of ages without weight penalties is their MAE.
  const own = metrics.filter((row) =>
    row.metric !== "loss" ||
    !metrics.some((other) =>
      other !== row && other.model === row.model && other.split === row.split &&
      other.values.every((value, i) => value === row.values[i])
    )
  );
  const metricRows = own.map(({ model, split, name, values, best, intervals }) => [
    `${model} ${split} ${name}`,
    ...values.map((value, i) => {
      if (value === undefined) return "–";
      const interval = intervals?.[i];
      const text = signedNumber(value) +
        (interval ? ` (${signedNumber(interval.low)} to ${signedNumber(interval.high)})` : "");
      return i === best ? style.best(text) : text;
    }),
  ]);
  const section = (title: string, content: readonly string[]) =>
    content.length > 0 ? [...style.heading(title), ...content] : [];
  const legend = [
    metrics.some(({ best }) => best !== undefined) &&
    `${format === "text" ? "*" : "Bold"}: best value.`,
    metrics.some(({ intervals }) => intervals?.some(Boolean)) &&
    "In brackets: 95 % CI, test set.",
    metrics.some(({ metric, intervals }) => metric === "accuracy" && intervals?.some(Boolean)) &&
    ACCURACY_NOTE,
  ].filter(Boolean).join(" ");
  const lines = [
    ...cautions.flatMap((caution) => [style.text(caution), ""]),
    ...style.table([
      ["run", "pipeline", "ended", ""],
      ...runs.map((run) => [run.id, run.pipeline, formatTimestamp(run.at), run.ok ? "" : "failed"]),
    ]),
    ...section(
      "Parameters",
      differences(parameters.map(({ name, values }) => [name, ...values.map(formatValue)])),
    ),
    ...section(
      pooled.length > 0 ? "Over seeds and folds" : "Over seeds",
      overSeeds ? style.table(overSeeds) : [],
    ),
    ...section(POOLED, pooled.map(style.item)),
    ...section("Significance", sentences.map(style.item)),
    ...section(
      "Further metrics",
      further ? [...style.table(further.rows), "", style.item(further.note)] : [],
    ),
    ...scope ? [style.item(scope)] : [],
    ...section("Metrics", differences(metricRows)),
    ...legend ? ["", style.item(legend)] : [],
    ...section("Not compared", notes.map(style.item)),
  ];
  return printable(lines.join("\n").replace(/^\n/, "") + "\n");
}

/** Adds the text of a comparison, for `--json` and the page over runs. */
export function withText(comparison: Comparison): Comparison & UiComparison {
  const text = shown(comparison), { overSeeds, pooled, sentences, scope, further } = text;
  return {
    ...comparison,
    ...(overSeeds && { overSeeds }),
    sentences: [...pooled.map((one) => `${POOLED}: ${one}`), ...sentences],
    ...(scope && { scope }),
    ...(further && { further }),
    markdown: formatComparison(comparison, "markdown", undefined, text),
    latex: formatComparison(comparison, "latex", undefined, text),
  };
}

/** Returns a function from a run to what sets its setting apart; undefined if that is not short. */
function settingNames({ seeds, runs, parameters }: Comparison) {
  const groups = seeds?.groups ?? [];
  const valueOf = ({ values }: typeof parameters[number], id: string) =>
    formatValue(values[runs.findIndex((run) => run.id === id)]);
  const varied = parameters.filter((row) =>
    groups.every((ids) => new Set(ids.map((id) => valueOf(row, id))).size === 1)
  );
  const choices = varied.filter(({ name }) => name.endsWith(".use"));
  const free = varied.filter((row) =>
    choices.every(({ name }) => name === row.name || !row.name.startsWith(name.slice(0, -3)))
  );
  const textOf = (rows: typeof parameters, id: string) =>
    rows.map((row) => `${row.name} ${valueOf(row, id)}`).join(" and ");
  // Another network has other options. Long values are cut, and may then be alike.
  const rows =
    [free, varied].find((rows) =>
      new Set(groups.map(([id]) => textOf(rows, id!))).size === groups.length
    ) ?? [];
  return (id: string) => rows.length === 0 || rows.length > 2 ? undefined : textOf(rows, id);
}

/** Returns what is printed: tests of settings in place of those of their single models. */
function shown(comparison: Comparison) {
  const { settings = [], tests, differences, seeds, pooled = [], runs } = comparison;
  const tested = new Set(settings.map(({ model }) => model));
  const alone = tests.filter(({ model }) => !tested.has(model));
  const swept = seeds?.groups.every(({ length }) => length > 1);
  const settingOf = settingNames(comparison);
  const nameOf = (id: string) => settingOf(id) ?? `the setting of ${id}`;
  const sentences = [
    ...settings.map((test) =>
      sentence(test, (id) => `${nameOf(id)} (${test.models[id === test.a ? 0 : 1]} runs)`)
    ),
    ...alone.map((test) => sentence(test)),
  ];
  const hidden = alone.length > 0 ? `of ${joinWords([...tested])} ` : "";
  const [first] = differences;
  // Named below the table in place of in each row.
  const two = differences.every(({ models, a, b }) => models && a === first.a && b === first.b);
  const scope = settings.length === 0 ? swept ? SWEPT : SCOPE : SETTINGS +
    (alone.length < tests.length ? ` Tests of single models ${hidden}are in --json.` : "");
  return {
    overSeeds: seeds && seedRows(seeds, settingOf),
    pooled: pooled.map(pooledSentence),
    sentences,
    scope: sentences.length > 0 ? `${scope} ${SIGN}` : undefined,
    further: first && {
      rows: differenceRows(differences, runs.length > 2 && !two, nameOf),
      note: two
        ? `Difference: ${nameOf(first.a)} minus ${nameOf(first.b)}, ${FURTHER_OF_SETTINGS}`
        : differences.some(({ models }) => models)
        ? `Difference: first minus second, ${FURTHER_OF_SETTINGS}`
        : FURTHER,
    },
  };
}

/** Returns a column for each group of runs that differ in seeds alone: mean ± standard deviation. */
function seedRows({ groups, rows }: OverSeeds, settingOf: ReturnType<typeof settingNames>) {
  // A result that several runs share counts once.
  const runs = groups.map((_, i) => Math.max(...rows.map((row) => row.spreads[i]?.runs ?? 0)));
  return [
    [
      "mean ± standard deviation",
      ...groups.map(([first, ...rest]) =>
        settingOf(first!) ?? (rest.length === 0 ? first! : `${first} and ${rest.length} more`)
      ),
    ],
    ["runs", ...runs.map(String)],
    ...rows.map(({ model, split, name, spreads }) => [
      `${model} ${split} ${name}`,
      ...spreads.map((spread) => {
        if (!spread) return "–";
        const { mean, deviation } = spread;
        return signedNumber(mean) +
          (deviation === undefined ? "" : ` ± ${formatNumber(deviation)}`);
      }),
    ]),
  ];
}

/** "trainAge: MAE 5.43 (95 % CI 5.31 to 5.55) on the 17,000 test images of 1a2b3c4d and 4 more". */
function pooledSentence({ model, metric, runs, images, value, low, high }: Pooled): string {
  const range = `95 % CI ${formatNumber(low)} to ${formatNumber(high)}`;
  return `${model}: ${METRICS[metric].name} ${formatNumber(value)} (${range}) on the ` +
    `${images.toLocaleString("en")} test images of ${runs[0]} and ${runs.length - 1} more`;
}

/** "gender: abcd is significantly better than 1234: 0.020 in accuracy (95 % CI 0.010 to ...)". */
function sentence(test: ModelTest & Partial<SeedCounts>, nameOf = (id: string) => id): string {
  const { model, metric, difference, interval, p, corrected, pictures, unit, wilcoxon } = test;
  const { splits } = test;
  const resampled = test.test === "t" ? "" : " resampled";
  const how = [
    splits ? `paired t test of ${splits} splits` : TESTS[test.test],
    formatP(corrected) + (corrected === p ? "" : ", Holm-corrected (the interval is not)"),
    ...(wilcoxon === undefined ? [] : [`Wilcoxon signed-rank test ${formatP(wilcoxon)}`]),
    counted(pictures, "image") + (splits ? " of all test sets" : "") +
    (unit === "person" ? `,${resampled} by person` : ""),
  ].join("; ");
  const { name, unit: years } = METRICS[metric];
  const size = `${signedNumber(difference)}${years.replace("\u00a0", " ")} in ${name} ` +
    `(95 % CI ${signedNumber(interval.low)} to ${signedNumber(interval.high)})`;
  const [a, b] = [nameOf(test.a), nameOf(test.b)];
  const finding = test.better === undefined
    ? `no significant difference between ${a} and ${b}`
    : `${a} is significantly ${test.better === test.a ? "better" : "worse"} than ${b}`;
  return `${model}: ${finding}: ${size}; ${how}`;
}

const TESTS = {
  mcnemar: "McNemar's exact test",
  bootstrap: "paired bootstrap",
  t: "t test over seeds and images",
};
const POOLED = "Pooled over separate test sets";
const SCOPE = "These tests compare trained models. To compare settings, sweep over seeds.";
const SWEPT = "These tests compare trained models, not settings: see the means over seeds.";
const SETTINGS = "These tests compare settings: means over seeds, whose variance counts beside " +
  "that of images.";

const SIGN = "Differences: first minus second.";

/** Note below the table of further metrics. */
const FURTHER = "Difference: first run minus second, on the images in both test sets. " +
  "Paired bootstrap, 95 % CI without correction; " +
  "p with Holm's correction over all rows, and all pairs of runs.";
/** The same where settings are among them. */
const FURTHER_OF_SETTINGS = "on the images in all test sets. Settings " +
  "by the t test over seeds and images, runs by a paired bootstrap; 95 % CI without correction; " +
  "p with Holm's correction over all rows, and all pairs.";

/**
 * Returns a table of differences, its head first.
 * @param pairs true to name the two of each
 * @param settingOf names the setting of a run
 */
function differenceRows(
  differences: Comparison["differences"],
  pairs: boolean,
  settingOf: (id: string) => string,
): string[][] {
  return [
    ["metric", ...(pairs ? ["between"] : []), "difference", "95 % CI", "p", "better"],
    ...differences.map(
      ({ model, title, a, b, models, difference, interval, corrected, better }) => {
        const [first, second] = [a, b].map((id) => models ? settingOf(id) : id);
        return [
          ...[
            `${model} ${title}`,
            ...(pairs ? [`${first}, ${second}`] : []),
            signedNumber(difference),
          ],
          `${signedNumber(interval.low)} to ${signedNumber(interval.high)}`,
          formatP(corrected).replace("p = ", "").replace("p ", ""),
          better === undefined ? "–" : better === a ? first! : second!,
        ];
      },
    ),
  ];
}

function formatP(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}
