/** Grids of runs: shared results, reports, and runs that fail or are killed. */
import assert from "node:assert/strict";
import { ArtifactStore } from "../../../../packages/pipeline/artifact_store.ts";
import { formatMetrics } from "../../../../packages/pipeline/format.ts";
import type { Metrics } from "../../../../packages/pipeline/stage.ts";
import { History } from "../../../../packages/pipeline/history.ts";
import {
  bestPoints,
  drawTrials,
  type SweptPipeline,
} from "../../../../packages/pipeline/sweep/search.ts";
import { summarise, summaryLines } from "../../../../packages/pipeline/sweep_summary.ts";
import { ended, Project, reading, stageUrl } from "../toy/project.ts";

const GRID = `sweep: { few.max: [3, 4], seed: [1, 2, 3] }
stages:
  count: { to: 6 }
  few: { use: clamp, inputs: { numbers: count } }
  draw:
  sum: { inputs: { numbers: few } }
  luck: { use: sum, inputs: { numbers: draw } }
  compare:
`;

interface Stage {
  id: string;
  status: string;
}

/** Returns a pipeline without a sweep in its YAML, whose stages these are. */
function sweptOnCommandLine(
  stagesOf: (point: Record<string, unknown>) => Awaited<ReturnType<SweptPipeline["stagesOf"]>> =
    () => new Map(),
): () => Promise<SweptPipeline> {
  const stages: SweptPipeline["stagesOf"] = (point) => Promise.resolve(stagesOf(point));
  const rest = { axes: [], points: [], respelled: (point: object) => ({ ...point }) };
  return () => Promise.resolve({ identity: "search.yaml", ...rest, stagesOf: stages });
}

/** Stage → how often it ran. */
function ran(runs: { stages: Stage[] }[]): Record<string, number> {
  const all = runs.flatMap(({ stages }) => stages).filter(({ status }) => status === "ran");
  const groups = Map.groupBy(all, ({ id }) => id);
  return Object.fromEntries([...groups].map(([id, { length }]) => [id, length]));
}

Deno.test("a sweep runs every combination, and each result once", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": GRID });
  await t.step("a dry run logs what would run", async () => {
    const { code, out } = await project.here("run", "pipeline", "--dry-run");
    assert.equal(code, 0);
    const lines = out.split("\n");
    assert.equal(lines[0], "6 runs: few.max 3, 4 × seed 1, 2, 3");
    assert.equal(lines[1], "  once: count runs: it has not run yet");
    assert.match(lines[2]!, /^> few\.max=3 seed=1: draw runs: it has not run yet; then few, sum, /);
    assert.match(
      lines[6]!,
      /^> few\.max=4 seed=2: then compare; few, draw, sum and luck of an ear/,
    );
    assert.deepEqual(await project.files(), [".cache/modules.json"]);
  });
  const { code, out, err } = await project.here("run", "pipeline", "--jobs", "3", "--json");
  assert.equal(code, 0, err);
  const report = JSON.parse(out);
  await t.step("reports each run with its values", () => {
    assert.deepEqual([report.pipeline, report.ok, report.metrics], ["pipeline", true, {}]);
    assert.deepEqual(report.stages.map(({ id, status }: Stage) => [id, status]), [[
      "count",
      "ran",
    ]]);
    assert.deepEqual(
      report.runs.map(({ values }: { values: unknown }) => values),
      [3, 4].flatMap((max) => [1, 2, 3].map((seed) => ({ "few.max": max, seed }))),
    );
    assert.deepEqual(ran(report.runs), { few: 2, draw: 3, sum: 2, luck: 3, compare: 6 });
    assert.deepEqual(report.runs[4].metrics, {
      luck: { test: { loss: 4 } },
      sum: { test: { loss: 18 } },
    });
  });
  await t.step("over seeds, the mean and the spread", () => {
    assert.deepEqual(
      report.summary.map(({ values, runs }: Record<string, unknown>) => [values, runs]),
      [
        [{ "few.max": 3 }, 3],
        [{ "few.max": 4 }, 3],
      ],
    );
    const [luck, sum] = report.summary[1].metrics;
    const name = { split: "test", metric: "loss", runs: 3 };
    assert.deepEqual(luck, { stage: "luck", ...name, mean: 4, deviation: 2, least: 2, most: 6 });
    // One result, which all three took.
    const once = { stage: "sum", ...name, runs: 1 };
    assert.deepEqual(sum, { ...once, mean: 18, least: 18, most: 18 });
    assert.match(
      err,
      /\n4 {8}3 {5}4\.00 ± 2\.00 {5}18\.0\nmean ± standard deviation over s/,
    );
    assert.match(
      err,
      /\n✓ \d\/6 {2}few\.max=4 seed=3 .* test: luck loss 6\.00, sum loss 18\.0 {2}run [0-9a-f]{8}\n/,
    );
    assert.match(err, /\ndone in .*: 6 runs done\n$/);
  });
  await t.step("is listed run by run, once", async () => {
    const again = await project.here("run", "pipeline", "--json");
    assert.deepEqual(ran(JSON.parse(again.out).runs), {});
    const { runs } = JSON.parse((await project.here("runs", "--json")).out);
    assert.equal(runs.length, 6);
    assert.deepEqual(
      runs.map(({ id }: { id: string }) => id).sort(),
      JSON.parse(again.out).runs.map(({ run }: { run: string }) => run).sort(),
    );
    // Stages that share their code have their results in a folder of its name.
    const { out } = await project.here("runs", runs[0].id);
    assert.match(out, /\n\nstage +result\n.*\nluck +\S*artifacts\/sum\/[0-9a-f]{16}\/\w+\n/s);
    assert.match(
      (await project.here("runs")).out,
      / few\.max=4 seed=2 {2}test: luck loss\n *4\.00, sum/,
    );
    // 1 count, 2 few, 3 draw, 2 sum, 3 luck, 6 compare.
    assert.match((await project.here("verify", "pipeline")).out, /✓ 17 results/);
    assert.match((await project.here("verify", runs[0].id)).out, /✓ 6 results/);
  });
  await t.step("can be taken in parts", async () => {
    const { out, code } = await project.here("run", "pipeline", "--point", "6", "--json");
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out).metrics.luck.test, { loss: 6 });
    const { err } = await project.here("run", "pipeline", "--point", "7");
    assert.match(err, /^error: --point 7: there are 6 combinations\n$/);
  });
});

Deno.test("the command line varies, replaces and fixes", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": GRID });
  const first = async (...args: string[]) => {
    const { out, err, code } = await project.here("run", "pipeline", "--dry-run", ...args);
    assert.equal(code, 0, err);
    return out.split("\n")[0];
  };
  await t.step(
    "a key of the YAML",
    async () =>
      assert.equal(
        await first("--sweep", "seed=5,6"),
        "4 runs: few.max 3, 4 × seed 5, 6",
      ),
  );
  await t.step("another key", async () =>
    assert.equal(
      await first("--sweep", "count.to=7", "--seed", "2"),
      "2 runs: few.max 3, 4 × count.to 7",
    ));
  await t.step(
    "all of them, so that one run is left",
    async () => assert.match((await first("--seed=2", "--set=few.max=9"))!, /^> count/),
  );
});

