/** Which runs are listed, by which names they are found, and what is removed when. */
import assert from "node:assert/strict";
import { findRun, runsOfPipeline } from "../../../packages/pipeline/find_runs.ts";
import { cautionLines } from "../../../packages/pipeline/causes.ts";
import { History, type RunRecord } from "../../../packages/pipeline/history.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import gc from "../../../packages/pipeline/cli/gc_command.ts";
import { createReporter } from "../../../packages/pipeline/reporter.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { ended, Project } from "./toy/project.ts";

const CHAIN = `stages:
  count: { to: 4 }
  sum:
  compare:
`;

/** Stage → how many results of it there are. */
async function results(project: Project): Promise<Record<string, number>> {
  const places = await new ArtifactStore(project.path("artifacts")).storedResults();
  const groups = Map.groupBy(places, ({ use }) => use);
  return Object.fromEntries([...groups].map(([use, { length }]) => [use, length]));
}

Deno.test("a run of a pipeline with the longest name is listed", async () => {
  const name = "x".repeat(250);
  await using project = await Project.make({ "pipeline.yaml": `name: ${name}\n${CHAIN}` });
  const { id, text } = await project.run();
  assert.ok(id, text);
  const [run] = await new History(project.path("artifacts")).list();
  assert.deepEqual([run.id, run.pipeline], [id, name]);
});

Deno.test("a run is listed when it made something, failed, or used other results than before", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const history = new History(project.path("artifacts"));
  const ids: (string | undefined)[] = [];
  for (const set of [[], [], ["count.to=5"], [], ["count.to=5"], ["count.to=5"]]) {
    ids.push((await project.run({ set })).id);
  }
  assert.deepEqual(ids.map((id) => id !== undefined), [true, false, true, true, true, false]);
  const runs = await history.list();
  assert.deepEqual(runs.map(({ id }) => id), ids.filter((id) => id !== undefined));
  assert.deepEqual(
    runs.map(({ metrics }) => metrics.sum!.test!.loss),
    [10, 15, 10, 15],
  );
  await project.write({ "pipeline.yaml": "stages: { count: , broken: }" });
  const { id } = await project.run();
  const failed = (await history.list()).at(-1)!;
  assert.deepEqual([failed.id, failed.ok], [id, false]);
  assert.equal((await project.run({ dryRun: true })).id, undefined);
});

Deno.test("cautionLines() names the fewer runs", () => {
  const runs = ["a", "b", "c", "d"].map((id) => ({ id, cautions: ["Drawn."] }));
  const clean = { id: "e", cautions: [] };
  assert.deepEqual(cautionLines(runs), ["All of these runs: Drawn."]);
  assert.deepEqual(cautionLines([...runs, clean]), ["All but e: Drawn."]);
  assert.deepEqual(cautionLines([runs[0]!, runs[1]!, clean]), ["a and b: Drawn."]);
});

Deno.test("findRun() takes ids, the beginning of one, and pipelines", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const history = new History(project.path("artifacts"));
  const base = { ok: true, seconds: 1, seed: 1, stages: [], metrics: {} };
  const written = [];
  for (const pipeline of ["gender", "age", "gender"]) {
    written.push(await history.add({ ...base, pipeline }));
    // Runs are told apart by the millisecond in which they end.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const runs = [
    ...await history.list(),
    { ...written[0]!, id: "abcd0000", pipeline: "x" },
    { ...written[0]!, id: "abcd1111", pipeline: "x" },
  ];
  for (const { id } of runs) assert.equal(findRun(id, runs).id, id);
  assert.equal(findRun("abcd1", runs).id, "abcd1111");
  assert.equal(findRun("gender", runs).id, written[2]!.id);
  assert.equal(findRun("experiments/age.yaml", runs).id, written[1]!.id);
  assert.throws(() => findRun("abcd", runs), {
    name: "UsageError",
    message: '"abcd" begins the ids of 2 runs; write more of it: abcd0000 (x) or abcd1111 (x).',
  });
  assert.throws(() => findRun("gendre", runs), {
    message: 'there is no run "gendre". Did you mean "gender"? A run is named by its id, the ' +
      "beginning of it, or its pipeline's name; deno task runs lists them.",
  });
  const identity = "experiments/new.yaml";
  for (
    const find of [
      () => findRun("new", runs, { identity }),
      () => runsOfPipeline("new", runs, identity),
    ]
  ) {
    assert.throws(find, /no run of the pipeline "new" is listed\. Run it: .* add --artifacts DIR/);
  }
  assert.deepEqual(runsOfPipeline("gender", runs).map(({ id }) => id), [
    written[0]!.id,
    written[2]!.id,
  ]);
  assert.throws(
    () => runsOfPipeline("agee", runs),
    /^UsageError: no run of .*Did you mean "age"\?/,
  );
});

