/** Running parts of a pipeline, and what is there once more. */
import assert from "node:assert/strict";
import { Project } from "../toy/project.ts";

const CHAIN = `stages:
  count: { to: 4 }
  clamp: { inputs: { numbers: count }, max: 9 }
  sum: { inputs: { numbers: clamp } }
  compare:
`;

Deno.test("parts of a pipeline", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": `${CHAIN}  draw:\n` });
  const { statuses: nothing } = await project.run({ until: ["sum"] });
  await t.step("--until runs a stage and what it needs", () => {
    assert.deepEqual(nothing, {
      count: "ran",
      clamp: "ran",
      sum: "ran",
      compare: "skipped",
      draw: "skipped",
    });
  });
  const set = ["count.to=6"];
  await t.step("--only needs what comes before it", async () => {
    const { report, why, statuses } = await project.run({ only: ["sum"], set });
    assert.equal(report.ok, false);
    assert.deepEqual([statuses.clamp, statuses.sum], ["skipped", "skipped"]);
    assert.equal(
      why.count,
      "count has to run first (count.to changed from 4 to 6), and the command line leaves it out. " +
        "Run it with --until count.",
    );
    assert.equal(why.sum, "clamp did not finish");
  });
  await t.step("--only runs one", async () => {
    const { statuses } = await project.run({ only: ["sum"], set: ["sum.double=true"] });
    assert.deepEqual(statuses, {
      count: "cached",
      clamp: "cached",
      sum: "ran",
      compare: "skipped",
      draw: "skipped",
    });
  });
  await t.step("--from runs a stage and what needs it", async () => {
    const { statuses } = await project.run({ from: ["clamp"], set: ["clamp.max=2"] });
    assert.deepEqual(statuses, {
      count: "cached",
      clamp: "ran",
      sum: "ran",
      compare: "ran",
      draw: "skipped",
    });
  });
  await t.step("--force runs what is there", async () => {
    const { statuses, why } = await project.run({ force: ["count", "sum"] });
    assert.deepEqual(statuses, {
      count: "ran",
      clamp: "cached",
      sum: "ran",
      compare: "ran",
      draw: "ran",
    });
    assert.deepEqual([why.count, why.sum], ["forced by --force", "forced by --force"]);
  });
});

Deno.test("several stages are selected by repeating an option", async () => {
  await using project = await Project.make({ "pipeline.yaml": `${CHAIN}  draw:\n` });
  assert.equal((await project.here("run", "pipeline", "--until", "count")).code, 0);
  const selected = async (option: string, first: string) => {
    const args = [option, first, option, "draw", "--dry-run"];
    const { out } = await project.here("run", "pipeline", ...args);
    return [...out.matchAll(/^> (\w+)/gm)].map(([, id]) => id);
  };
  assert.deepEqual(await selected("--only", "clamp"), ["clamp", "draw"]);
  assert.deepEqual(await selected("--until", "sum"), ["clamp", "sum", "draw"]);
  assert.deepEqual(await selected("--from", "clamp"), ["clamp", "sum", "compare", "draw"]);
});

Deno.test("a forced stage that makes something else reruns what follows", async () => {
  const yaml = "stages:\n  chance:\n  sum: { inputs: { numbers: chance } }\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const first = await project.run();
  const before = await project.output(first, "sum", "total.txt");
  const second = await project.run({ force: ["chance"] });
  assert.deepEqual(second.statuses, { chance: "ran", sum: "ran" });
  assert.notEqual(await project.output(second, "sum", "total.txt"), before);
  assert.deepEqual((await project.run()).statuses, { chance: "cached", sum: "cached" });
});