Deno.test("steps end at the last one within the range", () => {
  const drawn = (from: number, to: number, step: number) => {
    const range = { from, to, step, scale: "linear" as const };
    const rows = drawTrials([{ key: "a.b", values: [], range, at: { text: "" } }], 20, 1);
    return rows.map(([one]) => one!.value).sort();
  };
  assert.deepEqual(drawn(1, 9, 5), [1, 6]);
  assert.deepEqual(drawn(0.1, 0.4, 0.1), [0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(drawn(0.1, 0.5, 0.9), [0.1]);
});

Deno.test("the ends of a range of steps are drawn as often as other values", () => {
  const range = { from: 1, to: 4, step: 1, scale: "linear" as const };
  const counts = [0, 0, 0, 0];
  for (let seed = 0; seed < 800; seed++) {
    const [[one]] = drawTrials([{ key: "a.b", values: [], range, at: { text: "" } }], 1, seed);
    counts[Number(one!.value) - 1]!++;
  }
  for (const count of counts) assert.ok(count > 160 && count < 240, `${counts}`);
});

Deno.test("a search draws from ranges, and a second sweep takes its best points", async (t) => {
  const axes = (max: string) =>
    `trials: 3, count.to: { from: 1, to: 900, scale: log, step: 1 }, few.max: ${max}, seed: [1, 2]`;
  const stages = "stages: { count: , few: { use: clamp, inputs: { numbers: count } }, " +
    "sum: { inputs: { numbers: few } }, judge: }\n";
  await using project = await Project.make({
    "search.yaml": `sweep: { ${axes("{ from: 1, to: 9, step: 2 }")} }\n${stages}`,
    "longer.yaml": "extends: search.yaml\n" +
      "sweep: { best: { of: search, by: sum.loss, share: 0.5 } }\n" +
      "stages: { sum: { double: true } }\n",
  });
  interface Run {
    values: Record<string, number>;
    metrics: { sum: { validation: { loss: number } } };
  }
  const run = async (...args: string[]) => {
    const { code, out, err } = await project.here("run", ...args, "--json");
    assert.equal(code, 0, err);
    return JSON.parse(out).runs as Run[];
  };
  const points = (runs: Run[]) => runs.map(({ values }) => values);
  const runs = await run("search", "--jobs=2");
  await t.step("each drawn combination with each seed", () => {
    assert.deepEqual(runs.map(({ values }) => values.seed), [1, 2, 1, 2, 1, 2]);
    const drawn = points(runs).filter(({ seed }) => seed === 1);
    assert.equal(new Set(drawn.map((values) => JSON.stringify(values))).size, 3);
    for (const { "count.to": to, "few.max": max } of drawn) {
      assert.ok(Number.isInteger(to) && to! >= 1 && to! <= 900, `${to}`);
      assert.ok([1, 3, 5, 7, 9].includes(max!), `${max}`);
    }
  });
  await t.step("the same each time, and the first of a longer search", async () => {
    const more = await run("search", "--sweep", "trials=4", "--dry-run");
    assert.deepEqual(points(more).slice(0, 6), points(runs));
    const other = await run("search", "--seed=7", "--dry-run");
    assert.notDeepEqual(points(other)[0], points(runs)[0]);
    const { out } = await project.here("run", "search", "--dry-run");
    assert.match(out, /^6 runs: count\.to [\d, ]+; few\.max [\d, ]+; seed 1, 2\n/);
  });
  await t.step("the best half, again over the seeds of the YAML", async () => {
    const better = runs.filter(({ values }) => values.seed === 1)
      .toSorted((a, b) => a.metrics.sum.validation.loss - b.metrics.sum.validation.loss).slice(
        0,
        2,
      );
    assert.deepEqual(
      points(await run("longer", "--dry-run")),
      better.flatMap(({ values: { seed: _, ...values } }) =>
        [1, 2].map((seed) => ({ ...values, seed }))
      ),
    );
    // What the command line gives takes the place of theirs.
    for (const option of ["--set", "--sweep"]) {
      const given = points(
        await run("longer", option, "count.to=5", "--sweep=seed=3", "--dry-run"),
      );
      const maxima = new Set(better.map(({ values }) => values["few.max"]));
      assert.deepEqual(given.map((values) => values["few.max"]), [...maxima]);
      const to = option === "--sweep" ? 5 : undefined;
      assert.ok(given.every((values) => values["count.to"] === to && values.seed === 3));
    }
    const { code, err } = await project.here(
      "run",
      "longer",
      "--sweep",
      "best={of: search, by: sum.los}",
    );
    assert.deepEqual([code, /has sum\.los on validation\. They have sum\.loss/.test(err)], [
      2,
      true,
    ]);
    const other = await project.here("run", "longer", "--sweep", "best={of: search, by: smu.loss}");
    assert.match(other.err, /has smu\.loss on validation\. They have sum\.loss/);
  });
});

Deno.test("sweep.best takes no points from before an edit of the pipeline", async () => {
  const search = (max: number) =>
    "sweep: { count.to: [3, 9], seed: [1, 2] }\n" +
    `stages: { count: , few: { use: clamp, inputs: { numbers: count }, max: ${max} }, ` +
    "sum: { inputs: { numbers: few } }, judge: }\n";
  await using project = await Project.make({
    "search.yaml": search(2),
    "longer.yaml": "extends: search.yaml\nsweep: { best: { of: search, by: sum.loss } }\n",
  });
  const plan = async () => {
    const { code, out, err } = await project.here("run", "longer", "--dry-run", "--json");
    assert.equal(code, 0, err);
    const { runs } = JSON.parse(out) as { runs: { values: Record<string, number> }[] };
    return { err, values: runs.map(({ values }) => values["count.to"]) };
  };
  await project.here("run", "search");
  const { err, values } = await plan();
  assert.ok(!err.includes("leaves out") && values.length > 0);
  // Only one of both is run again, with another limit: the other one is not its equal.
  await project.write({ "search.yaml": search(8).replace("[3, 9]", "[3]") });
  await project.here("run", "search");
  const after = await plan();
  assert.match(
    after.err,
    /sweep\.best leaves out 4 runs of "search" that its YAML, as it is now, does not make: few\.max changed/,
  );
  assert.deepEqual([...new Set(after.values)], [3]);
});

Deno.test("sweep.best takes runs of a pipeline that needs what the command line varies", async () => {
  const stages = "stages: { readFile: , sum: { inputs: { numbers: readFile } }, judge: }\n";
  await using project = await Project.make({
    "search.yaml": stages,
    "longer.yaml":
      "extends: search.yaml\nsweep: { best: { of: search, by: sum.loss, share: 0.5 } }\n" +
      "stages: { readFile: { file: a.txt } }\n",
    "a.txt": "2\n",
    "b.txt": "8\n",
  });
  // One after the other: the files are no two states of one.
  const varied = ["--sweep", "readFile.file=a.txt,b.txt", "--jobs", "1"];
  const swept = await project.here("run", "search", ...varied);
  assert.equal(swept.code, 0, swept.err);
  const { code, out, err } = await project.here("run", "longer", "--dry-run", "--json");
  assert.equal(code, 0, err);
  const { runs: [{ values }] } = JSON.parse(out);
  assert.match(values["readFile.file"], /a\.txt$/);
});

Deno.test("sweep.best judges runs by the YAML as it is now, not by the newest run", async (t) => {
  const search = (max: number, more = "") =>
    `sweep: { count.to: [3, 9] }\nstages: { count: { ${more} }, few: { use: clamp, ` +
    `inputs: { numbers: count }, max: ${max} }, sum: { inputs: { numbers: few } }, judge: }\n`;
  const best = "sweep: { best: { of: search, by: sum.loss, share: 0.5 } }\n";
  await using project = await Project.make({
    "search.yaml": search(2),
    "longer.yaml": `extends: search.yaml\n${best}`,
  });
  const plan = async () => {
    const { code, out, err } = await project.here("run", "longer", "--dry-run", "--json");
    const { runs = [] } = code === 0 ? JSON.parse(out) : {};
    return { err, code, values: runs.map((run: { values: unknown }) => run.values) };
  };
  assert.equal((await project.here("run", "search")).code, 0);
  const first = (await plan()).values;
  await t.step("an edit without a run of it is an error", async () => {
    await project.write({ "search.yaml": search(8) });
    const { err, code } = await plan();
    assert.equal(code, 2);
    assert.match(
      err,
      /longer\.yaml:2:16: sweep\.best: no run of "search" is as its YAML is now: few\.max changed from 2 to 8\. Run it again, or undo its edit: deno task run search\n/,
    );
  });
  await t.step("an incomplete search counts what is missing", async () => {
    await project.here("run", "search", "--point", "2");
    const { err, values } = await plan();
    assert.match(
      err,
      /leaves out 2 runs of "search" that its YAML, as it is now, does not make: few\.max chang/,
    );
    assert.match(err, /only 1 of 2 runs of "search" are done, .* first: deno task run search\n/);
    assert.deepEqual(values, [{ "count.to": 9 }]);
  });
  await t.step("an edit that is undone brings its runs back", async () => {
    await project.write({ "search.yaml": search(2) });
    await project.here("run", "search");
    const { err, values } = await plan();
    assert.match(
      err,
      /leaves out 1 run of "search" that its YAML, as it is now, does not make: few\.max changed from 8 to 2\n/,
    );
    assert.ok(!err.includes("only"), err);
    assert.deepEqual(values, first);
  });
  await t.step("values that the YAML no longer tries are left out", async () => {
    await project.write({ "search.yaml": search(2).replace("[3, 9]", "[9]") });
    const { err, values } = await plan();
    assert.match(
      err,
      /leaves out 2 runs .*: its values of count\.to changed and few\.max changed from 8 to 2\n/,
    );
    assert.deepEqual(values, [{ "count.to": 9 }]);
  });
  await t.step("a sweep of the command line counts, but of --set", async () => {
    await project.write({ "search.yaml": search(2).replace(/^sweep.*\n/, "") });
    await project.here("run", "search", "--sweep", "count.to=2,4", "--set", "few.max=1");
    const { err, values } = await plan();
    assert.match(
      err,
      /leaves out 3 runs .*: few\.max changed from 8 to 2 and few\.max changed from 1/,
    );
    assert.deepEqual(values, first);
  });
  await t.step("a value that is new to a stage counts, of a later stage it does not", async () => {
    await project.write({ "search.yaml": `seed: 7\n${search(2)}`.replace("judge:", "compare:") });
    assert.deepEqual((await plan()).values, first);
  });
  await t.step("without its YAML, runs cannot be judged", async () => {
    await project.write({ "longer.yaml": search(2).replace(/^sweep.*\n/, best) });
    await Deno.remove(project.path("search.yaml"));
    assert.match(
      (await plan()).err,
      /^error: longer\.yaml:1:16: search: there is no such pipeline/,
    );
  });
});

Deno.test("sweep.best counts runs whose keys are respelled, or whose range is widened", async (t) => {
  const url = (path: string) => new URL(path, import.meta.url).href;
  const write = `import { z } from "npm:zod@4.6.7";
import { withAliases } from "${url("../../../../packages/pipeline/define.ts")}";
import { defineStage } from "${stageUrl}";
import { numbers } from "${url("../toy/stages.ts")}";
const number = z.number().optional();
export default defineStage({
  name: "write", summary: "Write a number", inputs: {}, outputs: { numbers },
  params: withAliases(
    z.strictObject({ number, of: z.strictObject({ number }).optional() }), { number: "of.number" },
  ),
  async run(_, { number }, { outputs }) {
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", String(number));
  },
});
`;
  const search = (sweep: string) =>
    `sweep: { ${sweep} }\nplugins: [write.ts]\nstages: { write: , sum: , judge: }\n`;
  await using project = await Project.make({
    "write.ts": write,
    "longer.yaml": "extends: search.yaml\n" +
      "sweep: { best: { of: search, by: sum.loss, share: 0.5 } }\n",
  });
  const best = async (sweep: string) => {
    await project.write({ "search.yaml": search(sweep) });
    const { code, out, err } = await project.here("run", "longer", "--dry-run", "--json");
    assert.equal(code, 0, err);
    const runs = JSON.parse(out).runs as { values: Record<string, number> }[];
    return { err, values: runs.map(({ values }) => values) };
  };
  const run = async (sweep: string) => {
    await project.write({ "search.yaml": search(sweep) });
    const { code, err } = await project.here("run", "search");
    assert.equal(code, 0, err);
  };
  await run("write.of.number: [3, 9]");
  for (const key of ["write.of.number", "stages.write.of.number", "write.number"]) {
    await t.step(key, async () => {
      const { err, values } = await best(`${key}: [3, 9]`);
      assert.ok(!err.includes("sweep.best"), err);
      assert.deepEqual(values.map((one) => Object.keys(one)), [[key]]);
    });
  }
  await t.step("a list of more values has some to make", async () => {
    const { err } = await best("write.number: [3, 9, 27]");
    assert.match(err, /only 2 of 3 runs of "search" are done/);
  });
  await t.step("a range", async () => {
    const range = (to: number, trials = 3) =>
      `trials: ${trials}, write.number: { from: 100, to: ${to}, step: 1 }, seed: [1, 2]`;
    await run(range(120));
    const { err } = await best(range(150));
    assert.ok(!err.includes("only"), err);
    assert.match((await best(range(150, 4))).err, /only 6 of 8 runs of "search" are done/);
    const { err: seeds } = await best(range(150).replace("[1, 2]", "[2, 3]"));
    assert.match(seeds, /only 3 of 6 runs of "search" are done/);
  });
});

Deno.test("a sweep is validated like everything", async () => {
  await using project = await Project.make({ "experiments/search1.yaml": "stages: { count: }" });
  const cases: [string, string[], string][] = [
    ["sweep: { cuont.to: [1] }", [], 'pipeline.yaml:1:10: pipeline.yaml has no stage "cuont". Did'],
    ["sweep: { count.tp: [1] }", [], 'pipeline.yaml:1:10: count has no "tp". Did you mean "to"?'],
    [
      "sweep: { count.to: [1, 0] }",
      [],
      "pipeline.yaml:1:24: count.to: expected at least 1, got 0.",
    ],
    [
      "sweep: { count.to: 3 }",
      [],
      "pipeline.yaml:1:20: sweep.count.to: expected a list or { from, to, scale, step }, got 3",
    ],
    ["sweep: { count.to: [] }", [], "sweep.count.to: expected at least 1 item, got []."],
    ["sweep: { remote.url: [a, b] }", [], "1:10: remote.url is the same for all runs of a sweep"],
    [
      "",
      ["--set", "few.max=1", "--set=stages.few.max=2"],
      "=2: stages.few.max is there twice; keep one",
    ],
    ["", ["--set=seed=1", "--seed=2"], "error: --seed 2: seed is there twice; keep one"],
    ["", ["--seed=1", "--seed=2"], "error: --seed is there twice; keep one"],
    ["sweep: { count.to: { from: 1, to: 5 } }", [], "1:10: count.to: a range needs the number of"],
    [
      "sweep: { trials: 9, count.to: { from: 1, to: 5 } }",
      [],
      "error: pipeline.yaml:1:21: count.to: expected a whole number, got ",
    ],
    ["sweep: { trials: 9, count.to: { from: 1, to: 5 } }", [], "A range has them with step: 1."],
    [
      "sweep: { name: [a], count.to: [2, 2], seed: [1] }",
      [],
      "error: 2 errors:\npipeline.yaml:1:10: name is the same for all",
    ],
    [
      "sweep: { trials: 2, seed: { from: 1, to: 9, step: 1 } }",
      [],
      "pipeline.yaml:1:21: seed: seeds and folds are tried with each draw; list them",
    ],
    ["", ["--sweep", "seed", "--sweep", "count.to="], "error: 2 errors:\n--sweep seed: expected"],
    ["sweep: { trials: 2, count.to: { from: 5, to: 1 } }", [], "expected from to be less than to"],
    [
      "sweep: { count: { tp: [1, 2] } }",
      [],
      'pipeline.yaml:1:19: sweep.count has no "tp". Did you mean "to"? It has from, to, scale and step.',
    ],
    [
      "sweep: { trials: 3 }",
      [],
      "pipeline.yaml:1:18: sweep.trials: nothing is varied; add a range",
    ],
    ["", ["--sweep", "trials=3"], "error: --sweep: sweep.trials: nothing is varied; add a range"],
    ["sweep: { trials: 0, seed: [1, 2] }", [], "sweep.trials: expected at least 1, got 0"],
    [
      "sweep: { best: { of: other, by: sum.loss } }",
      [],
      "1:16: other: there is no such pipeline. Looked for",
    ],
    [
      "sweep: { best: { of: search1, by: sum.loss } }",
      [],
      '1:16: search1: there is no such pipeline. Did you mean "experiments/search1"?',
    ],
    [
      "sweep: { count.to: [1], stages.count.to: [2] }",
      [],
      "pipeline.yaml:1:25: stages.count.to is there twice; keep one",
    ],
    ["sweep: { count.to: [2, 2] }", [], "pipeline.yaml:1:24: count.to: 2 is there twice"],
    ["sweep: { name: [a] }", [], "pipeline.yaml:1:10: name is the same for all runs of a sweep"],
    [
      "",
      ["--sweep", "count.to=1,2", "--sweep", "stages.count.to=3"],
      "--sweep stages.count.to=3: stages.count.to is there twice; keep one",
    ],
    ["", ["--sweep", "count.to"], "--sweep count.to: expected key=value,value, as in --sweep se"],
    [
      "",
      ["--sweep", "count.to=1,x"],
      '--sweep count.to=1,x: count.to: expected a number, got "x".',
    ],
    ["", ["--sweep", "count.to=x,y"], 'count.to: expected a number, got "y".'],
    ["", ["--sweep", "count.to="], "--sweep count.to=: count.to: expected values to try"],
    ["", ["--sweep", "count.to={from: 1, to: 5, stp: 1}"], 'count.to: expected no "stp"'],
    ["", ["--sweep", "count.to=[1"], "--sweep count.to=[1: cannot read the value: not valid"],
    ["", ["--sweep", "trials=0"], "--sweep trials=0: trials: expected at least 1"],
    [
      "",
      ["--sweep", "trials=5,6"],
      "--sweep trials=5,6: trials is the same for all runs of a sweep",
    ],
    [
      "",
      ["--sweep", "trials={from: 1, to: 2}"],
      "trials is the same for all runs of a sweep: keep",
    ],
    ["", ["--sweep", "seed=1,2", "--seed=3"], "seed is fixed by --set or --seed as well; remove"],
    [
      "",
      ["--sweep", "count.to=1,2", "--set=stages.count.to=3"],
      "--sweep count.to=1,2: count.to is fixed by --set or --seed as well; remove one of them",
    ],
    ["", ["--jobs", "2"], "--jobs is about a sweep, and nothing is varied; see --sweep"],
    ["sweep: { seed: [1] }", ["--jobs", "0"], "--jobs 0: expected a whole number, at least 1"],
  ];
  for (const [sweep, args, message] of cases) {
    await project.write({ "pipeline.yaml": `${sweep}\nstages: { count: , draw: }\n` });
    const { code, out, err } = await project.here("run", "pipeline", ...args);
    assert.ok(err.includes(message), `${message}\nis not in\n${err}`);
    assert.deepEqual([code, out], [2, ""]);
  }
  assert.deepEqual(await project.files(), []);
});

Deno.test("--sweep replaces the values of its key in either spelling", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "sweep: { count.to: [1, 2] }\nstages: { count: , draw: }\n",
  });
  const sweep = ["--sweep", "stages.count.to=3,4,5"];
  const { out, err } = await project.here("run", "pipeline", "--dry-run", "--json", ...sweep);
  assert.equal(JSON.parse(out).runs.length, 3, err);
});