Deno.test("find() parses no record of other results", async () => {
  const parsed: string[] = [];
  class Counting extends History {
    override read(name: string): ReturnType<History["read"]> {
      parsed.push(name);
      return super.read(name);
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "history-" });
  try {
    const history = new Counting(folder);
    const added = await Promise.all(["a", "b", "c"].map(async (print, x) => {
      const made = { id: "count", use: "count", status: "cached", why: "", seconds: 0 } as const;
      const skipped = { ...made, id: "serve", status: "skipped" } as const;
      const stages = [{ ...made, fingerprint: print.repeat(64), outputs: {} }, {
        ...skipped,
        outputs: {},
      }];
      const run = { pipeline: "p", ok: true, seconds: 1, seed: 1, metrics: {} };
      return await history.add({ ...run, file: "p.yaml", point: { x }, stages });
    }));
    parsed.length = 0;
    assert.equal((await history.find(added[1]!))?.id, added[1]!.id);
    assert.equal(parsed.length, 1);
    assert.equal(await history.find({ ...added[1]!, point: { x: 5 } }), undefined);
    assert.equal(await history.find({ ...added[1]!, stages: [] }), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runs", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml": CHAIN,
    "two.yaml": CHAIN.replace("sum:", "sum: { double: true }"),
  });
  await t.step("says that there are none", async () => {
    const { code, out } = await project.here("runs");
    assert.deepEqual([code, out], [0, "nothing has run yet: deno task run pipeline\n"]);
  });
  await project.here("run", "pipeline");
  await project.here("run", "two");
  await t.step("lists when, what and how good", async () => {
    const { out } = await project.here("runs");
    assert.match(
      out,
      /^run {7}date {14}pipeline +took {2}values {2}result\n[0-9a-f]{8} {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}pipeline {2}[\d.:]+( s)? {10}test: sum loss 10\.0\n.* two .* test: sum loss 20\.0\n$/,
    );
  });
  await t.step("of one pipeline, the last ones, as JSON", async () => {
    assert.match((await project.here("runs", "two")).out, /\n.* two .*\n$/);
    assert.equal((await project.here("runs", "--last", "1")).out.split("\n").length, 3);
    const { out, err } = await project.here("runs", "pipeline", "--json");
    const { ok, runs: [run, ...others] } = JSON.parse(out);
    assert.deepEqual([ok, others, err, run.pipeline], [true, [], "", "pipeline"]);
    assert.equal(run.metrics.sum.test.loss, 10);
    assert.equal(run.stages[0].dependencies.params.to, 4);
  });
  await t.step("passes over what is no record, and says so", async () => {
    await project.write({ "artifacts/runs/bad.json": '{"pipeline": "x"' });
    const { code, out } = await project.here("runs", "two");
    assert.equal(code, 0);
    assert.match(out, /^artifacts\/runs\/bad\.json cannot be read and is passed over/);
    await Deno.remove(project.path("artifacts/runs/bad.json"));
  });
  await t.step("of one run, by its id or the beginning of it, with its results", async () => {
    const { runs: [run] } = JSON.parse((await project.here("runs", "pipeline", "--json")).out);
    const twins = ["abcd0000", "abcd1111"];
    for (const id of twins) {
      await writeState(project.path(`artifacts/runs/${id}.json`), { version: 1, ...run, id });
    }
    const whole = await project.here("runs", "abcd0000"),
      begun = await project.here("runs", "abcd0");
    assert.match(
      whole.out,
      /\nabcd0000 .*\n\nstage +result\ncount +artifacts\/count\/\w+\/numbers\n/s,
    );
    assert.deepEqual(begun, whole);
    const both = await project.here("runs", "abcd");
    assert.equal(both.code, 2);
    assert.match(
      both.err,
      /^error: "abcd" begins the ids of 2 runs; write more of it: abcd0000 \(/,
    );
    for (const id of twins) await Deno.remove(project.path(`artifacts/runs/${id}.json`));
  });
  await t.step("names no backend as a change where the run before had none", async () => {
    const { runs: [run] } = JSON.parse((await project.here("runs", "two", "--json")).out);
    const compute = { backend: "wasm", why: "" },
      at = new Date(Date.parse(run.at) + 1000).toISOString();
    const path = project.path("artifacts/runs/abcd2222.json");
    await writeState(path, { version: 1, ...run, id: "abcd2222", at, compute });
    assert.match((await project.here("runs", "two")).out, /\nabcd2222 .* s +test: sum loss/);
    await Deno.remove(path);
  });
  await t.step("names no code that came with another value", async () => {
    const { runs: [run] } = JSON.parse((await project.here("runs", "two", "--json")).out);
    const path = project.path("artifacts/runs/abcd3333.json");
    const at = new Date(Date.parse(run.at) + 1000).toISOString();
    const { id, dependencies, ...rest } = run.stages[0], { params, modules } = dependencies;
    const [first] = Object.keys(modules);
    for (
      const [code, more, values] of [
        [{ "loss.ts": "1" }, { to: 5 }, ["count.to=5"]],
        [{ "loss.ts": "1" }, {}, ["count=code"]],
        [{ [first!]: "1" }, { to: 5 }, ["count.to=5", "count=code"]],
      ] as const
    ) {
      const now = {
        ...dependencies,
        params: { ...params, ...more },
        modules: { ...modules, ...code },
      };
      const stages = [{ ...rest, id, dependencies: now }, ...run.stages.slice(1)];
      await writeState(path, { version: 1, ...run, id: "abcd3333", at, stages });
      const { out } = await project.here("runs", "abcd3333");
      assert.deepEqual(out.match(/count[.\w]*=\w+/g), values);
    }
    await Deno.remove(path);
  });
  await t.step("tells what it does not know", async () => {
    const bad = await project.here("runs", "tow");
    assert.equal(bad.code, 2);
    assert.match(bad.err, /^error: no run of a pipeline "tow" is listed\. Did you mean "two"\?$/m);
    const some = ["a", "b", "c", "d", "e", "f"].map((pipeline) => ({ pipeline }) as RunRecord);
    assert.throws(() => runsOfPipeline("search", some), {
      message: 'no run of a pipeline "search" is listed. Run it first, or take b, c, d, e or f. ' +
        "deno task runs lists all.",
    });
    assert.match((await project.here("runs", "--last", "0")).err, /--last 0: expected a whole num/);
    assert.match((await project.here("runs", "--forget", "x")).err, /there is no run "x"/);
  });
});

Deno.test("gc", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN, "two.yaml": CHAIN });
  for (const to of [4, 5, 6]) await project.here("run", "pipeline", "--set", `count.to=${to}`);
  await t.step("has nothing to do while every run is listed", async () => {
    const { code, out } = await project.here("gc");
    assert.equal(code, 0);
    assert.equal(out, "nothing to remove: 3 runs are listed, and need all that is there\n");
  });
  await t.step("says what and how much before it does anything", async () => {
    const dry = await project.here("gc", "--keep", "2", "--dry-run");
    assert.equal(dry.code, 0);
    assert.match(
      dry.out,
      /^1 run will be listed no longer\nresults that none of the 2 listed runs needs: 3, [\d.]+ kB\n {2}compare {2}1 .*\n {2}count .*\n {2}sum .*\n$/,
    );
    const unasked = await project.here("gc", "--keep", "2");
    assert.equal(unasked.code, 2);
    assert.match(unasked.err, /^error: nothing was removed: add --yes\n$/);
    assert.deepEqual(await results(project), { compare: 3, count: 3, sum: 3 });
  });
  await t.step("removes what no listed run needs, and nothing else", async () => {
    // Shares a result with the run that goes.
    await project.here("run", "two", "--until", "sum");
    const { code, out } = await project.here("gc", "--keep", "2", "--yes", "--json");
    assert.equal(code, 0);
    const { ok, removed, forgotten, results: [result, ...others] } = JSON.parse(out);
    assert.deepEqual([ok, removed, forgotten.length, others], [true, true, 1, []]);
    assert.equal(result.use, "compare");
    assert.deepEqual(await results(project), { compare: 2, count: 3, sum: 3 });
    const { statuses } = await project.run({ set: ["count.to=5"] });
    assert.deepEqual(statuses, { count: "cached", sum: "cached", compare: "cached" });
  });
  await t.step("a run that was forgotten is listed again when it is made again", async () => {
    const { id } = await project.run({ set: ["count.to=6"] });
    assert.ok(id);
    assert.equal((await project.here("runs", "--forget", id)).code, 0);
    assert.ok((await project.run({ set: ["count.to=6"] })).id);
  });
  await t.step("leaves alone what is not the runner's", async () => {
    const mine = { "artifacts/mine/notes/a.txt": "a", "artifacts/count/notes.txt": "b" };
    await project.write(mine);
    await project.here("gc", "--keep", "1", "--yes");
    for (const name of Object.keys(mine)) await Deno.stat(project.path(name));
  });
  await t.step("counts the runs of a sweep as one", async () => {
    await project.write({ "swept.yaml": "stages: { count: { to: 3 } }" });
    const left = async () => {
      assert.equal((await project.here("gc", "--keep", "1", "--yes")).code, 0);
      const runs = runsOfPipeline("swept", await new History(project.path("artifacts")).list());
      return runs.map(({ point }) => point?.["count.to"]);
    };
    await project.here("run", "swept", "--set", "count.to=2");
    await project.here("run", "swept", "--sweep", "count.to=3,4,5", "--jobs", "1");
    assert.deepEqual((await left()).toSorted(), [3, 4, 5]);
    // Of equal values, the older run is of an earlier sweep.
    await project.here("run", "swept", "--sweep", "count.to=4,5", "--set", "count.label=a");
    assert.deepEqual((await left()).toSorted(), [3, 4, 5]);
    await project.here("run", "swept", "--set", "count.to=9");
    assert.deepEqual(await left(), [undefined]);
  });
  await t.step("takes no names", async () => {
    assert.equal((await project.here("gc", "pipeline")).code, 2);
  });
});

