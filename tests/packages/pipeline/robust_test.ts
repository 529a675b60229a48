/** Signals, kills, two runs at once, disks that are full and folders that refuse. */
import assert from "node:assert/strict";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { ended, Project, reading, stageUrl } from "./toy/project.ts";
import { random } from "../../../packages/random/random.ts";
import { mounted } from "../../mount.ts";

const SLOW = (ms: number, more = "") =>
  `stages:
  count: { to: 20 }
  slow: { inputs: { numbers: count }, ms: ${ms}${more} }
  sum: { inputs: { numbers: slow } }
  compare:
`;
/** The stage `slow` does three numbers, until the file `gate` is removed. */
const GATED = { "pipeline.yaml": SLOW(0, ", gate: gate"), gate: "" };
/** 1² + 2² + ... + 20² */
const TOTAL = "2870";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function totalOf(project: Project, out: string): Promise<string> {
  const { stages } = JSON.parse(out) as { stages: { id: string; outputs: { total: string } }[] };
  const { outputs } = stages.find(({ id }) => id === "sum")!;
  return await Deno.readTextFile(project.path(outputs.total, "total.txt"));
}

const windows = Deno.build.os === "windows";

Deno.test({
  name: "SIGINT and SIGTERM stop after the step at hand, and the next run goes on",
  ignore: windows,
  async fn() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await using project = await Project.make(GATED);
      const child = project.spawn(["run", "pipeline"]);
      await project.atTheGate();
      child.kill(signal);
      const { code, out, err } = await ended(child);
      assert.deepEqual([code, err], [130, ""]);
      assert.match(out, /stopping after the step at hand \(press Ctrl-C again to stop at once\)\n/);
      assert.match(out, /! slow {5}interrupted; the next run resumes here\n/);
      assert.match(out, /- sum {6}skipped: the run was interrupted\n/);
      assert.match(out, /\ninterrupted after .+: 1 ran {2}run [0-9a-f]{8}\n$/);
      await Deno.remove(project.path("gate"));
      const next = await project.here("run", "pipeline", "--json");
      assert.equal(next.code, 0, next.err);
      assert.match(next.err, /> slow {5}runs: an earlier run of it was interrupted\n/);
      assert.match(next.err, /slow: 3 of 20 were done\n/);
      assert.equal(await totalOf(project, next.out), TOTAL);
    }
  },
});

Deno.test({
  name: "SIGINT twice stops at once",
  ignore: windows,
  async fn() {
    await using project = await Project.make(GATED);
    const repository = project.path("with größe, 100%");
    await Deno.symlink(new URL("../../../", import.meta.url), repository);
    const child = project.spawn(["run", "pipeline", "--set", "slow.deaf=true"], {}, repository);
    const stdout = reading(child);
    await project.atTheGate();
    child.kill("SIGINT");
    await stdout.until("stopping after the step at hand");
    await pause(400); // or it would be taken for an echo of the first
    child.kill("SIGINT");
    const { code, out } = await stdout.rest();
    assert.equal(code, 130);
    assert.match(out, /stopping after the step at hand .*\n$/);
  },
});

Deno.test({
  name: "SIGINT ends a service well, and what runs before it with 130",
  ignore: windows,
  async fn() {
    await using project = await Project.make(GATED);
    await project.write({ "pipeline.yaml": `${GATED["pipeline.yaml"]}  greet:\n` });
    const first = project.spawn(["serve"]);
    await project.atTheGate();
    first.kill("SIGINT");
    assert.equal((await ended(first)).code, 130);

    await Deno.remove(project.path("gate"));
    const second = project.spawn(["serve"]);
    const stdout = reading(second);
    await stdout.until("greet: serving sum");
    second.kill("SIGINT");
    const { code, out } = await stdout.rest();
    assert.equal(code, 0, out);
    assert.match(out, /slow: 3 of 20 were done/);
    assert.match(out, /\nstopping \(press Ctrl-C again to stop at once\)\n/);
  },
});

Deno.test({
  name: "kill -9 at any moment: the next run completes, with the same bytes",
  ignore: windows,
  async fn() {
    await using project = await Project.make({ "pipeline.yaml": SLOW(8) });
    const rng = random(9, "kill");
    let died = 0;
    for (let round = 0; round < 10; round++) {
      const child = project.spawn(["run", "pipeline", "--force", "count", "--force", "sum"]);
      const result = ended(child);
      // A fresh start each time; the moment falls anywhere from start-up to the last stage.
      await pause(50 + 450 * rng.next());
      try {
        child.kill("SIGKILL");
        died++;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it was done before
      }
      await result;
      if (round % 3 === 2) {
        const next = await project.here("run", "pipeline", "--json");
        assert.equal(next.code, 0, next.err);
        assert.equal(await totalOf(project, next.out), TOTAL);
        await Deno.remove(project.path("artifacts"), { recursive: true });
      }
    }
    assert.ok(died > 0);
    await project.here("run", "pipeline");
    const left = (await project.files()).filter((name) => name.startsWith(".work/"));
    assert.deepEqual(left, [], "a run that ends well cleans up");
  },
});