Deno.test("--set gives what belongs to a value that --sweep varies", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: , tune: { rate: 0.5 } }\n",
  });
  const sweep = ["--sweep", "tune.part.fold=1,2", "--dry-run", "--json"];
  const { out, err } = await project.here("run", "pipeline", "--set", "tune.part.of=3", ...sweep);
  assert.equal(JSON.parse(out || "{}").runs?.length, 2, err);
});

Deno.test("--sweep varies what only the values of the YAML's sweep take", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "sweep: { tune.part.fold: [1, 2] }\n" +
      "stages: { count: , tune: { rate: 0.5, part: { name: all } } }\n",
  });
  const sweep = ["--sweep", "tune.part.of=3,4", "--dry-run", "--json"];
  const { out, err } = await project.here("run", "pipeline", ...sweep);
  assert.equal(JSON.parse(out || "{}").runs?.length, 4, err);
});

Deno.test("a run that is run again takes the values of a sweep in place of its own", async () => {
  await using project = await Project.make({ "pipeline.yaml": "stages: { count: , draw: }\n" });
  await project.here("run", "pipeline", "--set", "count.to=3", "--seed=4");
  const [{ id }] = JSON.parse((await project.here("runs", "--json")).out).runs;
  const sweep = ["--sweep", "stages.count.to=5,6", "--sweep", "seed=7,8", "--dry-run", "--json"];
  const { out, err } = await project.here("run", id, ...sweep);
  assert.equal(JSON.parse(out || "{}").runs?.length, 4, err);
});