Deno.test("a run is not listed again because one that shared results with it was forgotten", async () => {
  const yaml = "stages: { count: { to: 4 }, add: {}, sum: { inputs: { numbers: add } } }";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  for (const by of [1, 2]) assert.ok((await project.run({ set: [`add.by=${by}`] })).id);
  assert.equal((await project.here("gc", "--keep", "1", "--yes")).code, 0);
  const { id, statuses } = await project.run({ set: ["add.by=2"] });
  assert.deepEqual([id, statuses], [undefined, { count: "cached", add: "cached", sum: "cached" }]);
});

Deno.test("gc removes only what the store has made, and follows no link", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const { id } = await project.run();
  const fingerprint = "0123456789abcdef";
  await project.write({
    [`artifacts/mine/${fingerprint}/photo.jpg`]: "a",
    [`artifacts/mine/${fingerprint.replace("0", "1")}/record.json`]: '{ "mine": true }',
    [`elsewhere/${fingerprint}/photo.jpg`]: "b",
    "elsewhere/big.bin": "c",
  });
  // A stage's folder that is a link, a result that is one, and links in what is removed.
  const results = project.path("artifacts");
  await Deno.rename(`${results}/sum`, project.path("sums"));
  await Deno.symlink(project.path("sums"), `${results}/sum`);
  await Deno.symlink(project.path("elsewhere"), `${results}/linked`);
  const [count] = (await project.files("artifacts/count")).map((name) => name.split("/")[0]!);
  await Deno.symlink(project.path("elsewhere", fingerprint), `${results}/count/${fingerprint}`);
  await Deno.symlink(project.path("elsewhere"), `${results}/count/${count}/numbers/link`);
  await Deno.symlink(project.path("nowhere"), `${results}/count/${count}/numbers/dangling`);
  await Deno.mkdir(`${results}/.work`, { recursive: true });
  await Deno.symlink(project.path("elsewhere"), `${results}/.work/slow-${fingerprint}`);
  const outside = {
    elsewhere: await project.files("elsewhere"),
    sums: await project.files("sums"),
  };
  assert.equal(outside.sums.length, 2);
  assert.equal((await project.here("runs", "--forget", id!)).code, 0);

  const { code, out, err } = await project.here("gc", "--yes", "--interrupted");
  assert.equal(code, 0, err);
  assert.match(out, /artifacts\/mine\/0\w+ has no valid record of a result; it is left alone\n/);
  assert.deepEqual(await project.files("elsewhere"), outside.elsewhere);
  assert.deepEqual(await project.files("sums"), outside.sums);
  assert.equal((await project.files("artifacts/mine")).length, 2);
  assert.deepEqual(await project.files("artifacts/compare"), []);
  await assert.rejects(Deno.lstat(`${results}/count/${count}`), Deno.errors.NotFound);
});