Deno.test("two runs at once make each result once, and both end well", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": SLOW(20) });
  const both = async (...args: string[][]) => {
    const runs = await Promise.all(
      args.map((more) => project.cli("run", "pipeline", "--json", ...more)),
    );
    for (const { code, err, out } of runs) {
      assert.equal(code, 0, err);
      assert.equal(await totalOf(project, out), TOTAL);
    }
    return runs.map(({ out }) =>
      JSON.parse(out).stages as { id: string; status: string; why: string }[]
    );
  };
  await t.step("of the same pipeline", async () => {
    const [one, two] = await both([], []);
    for (const [i, { id, status, why }] of one!.entries()) {
      const other = two![i]!;
      assert.deepEqual([status, other.status].sort(), ["cached", "ran"], id);
      const idle = status === "cached" ? why : other.why;
      assert.match(idle, /^(cached|another run made it)$/);
    }
    assert.deepEqual((await project.files()).filter((name) => name.startsWith(".work/")), []);
  });
  await t.step("with different seeds", async () => {
    await project.write({ "pipeline.yaml": `${SLOW(10)}  draw:\n` });
    const before = (await project.files("artifacts/runs")).length;
    const results = await both(["--seed", "1"], ["--seed", "2"]);
    for (const stages of results) {
      assert.equal(stages.find(({ id }) => id === "draw")!.status, "ran");
      assert.equal(stages.find(({ id }) => id === "slow")!.status, "cached");
    }
    const recorded = (await project.files("artifacts/runs")).length - before;
    assert.equal(recorded, 2, "each run has its record");
  });
});

Deno.test("a forced run does not pull results from under another", async () => {
  await using project = await Project.make({ "pipeline.yaml": SLOW(10) });
  await project.here("run", "pipeline");
  const runs = await Promise.all([
    project.cli("run", "pipeline", "--json", "--force", "count", "--force", "slow"),
    project.cli("run", "pipeline", "--json", "--force", "sum"),
    project.cli("run", "pipeline", "--json", "--force", "slow", "--force", "sum"),
  ]);
  for (const { code, err, out } of runs) {
    assert.equal(code, 0, err);
    assert.equal(await totalOf(project, out), TOTAL);
  }
});

Deno.test("a folder for results that is a file is told as a mistake", async () => {
  await using project = await Project.make({ "pipeline.yaml": SLOW(0), "artifacts": "" });
  const { code, err } = await project.here("run", "pipeline");
  assert.equal(code, 2);
  assert.match(
    err,
    /pipeline\.yaml:1:1: artifacts: expected a folder for the results, but .* is a file/,
  );
  await Deno.remove(project.path("artifacts"));
  await Deno.symlink("/nowhere/at all", project.path("artifacts"));
  const unmounted = await project.here("run", "pipeline");
  assert.equal(unmounted.code, 2);
  assert.match(
    unmounted.err,
    /a folder for the results, but .* leads to none\. Is its disk mounted/,
  );
  await Deno.remove(project.path("artifacts"));
  await project.write({ "file": "" });
  const below = await project.here("run", "pipeline", "--set", "artifacts=file/in/it");
  assert.equal(below.code, 1);
  assert.match(below.out, /✗ count {4}failed: .*file\/in\b/);
  assert.doesNotMatch(below.out + below.err, /\n +at /);
});

const canMount = await (async () => {
  const folder = await Deno.makeTempDir();
  const mount = await mounted("size=64k", folder);
  await mount?.[Symbol.asyncDispose]();
  await Deno.remove(folder);
  return mount !== undefined;
})();
const needsMount = canMount ? "" : " (ignored: this user may not mount file systems)";

Deno.test("too many open files fail the stage with the way out", async () => {
  const source = `
import { z } from "zod";
import { defineStage } from "${stageUrl}";
export default defineStage({
  name: "open", summary: "Open", inputs: {}, outputs: {}, params: z.strictObject({}),
  run: () => { throw new Error("not opened", { cause: new Error("x (os error 24)") }); },
});
`;
  await using project = await Project.make({
    "open.ts": source,
    "pipeline.yaml": "plugins: [open.ts]\nstages: { open: }",
  });
  const { code, out } = await project.here("run", "pipeline");
  assert.equal(code, 1);
  const wayOut = "ulimit -Hn 4096, or --ulimit nofile of a container. The next run resumes.";
  assert.ok(out.includes(`\n  Raise the hard limit of the process: ${wayOut}`), out);
});