/** The record of a stage that made a result. */
const madeStage = { id: "net", status: "ran", why: "", seconds: 1, outputs: {} } as const;

/** A stage with a choice that has options. */
const SHAPE = `
import { z } from "zod";
import { define, definedChoice } from "${
  new URL("../../../../packages/pipeline/define.ts", import.meta.url).href
}";
import { defineStage } from "${stageUrl}";
const params = z.strictObject({ size: z.int().default(1).describe("Size") });
const shapes = ["square", "circle"]
  .map((name) => define({ kind: "shape", name, summary: name, params }));
export default defineStage({
  name: "shape", summary: "Shape", inputs: {}, outputs: {},
  params: z.strictObject({ shape: definedChoice("shape", shapes, "square") }),
  async run() {},
});
`;

Deno.test("a sweep varies nothing within a value that it replaces", async () => {
  await using project = await Project.make({
    "shape.ts": SHAPE,
    "pipeline.yaml":
      "plugins: [shape.ts]\nstages: { count: , tune: { rate: 0.5 }, shape: { shape: square } }",
  });
  const dryRun = async (...options: string[]) =>
    await project.here("run", "pipeline", "--dry-run", ...options);
  const swept = (keys: readonly string[]) => keys.flatMap((key) => ["--sweep", key]);
  for (
    const [keys, set] of [
      [["tune.part={ fold: 1, of: 5 },{ fold: 2, of: 5 }", "tune.part.of=4,5"]],
      [["tune.part={ fold: 1, of: 5 }", "stages.tune.part.of=4,5"]],
      [["shape.shape=square,circle", "shape.shape.use=circle"]],
      [["count={ to: 2 },", "count.to=3,4"]],
      [["tune.part.of=4,5"], "tune.part={ fold: 1, of: 5 }"],
      [["tune.part={ fold: 1, of: 5 },{ fold: 2, of: 5 }"], "tune.part.of=5"],
    ] satisfies [string[], string?][]
  ) {
    const { code, err } = await dryRun(...swept(keys), ...set ? ["--set", set] : []);
    assert.match(err, /lies within .*, whose value it replaces\. Remove one of them, or list/, set);
    assert.equal(code, 2);
  }
  const cases = [
    ["shape.shape=square,circle", "shape.shape.size=1,2"],
    ["shape.shape=square,{ use: circle }", "shape.shape.size=1,2"],
    ["count={ to: 2 },{ to: 3 }", "count.label=x,y"],
  ];
  for (const keys of cases) {
    const { code, out, err } = await dryRun(...swept(keys));
    assert.match(out, /^4 runs: /, err);
    assert.equal(code, 0);
  }
});