Deno.test("gc ends its bar where a removal fails", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const { id } = await project.run();
  await project.here("runs", "--forget", id!);
  await Deno.remove(project.path("artifacts/.work"), { recursive: true });
  await project.write({ "artifacts/.work": "no folder" });
  let ended = 0;
  const output = { terminal: false, color: false, columns: () => 80, write() {} };
  const startProgress = () => ({ start() {}, advance() {}, [Symbol.dispose]: () => ended++ });
  const reporter = { ...createReporter(output), startProgress };
  const call = { values: { yes: true }, names: [], cwd: "", project: project.folder, reporter };
  await assert.rejects(gc(call as unknown as CommandContext));
  assert.equal(ended, 1);
});

Deno.test("gc keeps what a damaged record of a run mentions", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const [name] = await project.files("artifacts/runs");
  const path = project.path("artifacts/runs", name!);
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace('"pipeline"', '"pipelinE"'));
  await Deno.remove(project.path("artifacts/.latest"), { recursive: true });
  const before = await results(project);
  const { code, out } = await project.here("gc", "--yes");
  assert.equal(code, 0, out);
  assert.match(
    out,
    /\.json was changed after it was written and is passed over; it may be removed/,
  );
  assert.deepEqual(await results(project), before);
});

Deno.test({
  name: "gc removes nothing while it cannot read what a run needs",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using project = await Project.make({ "pipeline.yaml": CHAIN });
    await project.run();
    const before = await results(project);
    const [name] = await project.files("artifacts/runs");
    const [latest] = await project.files("artifacts/.latest");
    for (const file of [`.latest/${latest}`, `runs/${name}`]) {
      const path = project.path("artifacts", file), aside = project.path("aside");
      await Deno.rename(path, aside);
      await Deno.symlink(path, path); // as a record of another user, also for root
      const { code, out, err } = await project.here("gc", "--yes");
      assert.equal(code, 1, out);
      assert.match(
        err,
        /Cannot find what is needed: \S+ cannot be read: .*\. Make it readable, or/,
      );
      assert.doesNotMatch(out, /may be removed/);
      await Deno.remove(path);
      await Deno.rename(aside, path);
    }
    assert.deepEqual(await results(project), before);
  },
});

