/** Sweeps on workers, against a real Redis: crashes, recovery, results. */
import assert from "node:assert/strict";
import { fromFileUrl } from "../../packages/pipeline/paths.ts";
import { Project, stageUrl } from "../packages/pipeline/toy/project.ts";
import { JOB_FORMAT } from "../../packages/pipeline/remote/job_schemas.ts";
import { localCodeVersion } from "../../packages/pipeline/remote/compatibility.ts";
import { failures } from "../packages/pipeline/remote/fixture.ts";
import { Lines, missing, Redis, TestWorker } from "./redis.ts";

const ignore = missing !== undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: ignore ? `${name} (ignored: ${missing})` : name, ignore, fn });

const main = fromFileUrl(new URL("../packages/pipeline/remote/toy.ts", import.meta.url));
const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
const lock = ["--lock-seconds", "2"];

/** A worker of a project, or of a copy of it that has the artifacts in another place. */
function worker(
  project: Project,
  redis: Redis,
  artifacts = project.path("artifacts"),
): TestWorker {
  const env = { TOY_PROJECT: project.folder };
  return new TestWorker(artifacts, redis.url, lock, { main, env });
}

/** `deno task run`, while it runs. */
class Sweep {
  readonly out: Lines;
  readonly err: Lines;
  readonly #process: Deno.ChildProcess;