Deno.test("paths that a sweep varies count from where they were written", async () => {
  await using project = await Project.make({
    "experiments/one.yaml": "sweep: { readFile.file: [a.txt, ../b.txt] }\n" +
      "stages: { readFile: { file: a.txt }, sum: , compare: }",
    "experiments/a.txt": "1 2",
    "b.txt": "10 20",
  });
  const { out, err } = await project.here("run", "experiments/one", "--json");
  const { runs } = JSON.parse(out);
  const loss = ({ metrics }: { metrics: { sum: { test: { loss: number } } } }) =>
    metrics.sum.test.loss;
  assert.deepEqual(runs.map(loss), [3, 30], err);
});

Deno.test("a sweep tries a pipeline with and without a stage", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: { to: 6 }, clamp: { max: 2, replaces: count }, sum: }\n",
  });
  const clamp = "{ max: 3, replaces: count }";
  for (
    const [values, left] of [[`${clamp},false`, "clamp and sum"], [
      `false,${clamp}`,
      "sum and clamp",
    ]]
  ) {
    const { code, out, err } = await project.here("run", "pipeline", "--sweep", `clamp=${values}`);
    assert.equal(code, 0, err);
    assert.ok(out.includes(`\n2 runs continue with ${left}\n`), out);
    assert.match(out, /done in .*: 2 runs done\n$/);
  }
});

Deno.test("a sweep reads no data of stages that are not selected", async () => {
  await using project = await Project.make({
    "pipeline.yaml": `stages:
  count:
  sum: { inputs: { numbers: count } }
  readFile: { file: gone.txt }
  rest: { use: sum, inputs: { numbers: readFile } }
`,
  });
  const args = ["run", "pipeline", "--until", "sum", "--sweep", "count.to=4,5", "--json"];
  const { code, out, err } = await project.here(...args);
  assert.equal(code, 0, err);
  assert.deepEqual(ran(JSON.parse(out).runs), { count: 2, sum: 2 });
});

Deno.test("a run that fails, or dies, does not end the others", async () => {
  await using project = await Project.make({
    "pipeline.yaml": `sweep: { broken.how: [error, die, never] }
stages:
  count:
  broken:  { inputs: { numbers: count } }
  sum: { inputs: { numbers: broken } }
  compare:
`,
  });
  const { code, out, err } = await project.here("run", "pipeline", "--json");
  assert.equal(code, 1);
  const { ok, runs, summary } = JSON.parse(out);
  assert.deepEqual([ok, runs.map(({ ok }: { ok: boolean }) => ok)], [false, [false, false, true]]);
  assert.match(
    err,
    /✗ 1\/3 {2}broken\.how=error {2}failed: broken: Cannot count "4": it is too large\./,
  );
  assert.match(
    err,
    /✗ 2\/3 {2}broken\.how=die {2}failed: its process crashed; last output: /,
  );
  assert.match(runs[1].error, /its process crashed; .*> broken {3}runs: /);
  assert.match(err, /✓ 3\/3 {2}broken\.how=never/);
  assert.match(err, /\nnot done in .*: 1 run done and 2 failed\n$/);
  assert.equal(summary.length, 1);
});

