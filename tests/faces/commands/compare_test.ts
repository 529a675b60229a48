/** `deno task compare`: differences, tests, formats. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compareRuns, type Comparison } from "../../../faces/commands/compare/compare_runs.ts";
import { formatComparison, withText } from "../../../faces/commands/compare/format_comparison.ts";
import { app } from "../../../main.ts";
import { canonicalJson } from "../../../packages/pipeline/fingerprint.ts";
import { findRun } from "../../../packages/pipeline/find_runs.ts";
import type { RunRecord } from "../../../packages/pipeline/history.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { summarise } from "../../../packages/pipeline/sweep_summary.ts";
import { OUTCOME } from "../../outcome.ts";
import { type FakeRun, workshop } from "./workshop.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const rows = ({ parameters }: Comparison) =>
  Object.fromEntries(parameters.map(({ name, values }) => [name, values]));

Deno.test("compare names files that runs were given, of which stages record the content", async () => {
  const given = (verdicts: string) => ({ overrides: { "matParse.verdicts": verdicts } });
  await using shop = await workshop(["a.csv", "b.csv"].map((path) => ({
    models: { trainGender: { skill: 0.9, params: { dropout: 0.1 } } },
    ...given(path),
  })));
  const { parameters } = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(parameters, [{ name: "matParse.verdicts", values: ["a.csv", "b.csv"] }]);
});

Deno.test("compare prints the parameters and metrics that differ, and nothing else", async () => {
  const params = { epochs: 20, stopping: { patience: 3, monitor: "val_loss" }, leaveOut: [512] };
  await using shop = await workshop([
    { models: { trainGender: { skill: 0.6, params } } },
    {
      seed: 7,
      models: {
        trainGender: {
          skill: 0.9,
          params: { ...params, stopping: { ...params.stopping, patience: 5 }, leaveOut: [] },
        },
      },
    },
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(rows(comparison), {
    seed: [42, 7],
    "trainGender.stopping.patience": [3, 5],
    "trainGender.leaveOut": [[512], []],
  });
  const [accuracy, ...others] = comparison.metrics.filter(({ split }) => split === "test");
  assert.deepEqual(others, []); // both lose the same
  assert.deepEqual([accuracy!.model, accuracy!.metric, accuracy!.best], [
    ...["trainGender", "accuracy", 1],
  ]);
  accuracy!.values.forEach((value, i) => {
    const { low, high } = accuracy!.intervals![i]!;
    assert.ok(low < value! && value! < high && high - low < 0.2, `${low} ${value} ${high}`);
  });
  const [test, ...more] = comparison.tests;
  assert.deepEqual(more, []);
  assert.deepEqual([test!.test, test!.pictures, test!.real], ["mcnemar", 200, true]);
  assert.equal(test!.better, shop.runs[1]!.id);
  assert.ok(test!.difference < 0 && test!.interval.high < 0);
  assert.deepEqual(comparison.notes, []);
  const text = formatComparison(comparison, "text");
  assert.match(
    text,
    /\*: best value\. In brackets: 95 % CI, test set\. An accuracy has a bootstrap\s+interval here, and Wilson's in the report if no person repeats\.\n/,
  );
  // Records of others may have escape sequences, which change a terminal's title.
  const caution = "\x1b]0;title\x07of a record\x9b2J";
  for (const format of ["text", "markdown", "latex"] as const) {
    const shown = formatComparison({ ...comparison, cautions: [caution] }, format);
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    assert.doesNotMatch(shown, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    assert.match(shown, /of a record/);
  }
  const bare = comparison.metrics.map(({ intervals: _, ...row }) => row);
  assert.match(formatComparison({ ...comparison, metrics: bare }, "text"), /\*: best value\.\n/);
  const even = comparison.metrics.map(({ best: _, ...row }) => row);
  const unmarked = formatComparison({ ...comparison, metrics: even }, "text");
  assert.match(unmarked, /\n {2}In brackets: 95 % CI, test set\. An accuracy/);
  const placed = await compareRuns(
    shop.runs.map((run) => ({ ...run, file: "experiments/dropout.yaml" })),
    shop.store,
  );
  assert.equal(placed.runs[0]!.pipeline, "experiments/dropout");
  assert.match(
    text,
    /trainGender test accuracy +0\.\d+ \(0\.\d+ to 0\.\d+\) +0\.\d+ \(0.\d+ to 0.\d+\) \*\n/,
  );
  assert.match(
    text,
    /trainGender: [0-9a-f]{8} is significantly\s+worse than [0-9a-f]{8}: −0\.\d+ in\s+accuracy/,
  );
  assert.doesNotMatch(text, /epochs|monitor|size/);
  const markdown = formatComparison(comparison, "markdown");
  assert.match(markdown, /\n\| trainGender\.leaveOut \| \\\[512\\\] \| \\\[\\\] \|\n/);
  assert.match(markdown, /\| \*\*0\.\d+ \(0\.\d+ to 0\.\d+\)\*\* \|\n/);
  const latex = formatComparison(comparison, "latex");
  assert.match(latex, /& \\textbf\{0\.\d+ \(0\.\d+ to 0\.\d+\)\} \\\\\n/);
  assert.match(latex, /95 \\% CI/);
  assert.doesNotMatch(latex, /[^\\][%_#]/);
  assert.ok(!latex.includes(String.fromCharCode(1)));
  assert.equal(
    latex.match(/\\begin\{tabular\}/g)!.length,
    latex.match(/\\end\{tabular\}/g)!.length,
  );
});

Deno.test("an accuracy of 1 is no certainty: its interval is Wilson's, as in the report", async () => {
  await using shop = await workshop([
    { models: { trainGender: { skill: 1 } } },
    { models: { trainGender: { skill: 0.5 } } },
  ]);
  const { metrics } = await compareRuns(shop.runs, shop.store);
  const { values, intervals } = metrics.find(({ split, metric }) =>
    split === "test" && metric === "accuracy"
  )!;
  assert.equal(values[0], 1);
  const { low, high } = intervals![0]!;
  assert.ok(0.97 < low && low < 0.99 && high === 1, `${low} to ${high}`); // 200 images
});

Deno.test("compare has no bootstrap interval of fewer than 20 images, which is too narrow", async () => {
  const measured = async (tested: number, repeat = 1) => {
    const run = (skill: number, error: number): FakeRun => ({
      tested,
      repeat,
      models: { trainGender: { skill }, trainAge: { error } },
    });
    await using shop = await workshop([run(0.5, 10), run(0.9, 20)]);
    const { metrics } = await compareRuns(shop.runs, shop.store);
    const known = metrics.filter(({ split }) => split === "test").map(({ metric, intervals }) =>
      [metric, intervals !== undefined && intervals.every(Boolean)] as const
    );
    return Object.fromEntries(known);
  };
  const { accuracy, mae } = await measured(19);
  assert.deepEqual([accuracy, mae], [true, false]); // Wilson's is none of a bootstrap
  assert.deepEqual((await measured(20)).mae, true);
  // Where people repeat, they are resampled.
  assert.deepEqual(await measured(190, 10), { accuracy: false, mae: false });
  assert.deepEqual(await measured(200, 10), { accuracy: true, mae: true });
});

Deno.test("compare leaves out a metric that a run has no value of", async () => {
  const models = { trainAge: { error: 5 } };
  await using shop = await workshop([{ models }, { seed: 2, models }]);
  const runs = shop.runs.map((run, i): RunRecord => ({
    ...run,
    metrics: { trainAge: { validation: { mae: i === 0 ? null as unknown as number : 5 } } },
  }));
  const { metrics: [row], seeds } = await compareRuns(runs, shop.store);
  assert.deepEqual([row!.values, row!.best], [[undefined, 5], undefined]);
  const [spread] = seeds?.rows[0]?.spreads ?? [];
  assert.ok(spread === undefined || spread.mean === 5 && spread.runs === 1);
});

Deno.test("compare prints the MAE of a number by the name of that of ages", async () => {
  const models = { trainAge: { error: 5 } };
  await using shop = await workshop([{ models }, { seed: 2, models }]);
  const runs = shop.runs.map((run, i): RunRecord => ({
    ...run,
    metrics: { trainAge: { validation: { error: i + 1 } } },
  }));
  const comparison = await compareRuns(runs, shop.store);
  assert.equal(comparison.metrics[0]!.metric, "error");
  const lines = formatComparison(comparison, "text").match(/^ *trainAge validation .*$/gm);
  assert.deepEqual(lines?.map((line) => line.trim().split(/ +/)[2]), ["mae", "mae"]);
});

Deno.test("compare prints no loss that is the MAE of all runs", async () => {
  await using shop = await workshop([{ models: { trainAge: { error: 5 } } }, { models: {} }]);
  const losses = async (...losses: number[]) => {
    const runs = shop.runs.map((run, i): RunRecord => ({
      ...run,
      metrics: { trainAge: { validation: { loss: losses[i]!, mae: i + 1 } } },
    }));
    const comparison = await compareRuns(runs, shop.store);
    assert.equal(comparison.metrics.length, 2); // for programs
    return formatComparison(comparison, "text").match(/^ *trainAge validation loss/gm)?.length ?? 0;
  };
  assert.deepEqual([await losses(1, 2), await losses(1, 2.5)], [0, 1]);
});

Deno.test("compare prints the intervals of further metrics", async () => {
  await using shop = await workshop([
    { models: { trainGender: { skill: 0.6, f1: 0.5 } } },
    { models: { trainGender: { skill: 0.6, f1: 0.75 } } },
    { models: { trainGender: { skill: 0.6 } } },
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  const row = comparison.metrics.find(({ metric }) => metric === "f1")!;
  assert.deepEqual([row.values, row.best], [[0.5, 0.75, undefined], 1]);
  assert.deepEqual(row.intervals, [{ low: 0.4, high: 0.6 }, { low: 0.65, high: 0.85 }, undefined]);
});

Deno.test("compare tests further metrics of two runs, and of several those that evaluate names", async () => {
  const two = [
    { models: { trainGender: { skill: 0.6 }, trainAge: { error: 20 } } },
    { models: { trainGender: { skill: 0.9 }, trainAge: { error: 20 } } },
  ];
  await using shop = await workshop(two);
  let total = 0;
  const tests: (string | undefined)[] = [];
  const { differences } = await compareRuns(shop.runs, shop.store, {
    start: (n) => total = n,
    advance: (_, note) => tests.push(note),
  });
  assert.equal(tests.length, total);
  assert.ok(tests.includes("trainGender accuracy"), tests.join());
  const named = new Map(differences.map((one) => [`${one.model} ${one.metric}`, one]));
  for (const name of ["f1", "auc"]) assert.ok(named.has(`trainGender ${name}`), name);
  for (const name of ["medianError", "bias", "cs", "macroMae"]) {
    assert.ok(named.has(`trainAge ${name}`), name);
  }
  const balanced = named.get("trainGender balancedAccuracy"), auc = named.get("trainGender auc");
  const rmse = named.get("trainAge rmse");
  // Half of the images are of each class, and scores are 0.1 or 0.9: all three are the accuracy.
  const test = (await compareRuns(shop.runs, shop.store)).tests[0]!;
  assert.ok(Math.abs(balanced!.difference - test.difference) < 1e-9);
  assert.ok(Math.abs(auc!.difference - test.difference) < 1e-9);
  assert.ok(balanced!.interval.high < -0.1 && balanced!.better === shop.runs[1]!.id);
  assert.ok(rmse!.interval.low < 0 && rmse!.interval.high > 0 && rmse!.better === undefined);
  assert.ok(differences.every(({ p, corrected }) => p <= corrected));
  const text = formatComparison(await compareRuns(shop.runs, shop.store), "text", 100);
  assert.match(
    text,
    /\n {2}trainGender AUC +−0\.\d{3} +−0\.\d{3} to −0\.\d{3} +< 0\.001 +[0-9a-f]{8}\n/,
  );
  // Sentence and table have one sign: the first run minus the second.
  const words = text.replace(/\s+/g, " "), accuracy = words.match(/: (−0\.\d+) in accuracy /)?.[1];
  assert.ok(accuracy && words.includes(` trainGender balanced accuracy ${accuracy} `), text);
  assert.match(text, /\n {2}trainAge bias +−?\d\.\d+ +−\d\.\d+ to \d\.\d+ +\d\.\d{3} +–\n/);

  await using third = await workshop([
    ...two.map((run) => ({ ...run, metrics: [{ use: "cs", within: 2 }, "shuffled"] })),
    { models: { trainGender: { skill: 0.7 }, trainAge: { error: 1 } }, metrics: ["cs"] },
  ]);
  const several = await compareRuns(third.runs, third.store);
  assert.deepEqual(
    several.differences.map(({ model, metric, a, better }) => [model, metric, a === better]),
    [["trainAge", "cs", true], ["trainAge", "cs", true]],
  );
  const limit = /\n {2}trainAge cumulative score within 5 years +[0-9a-f]{8}, [0-9a-f]{8} /;
  assert.match(formatComparison(several, "text", 120), limit);
});

Deno.test("compare has no test of a mean over classes or groups of which one has few images", async () => {
  const runs = (seeds: readonly number[]) =>
    [0.6, 0.9].flatMap((skill) =>
      seeds.map((seed): FakeRun => ({
        seed,
        models: { trainGender: { skill, every: 60, params: { skill } } }, // 4 of 200
      }))
    );
  for (const seeds of [[1], [1, 2, 3]]) {
    await using shop = await workshop(
      runs(seeds).map((run) => ({ ...run, metrics: ["balancedAccuracy", "f1", "auc"] })),
    );
    const { differences, notes, tests } = await compareRuns(shop.runs, shop.store);
    assert.ok(tests.length > 0);
    const means = ["balancedAccuracy", "f1", "auc"];
    assert.deepEqual(differences.filter(({ metric }) => means.includes(metric)), []);
    const [a, b] = [shop.runs[0]!.id, shop.runs[seeds.length]!.id].toSorted();
    const said = notes.map((note) => note.replace(/[0-9a-f]{8} and [0-9a-f]{8}/, `${a} and ${b}`));
    for (const title of ["balanced accuracy", "F1, macro", "AUC"]) {
      const note =
        `trainGender, ${a} and ${b}: ${title} is not tested, as a class or group has too few ` +
        "images or people";
      assert.equal(said.filter((one) => one === note).length, 1, said.join("\n"));
    }
  }
});

Deno.test("compare names cumulative scores by their limits, which alone are comparable", async () => {
  const models = { trainAge: { error: 10 } }, two = { use: "cs", within: 2 };
  await using shop = await workshop(
    [[two], ["cs"], ["cs"]].map((metrics) => ({ models, metrics })),
  );
  const runs = shop.runs.map((run, i) => ({
    ...run,
    metrics: { trainAge: { test: { cs: 0.5 + i / 10 } } },
  }));
  const { metrics } = await compareRuns(runs, shop.store);
  assert.deepEqual(metrics.map(({ metric, name, values, best }) => [metric, name, values, best]), [
    ["cs", "cs@2", [0.5, undefined, undefined], undefined],
    ["cs", "cs@5", [undefined, 0.6, 0.7], 2],
  ]);
  const names = async (run: RunRecord) =>
    await app.metricNames!(run.stages.flatMap(({ dependencies = [] }) => dependencies));
  assert.deepEqual(await Promise.all(runs.map(async (run) => (await names(run)).cs)), [
    ...["cs@2", "cs@5", "cs@5"],
  ]);
});

Deno.test("compare has a row for each limit, and pairs those of a run with two", async () => {
  const models = { trainAge: { error: 10 } };
  const [two, three] = [2, 3].map((within) => ({ use: "cs", within }));
  await using shop = await workshop([
    { models, metrics: [two, three] },
    { models: { trainAge: { error: 20 } }, metrics: [three] },
  ]);
  const measured: Record<string, number>[] = [{ "cs@2": 0.2, "cs@3": 0.3 }, { cs: 0.4 }];
  const runs = shop.runs.map((run, i) => ({
    ...run,
    metrics: { trainAge: { test: measured[i]! } },
  }));
  const { metrics, differences } = await compareRuns(runs, shop.store);
  assert.deepEqual(metrics.map(({ metric, name, values, best }) => [metric, name, values, best]), [
    ["cs", "cs@2", [0.2, undefined], undefined],
    ["cs", "cs@3", [0.3, 0.4], 1],
  ]);
  const limits = differences.filter(({ metric }) => metric.startsWith("cs"));
  assert.deepEqual(limits.map(({ metric, title }) => [metric, title]), [
    ["cs@2", "cumulative score within 2 years"],
    ["cs@3", "cumulative score within 3 years"],
  ]);
});

Deno.test("compare has the interval of a limit, and marks losses beside further metrics", async () => {
  const further = { cs: 0.5, "cs@2": 0.25 }, limits = ["cs", { use: "cs", within: 2 }];
  await using shop = await workshop([
    { models: { trainAge: { error: 10, further } }, metrics: limits },
    { models: { trainAge: { error: 10, params: { metrics: ["rmse"] } } }, metrics: ["cs"] },
  ]);
  const runs = shop.runs.map((run, i) => {
    const validation = { loss: i, mae: 4, ...(i === 1 && { rmse: 6 }) };
    return { ...run, metrics: { trainAge: { test: run.metrics.trainAge!.test!, validation } } };
  });
  const { metrics } = await compareRuns(runs as RunRecord[], shop.store);
  const row = metrics.find(({ name }) => name === "cs@2")!;
  assert.deepEqual([row.metric, row.better, row.values], ["cs", "more", [0.25, undefined]]);
  assert.deepEqual(row.intervals, [{ low: 0.15, high: 0.35 }, undefined]);
  // A further metric of a training changes no loss.
  assert.equal(metrics.find(({ metric }) => metric === "loss")!.best, 0);
});

Deno.test("compare takes each model from the last stage that evaluated it, with its limits", async () => {
  const run = (error: number): FakeRun => ({
    models: { trainAge: { error }, years: { error } },
    metrics: ["cs"],
    again: [{ use: "cs", within: 2 }],
  });
  await using shop = await workshop([run(10), run(20)]);
  const runs = shop.runs.map((run, i) => ({
    ...run,
    metrics: { years: { test: { cs: 0.6 + i / 10 } }, trainAge: { test: { cs: 0.3 + i / 10 } } },
  }));
  const { metrics, differences } = await compareRuns(runs, shop.store);
  assert.deepEqual(metrics.map(({ model, name }) => `${model} ${name}`), [
    ...["years cs@5", "trainAge cs@2"],
  ]);
  const titles = differences.filter(({ metric }) => metric === "cs")
    .map(({ model, title }) => `${model} ${title}`);
  assert.deepEqual(titles.sort(), [
    "trainAge cumulative score within 2 years",
    "years cumulative score within 5 years",
  ]);
  // Lists of runs have a name for all models: none of two limits.
  const stages = runs[0]!.stages.flatMap(({ dependencies = [] }) => dependencies);
  assert.equal((await app.metricNames!(stages)).cs, undefined);
  // A limit that a training monitors by is not that of its evaluation.
  const training = { use: "trainAge", params: { metrics: [{ use: "cs", within: 3 }] } };
  assert.equal((await app.metricNames!([training, stages.at(-1)!])).cs, "cs@2");
});

Deno.test("compare has the 1-off accuracy of ordered classes, and of others if it is named", async () => {
  const models = (skill: number) => ({
    bins: { skill, classes: ["0-2", "3-9", "10-19", "more than 70"] },
    colors: { skill, classes: ["black", "brown", "red"] },
  });
  const measured = async (metrics?: string[]) => {
    await using shop = await workshop(
      [0.6, 0.9].map((skill) => ({ models: models(skill), metrics })),
    );
    const { differences } = await compareRuns(shop.runs, shop.store);
    return differences.flatMap(({ model, metric }) => metric === "oneOff" ? [model] : []);
  };
  assert.deepEqual(await measured(), ["bins"]);
  assert.deepEqual(await measured(["oneOff"]), ["bins", "colors"]);
});

Deno.test("compare escapes what a user named, in Markdown and LaTeX", async () => {
  const run = (note: string): FakeRun => ({
    pipeline: "a|<b>_c",
    cautions: ["50 % of <i>*all*</i>."],
    models: { trainAge: { error: 20, params: { note } } },
  });
  await using shop = await workshop([run("<img src=x>"), run("`a` | [b](c)\n# d")]);
  const comparison = await compareRuns(shop.runs, shop.store);
  const markdown = formatComparison(comparison, "markdown");
  assert.match(markdown, /^All of these runs: 50 % of \\<i\\>\\\*all\\\*\\<\/i\\>\.\n/);
  assert.match(markdown, /\| a\\\|\\<b\\>\\_c \| 20/);
  assert.match(
    markdown,
    /\n\| trainAge\.note \| \\<img src=x\\> \| \\`a\\` \\\| \\\[b\\\]\(c\) \\# d \|\n/,
  );
  assert.match(formatComparison(comparison, "latex"), /^All of these runs: 50 \\% of \$<\$i\$>\$/);
});

Deno.test("compare begins with the cautions on the runs", async () => {
  const models = { trainAge: { error: 20 } };
  await using shop = await workshop([{ models, cautions: ["Drawn."] }, { models }]);
  const comparison = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(comparison.cautions, [`${shop.runs[0]!.id}: Drawn.`]);
  assert.ok(
    formatComparison(comparison, "text").startsWith(`${shop.runs[0]!.id}: Drawn.\n\n  run `),
  );
  assert.match(formatComparison(comparison, "markdown"), /^[0-9a-f]{8}: Drawn\.\n\n\| run /);
});

Deno.test("compare prints that a difference is not significant", async () => {
  await using shop = await workshop([
    { models: { trainAge: { error: 20 } } },
    { models: { trainAge: { error: 20 } } },
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(comparison.parameters, []);
  const [test] = comparison.tests;
  assert.deepEqual([test!.real, test!.better, test!.test], [false, undefined, "bootstrap"]);
  assert.ok(test!.interval.low < 0 && test!.interval.high > 0 && test!.wilcoxon! > 0.05);
  assert.match(
    formatComparison(comparison, "text"),
    /\n {2}no differences\n[^]*trainAge: no significant difference /,
  );
});

Deno.test("compare takes the mean over runs that differ in seeds alone", async () => {
  const run = (seed: number, error: number, rate: number): FakeRun => ({
    seed,
    models: { trainAge: { error, params: { learningRate: rate } } },
  });
  await using shop = await workshop([
    ...[run(1, 20, 0.1), run(2, 24, 0.1), run(3, 28, 0.1)],
    ...[run(1, 8, 0.2), run(2, 8, 0.2)],
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  const { groups, rows } = comparison.seeds!;
  const ids = shop.runs.map(({ id }) => id);
  assert.deepEqual(groups, [ids.slice(0, 3), ids.slice(3)]);
  const maes = shop.runs.map(({ metrics }) => metrics.trainAge!.test!.mae!);
  const mean = (maes[0]! + maes[1]! + maes[2]!) / 3;
  const squares = maes.slice(0, 3).reduce((sum, mae) => sum + (mae - mean) ** 2, 0);
  const [slow, fast] = rows.find(({ split, metric }) => split === "test" && metric === "mae")!
    .spreads;
  assert.ok(Math.abs(slow!.mean - mean) < 1e-12);
  assert.ok(Math.abs(slow!.deviation! - Math.sqrt(squares / 2)) < 1e-12);
  assert.equal(fast!.runs, 2);
  const markdown = formatComparison(comparison, "markdown");
  // Groups are named by what sets them apart.
  const head =
    "| mean ± standard deviation | trainAge.learningRate 0.1 | trainAge.learningRate 0.2 |";
  assert.ok(markdown.includes(`### Over seeds\n\n${head}\n`), markdown);
  assert.match(markdown, /\| runs \| 3 \| 2 \|\n/);
  assert.match(markdown, /\| trainAge test mae \| \d+\.\d+ ± \d+\.\d+ \| \d\.\d+ ± /);
  // What was done is not advised; each p is adjusted, each interval is not.
  assert.doesNotMatch(markdown, /sweep over seeds/);
  assert.match(
    markdown,
    /compare trained models, not settings: see the means over seeds\./,
  );
  const tests = markdown.match(/^- trainAge: .*((better|worse) than|between) .*$/gm)!;
  assert.equal(tests.length, 4);
  assert.ok(tests.every((one) => one.includes(", Holm-corrected (the interval is not); ")));
  const [first, second, , other] = shop.runs;
  const two = await compareRuns([first!, other!], shop.store);
  assert.equal(two.seeds, undefined);
  assert.match(formatComparison(two, "markdown"), /To compare settings, sweep over seeds\./);
  assert.doesNotMatch(formatComparison(two, "markdown"), /the interval is not/);
  const three = await compareRuns([first!, second!, other!], shop.store);
  assert.match(formatComparison(three, "markdown"), /To compare settings, sweep over seeds\./);
});

Deno.test("compare names groups of runs by a choice that they vary, without its options", async () => {
  const run = (seed: number, network: Record<string, unknown>): FakeRun => ({
    seed,
    models: { trainAge: { error: 20 + seed, params: { network } } },
  });
  const [plain, mobile] = [{ use: "plain", blocks: [8], dense: 1 }, { use: "mobile", blocks: 2 }];
  const head = async (...networks: Record<string, unknown>[]) => {
    await using shop = await workshop(networks.flatMap((one) => [run(1, one), run(2, one)]));
    const text = formatComparison(await compareRuns(shop.runs, shop.store), "markdown");
    return text.match(/mean ± standard deviation (.*)/)![1];
  };
  const name = "trainAge.network.use";
  assert.equal(await head(plain, mobile), `| ${name} plain | ${name} mobile |`);
  const [a, b] = [0, 1].map((last) => ({ use: "plain", blocks: [...Array(40).fill(8), last] }));
  assert.match((await head(a!, b!))!, /and 1 more \| .* and 1 more \|$/);
  // Options count where the choice is not all that differs.
  assert.match((await head(plain, mobile, { ...mobile, blocks: 3 }))!, /and 1 more \|$/);
});

Deno.test("compare tests settings of several seeds against each other, in place of models", async (t) => {
  const run = (
    seed: number,
    error: number,
    rate: number,
    more: Partial<FakeRun> = {},
  ): FakeRun => ({
    seed,
    models: { trainAge: { error, params: { rate } } },
    ...more,
  });
  const seeds = (error: number, rate: number, more?: (seed: number) => Partial<FakeRun>) =>
    [1, 2, 3].map((seed) => run(seed, error, rate, more?.(seed)));
  const lines = (text: string) => text.match(/^- trainAge.*$/gm) ?? [];
  await t.step("two of them", async () => {
    await using shop = await workshop([...seeds(20, 0.1), ...seeds(10, 0.2)]);
    const comparison = await compareRuns(shop.runs, shop.store);
    const [test, ...more] = comparison.settings!;
    const [slow, , , fast] = shop.runs.map(({ id }) => id);
    assert.deepEqual(more, []);
    assert.deepEqual([test!.a, test!.b, test!.better, test!.models], [slow, fast, fast, [3, 3]]);
    assert.deepEqual([test!.test, test!.pictures, test!.corrected], ["t", 200, test!.p]);
    const means = comparison.seeds!.rows.find(({ split, metric }) =>
      split === "test" && metric === "mae"
    )!.spreads.map((spread) => spread!.mean);
    assert.ok(Math.abs(test!.difference - (means[0]! - means[1]!)) < 1e-9);
    assert.equal(comparison.tests.length, 5);
    const markdown = formatComparison(comparison, "markdown");
    assert.equal(lines(markdown).length, 1);
    assert.match(
      markdown,
      new RegExp(
        "^- trainAge: trainAge\\.rate 0\\.1 \\(3 runs\\) is significantly worse than trainAge\\.rate " +
          "0\\.2 \\(3 runs\\): .* t test over seeds and images; p .*; 200 images$",
        "m",
      ),
    );
    assert.match(markdown, /\n- These tests compare settings: .*\n\n### Metrics\n/);
    assert.doesNotMatch(markdown, /sweep over seeds|see the means|### Not compared/);
    assert.doesNotMatch(lines(markdown).join(), /Holm/);
    assert.match(formatComparison(comparison, "latex"), /trainAge\.rate 0\.2 \(3 runs\)/);
    const { sentences, scope } = withText(comparison);
    assert.equal(sentences.length, 1);
    assert.match(scope!, /^These tests compare settings/);
  });
  await t.step("by further metrics, too", async () => {
    const metrics = () => ({ metrics: ["rmse"] });
    const two = [...seeds(20, 0.1, metrics), ...seeds(10, 0.2, metrics)];
    await using shop = await workshop(two);
    const notes: string[] = [];
    let total = 0;
    const comparison = await compareRuns(shop.runs, shop.store, {
      start: (n) => total = n,
      advance: (_, note) => notes.push(note!),
    });
    const { settings, differences, seeds: over } = comparison;
    assert.equal(notes.length, total);
    const [slow, , , fast] = shop.runs.map(({ id }) => id);
    const tested = differences.map(({ metric }) => metric);
    for (const name of ["medianError", "bias", "cs", "macroMae"]) {
      assert.ok(tested.includes(name), tested.join());
    }
    const rmse = differences.find(({ metric }) => metric === "rmse");
    assert.deepEqual([rmse!.a, rmse!.b, rmse!.better], [slow, fast, fast]);
    assert.deepEqual([rmse!.test, rmse!.models, settings!.length], ["t", [3, 3], 1]);
    assert.ok(rmse!.corrected >= rmse!.p && rmse!.interval.low > 0);
    const markdown = formatComparison(comparison, "markdown");
    assert.match(markdown, /\| trainAge RMSE \| \d.* to .* \| trainAge\.rate 0\.2 \|/);
    assert.match(
      markdown,
      /Difference: trainAge\.rate 0\.1 minus trainAge\.rate 0\.2, on the images/,
    );
    assert.match(markdown, /Settings by the t test over seeds and images/);
    assert.equal(withText(comparison).further!.rows.length, 1 + tested.length);
    assert.ok(over);
    // Of several settings, those that evaluate names alone.
    await using third = await workshop([...two, ...seeds(15, 0.3, metrics)]);
    const several = await compareRuns(third.runs, third.store);
    assert.deepEqual(several.differences.map(({ metric }) => metric), ["rmse", "rmse"]);
    assert.match(
      formatComparison(several, "markdown"),
      /\| trainAge RMSE \| trainAge\.rate 0\.\d, tr/,
    );
    const vary = (seed: number) => ({ testFrom: 100 * (seed - 1) });
    await using split = await workshop([...seeds(20, 0.1, vary), ...seeds(10, 0.2, vary)]);
    assert.deepEqual((await compareRuns(split.runs, split.store)).differences, []);
  });
  await t.step("and states where tests of their single models are", async () => {
    // Of gender the first setting has two models, all right or all wrong, one of them in two runs.
    const runs = [...seeds(20, 0.1), ...seeds(10, 0.2)].map((one, i): FakeRun => ({
      ...one,
      models: { ...one.models, trainGender: { skill: i > 2 ? 0.5 : Number(i === 0) } },
    }));
    await using shop = await workshop(runs);
    const { scope, sentences } = withText(await compareRuns(shop.runs, shop.store));
    assert.equal(sentences.filter((one) => one.startsWith("trainGender: ")).length, 4);
    assert.match(scope!, /\. Tests of single models of trainAge are in --json\./);
  });
  await t.step("the best against each other one, and none of fewer seeds", async () => {
    await using shop = await workshop([
      ...[...seeds(20, 0.1), ...seeds(10, 0.2), ...seeds(10, 0.3), run(1, 12, 0.4)],
    ]);
    const comparison = await compareRuns(shop.runs, shop.store);
    const tests = comparison.settings!;
    assert.equal(tests.length, 2);
    assert.equal(tests[0]!.a, tests[1]!.a);
    assert.ok(tests.every(({ p, corrected }) => corrected > p || p === 1));
    const markdown = formatComparison(comparison, "markdown");
    assert.equal(lines(markdown).filter((one) => one.includes("(the interval is not)")).length, 2);
    const few = "trainAge: settings of fewer than 3 seeds are not tested";
    assert.deepEqual(comparison.notes, [few]);
  });
  await t.step("on test sets that vary with the seed", async () => {
    const vary = (seed: number) => ({ testFrom: 100 * (seed - 1) });
    await using shop = await workshop([...seeds(20, 0.1, vary), ...seeds(10, 0.2, vary)]);
    const { settings, notes } = await compareRuns(shop.runs, shop.store);
    assert.deepEqual([settings![0]!.pictures, settings![0]!.real], [400, true]);
    assert.deepEqual(notes, []);
    const { sentences: [sentence] } = withText(await compareRuns(shop.runs, shop.store));
    assert.match(sentence!, /; paired t test of 3 splits; p .*; 400 images of all test sets$/);
    const other = (seed: number) => ({ testFrom: 50 + 100 * (seed - 1) });
    await using apart = await workshop([...seeds(20, 0.1, vary), ...seeds(10, 0.2, other)]);
    const without = await compareRuns(apart.runs, apart.store);
    assert.equal(without.settings, undefined);
    assert.match(without.notes.join(), /their seeds share no test set, and fewer than 3 of each/);
    const few = (seed: number) => ({ ...vary(seed), tested: 80, repeat: seed === 1 ? 4 : 16 });
    await using folds = await workshop([...seeds(20, 0.1, few), ...seeds(10, 0.2, few)]);
    const untested = await compareRuns(folds.runs, folds.store);
    assert.equal(untested.settings, undefined);
    assert.match(
      untested.notes.join(),
      /: 2 of 3 pairs of their seeds with the same test set have no test, as only 6 people are in both/,
    );
  });
  await t.step("by person where people repeat", async () => {
    const repeat = () => ({ repeat: 4 });
    await using shop = await workshop([...seeds(20, 0.1, repeat), ...seeds(19, 0.2, repeat)]);
    const comparison = await compareRuns(shop.runs, shop.store);
    assert.equal(comparison.settings![0]!.unit, "person");
    assert.match(formatComparison(comparison, "markdown"), /; 200 images, by person\n/);
  });
  await t.step("not models that differ in seeds alone, the same in all settings", async () => {
    const shared = (seed: number, rate: number) => ({
      testFrom: 100 * (seed - 1),
      models: { trainAge: { error: 20, params: { rate } }, trainGender: { skill: 1 } },
    });
    await using shop = await workshop(
      [0.1, 0.2].flatMap((rate) =>
        [1, 2, 3].map((seed): FakeRun => ({ seed, ...shared(seed, rate) }))
      ),
    );
    const { settings, tests, differences, notes } = await compareRuns(shop.runs, shop.store);
    assert.deepEqual(settings!.map(({ model }) => model), ["trainAge"]);
    assert.deepEqual([...tests, ...differences].filter(({ model }) => model !== "trainAge"), []);
    assert.deepEqual(notes, [
      "trainGender: its models differ in seeds or folds alone: see their mean and spread",
    ]);
  });
  await t.step("not those that share their models", async () => {
    const models = (rate: number) => ({
      models: { trainAge: { error: 0, params: { rate } }, trainGender: { skill: 0.5 + rate } },
    });
    await using shop = await workshop([
      ...seeds(0, 0.1, () => models(0.1)),
      ...seeds(0, 0.3, () => models(0.3)),
    ]);
    const { settings, notes } = await compareRuns(shop.runs, shop.store);
    assert.deepEqual(settings!.map(({ model, real }) => [model, real]), [["trainGender", true]]);
    assert.deepEqual(notes, []);
  });
});

Deno.test("compare pools the predictions of folds, whose test sets are disjoint", async () => {
  const fold = (testFrom: number): FakeRun => ({
    testFrom,
    seed: testFrom,
    models: { trainAge: { error: 10 }, trainGender: { skill: 0.8 } },
  });
  await using shop = await workshop([fold(0), fold(200)]);
  const comparison = await compareRuns(shop.runs, shop.store);
  const ids = shop.runs.map(({ id }) => id);
  const [age, gender] = comparison.pooled!;
  assert.deepEqual(comparison.notes, [
    `${ids[0]} and 1 more were each tested on other images: see their mean and spread`,
  ]);
  assert.ok(comparison.metrics.every(({ best }) => best === undefined), "no fold is the best");
  const [one, two] = shop.runs.map(({ metrics }) => metrics);
  assert.deepEqual([age!.model, age!.images, age!.runs], ["trainAge", 400, ids]);
  assert.ok(
    Math.abs(age!.value - (one!.trainAge!.test!.mae! + two!.trainAge!.test!.mae!) / 2) < 1e-9,
  );
  // The interval is narrower than that of a fold, by about the root of two.
  const [interval] = comparison.metrics.find(({ split, metric }) =>
    split === "test" && metric === "mae"
  )!.intervals!;
  const ratio = (interval!.high - interval!.low) / (age!.high - age!.low);
  assert.ok(ratio > 1.2 && ratio < 1.7, `${ratio}`);
  assert.equal(gender!.metric, "accuracy");
  assert.match(
    formatComparison(comparison, "markdown"),
    new RegExp(`trainAge: MAE \\S+ \\(95 % CI .* on the 400 test images of ${ids[0]} and 1 more`),
  );
  // Overlapping test sets are not pooled. A value is the best of about the same images alone.
  for (const [testFrom, starred] of [[150, false], [20, true]] as const) {
    await using other = await workshop([fold(0), fold(testFrom)]);
    const { pooled, metrics } = await compareRuns(other.runs, other.store);
    assert.equal(pooled, undefined);
    assert.equal(metrics.some(({ best }) => best !== undefined), starred, `${testFrom}`);
  }
});

Deno.test("compare pools folds that are parts of the data set, and other parts are settings", async () => {
  const fold = (part: string, testFrom: number, level: string): FakeRun => ({
    testFrom,
    models: { trainAge: { error: 10, params: { test: { part }, level: { part: level } } } },
  });
  const of = async (...levels: string[]) => {
    const runs = levels.map((level, i) => fold(`fold_${i}`, 200 * i, level));
    await using shop = await workshop(runs);
    return await compareRuns(shop.runs, shop.store);
  };
  const { pooled, seeds, notes, metrics } = await of("a", "a");
  assert.deepEqual([pooled!.length, pooled![0]!.images, seeds!.groups.length], [1, 400, 1]);
  assert.match(notes.join(), /were each tested on other images/);
  assert.ok(metrics.every(({ best }) => best === undefined));
  assert.equal((await of("a", "b")).pooled, undefined);
});

Deno.test("compare expects no common images of folds of two settings", async () => {
  const runs = [0.1, 0.2].flatMap((rate) =>
    [0, 200].map((testFrom): FakeRun => ({
      testFrom,
      seed: testFrom,
      models: { trainAge: { error: 100 * rate, params: { rate } } },
    }))
  );
  await using shop = await workshop(runs);
  const { tests, notes } = await compareRuns(shop.runs, shop.store);
  assert.equal(tests.length, 1); // on the fold of the best
  assert.deepEqual(notes.filter((note) => !/and 1 more were each/.test(note)), [
    "trainAge: settings of fewer than 3 seeds are not tested",
  ]);
});

Deno.test("compare marks the best of a plugin's metric, whose direction runs record", async () => {
  const models = { trainAge: { error: 5 } };
  await using shop = await workshop([{ models }, { models }]);
  const measured = async (...directions: RunRecord["better"][]) => {
    const runs = shop.runs.map((run, i): RunRecord => ({
      ...run,
      metrics: { trainAge: { test: { far: i } } },
      better: directions[i],
    }));
    const { metrics: [row] } = await compareRuns(runs, shop.store);
    return row!.best;
  };
  assert.equal(await measured({ far: "more" }, { far: "more" }), 1);
  assert.equal(await measured({ far: "less" }, { far: "less" }), 0);
  assert.equal(await measured({ far: "less" }, { far: "more" }), undefined);
  assert.equal(await measured(undefined, undefined), undefined); // runs of earlier versions
});

Deno.test("compare does not test equal models", async () => {
  // An error of nothing, whatever the luck.
  const trainAge = { error: 0 };
  await using shop = await workshop([
    { models: { trainAge, trainGender: { skill: 0.5 } } },
    { models: { trainAge, trainGender: { skill: 0.95 } } },
  ]);
  const { tests, metrics, notes } = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(tests.map(({ model }) => model), ["trainGender"]);
  assert.ok(metrics.every(({ model }) => model === "trainGender"));
  assert.deepEqual(notes, []);
});

Deno.test("compare tests what both were tested on, and people where they repeat", async (t) => {
  await using shop = await workshop([
    { models: { trainAge: { error: 10 } }, repeat: 4 },
    { models: { trainAge: { error: 40 } }, repeat: 4, testFrom: 150 },
    { models: { trainAge: { error: 10 } }, testFrom: 195 },
    { models: { trainAge: { skill: 0.9 } } },
  ]);
  const of = (...indices: number[]) => compareRuns(indices.map((i) => shop.runs[i]!), shop.store);
  await t.step("the images in both test sets", async () => {
    const { tests: [test] } = await of(0, 1);
    assert.deepEqual([test!.pictures, test!.unit, test!.real], [50, "person", true]);
    assert.equal(test!.wilcoxon, undefined);
    assert.equal(test!.better, shop.runs[0]!.id);
  });
  await t.step("which may be too few", async () => {
    const { tests, notes } = await of(0, 2);
    assert.deepEqual(tests, []);
    const [first, , third] = shop.runs;
    assert.deepEqual(notes, [
      `trainAge, ${first!.id} and ${
        third!.id
      }: only 5 images are in both test sets, too few for a test`,
    ]);
  });
  await t.step("or have different tasks", async () => {
    const { tests, notes } = await of(0, 3);
    assert.deepEqual([tests, notes], [[], ["trainAge: accuracy and years cannot be compared"]]);
  });
});

Deno.test("compare pairs models of one task with any names of stages", async () => {
  await using shop = await workshop([
    { pipeline: "gender", models: { trainGender: { skill: 0.7, params: { rate: 1, old: 1 } } } },
    {
      pipeline: "best",
      models: { best: { use: "trainResidual", skill: 0.95, params: { rate: 2, fresh: 1 } } },
    },
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(rows(comparison), {
    gender: ["trainGender", "trainResidual"],
    "gender.rate": [1, 2],
  });
  assert.equal(comparison.tests[0]!.better, shop.runs[1]!.id);
  assert.ok(comparison.metrics.every(({ model }) => model === "gender"));
});

Deno.test("of several runs the best is tested against each other one, with Holm's correction", async () => {
  await using shop = await workshop(
    [0.7, 0.9, 0.91, 0.6].map((skill) => ({ models: { trainGender: { skill } } })),
  );
  const { tests, metrics } = await compareRuns(shop.runs, shop.store);
  const { best } = metrics.find(({ split, metric }) => split === "test" && metric === "accuracy")!;
  assert.equal(tests.length, 3);
  assert.ok(tests.every(({ a }) => a === shop.runs[best!]!.id));
  assert.ok(tests.every(({ p, corrected }) => corrected! >= p));
  assert.deepEqual(tests.map(({ real }) => real).sort(), [false, true, true]);
});

Deno.test("compare corrects for all pairs of the runs that the best was chosen from", async () => {
  await using shop = await workshop(
    [0.7, 0.9, 0.91, 0.8].map((skill) => ({
      models: { trainGender: { skill } },
      metrics: ["balancedAccuracy"],
    })),
  );
  const { tests, differences } = await compareRuns(shop.runs, shop.store);
  const near = (found: readonly { corrected?: number }[], expected: readonly number[]) =>
    found.forEach(({ corrected }, i) => assert.ok(Math.abs(corrected! - expected[i]!) < 1e-12));
  // statsmodels 0.15.0: multipletests([*p, 1, 1, 1], method="holm")[1][:3], with p as they are here.
  near(tests, [1, 0.21779260961921063, 1.693210938817368e-05]);
  near(differences, [1, 0.15992003998000998, 6 * differences[2]!.p]);
  assert.ok(differences[2]!.p < 1e-3);
});

Deno.test("compare finds a plain difference among many runs, too", async () => {
  const errors = [2, ...Array.from({ length: 11 }, (_, i) => 20 + i)];
  await using shop = await workshop(errors.map((error) => ({ models: { trainAge: { error } } })));
  const { tests } = await compareRuns(shop.runs, shop.store);
  assert.ok(tests.length === 11 && tests.every(({ real, interval }) => real && interval.high < 0));
});

Deno.test("compare tests no two models on a few people", async () => {
  // Of 500 pairs of equal models, the bootstrap calls 49 % different on 2 people, 16 % on 5.
  const models = [0.7, 0.95].map((skill) => ({ trainGender: { skill } }));
  await using shop = await workshop(models.map((models) => ({ models, repeat: 30 })));
  const { tests, differences, notes } = await compareRuns(shop.runs, shop.store);
  assert.deepEqual([tests, differences], [[], []]);
  assert.match(notes[0]!, /: only 7 people are in both test sets, too few for a test$/);
});

Deno.test("compare marks no best value of tests on other data", async () => {
  const models = { trainAge: { error: 5 } };
  for (const [dataset, best] of [["wiki_crop", 0], ["theirs", undefined]] as const) {
    await using shop = await workshop([{ models }, {
      dataset,
      models: { trainAge: { error: 9 } },
    }]);
    const { metrics } = await compareRuns(shop.runs, shop.store);
    assert.equal(metrics.find(({ metric }) => metric === "mae")!.best, best, dataset);
  }
});

Deno.test("compare marks no best value of images whose labels differ", async () => {
  const models = { trainAge: { error: 5 } };
  await using shop = await workshop([
    { models, validation: true },
    { models: { trainAge: { error: 9 } }, older: 1, validation: true },
  ]);
  const { metrics, notes } = await compareRuns(shop.runs, shop.store);
  assert.match(notes.join(), /: their labels of the same images differ$/);
  const rows = metrics.filter(({ split }) => split !== "train");
  assert.deepEqual(rows.map(({ split, best }) => [split, best]), [
    ...[["test", undefined], ["validation", undefined]],
  ]);
});

Deno.test("compare names the way out where data sets have other names", async () => {
  const of = (rate: number, more: object) => ({
    models: { trainAge: { error: 5, params: { rate } } },
    ...more,
  });
  for (
    const [other, hint] of [[{ dataset: "theirs" }, true], [{ testFrom: 200 }, false]] as const
  ) {
    await using shop = await workshop([of(1, {}), of(2, other)]);
    const { notes } = await compareRuns(shop.runs, shop.store);
    assert.match(
      notes[0]!,
      hint ? /sets, wiki_crop or theirs\. If .* one name, as .* name: / : /sets$/,
    );
  }
});

Deno.test("compare marks no best value of validation on other sets", async () => {
  await using shop = await workshop([{ models: { trainAge: { error: 5 } } }, {
    models: { trainAge: { error: 9 } },
  }]);
  const bestOf = async (of: readonly RunRecord[], ...rows: string[]) => {
    const runs = of.map((run, i): RunRecord => ({
      ...run,
      metrics: { trainAge: { validation: { mae: i + 1 }, test: { mae: i + 2 } } },
      stages: run.stages.map((stage) => ({
        ...stage,
        ...(stage.use === "trainAge" && {
          dependencies: { ...stage.dependencies!, inputs: { splits: rows[i]! } },
        }),
      })),
    }));
    const { metrics } = await compareRuns(runs, shop.store);
    return Object.fromEntries(metrics.map(({ split, best }) => [split, best]));
  };
  const unjudged = shop.runs.map((run) => ({
    ...run,
    stages: run.stages.filter(({ use }) => use !== "evaluate"),
  }));
  assert.deepEqual(await bestOf(unjudged, "20 %", "20 %"), { validation: 0, test: 0 });
  assert.equal((await bestOf(unjudged, "20 %", "30 %")).validation, undefined);
});

Deno.test("compare marks the best of validation on one set, whatever the test sets are", async () => {
  await using shop = await workshop([0, 200].map((testFrom): FakeRun => ({
    testFrom,
    models: { trainAge: { error: 5, params: { rate: testFrom } } },
  })));
  const bestOf = async (...validation: string[]) => {
    const runs = await Promise.all(shop.runs.map(async (run, i): Promise<RunRecord> => {
      const dependencies = { use: "split", params: { test: i }, inputs: {}, external: {} };
      const key = { ...dependencies, modules: {}, packages: {} }, print = `${i}`.repeat(16);
      const files = { "validation.npy": { size: 1, sha256: validation[i]! } };
      const outputs = { splits: { kind: "splits", digest: `split ${i}`, files } };
      const record = { version: 1, id: "split", fingerprint: print, dependencies: key, outputs };
      const place = shop.store.pathOf("split", print);
      await Deno.mkdir(place, { recursive: true });
      await writeState(join(place, "record.json"), { ...record, ...OUTCOME });
      const split = { id: "split", use: "split", status: "ran" as const, why: "", seconds: 1 };
      return {
        ...run,
        metrics: { trainAge: { validation: { mae: i + 1 }, test: { mae: i + 2 } } },
        stages: [
          {
            ...split,
            outputs: { splits: "" },
            fingerprint: print,
            dependencies: key,
            after: ["resize32"],
          },
          ...run.stages.map((stage) => ({
            ...stage,
            ...(stage.use === "trainAge" && {
              dependencies: { ...stage.dependencies!, inputs: { splits: `split ${i}` } },
              after: ["split"],
            }),
          })),
        ],
      };
    }));
    const { metrics } = await compareRuns(runs, shop.store);
    return Object.fromEntries(metrics.map(({ split, best }) => [split, best]));
  };
  assert.deepEqual(await bestOf("one", "one"), { validation: 0, test: undefined });
  assert.deepEqual(await bestOf("one", "two"), { validation: undefined, test: undefined });
});

Deno.test("compare writes signs and relations that LaTeX prints", async () => {
  await using shop = await workshop([
    { models: { trainGender: { skill: 0.5 } } },
    { models: { trainGender: { skill: 0.95 } } },
  ]);
  const comparison = await compareRuns(shop.runs, shop.store);
  const [row] = comparison.metrics;
  const negative = { ...comparison, metrics: [{ ...row!, values: [-3.39, 1] }] };
  const latex = formatComparison(negative, "latex");
  assert.match(latex, /p \$<\$ 0\.001/);
  assert.match(latex, / & \$-\$3\.39/);
  assert.doesNotMatch(latex, /[^$][<>|]/);
});

Deno.test("compare works without removed predictions, with a note", async () => {
  await using shop = await workshop([
    { models: { trainGender: { skill: 0.6 } } },
    { models: { trainGender: { skill: 0.9 } } },
  ]);
  await Deno.remove(join(shop.artifacts, "evaluate"), { recursive: true });
  const { tests, notes, metrics } = await compareRuns(shop.runs, shop.store);
  assert.deepEqual(tests, []);
  assert.equal(metrics.find(({ split }) => split === "test")!.best, 1);
  assert.match(
    notes[0]!,
    /^the predictions of run [0-9a-f]{8} were removed; run faces with the same settings again/,
  );
});

Deno.test("compare refuses changed results, with the way out", async () => {
  const models = { trainGender: { skill: 0.6 } };
  for (
    const file of [
      ...["evaluate/report/metrics.json", "evaluate/report/predictions.parquet"],
      "resize32/dataset/table.parquet",
    ]
  ) {
    await using shop = await workshop([{ models }, { models }]);
    const [use, output, name] = file.split("/");
    const { fingerprint } = shop.runs[1]!.stages.find((stage) => stage.use === use)!;
    const path = join(shop.store.pathOf(use!, fingerprint!), output!, name!);
    for (const damage of [flipLast, cut]) {
      await Deno.writeFile(path, damage(await Deno.readFile(path)));
      await assert.rejects(
        compareRuns(shop.runs, shop.store),
        /^RunError: Cannot use ".*": (it is not as it was written|.* has another size)\. Run deno task verify/,
        file,
      );
    }
  }

  function flipLast(bytes: Uint8Array<ArrayBuffer>) {
    bytes[bytes.length - 1] ^= 1;
    return bytes;
  }

  function cut(bytes: Uint8Array<ArrayBuffer>) {
    return bytes.slice(0, bytes.length / 2);
  }
});

Deno.test("compare's command line", async () => {
  await using shop = await workshop([
    { pipeline: "one", models: { trainGender: { skill: 0.6 } } },
    { pipeline: "two", models: { trainGender: { skill: 0.9 } } },
  ]);
  const compare = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", "--allow-sys"],
        ...["main.ts", "compare", "--artifacts", shop.artifacts, ...args],
      ],
      cwd: root,
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out!, err: err! };
  };
  const [one] = shop.runs;
  const cases: [string[], RegExp][] = [
    [[], /^error: missing RUN: deno task compare RUN RUN, or --last 2; deno task runs lists them/],
    [["one"], /^error: expected at least two runs, got only [0-9a-f]{8}\n$/],
    [["one", one!.id], /^error: one and [0-9a-f]{8} name run [0-9a-f]{8} \(one\) twice\n$/],
    [["one", "tow"], /^error: there is no run "tow"\. Did you mean "two"\?/],
    [["--last", "x"], /^error: --last x: expected a whole number, at least 1\n$/],
    [["one", "two", "--json", "--markdown"], /^error: --json and --markdown exclude each other\n/],
    [["one", "two", "--latex", "--json"], /^error: --json and --latex exclude each other\n/],
  ];
  const json = await compare("one", "two", "--json");
  assert.deepEqual([json.code, json.err], [0, ""]);
  const { ok, runs, tests } = JSON.parse(json.out);
  assert.deepEqual([ok, runs.length, tests.length], [true, 2, 1]);
  assert.equal(
    canonicalJson(JSON.parse((await compare("--last", "2", "--json")).out)),
    canonicalJson(JSON.parse(json.out)),
  );
  for (const [args, message] of cases) {
    const { code, err } = await compare(...args);
    assert.match(err, message);
    assert.equal(code, 2);
  }
});

Deno.test("compare logs that a pipeline's newest run is one of several seeds, and the way to take all", async () => {
  const run = (pipeline: string, seed: number, dropout: number): FakeRun => ({
    pipeline,
    seed,
    models: { trainGender: { skill: 0.8, params: { dropout } } },
  });
  await using shop = await workshop([
    ...[run("one", 1, 0.1), run("one", 1, 0.2), run("one", 2, 0.2), run("one", 2, 0.2)],
    ...[run("two", 1, 0.3), run("two", 2, 0.3), run("three", 1, 0.5)],
  ]);
  const [, first, , again, second, third, last] = shop.runs.map(({ id }) => id);
  const logOf = async (...names: string[]) => {
    const args = ["compare", "--artifacts", shop.artifacts, ...names];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", "--allow-sys"],
        ...["main.ts", ...args],
      ],
      cwd: root,
    }).output();
    assert.equal(code, 0);
    return new TextDecoder().decode(stderr);
  };
  const [both, named] = await Promise.all([logOf("one", "two", "three"), logOf(again!, third!)]);
  assert.equal(
    both,
    "only the newest is taken of runs that differ in seeds alone, 2 of one and 2 of two. " +
      `Compare all: deno task compare ${[first, again, second, third, last].join(" ")}\n`,
  );
  assert.equal(named, "");
});

Deno.test("compare takes together what differs in seeds alone, whatever other runs have", async (t) => {
  const run = (seed: number, denseL2: number, use = "trainAge"): FakeRun => ({
    seed,
    models: { age: { use, error: 20 + seed + denseL2, params: { denseL2 } } },
  });
  await t.step("not what differs in a parameter that a third run lacks", async () => {
    await using shop = await workshop([run(1, 0.1), run(1, 0.9), {
      models: { age: { use: "other", error: 9, params: { width: 3 } } },
    }]);
    const comparison = await compareRuns(shop.runs, shop.store);
    assert.equal(comparison.seeds, undefined);
    assert.deepEqual(rows(comparison)["age.denseL2"], [0.1, 0.9, undefined]);
  });
  await t.step("a result that two runs took counts once", async () => {
    await using shop = await workshop([run(1, 0.1), run(2, 0.1)]);
    const [first, second] = shop.runs as [RunRecord, RunRecord];
    const again = { ...first, id: "00000000" };
    assert.equal((await compareRuns([first, again], shop.store)).seeds, undefined);
    const { seeds } = await compareRuns([first, again, second], shop.store);
    assert.deepEqual(seeds!.groups.map(({ length }) => length), [3]);
    assert.ok(seeds!.rows.every(({ spreads: [spread] }) => spread!.runs === 2));
  });
  await t.step("a different code is no seed", async () => {
    await using shop = await workshop([run(1, 0.1), run(2, 0.1)]);
    const [first, second] = shop.runs as [RunRecord, RunRecord];
    const stages = second.stages.map((stage) => ({
      ...stage,
      dependencies: { ...stage.dependencies!, modules: { "plugins/age.ts": "1" } },
    }));
    assert.equal((await compareRuns([first, { ...second, stages }], shop.store)).seeds, undefined);
  });
});

Deno.test("summarise() has no noise of the last digits, and no deviation of one result", () => {
  const spreadOf = (...measured: number[]) => {
    const runs = measured.map((mae, seed) => ({
      values: { seed },
      metrics: { a: { test: { mae } } },
    }));
    return summarise(runs)[0]!.metrics[0]!;
  };
  assert.equal(spreadOf(0.1 + 0.2, 0.3, 0.3).deviation, 0);
  assert.equal("deviation" in spreadOf(3), false);
  assert.ok(Math.abs(spreadOf(1, 1.001).deviation! - 0.0007071) < 1e-6);
});

Deno.test("compare stars no value that measures something else", async () => {
  await using shop = await workshop([
    { models: { age: { use: "trainAge", skill: 0.9 } } },
    { models: { age: { use: "trainAge", error: 9 } } },
    { models: { age: { use: "trainAge", error: 7, params: { loss: "huber" } } } },
    { models: { age: { use: "trainAge", error: 8 } } },
  ]);
  const loss = (run: RunRecord, value: number): RunRecord => ({
    ...run,
    metrics: { age: { test: { ...run.metrics.age!.test, loss: value } } },
  });
  const [classes, years, huber, more] = shop.runs.map(loss) as [RunRecord, ...RunRecord[]];
  const starred = async (...runs: RunRecord[]) => {
    const { metrics } = await compareRuns(runs, shop.store);
    return Object.fromEntries(metrics.map(({ metric, best }) => [metric, best]));
  };
  assert.equal((await starred(classes, years!)).loss, undefined);
  assert.deepEqual(await starred(years!, huber!), { loss: undefined, mae: 1 });
  assert.deepEqual(await starred(years!, more!), { loss: 0, mae: 1 });
});

Deno.test("compare takes the newest run of a pipeline that has metrics, and fits a terminal", async () => {
  const models = { trainGender: { skill: 0.8 } };
  await using shop = await workshop([
    { pipeline: "one", models },
    { pipeline: "one", models },
    { pipeline: "two", models },
  ]);
  const [, second, third] = shop.runs as [RunRecord, RunRecord, RunRecord];
  const failed = { ...second, id: "ffffffff", ok: false, at: "2999-01-01T00:00:00.000Z" };
  const all = [...shop.runs, failed];
  const has = ({ ok }: RunRecord) => ok;
  assert.equal(findRun("one", all, { has }).id, second.id);
  assert.equal(findRun(failed.id, all, { has }).id, failed.id);
  assert.throws(
    () => findRun("one", [failed], { has, what: "has metrics" }),
    /no run of the pipeline "one" has metrics; the last, ffffffff, failed\. Run it: deno task run one/,
  );
  const runs = [
    ...shop.runs,
    ...shop.runs.map((run, i) => ({ ...run, id: `0000000${i}`, seed: i })),
  ];
  const comparison = await compareRuns(runs, shop.store);
  for (const room of [80, 120]) {
    const lines = formatComparison(comparison, "text", room).split("\n");
    assert.ok(lines.every((line) => line.length <= room), lines.join("\n"));
  }
  assert.match(formatComparison(comparison, "text", 80), new RegExp(third.id));
});
