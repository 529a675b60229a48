/** What a stage is told of how its inputs came to be, and when that makes it run again. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import type { Lineage } from "../../../../packages/pipeline/stage.ts";
import { Project, WAVE } from "../toy/project.ts";

const CHAIN = `name: toys
stages:
  count: { to: 4, label: loud }
  clamp: { inputs: { numbers: count }, max: 9 }
  sum: { inputs: { numbers: clamp } }
  add: { inputs: { numbers: count } }
  tell: { inputs: { totals: sum } }
  retell:
`;

async function told(project: Project, ran: Awaited<ReturnType<Project["run"]>>): Promise<Lineage> {
  return JSON.parse(await project.output(ran, "tell", "story.json"));
}

Deno.test("a stage with lineage learns how its inputs came to be", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const lineage = await told(project, await project.run());
  const { stages, run, ...pipeline } = lineage;
  assert.match(run!.id, /^[0-9a-f]{8}$/);
  assert.ok(Date.parse(run!.startedAt) <= Date.parse(stages[0].startedAt));
  assert.deepEqual(pipeline, {
    command: "deno task run pipeline",
    pipeline: "toys",
    file: "pipeline.yaml",
    seed: 42,
    compute: "auto",
    inputs: { totals: "sum" },
  });
  assert.deepEqual(stages.map(({ id }) => id), ["count", "clamp", "sum"]);
  const [count, clamp] = stages;
  assert.deepEqual(count.params, { to: 4, label: "loud" });
  assert.deepEqual(clamp.inputs, { numbers: "count" });
  assert.deepEqual(clamp.after, ["count"]);
  assert.deepEqual(count.observed, {});
  assert.match(count.fingerprint, /^[0-9a-f]{64}$/);
  assert.ok(count.machine!.cores >= 1 && count.machine!.memory > 2 ** 20);
  assert.ok(Date.parse(count.startedAt) > 0 && count.seconds >= 0);
});

Deno.test("a lineage names parameters without effect, but for those that the YAML gives", async () => {
  await using project = await Project.make({
    "wave.ts": WAVE,
    "pipeline.yaml": "",
  });
  const unused = async (params: string) => {
    await project.write({
      "pipeline.yaml":
        `plugins: [wave.ts]\nstages: { wave: { ${params} }, sum: { inputs: { numbers: wave } }, tell: }`,
    });
    return (await told(project, await project.run())).stages[0].unused;
  };
  assert.deepEqual(await unused("mode: still, speed: 2"), ["depth"]);
  assert.deepEqual(await unused("mode: high"), []);
});

Deno.test("paths in a lineage are those from the project", async () => {
  await using other = await Project.make({ "2.txt": "2" });
  const beside = `../${basename(other.folder)}/2.txt`;
  await using project = await Project.make({
    "1.txt": "1",
    "pipeline.yaml": `stages:
  readFile: { file: 1.txt, more: [${other.path("2.txt")}] }
  sum: { inputs: { numbers: readFile } }
  tell: { inputs: { totals: sum } }
`,
  });
  const { stages } = await told(project, await project.run());
  assert.deepEqual(stages[0].params, { file: "1.txt", more: [beside] });
});

Deno.test("a stage with lineage runs again when its inputs are made in another way", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  await t.step("though they are the same", async () => {
    const ran = await project.run({ set: ["clamp.max=8"] });
    const { statuses, why } = ran;
    assert.equal(statuses.sum, "cached");
    assert.equal(statuses.tell, "ran");
    assert.equal(why.tell, "clamp was made in another way");
    assert.equal((await told(project, ran)).stages[1].params.max, 8);
    // What takes the story depends on nothing that is volatile in it.
    assert.equal(statuses.retell, "cached");
  });
  await t.step("which a preview does not claim before they are made", async () => {
    const { text } = await project.run({ dryRun: true, set: ["clamp.max=3"] });
    assert.match(
      text,
      /> sum +runs: clamp will run before it\n[^]*> tell +runs: sum will run before it\n/,
    );
    assert.match(text, /> clamp +runs: clamp.max changed from 8 to 3\n/);
  });
  await t.step("or for a pipeline of another name", async () => {
    const { why } = await project.run({ set: ["name=others"] });
    assert.equal(why.tell, 'the pipeline\'s name changed from "toys" to "others"');
    assert.equal(why.retell, "cached");
  });
  await t.step("but not for what cannot matter", async () => {
    const { statuses } = await project.run({ set: ["count.label=quiet"] });
    assert.deepEqual(new Set(Object.values(statuses)), new Set(["cached"]));
  });
});

Deno.test("forcing what comes out the same keeps what is volatile, and the record true", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const before = await project.output(await project.run(), "tell", "story.json");
  await project.run({ force: ["count"] }); // another time, the same bytes
  const ran = await project.run({ force: ["tell"] });
  assert.deepEqual([ran.statuses.tell, ran.statuses.retell], ["ran", "cached"]);
  assert.equal(await project.output(ran, "tell", "story.json"), before);
  assert.equal((await project.run()).statuses.tell, "cached"); // nothing is damaged
});