Deno.test("a sweep runs the YAML that it read, and no code that was edited since", async () => {
  const code = `import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
import { z } from "zod";
export default defineStage({
  name: "plus",
  summary: "Copy",
  inputs: { numbers },
  outputs: { numbers },
  params: z.strictObject({}),
  async run(inputs, _, { outputs }) {
    const text = await Deno.readTextFile(inputs.numbers.path + "/numbers.txt");
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", text);
  },
});
`;
  const yaml = `plugins: [./plus.ts]
sweep: { count.to: [4, 5] }
stages:
  count:
  slow: { gate: gate, inputs: { numbers: count } }
  plus: { inputs: { numbers: slow } }
  sum: { inputs: { numbers: plus } }
  compare:
`;
  await using project = await Project.make({ "pipeline.yaml": yaml, "plus.ts": code, gate: "" });
  const sweep = async (change: Record<string, string>, ...args: string[]) => {
    const running = ended(project.spawn(["run", "pipeline", "--json", ...args]));
    const jobs = Number(args[0]!.match(/\d/));
    for (let done = 0; done < 3 * jobs;) {
      const files = await project.files().catch(() => []);
      done = files.filter((name) => /^\.work\/slow-.*\/scratch\/\d+$/.test(name)).length;
    }
    await project.write(change);
    await Deno.remove(project.path("gate"));
    const { out, err } = await running;
    return { runs: JSON.parse(out).runs, err };
  };
  const edited = yaml.replace("[4, 5]", "[6, 7]").replace("sum: {", "sum: { double: true,");
  const { runs } = await sweep({ "pipeline.yaml": edited }, "--jobs=1");
  const losses = runs.map(({ metrics }: { metrics: Metrics }) => metrics.sum!.test!.loss);
  assert.deepEqual(losses, [30, 55]);

  await project.write({ gate: "" });
  const change = { "plus.ts": code.replace("text)", "text + 0)") };
  // Two at once compare the code.
  const again = await sweep(change, "--jobs=2", "--sweep=count.to=6,7,8,9,10,11");
  const oks = again.runs.map(({ ok }: { ok: boolean }) => ok);
  assert.deepEqual(oks, [true, true, false, false, false, false]);
  assert.equal(again.runs[0].metrics.sum.test.loss, 182);
  assert.match(again.err, /6\/6 .* failed: plus\.ts changed after the sweep began\. Run/);
});

Deno.test("what all runs share is made before them, and if it fails none begins", async () => {
  const yaml =
    "sweep: { sum.double: [true, false] }\nstages: { count: , broken: , sum: { inputs: " +
    "{ numbers: broken } } }\n";
  await using project = await Project.make({
    "pipeline.yaml": yaml.replace("broken: ,", "broken: { inputs: { numbers: count } },"),
  });
  const { code, out } = await project.here("run", "pipeline", "--json");
  assert.equal(code, 1);
  const { stages, runs } = JSON.parse(out);
  assert.deepEqual(stages.map(({ status }: Stage) => status), ["ran", "failed"]);
  assert.deepEqual(runs, []);
});

Deno.test({
  name: "Ctrl-C stops the runs of a sweep after their step, and the next sweep resumes",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using project = await Project.make({
      "pipeline.yaml": "sweep: { count.to: [400, 401, 402] }\n" +
        "stages: { count: , slow: { inputs: { numbers: count }, ms: 0, gate: gate } }",
      gate: "",
    });
    const child = project.spawn(["run", "pipeline", "--jobs", "2"]);
    await project.atTheGate();
    child.kill("SIGINT");
    const { code, out } = await ended(child);
    assert.equal(code, 130, out);
    assert.match(out, /stopping after the step at hand/);
    assert.match(
      out,
      /! [12]\/3 {2}count\.to=40[01] {2}interrupted; the next sweep resumes here\n/,
    );
    assert.match(out, /\ninterrupted after .*: 3 not done, 1 of them not begun\n$/);
    await Deno.remove(project.path("gate"));
    const next = await project.here("run", "pipeline", "--json");
    assert.equal(next.code, 0, next.err);
    assert.match(
      next.out,
      /"id":"slow","use":"slow","after":\["count"\],"status":"ran","why":"an earlier run of it was int/,
    );
  },
});

Deno.test({
  name: "the runs of a sweep that is killed stop by themselves",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using project = await Project.make({
      "pipeline.yaml": "sweep: { count.to: [300, 301] }\n" +
        "stages: { count: , slow: { inputs: { numbers: count }, ms: 0, gate: gate } }",
      gate: "",
    });
    const child = project.spawn(["run", "pipeline", "--jobs", "1"]);
    const stdout = reading(child);
    await stdout.until("2 runs continue with count and slow\n");
    await project.atTheGate();
    child.kill("SIGKILL");
    await stdout.rest();
    // Whoever holds the results is at work.
    const store = new ArtifactStore(project.path("artifacts"));
    let lock: Deno.FsFile | undefined;
    while (!(lock = await store.lockExclusive())) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    lock.close();
    assert.deepEqual((await store.storedResults()).map(({ use }) => use), ["count"]);
  },
});

Deno.test("summarise() puts together what differs in seeds alone", () => {
  const run = (values: Record<string, unknown>, accuracy: number) => ({
    values,
    metrics: { net: { validation: { accuracy, loss: 1 }, test: { accuracy: accuracy - 0.1 } } },
  });
  const rows = summarise([
    run({ rate: 0.1, "net.seed": 1 }, 0.8),
    run({ rate: 0.1, "net.seed": 2 }, 0.9),
    run({ rate: 0.2, "net.seed": 1 }, 0.7),
  ]);
  // 0.0707 is what numpy.std([0.8, 0.9], ddof=1) says.
  assert.deepEqual(summaryLines(rows, { accuracy: "more" }), [
    "rate  runs  net validation accuracy  net test accuracy",
    "0.1   2     0.850 ± 0.071 *          0.750 ± 0.071",
    "0.2   1     0.700                    0.600",
    "mean ± standard deviation over seeds or folds; * is the best on validation, which is what to choose by",
  ]);
  const unjudged = summarise([run({ rate: 1 }, 0.5)]).map((row) => ({ ...row, metrics: [] }));
  assert.deepEqual(summaryLines([{ ...unjudged[0], runs: 2 }]), [
    ...["rate  runs", "1     2", "no metrics: no model was evaluated"],
  ]);
  // Where two are as good, none is marked.
  const equal = summaryLines(summarise([run({ rate: 1 }, 0.5), run({ rate: 2 }, 0.5)]), {
    accuracy: "more",
  });
  assert.ok(equal.every((line) => !line.includes("*")), equal.join("\n"));
  // Metrics of one name may have other options in each run.
  const options = [0.5, 0.6].map((score) => run({ "evaluate.metrics": [score] }, score));
  const others = summaryLines(summarise(options), { accuracy: "more" });
  assert.ok(others.every((line) => !line.includes("*")), others.join("\n"));
});

Deno.test("summarise() puts together folds that are parts, and a map of one is the same", () => {
  const run = (values: Record<string, unknown>, mae: number) => ({
    values,
    metrics: { train: { validation: { mae } } },
  });
  const rows = (...keys: Record<string, unknown>[]) =>
    summarise(keys.map((values, i) => run(values, i))).map(({ values, runs }) => [values, runs]);
  const part = (value: unknown) => ({ "split.test.part": value, rate: 1 });
  assert.deepEqual(rows(part("fold_0"), part("fold_1")), [[{ rate: 1 }, 2]]);
  const map = (test: unknown) => ({ "stages.split.test": test });
  assert.deepEqual(rows(map({ part: "a" }), map({ part: "b" })), [[{}, 2]]);
  for (const one of [{ "train.part": "a" }, map({ dataset: "a" }), map(0.2), map({})]) {
    assert.deepEqual(rows(one), [[one, 1]]);
  }
});

