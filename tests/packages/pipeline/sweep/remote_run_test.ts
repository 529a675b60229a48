/** A run of a sweep, written down here and opened elsewhere. */
import assert from "node:assert/strict";
import { DenoLock } from "../../../../packages/pipeline/cache/deno_lock.ts";
import { ImportMap } from "../../../../packages/pipeline/cache/import_map.ts";
import { ModuleHasher } from "../../../../packages/pipeline/cache/module_graph.ts";
import { createReporter } from "../../../../packages/pipeline/reporter.ts";
import { fromFileUrl } from "../../../../packages/pipeline/paths.ts";
import { ArtifactStore } from "../../../../packages/pipeline/artifact_store.ts";
import {
  assertSameResults,
  describeRemoteRun,
  openResults,
  orderSchema,
  planOf,
  type RemoteRun,
} from "../../../../packages/pipeline/sweep/remote_run.ts";
import { finishedResults } from "../../../../packages/pipeline/sweep/remote_sweep.ts";
import { IncompatibleWorkerError } from "../../../../packages/pipeline/remote/compatibility.ts";
import { unusedOf } from "../../../../packages/pipeline/run/lineage.ts";
import { Project, WAVE } from "../toy/project.ts";
import { stages } from "../toy/stages.ts";

const YAML = `name: one
seed: 7
stages:
  readFile: { file: numbers.txt }
  few: { use: clamp, max: 3, inputs: { numbers: readFile } }
  draw: { seed: 5 }
  sum: { inputs: { numbers: few } }
  crunch: { inputs: { numbers: few } }
  compare:
`;

function tools(project: Project, backend = "wasm") {
  return {
    project: project.folder,
    store: new ArtifactStore(project.path("artifacts")),
    moduleHasher: new ModuleHasher(
      project.folder,
      project.path("artifacts/.cache/modules.json"),
      new ImportMap([]),
    ),
    denoLock: new DenoLock(undefined),
    excludedFolders: [fromFileUrl(new URL("../../../../packages/pipeline/", import.meta.url))],
    resolveCompute: () => Promise.resolve({ backend, why: "a toy" }),
    reporter: createReporter({ terminal: false, color: false, columns: () => 80, write: () => {} }),
    signal: new AbortController().signal,
  };
}

/** As it arrives on another machine. */
function travelled(order: RemoteRun): RemoteRun {
  return orderSchema.parse(JSON.parse(JSON.stringify(order)));
}

async function write(project: Project, given = {}): Promise<RemoteRun> {
  const plan = await project.plan();
  const point = { "few.max": 3 };
  return travelled(await describeRemoteRun(plan, { point, given, selection: {} }, tools(project)));
}

Deno.test("an order opens as the plan that it was written from", async () => {
  await using project = await Project.make({ "pipeline.yaml": YAML, "numbers.txt": "1 2 30" });
  const order = await write(project);
  const plan = await project.plan();
  const { artifacts } = plan;
  const opened = await planOf(order, { project: project.folder, stages }, artifacts);
  const told = ({ stages }: typeof plan) =>
    stages.map(({ id, use, params, seed, wires, module }) => ({
      id,
      use,
      seed,
      wires,
      module,
      params: JSON.parse(JSON.stringify(params)),
    }));
  assert.deepEqual(told(opened), told(plan));
  assert.deepEqual(
    [opened.name, opened.seed, opened.compute, opened.file, opened.artifacts, opened.remoteWorkers],
    [plan.name, plan.seed, plan.compute, plan.file, artifacts, undefined],
  );
  assert.deepEqual(order.backend, { backend: "wasm", why: "a toy" });
  await assertSameResults(order, opened, tools(project, "another one"));
});

Deno.test("a stage that replaces another one does so on another machine", async () => {
  const yaml = "stages: { count: , add: { replaces: count }, sum: }\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const { artifacts } = await project.plan();
  const order = await write(project);
  const { stages: planned } = await planOf(order, { project: project.folder, stages }, artifacts);
  assert.deepEqual(planned.find(({ id }) => id === "sum")!.after, ["add"]);
});

