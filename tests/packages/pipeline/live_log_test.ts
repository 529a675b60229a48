/** The log of a run at work: what is in it, how often it is written, and when it goes. */
import assert from "node:assert/strict";
import {
  type LiveEvent,
  type LiveLine,
  LiveLog,
  removeStaleLogs,
} from "../../../packages/pipeline/live_log.ts";
import { createReporter } from "../../../packages/pipeline/reporter.ts";
import { History } from "../../../packages/pipeline/history.ts";
import { Project } from "./toy/project.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function linesOf(path: string): Promise<LiveLine[]> {
  const text = await Deno.readTextFile(path).catch(() => "");
  // The last line may not be complete yet.
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

Deno.test("a run writes its progress while it works, and nothing is left of it", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages:\n  count: { to: 30 }\n  slow: { ms: 0, gate: gate }\n  sum: { inputs: { numbers: slow } }\n",
    gate: "",
  });
  const running = project.run();
  let events: LiveEvent[] = [];
  while (!events.some((event) => event.type === "progress" && event.done === 3)) {
    await pause(20);
    const [name] = await project.files("artifacts/.live");
    if (!name) continue;
    events = (await linesOf(project.path("artifacts/.live", name))).flatMap(({ events }) => events);
    const [run] = await new History(project.path("artifacts")).list();
    assert.equal(name, `${run!.id}.jsonl`);
  }
  const [first] = events;
  assert.ok(first?.type === "run");
  assert.deepEqual(first.stages.map(({ id, after }) => [id, after]), [
    ["count", []],
    ["slow", ["count"]],
    ["sum", ["slow"]],
  ]);
  const states = events.flatMap((event) =>
    event.type === "stage" ? `${event.id} ${event.status}` : []
  );
  assert.deepEqual(states, ["count running", "count ran", "slow running"]);
  const progress = events.findLast((event) => event.type === "progress");
  assert.ok(progress && progress.total === 30 && progress.unit === "numbers");
  await Deno.remove(project.path("gate"));
  const { report } = await running;
  assert.ok(report.ok);
  assert.deepEqual(await project.files("artifacts/.live"), []);
  assert.equal(await Deno.stat(project.path("artifacts/.live")).catch(() => "gone"), "gone");
});

Deno.test("an epoch is logged with its numbers; secrets and colors are not", async () => {
  const folder = await Deno.makeTempDir({ prefix: "live-" });
  try {
    const live = new LiveLog(folder);
    const silent = { write: () => {}, terminal: false, columns: () => 80, color: false };
    const { log } = live.reporter(createReporter(silent));
    const printed =
      "  train: epoch 3/20 loss 0.25 hair color_accuracy 0.980 eye color_accuracy 1.00 " +
      "val_loss 1e-3 val_hair color_auc NaN learning_rate 0.001 best";
    log(printed);
    log("\x1b[33mfrom https://me:secret@example.org/x\x1b[39m");
    live.open("0123abcd");
    let line: LiveLine | undefined;
    while (!line) {
      await pause(20);
      [line] = await linesOf(`${folder}/.live/0123abcd.jsonl`);
    }
    assert.deepEqual(line.events[0], {
      type: "epoch",
      id: "train",
      epoch: 3,
      epochs: 20,
      numbers: {
        loss: 0.25,
        "hair color_accuracy": 0.98,
        "eye color_accuracy": 1,
        val_loss: 0.001,
        learning_rate: 0.001,
      },
      text: printed,
    });
    assert.doesNotMatch(JSON.stringify(line), /secret|\\u001b/);
    await live.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a log that cannot be written disturbs no run", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages:\n  count:\n  slow: { ms: 400 }\n",
    "artifacts/.live": "a file in its place",
  });
  assert.ok((await project.run()).report.ok);
});

Deno.test("the log of a killed run is stale, and gc removes it", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages:\n  count: { to: 100 }\n  slow: { ms: 0, gate: gate }\n",
    gate: "",
  });
  const child = project.spawn(["run", "pipeline"]);
  while ((await project.files("artifacts/.live")).length === 0) await pause(20);
  child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
  assert.equal((await project.files("artifacts/.live")).length, 1);
  const [run] = await new History(project.path("artifacts")).list();
  assert.equal(run!.state, "interrupted");
  await project.cli("gc", "--dry-run");
  assert.equal((await project.files("artifacts/.live")).length, 1);
  assert.equal(await removeStaleLogs(project.path("artifacts"), new Set([run!.id])), 0);
  await project.cli("gc", "--yes");
  assert.deepEqual(await project.files("artifacts/.live"), []);
});