Deno.test("a sweep stars no metric of other validation sets, and sweep.best warns of them", async () => {
  const plugin = (ports: string, run: string) =>
    `import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers, total } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({ summary: "Own", params: z.strictObject({ level: z.number() }), ${ports},
  async run(_, { level }, { outputs }) { ${run} },
});
`;
  const search = `plugins: [parts.ts, net.ts]
stages:
  parts: { level: 0.2 }
  net: { level: 0.5 }
`;
  await using project = await Project.make({
    "parts.ts": plugin(
      'name: "parts", inputs: {}, outputs: { splits: numbers }',
      "await Deno.writeTextFile(outputs.splits + '/numbers.txt', String(level));",
    ),
    "net.ts": plugin(
      'name: "net", inputs: { splits: numbers }, outputs: { total }',
      "await Deno.writeTextFile(outputs.total + '/total.txt', String(level));" +
        'return { metrics: { "*": { validation: { accuracy: level + Math.random() / 9 } } } };',
    ),
    "search.yaml": search,
    "longer.yaml": `extends: search.yaml
sweep: { best: { of: search, by: net.accuracy, share: 0.5 } }
`,
  });
  const err = async (...args: string[]) => {
    const { code, err, out } = await project.here("run", ...args);
    assert.equal(code, 0, err + out);
    return err + out;
  };
  const best = /\* is the best on validation/, warning = /share less than half of their validation/;
  assert.match(await err("search", "--sweep=net.level=0.4,0.6"), best);
  assert.doesNotMatch(await err("longer", "--dry-run"), warning);
  assert.doesNotMatch(await err("search", "--sweep=parts.level=0.2,0.3"), /\*/);
  assert.match(await err("longer", "--dry-run"), warning);
});

Deno.test("a metric that a run has no value of is left out of mean and spread, not 0", () => {
  // As records have the AUC of a validation set of one class.
  const run = (rate: number, seed: number, auc: number | null) => ({
    values: { rate, "net.seed": seed },
    metrics: { net: { validation: { auc } } } as unknown as Metrics,
  });
  const rows = summarise([
    ...[run(1, 1, 0.8), run(1, 2, null), run(1, 3, 0.9)],
    ...[run(2, 1, null), run(2, 2, null), run(3, 1, 0.7), run(3, 2, null)],
  ]);
  assert.deepEqual(rows.map(({ metrics }) => metrics[0]?.runs), [2, undefined, 1]);
  assert.deepEqual(summaryLines(rows, { auc: "more" }).slice(0, 4), [
    "rate  runs  net validation auc",
    "1     3     0.850 ± 0.071 *",
    "2     2     –",
    "3     2     0.700",
  ]);
  const { metrics } = run(1, 1, null);
  Object.assign(metrics.net!.validation!, { accuracy: 0.5 });
  assert.equal(formatMetrics(metrics), "validation: net accuracy 0.500");
  assert.equal(formatMetrics(run(1, 1, null).metrics), "validation: net –");
  const tested = { validation: { mae: 4 }, test: { mae: 5 } };
  assert.equal(
    formatMetrics({ a: tested, ...metrics, b: tested, c: {} }),
    "test: a mae 5.00, b mae 5.00; validation: net accuracy 0.500; c –",
  );
  const narrow = summaryLines(rows, { auc: "more" }, 40);
  assert.ok(narrow.every(({ length }) => length <= 40), narrow.join("\n"));
});