Deno.test("gc removes nothing while a run is at work, nor what a killed one had done", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages:\n  count: { to: 30 }\n  slow: { inputs: { numbers: count }, ms: 0, gate: gate }\n",
    gate: "",
    "two.yaml": "stages: { count: { to: 7 } }",
  });
  await project.here("run", "two");
  await project.here("runs", "--forget", "two");
  const child = project.spawn(["run", "pipeline"]);
  await project.atTheGate();
  await t.step("at work", async () => {
    const { code, out } = await project.here("gc", "--yes");
    assert.equal(code, 1);
    assert.match(out, /\nnothing was removed: a run or a service is at work in this folder; wait/);
    assert.deepEqual(await results(project), { count: 2 });
  });
  child.kill("SIGKILL");
  await ended(child);
  await t.step("killed", async () => {
    assert.equal((await project.here("gc", "--yes")).code, 0);
    assert.deepEqual(await results(project), { count: 1 });
    await Deno.rename(project.path("gate"), project.path("open"));
    const { out } = await project.here("run", "pipeline");
    assert.match(out, /· count +cached\n> slow +runs: an earlier run of it was interrupted\n/);
    assert.match(out, / of 30 were done\n/);
  });
  await t.step("unless it is told to", async () => {
    await Deno.rename(project.path("open"), project.path("gate"));
    const again = project.spawn(["run", "pipeline", "--set", "count.to=29"]);
    await project.atTheGate();
    again.kill("SIGKILL");
    await ended(again);
    const { out } = await project.here("gc", "--interrupted", "--yes");
    assert.match(out, /^files that interrupted stages would resume from: 1, \d+ B\nremoved /);
    assert.deepEqual((await project.files()).filter((name) => name.startsWith(".work")), []);
  });
});