Deno.test({
  name: `a full disk fails the stage, is told, and is no obstacle once there is room${needsMount}`,
  ignore: !canMount,
  async fn() {
    const yaml = `stages:
  count:
  broken: { inputs: { numbers: count }, how: spill }
  sum: { inputs: { numbers: broken } }
`;
    await using project = await Project.make({ "pipeline.yaml": yaml });
    await using _mount = await mounted("size=4m", project.path("artifacts"));
    const full = await project.here("run", "pipeline", "--json");
    assert.equal(full.code, 1);
    assert.match(full.err, /✗ broken {2}failed: .*No space left on device/);
    assert.match(
      full.err,
      /\n +Free space on that disk, or name .*artifacts=FOLDER\. The next run/,
    );
    assert.deepEqual(JSON.parse(full.out).stages.map((s: { status: string }) => s.status), [
      ...["ran", "failed", "skipped"],
    ]);
    const stuffed = project.path("artifacts/stuffing");
    await Deno.writeFile(stuffed, new Uint8Array(3_900_000));
    const fuller = await project.here("run", "pipeline", "--set", "broken.how=never");
    assert.doesNotMatch(fuller.out + fuller.err, /\n +at /);
    await Deno.remove(stuffed);
    const roomy = await project.here("run", "pipeline", "--set", "broken.how=never");
    assert.equal(roomy.code, 0, roomy.out);
  },
});

Deno.test({
  name: `gc makes room on a disk that has none${needsMount}`,
  ignore: !canMount,
  async fn() {
    const yaml = "stages: { count: { to: 4 }, add: {}, sum: { inputs: { numbers: add } } }";
    await using project = await Project.make({ "pipeline.yaml": yaml });
    await using _mount = await mounted("size=1m", project.path("artifacts"));
    for (const by of [1, 2]) await project.run({ set: [`add.by=${by}`] });
    const rest = Deno.writeFile(project.path("artifacts/rest"), new Uint8Array(2 ** 20));
    await assert.rejects(rest, /No space left/);
    const { code, out, err } = await project.here("gc", "--keep", "1", "--yes");
    assert.equal(code, 0, err);
    assert.match(out, /^1 run will be listed no longer\n[^]*\nremoved /);
    assert.match((await project.here("gc")).out, /^nothing to remove: 1 run is listed/);
  },
});

Deno.test({
  name: `a folder for results that cannot be written to is told plainly${needsMount}`,
  ignore: !canMount,
  async fn() {
    await using project = await Project.make({ "pipeline.yaml": SLOW(0) });
    await using _mount = await mounted("size=1m,ro", project.path("artifacts"));
    const dry = await project.here("run", "pipeline", "--dry-run");
    assert.equal(dry.code, 0, dry.err);
    const { code, out, err } = await project.here("run", "pipeline");
    assert.equal(code, 1);
    assert.match(out, /✗ count {4}failed: Read-only file system .*artifacts\/\.work/);
    assert.match(out, /this run could not be recorded: Read-only file system/);
    assert.doesNotMatch(out + err, /\n +at /);
  },
});

Deno.test("results in a folder that cannot be written to are used", {
  ignore: !canMount,
}, async () => {
  await using project = await Project.make({ "pipeline.yaml": SLOW(0) });
  await project.here("run", "pipeline");
  const bind = (...args: string[]) => new Deno.Command("mount", { args }).output();
  const folder = project.path("artifacts");
  await bind("--bind", folder, folder);
  try {
    await bind("-o", "remount,ro,bind", folder);
    const signal = new AbortController().signal;
    // gc must not remove what a run uses.
    using held = await new ArtifactStore(folder).lockShared(() => {}, signal);
    assert.ok(held);
    const { code, out } = await project.here("run", "pipeline");
    assert.equal(code, 0, out);
    assert.match(out, /done in .*: 4 cached\n$/);
    // A pipeline that used none of them before, and one whose note is damaged.
    await project.write({ "other.yaml": SLOW(0) });
    const other = await project.here("run", "other");
    assert.equal(other.code, 0, other.out);
    assert.match(other.out, /\nwhat this run uses could not be noted: Read-only file system/);
    assert.match(other.out, /done in .*: 4 cached\n$/);
    for (const args of [["run", "other", "--dry-run"], ["runs"], ["verify"], ["gc", "--dry-run"]]) {
      const { code, out, err } = await project.here(...args);
      assert.equal(code, 0, `${args}: ${out}${err}`);
    }
  } finally {
    await new Deno.Command("umount", { args: [folder] }).output();
  }
});