  constructor({ folder }: Project, ...args: string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-all", "--config", config, main],
        ...["run", "pipeline", ...args],
      ],
      cwd: folder,
      env: { TOY_PROJECT: folder, INIT_CWD: folder, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.out = new Lines(this.#process.stdout);
    this.err = new Lines(this.#process.stderr);
  }

  static far(project: Project, redis: Redis, ...args: string[]): Sweep {
    const set = ["executor=bullmq", `bullmq.redis=${redis.url}`].map((text) => `--set=${text}`);
    return new Sweep(project, "--json", ...set, ...args);
  }

  interrupt(): void {
    this.#process.kill("SIGINT");
  }

  /** Its exit code, and what it printed as JSON. */
  // deno-lint-ignore no-explicit-any -- what a test does not find in it fails the test
  async ended(): Promise<{ code: number; report: any; err: string }> {
    const { code } = await this.#process.status;
    await Promise.all([this.out.done, this.err.done]);
    const [text] = this.out.all.filter((line) => line.startsWith("{"));
    return { code, report: JSON.parse(text ?? "null"), err: this.err.all.join("\n") };
  }
}

/** Name → text of each file of each result, but for the records, which contain times. */
async function results(project: Project): Promise<Record<string, string>> {
  const names = (await project.files())
    .filter((name) => !/^\.|^runs\/|\/record\.json$/.test(name));
  const texts = names.map((name) => Deno.readTextFile(project.path("artifacts", name)));
  const all = await Promise.all(texts);
  return Object.fromEntries(names.map((name, i) => [name, all[i]!]));
}

/** Waits until so many of a sweep's runs stand at the gate of their stage `slow`. */
async function atTheGate(project: Project, runs: number, sweep: Sweep): Promise<void> {
  let over = false;
  sweep.ended().then(() => over = true);
  for (;;) {
    assert.ok(!over, sweep.err.all.join("\n"));
    const done = (await project.files().catch(() => []))
      .map((name) => name.match(/^\.work\/(slow-[^/]*)\/scratch\/\d+$/)?.[1])
      .filter((name) => name !== undefined);
    const counts = [...Map.groupBy(done, (name) => name).values()].map(({ length }) => length);
    if (counts.filter((count) => count === 3).length === runs) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const GRID = `sweep: { few.max: [7, 8, 9] }
stages:
  count: { to: 12 }
  few: { use: clamp, inputs: { numbers: count } }
  slow: { ms: 0, gate: gate, inputs: { numbers: few } }
  draw:
  sum: { inputs: { numbers: slow } }
  luck: { use: sum, inputs: { numbers: draw } }
  compare:
`;

test("a sweep is the same when a worker is killed, one is frozen and Redis forgets all", async () => {
  await using near = await Project.make({ "pipeline.yaml": GRID });
  await using far = await Project.make({ "pipeline.yaml": GRID, gate: "" });
  const here = new Sweep(near, "--json").ended();
  await using redis = await Redis.start();
  await using killed = worker(far, redis);
  await using frozen = worker(far, redis);
  await using faithful = worker(far, redis);
  const sweep = Sweep.far(far, redis);

  // All are in the middle of a run when two are struck.
  await atTheGate(far, 3, sweep);
  killed.killAll("SIGKILL");
  frozen.killAll("SIGSTOP");
  await redis.kill();
  await redis.start();
  await Deno.remove(far.path("gate"));

  const { code, report, err } = await sweep.ended();
  assert.equal(code, 0, err);
  const { code: codeHere, report: expected, err: errHere } = await here;
  assert.equal(codeHere, 0, errHere);
  assert.deepEqual(await results(far), await results(near));
  const told = (runs: { values: unknown; metrics: unknown }[]) =>
    runs.map(({ values, metrics }) => ({ values, metrics }));
  assert.deepEqual(told(report.runs), told(expected.runs));
  assert.deepEqual(report.summary, expected.summary);
  // What all share was made once, and by no worker.
  assert.deepEqual(
    report.stages.map(({ id, status }: Record<string, string>) => [id, status]),
    ["count", "draw", "luck"].map((id) => [id, "ran"]),
  );
  // Both went on where the lost ones had been.
  const goesOn = faithful.lines.all.filter((line) => /slow: 3 of 12 were done/.test(line));
  assert.ok(goesOn.length >= 2, faithful.lines.all.join("\n"));

  // Resumed, it notices that its lease is lost, and continues.
  frozen.killAll("SIGCONT");
  await frozen.lines.until(/connection to Redis lost|lease lost/);
  for (const one of [frozen, faithful]) one.kill("SIGTERM");
  assert.deepEqual([await frozen.ended(), await faithful.ended()], [0, 0]);
  assert.deepEqual(await results(far), await results(near));
});

test("a sweep waits for a server that is full, says so, and ends when it has room", async () => {
  const yaml = "sweep: { sum.double: [true, false] }\nstages: { count: , sum: , compare: }\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const args = (port: number) => ["--port", `${port}`, "--maxmemory", "1"];
  await using redis = await Redis.start(args);
  const sweep = Sweep.far(project, redis);
  await sweep.err.until(/^redis:\S+ refuses: OOM command not allowed .*; trying again$/);
  await new Promise((resolve) => setTimeout(resolve, 3000)); // some further attempts
  using server = await Deno.connect({ hostname: "127.0.0.1", port: redis.port });
  await server.write(new TextEncoder().encode("CLIENT LIST\r\nCONFIG SET maxmemory 0\r\n"));
  let answer = "";
  for await (const part of server.readable.pipeThrough(new TextDecoderStream())) {
    if ((answer += part).endsWith("+OK\r\n")) break;
  }
  // One broker with its connections, not one for each attempt.
  assert.ok(answer.match(/ addr=/g)!.length <= 4, answer);
  await using _worker = worker(project, redis);
  const { code, report, err } = await sweep.ended();
  assert.equal(code, 0, err);
  assert.equal(report.summary.length, 2);
  assert.equal(err.match(/refuses: OOM/g)?.length, 1);
});

/** A plugin that multiplies. */
const plugin = (by: number) =>
  `import { z } from "zod";
import { defineKind, defineStage } from ${JSON.stringify(stageUrl)};
const numbers = defineKind({ kind: "numbers", summary: "Some numbers", files: {} });
export default defineStage({
  name: "multiply", summary: "Multiply", inputs: { numbers }, outputs: { numbers },
  params: z.strictObject({}),
  async run({ numbers: { path } }, _, { outputs }) {
    const text = await Deno.readTextFile(path + "/numbers.txt");
    const products = text.split("\\n").map((one) => Number(one) * ${by});
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", products.join("\\n"));
  },
});
`;

const BROKEN = `plugins: [./plugins/multiply.ts]
sweep: { broken.how: [error, die, never] }
stages:
  count:
  broken: { inputs: { numbers: count } }
  multiply: { inputs: { numbers: broken } }
  sum: { inputs: { numbers: multiply } }
  compare:
`;

test("runs that fail or die do not end the others, and a worker of another version is refused", async () => {
  const files = { "pipeline.yaml": BROKEN, "plugins/multiply.ts": plugin(2) };
  await using project = await Project.make(files);
  // The worker's machine has the project elsewhere, and of it what the runs need.
  await using copy = await Project.make({ "plugins/multiply.ts": plugin(2) });
  await using other = await Project.make({ "plugins/multiply.ts": plugin(3) });
  await using redis = await Redis.start();
  const why = /its version is another one: plugins\/multiply\.ts differs from the run's/;

  await Deno.mkdir(project.path("artifacts"));
  for (const { folder } of [copy, other]) {
    await Deno.symlink(project.path("artifacts"), `${folder}/mounted`);
  }

  await using refused = worker(other, redis, other.path("mounted"));
  const sweep = Sweep.far(project, redis);
  assert.match(await refused.lines.until(/refused/), why);
  assert.match(await sweep.err.until(/refused its job:/), why);

  await using faithful = worker(copy, redis, copy.path("mounted"));
  const { code, report, err } = await sweep.ended();
  assert.equal(code, 1);
  assert.deepEqual(report.runs.map(({ ok }: { ok: boolean }) => ok), [false, false, true]);
  assert.match(
    err,
    /✗ 1\/3 {2}broken\.how=error {2}failed: broken: Cannot count "4": it is too large/,
  );
  assert.match(
    err,
    /✗ 2\/3 {2}broken\.how=die {2}failed: its process on \S+:\d+ crashed; last output: .*> br/,
  );
  assert.match(err, /✓ 3\/3 {2}broken\.how=never .* test: sum loss 12\.0 {2}run [0-9a-f]{8}/);
  const started = faithful.lines.all.flatMap((line) =>
    line.match(/^pipeline broken\.how=(\w+): started/)?.slice(1) ?? []
  );
  assert.deepEqual(new Set(started), new Set(["die", "error", "never"]));
  // Its files are where this machine has them, and its run is listed.
  const [, , { stages, run }] = report.runs;
  const { total } = stages.find(({ id }: { id: string }) => id === "sum").outputs;
  assert.equal(await Deno.readTextFile(project.path(total, "total.txt")), "12");
  const { out } = await project.cli("runs", "--json");
  const listed = JSON.parse(out).runs.find(({ id }: { id: string }) => id === run);
  assert.deepEqual([listed.point, listed.pipeline], [{ "broken.how": "never" }, "pipeline"]);
  for (const one of [faithful, refused]) one.kill("SIGTERM");
  assert.deepEqual([await faithful.ended(), await refused.ended()], [0, 0]);

  // What is made needs no worker, and with nothing to send no Redis either.
  const again = await Sweep.far(project, redis, "--sweep=broken.how=never").ended();
  assert.deepEqual([again.code, again.report.runs[0].run], [0, run], again.err);
  await redis.kill();
  const alone = await Sweep.far(project, redis, "--sweep=broken.how=never").ended();
  assert.equal(alone.code, 0, alone.err);
  const more = await Sweep.far(project, redis).ended();
  assert.match(
    more.err,
    /Cannot reach Redis at 127\.0\.0\.1:\d+: .* Start it there, or pass its address/,
  );
  assert.deepEqual([more.code, more.report.runs], [1, undefined]);
});

test("Ctrl-C lets go of the workers, and the next sweep resumes; a stopped worker releases its run", async () => {
  const yaml = "sweep: { count.to: [10, 11] }\n" +
    "stages: { count: , slow: { inputs: { numbers: count }, ms: 0, gate: gate } }";
  await using project = await Project.make({ "pipeline.yaml": yaml, gate: "" });
  await using redis = await Redis.start();
  await using first = worker(project, redis);
  const sweep = Sweep.far(project, redis);
  await atTheGate(project, 1, sweep);
  sweep.interrupt();
  const { code, err } = await sweep.ended();
  assert.equal(code, 130, err);
  assert.match(
    err,
    /! [12]\/2 {2}count\.to=1[01] {2}interrupted; the next sweep resumes here/,
  );
  await first.lines.until(/lease lost: its run has ended; waiting for the next job/);

  const next = Sweep.far(project, redis);
  await first.lines.until(/slow: 3 of 1[01] were done/);
  first.kill("SIGTERM");
  assert.equal(await first.ended(), 0);
  assert.ok(first.lines.all.some((line) => /the current job returns to the queue/.test(line)));
  await Deno.remove(project.path("gate"));
  await using second = worker(project, redis);
  const { code: well, report, err: told } = await next.ended();
  assert.equal(well, 0, told);
  assert.deepEqual(report.runs.map(({ ok }: { ok: boolean }) => ok), [true, true]);
  assert.ok(second.lines.all.some((line) => /slow: 3 of 1[01] were done/.test(line)));
});

test("code does not travel: a plugin outside of the project is refused", async () => {
  await using project = await Project.make();
  await using elsewhere = await Project.make({
    "multiply.ts": plugin(2).replace(/^import .*\n/gm, "").replace(
      /^const numbers.*\nexport default (.*);$/ms,
      (_, stage) =>
        `export default ({ z, defineKind, defineStage }) => {
        const numbers = defineKind({ kind: "numbers", summary: "Some numbers", files: {} });
        return ${stage};
      };`,
    ),
  });
  const yaml = BROKEN.replace("./plugins/multiply.ts", elsewhere.path("multiply.ts"));
  await project.write({ "pipeline.yaml": yaml });
  const { code, err } = await new Sweep(project, "--json", "--set=executor=bullmq").ended();
  assert.equal(code, 1, err);
  assert.match(
    err,
    /Cannot send runs to other machines with the plugin ".*multiply\.ts": it does /,
  );
});

test("a worker imports no plugin but those of the project that are the run's, and stays", async () => {
  const evil = (mark: string) => `Deno.writeTextFileSync(${JSON.stringify(mark)}, "ran");`;
  await using project = await Project.make();
  await using elsewhere = await Project.make();
  const mark = elsewhere.path("mark");
  await elsewhere.write({ "evil.ts": evil(mark) });
  await project.write({ "artifacts/evil.ts": evil(mark), "plugins/other.ts": evil(mark) });
  await Deno.symlink(project.path("artifacts"), project.path("mounted"));
  await Deno.symlink(elsewhere.path("evil.ts"), project.path("plugins/link.ts"));
  await Deno.symlink(project.path("artifacts/evil.ts"), project.path("plugins/result.ts"));
  await using redis = await Redis.start();
  await using helper = worker(project, redis);
  const order = (plugin: string, modules = {}) => ({
    version: JOB_FORMAT,
    kind: "point",
    run: "x",
    order: {
      file: "pipeline.yaml",
      identity: "pipeline.yaml",
      name: "x",
      overrides: {},
      seed: 42,
      compute: "auto",
      plugins: [plugin],
      stages: { count: { use: "count" } },
      point: {},
      selection: {},
      given: {},
      needs: {},
      code: localCodeVersion({ modules, packages: {} }),
    },
  });
  const reasons = await failures(redis.url, [
    order("artifacts/evil.ts"),
    order("mounted/evil.ts"),
    order("plugins/link.ts"),
    order("plugins/result.ts"),
    order("../evil.ts"),
    order("data:text/javascript,1"),
  ]);
  for (const i of [0, 1, 3]) assert.match(reasons[i]!, /Cannot load the plugin .* among results/);
  assert.match(reasons[2]!, /Cannot load the plugin .* outside of the project/);
  for (const i of [4, 5]) assert.match(reasons[i]!, /Cannot read a job: order\.plugins/);
  // One that is not as it is where the run is goes back, and is not imported either.
  const enough = new AbortController();
  const other = order("plugins/other.ts", { "plugins/other.ts": "1" });
  const waiting = failures(redis.url, [other], enough.signal);
  waiting.catch(() => {});
  await helper.lines.until(/refused: .*plugins\/other\.ts differs from the run's/);
  enough.abort(new Error("seen"));
  await assert.rejects(waiting, /seen/);
  await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
  helper.kill("SIGTERM");
  assert.equal(await helper.ended(), 0);
});
