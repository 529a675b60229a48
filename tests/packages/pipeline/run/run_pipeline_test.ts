/** What runs again, what does not, and the reasons that a person is given. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { History } from "../../../../packages/pipeline/history.ts";
import { Project, stageUrl } from "../toy/project.ts";

const CHAIN = `stages:
  count: { to: 4 }
  clamp: { inputs: { numbers: count }, max: 9 }
  sum: { inputs: { numbers: clamp } }
  compare:
`;

const all = (status: string) => ({ count: status, clamp: status, sum: status, compare: status });

Deno.test("a pipeline runs once", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const first = await project.run();
  assert.deepEqual(first.statuses, all("ran"));
  assert.equal(first.why.count, "it has not run yet");
  assert.equal(await project.output(first, "compare", "comparison.txt"), "sum 10");
  assert.deepEqual(first.report.metrics, { sum: { test: { loss: 10 } } });
  const artifacts = await project.files();
  const second = await project.run();
  assert.deepEqual(second.statuses, all("cached"));
  assert.deepEqual(second.report.metrics, first.report.metrics);
  assert.deepEqual(await project.files(), artifacts);
  assert.match(second.text, /^· count {4}cached\n/);
  const files = second.text.match(/artifacts\/compare\/[0-9a-f]{16}\/comparison\/comparison.txt/);
  assert.ok(files, second.text);
});

Deno.test("a parameter reruns its stage and those after it", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  await t.step("with the reasons", async () => {
    const { statuses, why, text } = await project.run({ set: ["count.to=5"] });
    assert.deepEqual(statuses, all("ran"));
    assert.equal(why.count, "count.to changed from 4 to 5");
    assert.equal(why.clamp, "its input numbers changed");
    assert.equal(why.compare, "its input totals of sum changed");
    assert.match(
      text,
      /^> count {4}runs: count.to changed from 4 to 5\n✓ count {4}done in [\d.:]+( s)?\n/,
    );
  });
  await t.step("and what was there before is there again", async () => {
    assert.deepEqual((await project.run()).statuses, all("cached"));
  });
  await t.step("but not when it cannot matter", async () => {
    assert.deepEqual((await project.run({ set: ["count.label=hello"] })).statuses, all("cached"));
  });
  await t.step("nor when it says what is the default", async () => {
    assert.deepEqual((await project.run({ set: ["sum.double=false"] })).statuses, all("cached"));
  });
});

Deno.test("what comes out the same ends a rerun there", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const { statuses, why } = await project.run({ set: ["clamp.max=8"] });
  assert.deepEqual(statuses, { count: "cached", clamp: "ran", sum: "cached", compare: "cached" });
  assert.equal(why.clamp, "clamp.max changed from 9 to 8");
});

Deno.test("an id is only a name", async () => {
  await using project = await Project.make({ "pipeline.yaml": "stages:\n  count:\n  sum:\n" });
  await project.run();
  await project.write({ "pipeline.yaml": "stages:\n  numbers: { use: count }\n  sum:\n" });
  assert.deepEqual((await project.run()).statuses, { numbers: "cached", sum: "cached" });
  await project.write({ "pipeline.yaml": "stages:\n  count:\n  sum: { use: crunch }\n" });
  assert.equal((await project.run()).why.sum, "sum uses crunch instead of sum");
});

Deno.test("the seed counts where it is declared", async (t) => {
  const yaml = "stages:\n  draw:\n  sum: { inputs: { numbers: draw } }\n  count:\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const first = await project.run();
  assert.equal(await project.output(first, "sum", "total.txt"), "84");
  await t.step("and is told", async () => {
    const { statuses, why } = await project.run({ set: ["seed=7"] });
    assert.deepEqual(statuses, { draw: "ran", sum: "ran", count: "cached" });
    assert.equal(why.draw, "seed changed from 42 to 7");
  });
  await t.step("which may depend on parameters", async () => {
    const set = ["draw.lucky=false"];
    const { why } = await project.run({ set });
    assert.equal(
      why.draw,
      "draw.lucky changed from true to false, seed no longer matters (it was 7)",
    );
    const other = await project.run({ set: [...set, "seed=9"] });
    assert.deepEqual(other.statuses, { draw: "cached", sum: "cached", count: "cached" });
  });
});

Deno.test("a context refuses what was not declared", async () => {
  await using project = await Project.make({ "pipeline.yaml": "stages: { sneak: }" });
  for (const [what, flag] of [["seed", "seeded"], ["compute", "compute"], ["lineage", "lineage"]]) {
    const { statuses, why } = await project.run({ set: [`sneak.what=${what}`] });
    assert.deepEqual(statuses, { sneak: "failed" });
    const told =
      `Stage "sneak" reads context.${what} without declaring it: add ${flag}: true to its definition.`;
    assert.equal(why.sneak, told);
  }
});

Deno.test("the compute backend counts where it is declared, as resolved", async () => {
  await using project = await Project.make({ "pipeline.yaml": "stages:\n  count:\n  crunch:\n" });
  const first = await project.run();
  assert.equal(await project.output(first, "crunch", "total.txt"), "wasm");
  assert.equal((await project.run({ set: ["compute=wasm"] })).statuses.crunch, "cached");
  const now = await project.run({ backend: "node" });
  assert.deepEqual(now.statuses, { count: "cached", crunch: "ran" });
  assert.equal(now.why.crunch, 'compute changed from "wasm" to "node"');
});

Deno.test("facts from outside count", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages:\n  readFile: { file: data.txt }\n  sum:\n",
    "data.txt": "1 2",
    "copy/data.txt": "1 2",
  });
  const first = await project.run();
  assert.equal(await project.output(first, "sum", "total.txt"), "3");
  assert.equal(
    (await project.run({ set: ["readFile.file=copy/data.txt"] })).statuses.sum,
    "cached",
  );
  await project.write({ "data.txt": "1 2 3" });
  const now = await project.run();
  assert.deepEqual([now.why.readFile, now.statuses.sum], ["data.txt changed", "ran"]);
  await Deno.remove(project.path("data.txt"));
  const gone = await project.run();
  assert.match(gone.why.readFile!, /No such file or directory.*data\.txt/);
  assert.equal(gone.report.ok, false);
});

Deno.test("a result that is damaged or gone is made again, and why is told", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const first = await project.run();
  const outputs = (id: string) =>
    Object.values(first.report.stages.find((stage) => stage.id === id)!.outputs)[0]!;
  await Deno.writeTextFile(project.path(outputs("count"), "numbers.txt"), "1");
  await Deno.remove(project.path(outputs("sum"), "total.txt"));
  await Deno.remove(project.path(outputs("compare"), ".."), { recursive: true });
  const { statuses, why } = await project.run();
  assert.deepEqual(statuses, { count: "ran", clamp: "cached", sum: "ran", compare: "ran" });
  assert.equal(why.count, "numbers/numbers.txt has another size");
  assert.equal(why.sum, "total/total.txt is missing");
  assert.equal(why.compare, "its last result is gone");
  assert.deepEqual((await project.run()).statuses, all("cached"));
});

Deno.test("--dry-run tells what would run and leaves no result", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const empty = await project.run({ dryRun: true });
  assert.equal(
    empty.text,
    `> count    runs: it has not run yet
> clamp    runs: count will run before it
> sum      runs: clamp will run before it
> compare  runs: sum will run before it
`,
  );
  assert.equal(empty.report.ok, true);
  const left = (await project.files()).filter((name) => !name.startsWith(".cache/"));
  assert.deepEqual(left, []);
  await project.run();
  const artifacts = await project.files();
  const nothing = await project.run({ dryRun: true });
  assert.match(nothing.text, /· compare {2}cached\n$/);
  const dry = await project.run({ dryRun: true, set: ["clamp.max=2", "sum.double=true"] });
  assert.equal(
    dry.text,
    `· count    cached
> clamp    runs: clamp.max changed from 9 to 2
> sum      runs: sum.double changed from false to true
> compare  runs: sum will run before it
`,
  );
  assert.deepEqual(dry.statuses, {
    count: "cached",
    clamp: "skipped",
    sum: "skipped",
    compare: "skipped",
  });
  assert.deepEqual(await project.files(), artifacts);
});

Deno.test("a stage that fails", async (t) => {
  const yaml = `stages:
  count:
  broken: { inputs: { numbers: count } }
  sum: { inputs: { numbers: broken } }
  draw:
`;
  await using project = await Project.make({ "pipeline.yaml": yaml });
  await t.step("is told with its cause, and nothing of it appears", async () => {
    const { text, statuses, report } = await project.run();
    assert.equal(report.ok, false);
    assert.deepEqual(statuses, { count: "ran", broken: "failed", sum: "skipped", draw: "skipped" });
    assert.match(
      text,
      /✗ broken {2}failed: Cannot count "4": it is too large. Use 3.\n {2}because: the wind was from the east\n/,
    );
    assert.match(
      text,
      /- sum {5}skipped: broken did not finish\n- draw {4}skipped: an earlier .*, and a run ends /,
    );
    assert.deepEqual(report.stages[1]!.outputs, {});
    const left = (await project.files()).filter((name) => /^(broken|\.work)\//.test(name));
    assert.deepEqual(left, []);
  });
  await t.step("shows where in the code, if it is a mistake there", async () => {
    const { text } = await project.run({ set: ["broken.how=bug"] });
    assert.match(text, /failed: Cannot read properties of undefined.*\n +at .*toy\/stages\.ts/);
  });
  await t.step("goes on when it is mended", async () => {
    const { statuses, why } = await project.run({ set: ["broken.how=never"] });
    assert.deepEqual(statuses, { count: "cached", broken: "ran", sum: "ran", draw: "ran" });
    assert.equal(why.broken, "it has not run yet");
  });
});

Deno.test("a stage that will fail ends the run before slow stages in between", async (t) => {
  const picky = (name: string) =>
    `import { z } from "npm:zod@4.6.7";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
const read = ({ path }) => Deno.readTextFile(path + "/numbers.txt");
export default defineStage({
  name: "${name}", summary: "Take a number", inputs: { numbers }, outputs: { numbers },
  params: z.strictObject({ number: z.number().default(3) }),
  async checkAhead({ number }, artifact) {
    const text = await read(artifact);
    if (!text.includes(String(number))) throw new Error(\`there is no \${number} in \${artifact.stage}\`);
  },
  async run({ numbers }, _, { outputs }) {
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", await read(numbers));
  },
});
`;
  const chain = "plugins: [picky.ts]\nstages: { count: , clamp: { inputs: { numbers: count } }, " +
    "picky: { inputs: { numbers: clamp } }, draw: }\n";
  const files = { "pipeline.yaml": chain, "picky.ts": picky("picky"), "other.ts": picky("other") };
  await using project = await Project.make(files);
  const set = ["picky.number=7"];
  await t.step("with the error of the stage", async () => {
    const { text, statuses, why } = await project.run({ set });
    const expected = { count: "ran", clamp: "skipped", picky: "failed", draw: "skipped" };
    assert.deepEqual(statuses, expected);
    assert.equal(why.picky, "there is no 7 in count");
    assert.match(
      text,
      /✓ count .*\n✗ picky {2}failed: there is no 7 in count\n- clamp {2}skipped: an e/,
    );
  });
  await t.step("also if the result is cached, and not if the stage is not selected", async () => {
    const { statuses } = await project.run({ set });
    assert.deepEqual([statuses.count, statuses.picky], ["cached", "failed"]);
    const { report } = await project.run({ set, until: ["clamp"] });
    assert.equal(report.ok, true);
    const mended = await project.run();
    assert.deepEqual([mended.report.ok, mended.statuses.picky], [true, "ran"]);
  });
  await t.step("also before the shared stages of a sweep", async () => {
    const sweep = ["--sweep", "picky.number=7,8", "--set", "clamp.max=2"];
    const { code, out } = await project.here("run", "pipeline", ...sweep);
    assert.equal(code, 1);
    assert.match(out, /✗ picky {2}failed: there is no 7 in count\n- clamp {2}skipped: an earlier/);
    const second = ["--sweep", "picky.number=3,8", "--set", "clamp.max=3"];
    const { out: later } = await project.here("run", "pipeline", ...second);
    assert.match(
      later,
      /✗ picky {2}failed: there is no 8 in count\n- clamp {2}skipped: an earlier/,
    );
    const other = await project.here("run", "pipeline", ...sweep, "--until", "clamp");
    assert.equal(other.code, 0, other.out + other.err);
    const cached = ["--sweep", "picky.number=3,8", "--set", "clamp.max=2"];
    const { out: last } = await project.here("run", "pipeline", ...cached);
    assert.match(last, /✗ picky {2}failed: there is no 8 in count\n/);
    assert.ok(!last.includes("1/2"), last);
  });
  await t.step(
    "unless a plugin's stage is in between, which may change what it finds",
    async () => {
      const between = chain.replace("[picky.ts]", "[picky.ts, other.ts]")
        .replace("clamp: {", "other: {").replace("numbers: clamp", "numbers: other");
      await project.write({ "pipeline.yaml": between });
      const { statuses, why } = await project.run({ set });
      assert.deepEqual([statuses.other, statuses.picky], ["ran", "failed"]);
      assert.equal(why.picky, "there is no 7 in other");
    },
  );
});

Deno.test("a stage that is interrupted goes on where it was", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages:\n  count: { to: 8 }\n  slow: { inputs: { numbers: count }, ms: 0, gate: gate }\n",
    gate: "",
  });
  const interrupt = new AbortController();
  const running = project.run({ signal: interrupt.signal });
  await project.atTheGate();
  const [under] = await new History(project.path("artifacts")).list();
  const meanwhile = await project.run({ dryRun: true });
  assert.equal(meanwhile.why.slow, `runs: it is at work in run ${under!.id}`);
  interrupt.abort(new Error("enough"));
  const first = await running;
  assert.deepEqual([first.statuses.slow, first.why.slow], ["failed", "interrupted"]);
  assert.match(first.text, /! slow {3}interrupted; the next run resumes here\n/);
  const dry = await project.run({ dryRun: true });
  assert.equal(dry.why.slow, "runs: an earlier run of it was interrupted");
  await Deno.remove(project.path("gate"));
  const second = await project.run();
  assert.match(
    second.text,
    / {2}slow: resumes an interrupted attempt\n {2}slow: 3 of 8 were done\n/,
  );
  assert.equal(await project.output(second, "slow", "numbers.txt"), "1\n4\n9\n16\n25\n36\n49\n64");
  assert.deepEqual((await project.files()).filter((name) => name.startsWith(".work")), []);
});

Deno.test("a run that is interrupted between two stages is not ok", async () => {
  const yaml = "stages:\n  count:\n  sum: { inputs: { numbers: count } }\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const interrupt = new AbortController();
  const onText = (text: string) => text.includes("✓ count") && interrupt.abort(new Error("enough"));
  const first = await project.run({ signal: interrupt.signal, onText });
  assert.deepEqual(first.statuses, { count: "ran", sum: "skipped" });
  assert.equal(first.report.ok, false);
  const second = await project.run();
  assert.deepEqual(second.statuses, { count: "cached", sum: "ran" });
  assert.equal(second.report.ok, true);
});

Deno.test("the record of a run says what it was made of", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run({ set: ["count.to=950"] });
  const [name, ...others] = await project.files("artifacts/runs");
  assert.deepEqual(others, []);
  assert.match(name!, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-pipeline-[0-9a-f]{8}\.json$/);
  const run = JSON.parse(await Deno.readTextFile(project.path("artifacts/runs", name!)));
  assert.deepEqual([run.pipeline, run.ok, run.seed], ["pipeline", true, 42]);
  const [count, clamp] = run.stages;
  assert.deepEqual(count.dependencies.params, { to: 950 });
  assert.deepEqual(count.warnings, ["that is a lot"]);
  assert.match(clamp.dependencies.inputs.numbers, /^[0-9a-f]{64}$/);
  assert.ok("zod" in count.dependencies.packages, JSON.stringify(count.dependencies.packages));
  assert.ok(Object.keys(count.dependencies.modules).some((file) => file.endsWith("toy/stages.ts")));
  assert.equal(run.deno, Deno.version.deno);
  assert.equal(count.fingerprint.length, 64);
});

Deno.test("two outputs of one stage both count", async () => {
  const yaml = "stages:\n  count:\n  both:\n  compare:\n";
  await using project = await Project.make({ "pipeline.yaml": yaml });
  await project.run();
  const { statuses, why } = await project.run({ set: ["both.high=10"] });
  assert.deepEqual(statuses, { count: "cached", both: "ran", compare: "ran" });
  assert.equal(why.compare, "its input totals of both.high changed");
});

Deno.test("services start when what they need is there, and end with the run", async () => {
  const yaml = "stages:\n  count:\n  sum:\n  greet:\n  draw:\n".replace(
    "sum:",
    "sum: { inputs: { numbers: count } }",
  );
  await using project = await Project.make({ "pipeline.yaml": yaml });
  const without = await project.run();
  assert.equal(without.why.greet, "a service; deno task serve starts it");
  const interrupt = new AbortController();
  const { text, report } = await project.run({
    services: true,
    signal: interrupt.signal,
    onText: (text) => text.includes("serving") && setTimeout(() => interrupt.abort()),
  });
  assert.match(text, / {2}greet: serving sum\n$/);
  assert.equal(report.ok, true);
  const broken = await project.run({ services: true, set: ["greet.fail=true"] });
  assert.match(broken.text, /✗ greet {2}failed: the port is taken\n$/);
  assert.equal(broken.report.ok, false);
  const sum = project.path(without.report.stages.find(({ id }) => id === "sum")!.outputs.total!);
  const [file] = await Array.fromAsync(Deno.readDir(sum));
  const whole = await Deno.readTextFile(join(sum, file!.name));
  await Deno.writeTextFile(join(sum, file!.name), whole.replace(/^./, "7"));
  const damaged = await project.run({ services: true });
  assert.match(damaged.text, /✗ greet {2}failed: Cannot use ".*Run deno task verify, then/);
  assert.equal(damaged.report.ok, false);
});

Deno.test("an artifact has its stage's name, and its output's where the stage makes several of a kind", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages:\n  count:\n  both:\n  sum: { inputs: { numbers: count } }\n  compare:\n",
  });
  const run = await project.run();
  assert.equal(
    await project.output(run, "compare", "comparison.txt"),
    "both.high 9\nboth.low 1\nsum 6",
  );
});

Deno.test("a metric of a stage's own has the stage's id, also where two share a result", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "plugins: [learn.ts]\nstages: { first: { use: learn }, second: { use: learn } }",
    "learn.ts": `import { z } from "npm:zod@4.6.7";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "learn", summary: "Learn", inputs: {}, outputs: { numbers }, params: z.strictObject({}),
  async run(_, __, context) {
    await Deno.writeTextFile(context.outputs.numbers + "/numbers.txt", "1");
    const validation = { mae: 5 };
    return { metrics: { "*": { validation }, "*.age": { validation } } };
  },
});
`,
  });
  const { report, statuses } = await project.run({ only: ["first"] });
  const own = (id: string) => ({
    [id]: { validation: { mae: 5 } },
    [`${id}.age`]: { validation: { mae: 5 } },
  });
  assert.deepEqual([statuses.first, report.metrics], ["ran", own("first")]);
  const all = await project.run();
  assert.deepEqual([all.statuses.second, all.report.metrics], ["cached", {
    ...own("first"),
    ...own("second"),
  }]);
  const runs = (await project.here("runs")).out.replace(/\s+/g, " ");
  assert.match(runs, / validation: first mae 5\.00, first\.age mae 5\.00 [0-9a-f]{8} /);
});

Deno.test("what a result cautions against is shown before all scores that stem from it", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "plugins: [invent.ts]\nstages: { invent: , sum: { inputs: { numbers: invent } } }",
    "invent.ts": `import { z } from "npm:zod@4.6.7";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "invent", summary: "Make numbers up", inputs: {}, outputs: { numbers }, seeded: true,
  params: z.strictObject({}),
  async run(_, __, context) {
    await Deno.writeTextFile(context.outputs.numbers + "/numbers.txt", String(context.seed));
    const metrics = { invent: { test: { accuracy: 0.75 } } };
    return { metrics, caution: "The numbers are made up." };
  },
});
`,
  });
  const cautions = ["The numbers are made up."];
  for (const status of ["ran", "cached"]) {
    const { report, statuses } = await project.run();
    assert.deepEqual([statuses.invent, report.cautions], [status, cautions]);
  }
  const { out } = await project.here("run", "pipeline");
  assert.match(
    out,
    /^The numbers are made up\.\n· invent +cached\n[^]*\nThe numbers are made up\.\ndone in/,
  );
  assert.match(
    (await project.here("runs")).out,
    /^All of these runs: The numbers are made up\.\nrun /,
  );
  const sweep = await project.here("run", "pipeline", "--sweep", "seed=1,2");
  assert.match(sweep.out, /runs continue with [^\n]*\nThe numbers are made up\.\n✓ /);
  assert.equal(sweep.out.split("made up").length, 2, sweep.out);
  await project.write({ "shared.yaml": "plugins: [invent.ts]\nstages: { invent: , draw: }" });
  const shared = await project.here("run", "shared", "--sweep", "draw.seed=1,2");
  assert.equal(shared.code, 0, shared.err);
  assert.equal(shared.out.split("made up").length, 2, shared.out);
  await project.write({ "other.yaml": "stages: { count: }" });
  await project.here("run", "other");
  const { out: listed } = await project.here("runs");
  assert.match(
    listed,
    /^All but [0-9a-f]{8}: The numbers are made up\.\nrun /,
  );
});