Deno.test("sweep.best chooses by no metric of which it does not know the better direction", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const history = new History(folder);
    for (const rate of [1, 2, 3]) {
      const metrics = { net: { validation: { bias: rate - 2, rmse: 4 - rate, loss: rate } } };
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1, stages: [], metrics };
      await history.add({ ...run, point: { rate } });
    }
    const best = (by: string, better: Record<string, "more" | "less"> = { rmse: "less" }) =>
      bestPoints({ of: "search", by, share: 0.3 }, folder, sweptOnCommandLine(), better);
    assert.deepEqual(await best("net.rmse"), [{ rate: 3 }]);
    assert.deepEqual(await best("net.rmse", { rmse: "more" }), [{ rate: 1 }]);
    assert.deepEqual(await best("net.loss"), [{ rate: 1 }]);
    await assert.rejects(
      best("net.bias"),
      /cannot choose by net\.bias: .* is not known\. Name another metric, such as net\.rmse\./,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a metric is printed by one name, and sweep.best takes its key too", async () => {
  const names = { error: "mae" }, folder = await Deno.makeTempDir();
  const metrics = (error: number): Metrics => ({ net: { validation: { loss: 1, error } } });
  assert.equal(formatMetrics(metrics(2), names), "validation: net mae 2.00");
  const rows = summarise([{ values: { rate: 1 }, metrics: metrics(2) }]);
  assert.match(summaryLines(rows, {}, Infinity, names)[0]!, /net validation mae/);
  try {
    for (const rate of [1, 2, 3]) {
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1, stages: [] };
      await new History(folder).add({ ...run, point: { rate }, metrics: metrics(rate) });
    }
    const choice = { of: "search", share: 0.3 }, better = { error: "less" } as const;
    const namesOf = () => Promise.resolve(names);
    const best = (by: string) =>
      bestPoints({ ...choice, by }, folder, sweptOnCommandLine(), better, () => {}, namesOf);
    assert.deepEqual([await best("net.mae"), await best("net.error")], [[{ rate: 1 }], [{
      rate: 1,
    }]]);
    await assert.rejects(best("net.rmse"), /They have net\.loss and net\.mae\./);
    const varied = (stages: readonly unknown[] = []) =>
      Promise.resolve<Record<string, string>>(stages.length === 1 ? { error: "error@3" } : {});
    const dependencies = {
      use: "net",
      params: {},
      inputs: {},
      modules: {},
      packages: {},
      external: {},
    };
    const run = { pipeline: "search", ok: true, seconds: 1, seed: 1 };
    const made = { stages: [{ ...madeStage, use: "net", dependencies }], metrics: metrics(4) };
    for (const rate of [4, 5]) await new History(folder).add({ ...run, ...made, point: { rate } });
    const choose = (by: string) =>
      bestPoints({ ...choice, by }, folder, sweptOnCommandLine(), better, () => {}, varied);
    assert.deepEqual(await choose("net.loss"), [{ rate: 1 }, { rate: 2 }]);
    await assert.rejects(
      choose("net.error"),
      /by net\.error: its options differ among the runs of "search"\. Name another metric\./,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sweeps mark and choose the best of a metric with options", async () => {
  const metrics = (rate: number): Metrics => ({
    "net.age": { validation: { "cs@2.5": rate / 9, "cs@5": 1 / rate, cs: rate / 5 } },
  });
  const better = { cs: "more" } as const, names = { cs: "cs@3" };
  const all = [1, 2, 3].map((rate) => ({ values: { rate }, metrics: metrics(rate) }));
  const [head, ...lines] = summaryLines(summarise(all), better, Infinity, names);
  assert.match(head!, /net\.age validation cs@2\.5 +net\.age validation cs@5 +.* cs@3$/);
  assert.match(
    lines.join("\n"),
    /^1 +0\.111 +1\.00 \* +0\.200\n2.*\n3 +0\.333 \* +0\.333 +0\.600 \*\n/,
  );
  const folder = await Deno.makeTempDir();
  try {
    for (const { values: point, metrics } of all) {
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1, stages: [] };
      await new History(folder).add({ ...run, point, metrics });
    }
    const best = async (by: string) => {
      const choice = { of: "search", share: 0.3, by }, namesOf = () => Promise.resolve(names);
      const now = sweptOnCommandLine();
      return (await bestPoints(choice, folder, now, better, () => {}, namesOf))[0]!.rate;
    };
    assert.deepEqual(await Promise.all(["net.age.cs@2.5", "net.age.cs@5"].map(best)), [3, 1]);
    // The key, and the name that tables have.
    assert.deepEqual(await Promise.all(["net.age.cs", "net.age.cs@3"].map(best)), [3, 3]);
    await assert.rejects(best("net.age.cs@4"), /They have net\.age\.cs@2\.5, .* net\.age\.cs@3\./);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sweep.best takes no options of a varied choice for an edit", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const history = new History(folder), log: string[] = [];
    const add = async (
      point: Record<string, unknown>,
      params: Record<string, unknown>,
      loss: number,
    ) => {
      const dependencies = {
        ...{ use: "train", params, inputs: {}, external: {}, modules: {}, packages: {} },
      };
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1 };
      const stages = [{ ...madeStage, use: "train", dependencies }];
      await history.add({ ...run, stages, point, metrics: { net: { validation: { loss } } } });
    };
    const best = () =>
      bestPoints(
        { of: "search", by: "net.loss", share: 0.1 },
        folder,
        sweptOnCommandLine(({ "net.network.use": use }) =>
          new Map([["net", { use: "train", params: { network: { use, blocks: now[`${use}`] } } }]])
        ),
        {},
        (line) => log.push(line),
      );
    const now: Record<string, unknown> = { mobile: 2, plain: [[4]] };
    const network = (use: string, blocks: unknown, loss: number) =>
      add({ "net.network.use": use }, { network: { use, blocks } }, loss);
    await network("mobile", 2, 0.1);
    await network("plain", [[4]], 0.2);
    assert.deepEqual([await best(), log], [[{ "net.network.use": "mobile" }], []]);
    // Of the same choice, an edit counts.
    await network("plain", [[8]], 0.05);
    await network("mobile", 3, 0.3);
    Object.assign(now, { mobile: 3, plain: [[8]] });
    assert.deepEqual(await best(), [{ "net.network.use": "plain" }]);
    assert.deepEqual(log, [
      'sweep.best leaves out 2 runs of "search" that its YAML, as it is now, does not make: ' +
      "net.network.blocks changed from 2 to 3 and " +
      "net.network.blocks changed from [[4]] to [[8]]",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sweep.best takes no runs of other data than the newest run of equal parameters", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const history = new History(folder), log: string[] = [];
    const add = async (rate: number, content: string, datasets: string[]) => {
      const keys = { inputs: {}, modules: {}, packages: {} };
      const written = { use: "download", params: { datasets } };
      const dependencies = { ...written, ...keys, external: { "the files": content } };
      const stage = { id: "download", use: "download", status: "ran", why: "" } as const;
      const stages = [{ ...stage, seconds: 1, outputs: {}, dependencies }];
      const metrics = { net: { validation: { loss: rate } } };
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1, stages, metrics };
      await history.add({ ...run, point: { rate, "download.datasets": datasets } });
    };
    const best = () =>
      bestPoints(
        { of: "search", by: "net.loss", share: 1 },
        folder,
        sweptOnCommandLine(),
        {},
        (line) => log.push(line),
      );
    await add(1, "old", ["a"]);
    await add(2, "other", ["b"]);
    assert.deepEqual([(await best()).map(({ rate }) => rate), log], [[1, 2], []]);
    await add(3, "new", ["a"]);
    assert.deepEqual((await best()).map(({ rate }) => rate), [2, 3]);
    assert.match(log.join(), /leaves out 1 run of "search" .*: the data of download changed$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sweep.best takes the newest run of equal values, of which others had other code", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const history = new History(folder);
    const add = async (rate: number, seed: number, loss: number, split = "validation") => {
      const metrics = { net: { [split]: { loss } } };
      const run = { pipeline: "search", ok: true, seconds: 1, seed: 1, stages: [], metrics };
      await history.add({ ...run, point: { rate, seed } });
    };
    for (const seed of [1, 2]) {
      await add(1, seed, 1);
      await add(2, seed, 9);
    }
    for (const seed of [1, 2]) {
      await add(1, seed, 6);
      await add(2, seed, 5);
    }
    await add(2, 2, 0, "train");
    const best = await bestPoints(
      { of: "search", by: "net.loss", share: 1 },
      folder,
      sweptOnCommandLine(),
    );
    assert.deepEqual(best, [{ rate: 2 }, { rate: 1 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a dry run of a sweep that cannot run fails like that of a run", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "sweep: { count.to: [2, 3] }\nstages:\n  count:\n  sum:\n",
  });
  const { code, out } = await project.here("run", "pipeline", "--dry-run", "--only", "sum");
  assert.equal(code, 1, out);
  assert.match(out, /> count\.to=2: count has to run first .* Run it with --until count\.\n/);
  const whole = await project.here("run", "pipeline", "--dry-run", "--sweep", "count.to=2");
  assert.deepEqual([whole.code, /> count\.to=2: the shared stages are all\n/.test(whole.out)], [
    0,
    true,
  ]);
});

Deno.test("a sweep reads the data that its runs share once before it runs", async () => {
  await using project = await Project.make({
    "own.ts": `import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "own", summary: "Own", inputs: {}, outputs: { numbers }, params: z.strictObject({}),
  async external() {
    await Deno.writeTextFile(new URL("reads", import.meta.url), "x", { append: true });
    return { "the data": "1" };
  },
  run: () => Promise.resolve(),
});
`,
    "pipeline.yaml": "plugins: [own.ts]\nstages: { own: , sum: }\nsweep: { seed: [1, 2, 3, 4] }",
  });
  const { code, err } = await project.here("run", "pipeline", "--dry-run");
  assert.equal(code, 0, err);
  assert.equal(await Deno.readTextFile(project.path("reads")), "x");
});

Deno.test("a sweep ends though a program that a stage started keeps its output open", async () => {
  const plugin = `import { z } from "npm:zod@4.6.7";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "starts", summary: "Start", inputs: {}, outputs: { numbers },
  params: z.strictObject({ value: z.int().default(1) }),
  async run(_, __, { outputs }) {
    const script = "setTimeout(() => {}, 600_000)";
    const { pid } = new Deno.Command(Deno.execPath(), { args: ["eval", script], stdin: "null" }).spawn();
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", String(pid));
  },
});
`;
  const yaml = "plugins: [./starts.ts]\nsweep: { starts.value: [1, 2] }\nstages:\n  starts:\n";
  await using project = await Project.make({ "pipeline.yaml": yaml, "starts.ts": plugin });
  const { code, out } = await project.here("run", "pipeline");
  const files = (await project.files()).filter((file) => file.endsWith("numbers.txt"));
  for (const file of files) {
    Deno.kill(Number(await Deno.readTextFile(`${project.folder}/artifacts/${file}`)), "SIGKILL");
  }
  assert.deepEqual([code, files.length], [0, 2], out);
});