Deno.test("a parameter without effect is not written on another machine", async () => {
  await using project = await Project.make({
    "wave.ts": WAVE,
    "pipeline.yaml": "plugins: [wave.ts]\nstages: { wave: { mode: still, speed: 2 }, sum: }",
  });
  const plan = await project.plan(), order = await write(project);
  const opened = await planOf(order, { project: project.folder, stages }, plan.artifacts);
  for (const one of [plan, opened]) assert.deepEqual(unusedOf(one.stages[0]!, one), ["depth"]);
  await assertSameResults(order, opened, tools(project, "another one"));
});

Deno.test("an order is refused where something else would come out", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": YAML, "numbers.txt": "1 2 30" });
  const order = await write(project);
  const open = async (changed: Partial<RemoteRun> = {}) => {
    const changedOrder = travelled({ ...order, ...changed });
    const { artifacts } = await project.plan();
    const opened = await planOf(changedOrder, { project: project.folder, stages }, artifacts);
    await assertSameResults(changedOrder, opened, tools(project));
  };
  const refuses = (act: Promise<void>, why: RegExp) =>
    assert.rejects(act, (error: Error) => {
      assert.ok(error instanceof IncompatibleWorkerError, error.stack);
      assert.match(error.message, why);
      return true;
    });
  await open();
  const module = Object.keys(order.code.modules).find((name) => name.endsWith("stages.ts"))!;
  await t.step("other code", () =>
    refuses(
      open({ code: { ...order.code, modules: { ...order.code.modules, [module]: "other" } } }),
      /its version is another one: .*stages\.ts differs from the run's/,
    ));
  await t.step("other values than the run depends on", () => {
    const few = { ...order.stages.few, max: 4 };
    return refuses(
      open({ stages: { ...order.stages, few } }),
      /^the result of few would differ: few\.max changed from 3 to 4/,
    );
  });
  await t.step("values that nobody could type", () =>
    refuses(
      open({ stages: { ...order.stages, few: { ...order.stages.few, max: "3" } } }),
      /it cannot read the run's pipeline: .*few\.max: expected a number, got "3"/,
    ));
  await t.step("a stage that is not there", () =>
    refuses(
      open({ stages: { ...order.stages, few: { ...order.stages.few, use: "fetchCode" } } }),
      /it cannot read the run's pipeline: .*no stage is called "fetchCode"/,
    ));
  await t.step("another file", async () => {
    await project.write({ "numbers.txt": "1 2 300" });
    await refuses(open(), /^the result of readFile would differ: numbers\.txt changed/);
  });
  await t.step("no file", async () => {
    await Deno.remove(project.path("numbers.txt"));
    await refuses(open(), /^it lacks something: .*numbers\.txt/);
  });
});

Deno.test("what an order gives is used by its fingerprint, whatever it was made of", async () => {
  await using project = await Project.make({ "pipeline.yaml": YAML, "numbers.txt": "1 2 30" });
  await project.run();
  const context = tools(project);
  const plan = await project.plan();
  const given = await finishedResults(plan, ["readFile", "few"], { ...context });
  assert.deepEqual(Object.keys(given), ["readFile", "few"]);
  const order = await write(project, given);
  assert.deepEqual(Object.keys(order.needs).sort(), ["compare", "crunch", "draw", "sum"]);
  // The worker's machine need not have the file.
  await Deno.remove(project.path("numbers.txt"));
  await assertSameResults(order, plan, tools(project));
  const records = await openResults(order.given, context.store);
  assert.equal(records.get("few")!.dependencies.use, "clamp");
  const gone = { few: { ...given.few!, fingerprint: "0".repeat(64) } };
  await assert.rejects(
    openResults(gone, context.store),
    /its artifact folder ".*" has no "clamp\/0{16}"/,
  );
});

Deno.test("an order names nothing outside of the folders that are meant", async () => {
  await using project = await Project.make({ "pipeline.yaml": YAML, "numbers.txt": "1" });
  const order = await write(project);
  const fingerprint = "0".repeat(64);
  for (
    const bad of [
      { plugins: ["../evil.ts"] },
      { plugins: ["/tmp/evil.ts"] },
      { plugins: ["npm:evil"] },
      { plugins: ["https://evil.example/x.ts"] },
      { given: { few: { use: "../..", fingerprint } } },
      { given: { few: { use: "clamp", fingerprint: "../../x" } } },
      { name: "../../../deno" },
      { name: "..\\\\deno" },
      { code: "console.log(1)" },
      { more: 1 },
    ]
  ) {
    assert.equal(orderSchema.safeParse({ ...order, ...bad }).success, false, JSON.stringify(bad));
  }
});