Deno.test("a run removes the locks of killed runs, and none that may be of a live one", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const runs = project.path("artifacts/runs");
  const open = async (name: string, minutes: number) => {
    const file = await Deno.open(`${runs}/${name}.lock`, { create: true, write: true });
    const date = new Date(Date.now() - minutes * 60_000);
    await file.utime(date, date);
    return file;
  };
  (await open("dead", 20)).close();
  (await open("recent", 1)).close();
  // As a suspended machine has it.
  using held = await open("silent", 20);
  assert.ok(await held.tryLock(true));
  await project.run({ set: ["count.to=5"] });
  const names = await Array.fromAsync(Deno.readDir(runs), ({ name }) => name);
  const locks = names.filter((name) => name.endsWith(".lock")).sort();
  assert.deepEqual(locks, ["recent.lock", "silent.lock"]);
});

Deno.test("a run keeps its lock if another one looks at it as it is made", async () => {
  await using project = await Project.make();
  const { open } = Deno;
  Deno.open = async (path, options) => {
    const file = await open(path, options);
    if (!options?.create || !String(path).endsWith(".lock")) return file;
    Deno.open = open;
    const other = await open(path, { write: true });
    assert.ok(await other.tryLock(true));
    setTimeout(() => other.close(), 50);
    return file;
  };
  try {
    const history = new History(project.path("artifacts"));
    const begun = await history.begin({ pipeline: "p", seed: 1 });
    assert.ok(begun.lock);
    await history.drop(begun);
    assert.deepEqual(await history.names(), []);
  } finally {
    Deno.open = open;
  }
});

Deno.test("a run waits while results are being removed", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const lock = await new ArtifactStore(project.path("artifacts")).lockExclusive();
  assert.ok(lock);
  const { text } = await project.run({
    onText: (text) => text.endsWith("waiting for the end of it\n") && lock.close(),
  });
  assert.match(text, /^results are being removed; waiting for the end of it\n· count/);
});
