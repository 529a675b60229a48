/** The program as a process: words in, exit code, stdout and stderr out. */
import assert from "node:assert/strict";
import { main } from "../../../packages/pipeline/cli.ts";
import { Project, stageUrl } from "./toy/project.ts";

const CHAIN = `stages:
  count: { to: 4 }
  sum: { inputs: { numbers: count } }
  compare:
  greet:
`;

Deno.test("run prints plain lines to stdout when piped", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const { code, out, err } = await project.cli("run", "pipeline");
  assert.equal(err, "");
  const plain = out.replace(/(?<=in )[\d.:]+( s)?/g, "0.0 s").replace(/[0-9a-f]{16}/, "HASH")
    .replace(/run [0-9a-f]{8}\n/, "run ID\n");
  assert.equal(
    plain,
    `> count    runs: it has not run yet
✓ count    done in 0.0 s
> sum      runs: it has not run yet
✓ sum      done in 0.0 s
> compare  runs: it has not run yet
✓ compare  done in 0.0 s
  comparison: artifacts/compare/HASH/comparison/comparison.txt
done in 0.0 s: 3 ran  run ID
next: deno task serve pipeline
`,
  );
  assert.equal(code, 0);
});

Deno.test("run --json", async (t) => {
  const yaml = `${CHAIN}  broken: { inputs: { numbers: count } }\n`;
  await using project = await Project.make({
    "pipeline.yaml": yaml,
    "bad.yaml": "stages: { cuont: }",
  });
  await t.step("prints one object to stdout, also when a stage fails", async () => {
    const { code, out, err } = await project.cli("run", "pipeline", "--json");
    assert.equal(code, 1);
    assert.match(err, /✗ broken {3}failed: Cannot count "4"/);
    assert.match(err, /\nnot done in .+: 3 ran and 1 failed {2}run [0-9a-f]{8}\n$/);
    const report = JSON.parse(out);
    assert.deepEqual(Object.keys(report), ["pipeline", "ok", "seconds", "stages", "metrics"]);
    assert.deepEqual([report.pipeline, report.ok], ["pipeline", false]);
    assert.equal(typeof report.seconds, "number");
    assert.deepEqual(report.metrics, { sum: { test: { loss: 10 } } });
    for (const stage of report.stages) {
      const cause = stage.status === "failed" ? ["cause"] : [];
      assert.deepEqual(Object.keys(stage), [
        ...["id", "use", "after", "status", "why", ...cause, "seconds", "outputs"],
      ]);
      assert.equal(typeof stage.seconds, "number");
    }
    const [count, , , greet, broken] = report.stages;
    assert.deepEqual([count.id, count.use, count.status, count.why], [
      ...["count", "count", "ran", "it has not run yet"],
    ]);
    assert.match(count.outputs.numbers, /^artifacts\/count\/[0-9a-f]{16}\/numbers$/);
    await Deno.stat(project.path(count.outputs.numbers, "numbers.txt"));
    assert.deepEqual([greet.status, broken.status, broken.outputs], ["skipped", "failed", {}]);
  });
  await t.step("alone, with code that logs, so that sweeps read it", async () => {
    await project.write({
      "logs.ts": `import { z } from "zod";
import { defineKind, defineStage } from "${stageUrl}";
console.log("it loads");
const text = defineKind({ kind: "text", summary: "A text", files: { "a.txt": "a" } });
export default defineStage({
  name: "logs", summary: "Log", inputs: {}, outputs: { text },
  params: z.strictObject({ a: z.int().default(0).describe("A number") }),
  async run(_inputs, _params, { outputs }) {
    console.log("it runs"); console.info("it runs"); console.debug("it runs");
    await Deno.writeTextFile(outputs.text + "/a.txt", "a");
  },
});`,
      "logs.yaml": "plugins: [logs.ts]\nstages: { logs: }",
    });
    const { out, err } = await project.cli("run", "logs", "--json");
    assert.equal(JSON.parse(out).ok, true);
    assert.equal(err.match(/it (loads|runs)/g)?.length, 4);
    const swept = await project.cli("run", "logs", "--sweep", "logs.a=1,2");
    assert.match(swept.out, /: 2 runs done/);
    assert.equal(swept.code, 0, swept.out);
  });
  await t.step("also in a dry run", async () => {
    const { code, out, err } = await project.cli("run", "pipeline", "--json", "--dry-run");
    assert.equal(code, 0);
    assert.match(err, /^· count {4}cached\n/);
    const { ok, stages } = JSON.parse(out);
    assert.equal(ok, true);
    assert.deepEqual(stages.map(({ status }: { status: string }) => status), [
      ...["cached", "cached", "cached", "skipped", "skipped"],
    ]);
    assert.equal(stages[4].why, "runs: it has not run yet");
  });
  await t.step("also when the config is wrong", async () => {
    const { code, out, err } = await project.cli("run", "bad", "--json");
    assert.equal(code, 2);
    assert.match(err, /^error: bad\.yaml:1:11: no stage is called "cuont"/);
    const { error, ...report } = JSON.parse(out);
    assert.match(error, /^bad\.yaml:1:11: /);
    assert.deepEqual(report, { pipeline: "bad", ok: false, seconds: 0, stages: [], metrics: {} });
  });
});

Deno.test("commands of the app leave standard output to their result where a plugin logs", async () => {
  const { log, error } = console, lines: string[] = [];
  console.log = (line) => void lines.push(`out: ${line}`);
  console.error = (line) => void lines.push(`err: ${line}`);
  const run = () => Promise.resolve(console.log("it loads")).then(() => 0);
  try {
    const code = await main(["own"], {
      name: "toy",
      project: ".",
      stages: [],
      denoArgs: () => Promise.resolve([]),
      resolveCompute: () => Promise.resolve({ backend: "wasm", why: "" }),
      commands: { own: () => Promise.resolve({ default: { help: "", run } }) },
    });
    assert.equal(code, 0);
    console.log("after it");
  } finally {
    Object.assign(console, { log, error });
  }
  assert.deepEqual(lines, ["err: it loads", "out: after it"]);
});

Deno.test("a stage checks its parameters before anything runs, also in a dry run and a sweep", async () => {
  await using project = await Project.make({
    "checked.ts": `import { z } from "zod"; import { defineStage } from "${stageUrl}";
      export default defineStage({
        name: "checked", summary: "A stage that checks a file", inputs: {}, outputs: {},
        params: z.strictObject({ from: z.string() }),
        check: ({ from }, { artifacts }) => from === "fails"
          ? Promise.reject(new Error("no disk"))
          : from === "odd"
          ? Promise.resolve([{ message: "is odd" }])
          : Promise.resolve(
          from === "here" && artifacts ? [] : [{ path: ["from"], message: from + " is missing" }],
        ),
        run: () => Promise.resolve(),
      });`,
    "served.ts": `import { z } from "zod"; import { defineStage } from "${stageUrl}";
      export default defineStage({
        name: "served", summary: "A service", inputs: {}, outputs: {}, service: true,
        params: z.strictObject({ cert: z.string() }),
        check: ({ cert }) => Promise.resolve([{ path: ["cert"], message: cert + " is missing" }]),
        run: () => Promise.reject(new Error("it started")),
      });`,
    "s.yaml": "plugins: [./served.ts]\nstages:\n  count: {}\n  served: { cert: a.pem }\n",
    "only.yaml": "plugins: [./served.ts]\nstages:\n  served: { cert: a.pem }\n",
    "p.yaml": "plugins: [./checked.ts]\nstages:\n  count: {}\n  checked: { from: there }\n",
  });
  const at =
    /^error: p\.yaml:4:20: checked\.from: there is missing\n {6}checked: \{ from: there \}\n/;
  for (const options of [[], ["--dry-run"]]) {
    const { code, err } = await project.cli("run", "p", ...options);
    assert.equal(code, 2);
    assert.match(err, at);
  }
  const values = ["--sweep", "checked.from=here,nowhere"];
  const swept = await project.cli("run", "p", ...values);
  assert.match(swept.err, /^error: --sweep checked.from=.*: checked\.from: nowhere is missing/);
  const odd = await project.cli("run", "p", "--set", "checked.from=odd");
  assert.match(odd.err, /^error: p\.yaml:4:12: checked: is odd\n/);
  const alone = await project.cli("run", "only");
  assert.match(alone.err, /^error: served is a service, which deno task serve starts\n/);
  const failed = await project.cli("run", "p", "--set", "checked.from=fails");
  assert.deepEqual(
    [failed.code, failed.err.split("\n")[0]],
    [2, "error: p.yaml:4:12: checked: Cannot check it: no disk"],
  );
  assert.equal((await project.cli("run", "p", "--until", "count")).code, 0);
  const served = await project.cli("serve", "s");
  assert.equal(served.code, 2);
  assert.match(served.err, /^error: s\.yaml:4:19: served\.cert: a\.pem is missing\n/);
  assert.equal((await project.cli("run", "s")).code, 0, "it is not started");
});

Deno.test("a wrong config or command line ends with 2 and tells the way out", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml": CHAIN,
    "bad.yaml": "seeds: 1\nstages: { cuont: }",
  });
  const cases: [string[], RegExp][] = [
    [["run", "bad"], /^error: 2 errors:\nbad\.yaml:1:1: .*\n.*\n.*\nbad\.yaml:2:11: /],
    [["run", "pipelin"], /^error: pipelin: there is no such pipeline\. Did you mean "pipeline"\?/],
    [["run"], /^error: which pipeline\? deno task run pipeline runs pipeline\.yaml\n$/],
    [["run", "a", "b"], /^error: one pipeline at a time; got a and b\n$/],
    [
      ["run", "pipeline", "--set", "count.to", "3"],
      /^error: one pipeline at a time; got pipeline and 3\. Write --set count\.to=3\n$/,
    ],
    [
      ["run", "pipeline", "--set", "to=3"],
      /^error: --set to=3: a pipeline has no "to"\. Did you mean count\.to\? It has /,
    ],
    [["rnu", "pipeline"], /^error: there is no command "rnu"\. Did you mean "run"\?\n$/],
    [
      ["run", "pipeline", "--dryrun"],
      /no option "--dryrun"\. Did you mean "--dry-run"\? It has --he/,
    ],
    [["run", "pipeline", "-x"], /^error: deno task run has no option "-x"\. It has --help, --set/],
    [
      ["graph", "--check"],
      /^error: deno task graph has no option "--check"\. It has --help and --set/,
    ],
    [
      ["run", "pipeline", "--seed", "-1"],
      /^error: option '--seed' argument is ambiguous\. Did you/,
    ],
    [["run", "pipeline", "--seed=-1"], /^error: --seed -1: seed: expected at least 0, got -1\.\n$/],
    [["run", "pipeline", "--seed", "x"], /^error: --seed x: seed: expected a number, got "x"\.\n$/],
    [["run", "pipeline", "--seed="], /^error: expected a value after --seed=, got ""\n$/],
    [["gc", "--yes", "--artifacts", ""], /^error: expected a value after --artifacts, got ""\n$/],
    [["verify", "--artifacts", "nope"], /^error: --artifacts nope: there is no such folder\n$/],
    [["runs", "--artifacts", "bad.yaml"], /^error: --artifacts bad\.yaml: expected a folder\n$/],
    [["gc", "--artifacts", "bad.yaml/x"], /^error: --artifacts bad\.yaml\/x: there is no such f/],
    [["pull", "--artifacts", "s3://b/x"], /^error: --artifacts s3:\/\/b\/x: expected a folder\n$/],
    [["run", ""], /^error: expected a value after run, got ""\n$/],
    [
      ["run", "pipeline", "--set", "cuont.to=3", "--set", "count.tp=3", "--sweep", "sum.x=1"],
      /^error: 3 errors:\n--set cuont\.to=3: .* Did you mean "count"\?.*\n--set count\.tp=3: /,
    ],
    [
      ["run", "pipeline", "--set", "count", "--set", "=3"],
      /^error: 2 errors:\n--set count: expected stage.*\n--set =3: expected/,
    ],
    [
      ["run", "pipeline", "--set", "bullmq.redis=u:secret@h:1"],
      /^error: --set bullmq\.redis: bullmq\.redis: expected redis:/,
    ],
    [["run", "pipeline", "--set"], /^error: option '--set <value>' argument missing\n$/],
    [
      ["run", "pipeline", "--set", "sum"],
      /^error: --set sum: expected stage\.parameter=value, as in/,
    ],
    [
      ["run", "pipeline", "--until", "smu"],
      /^error: --until smu: the pipeline has no such stage\. Did you mean "sum"\? It has count, sum,/,
    ],
    [
      ["run", "pipeline", "--only", "greet"],
      /^error: greet is a service, which deno task serve star/,
    ],
    [
      ["run", "pipeline", "--until", "count", "--from", "sum"],
      /^error: --until, --from and --only l/,
    ],
    [
      ["serve", "--set", "count.to=0"],
      /^error: --set count\.to=0: count\.to: expected at least 1, g/,
    ],
  ];
  // Few at a time: each is a process.
  const queue = [...cases];
  await Promise.all([1, 2, 3].map(async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [args, message] = next;
      const { code, out, err } = await project.cli(...args);
      assert.match(err, message, args.join(" "));
      assert.doesNotMatch(err, /\n +at /, "shows a stack");
      assert.deepEqual([code, out], [2, ""], args.join(" "));
    }
  }));
  await t.step("before anything runs", async () => assert.deepEqual(await project.files(), []));
});

Deno.test("--help explains the program and each command", async () => {
  await using project = await Project.make();
  const help = async (...args: string[]) => {
    const { code, out, err } = await project.cli(...args);
    assert.deepEqual([code, err], [0, ""]);
    return out;
  };
  const words = [["--help"], [], ["-h"], ["run", "--help"], ["help", "run"]];
  const services = ["serve", "graph", "schema", "runs", "verify", "gc"].map((
    command,
  ) => [command, "--help"]);
  const [all, none, word, run, h, ...others] = await Promise.all(
    [...words, ...services].map((args) => help(...args)),
  );
  assert.deepEqual([none, word, h], [all, all, run]);
  for (const command of ["run", "serve", "graph", "schema", "runs", "verify", "gc", "test"]) {
    assert.match(all!, new RegExp(`deno task ${command} `));
  }
  for (const option of ["set", "seed", "until", "from", "only", "force", "dry-run", "json"]) {
    assert.match(run!, new RegExp(`^ {2}--${option}\\b`, "m"));
  }
  assert.match(run!, /Exit codes: 0 done, 1 a stage failed, 2 the config.*, 130 interrupted/);
  for (const line of [all, run, ...others].join("\n").split("\n")) {
    assert.ok(line.length <= 100, line);
  }
});

Deno.test("graph prints Mermaid", async () => {
  await using project = await Project.make({ "experiments/one.yaml": CHAIN });
  const { code, out } = await project.cli("graph", "experiments/one");
  assert.equal(code, 0);
  assert.match(out, /^flowchart LR\n {2}count\["count"\]\n[^]* {2}sum -- total --> compare\n/);
});

Deno.test("schema", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml": CHAIN,
    "experiments/one.yaml": "stages: { tune: { rat: 3 } }",
    "experiments/odd": CHAIN,
    "experiments/plugin.yaml": "plugins: [./none.ts]\nstages: { count: }",
    "docs/reference.md": "",
  });
  await t.step("--check notices that there is none, and writes none", async () => {
    const { code, out } = await project.cli("schema", "--check");
    assert.equal(code, 1);
    assert.equal(
      out,
      "pipeline.schema.json is out of date: deno task schema\ndocs/reference.md is out of date: deno task schema\n",
    );
    assert.ok(!(await project.files(".")).includes("pipeline.schema.json"));
  });
  await t.step("writes it and the reference", async () => {
    const { code, out } = await project.cli("schema");
    assert.deepEqual([code, out], [0, "wrote pipeline.schema.json\nwrote docs/reference.md\n"]);
    const reference = await Deno.readTextFile(project.path("docs/reference.md"));
    assert.match(
      reference,
      /### count\n\nCount from one \(makes \[numbers\]\(#kind-numbers\)\)\.\n\n\| parameter \| values/,
    );
    assert.match(reference, /## Artifact kinds[^]*### Kind numbers\n/);
    assert.match(reference, /### deno task run\n\n```text\nRun a pipeline/);
    const again = await project.cli("schema", "--check");
    assert.deepEqual([again.code, again.out], [0, ""]);
  });
  await t.step(
    "of a pipeline whose stages are wrong is written: it helps to mend them",
    async () => {
      const { code, out } = await project.cli("schema", "experiments/one");
      assert.deepEqual([code, out], [0, "wrote experiments/one.schema.json\n"]);
    },
  );
  await t.step("never takes the place of the pipeline", async () => {
    const { out } = await project.cli("schema", "experiments/odd");
    assert.equal(out, "wrote experiments/odd.schema.json\n");
    assert.equal(await Deno.readTextFile(project.path("experiments/odd")), CHAIN);
  });
  await t.step("needs the plugins", async () => {
    const { code, err } = await project.cli("schema", "experiments/plugin");
    assert.equal(code, 2);
    assert.match(err, /^error: experiments\/plugin\.yaml:1:11: cannot load plugin/);
  });
});

Deno.test("paths of the command line count from where the person stands", async () => {
  await using project = await Project.make({
    "experiments/one.yaml": "stages:\n  readFile: { file: data.txt }\n  sum:\n",
    "experiments/data.txt": "1 2",
    "home/data.txt": "10 20",
  });
  const run = (...args: string[]) => {
    const env = { INIT_CWD: project.path("home") };
    return project.spawn(["run", "experiments/one", "--json", ...args], env).output();
  };
  const total = async ({ stdout }: Deno.CommandOutput) => {
    const { stages } = JSON.parse(new TextDecoder().decode(stdout));
    return await Deno.readTextFile(project.path(stages[1].outputs.total, "total.txt"));
  };
  assert.equal(await total(await run()), "3");
  assert.equal(await total(await run("--set", "readFile.file=data.txt")), "30");
});

Deno.test("code of a stage or a plugin that ends the program fails, with its place", async () => {
  await using project = await Project.make({
    "my größe/ends.ts": `import { z } from "zod"; import { defineStage } from "${stageUrl}";
      export default defineStage({
        name: "ends", summary: "A stage that ends the program", inputs: {}, outputs: {},
        params: z.strictObject({}),
        run: () => Deno.exit(0),
      });`,
    "stage.yaml": "plugins: [./my größe/ends.ts]\nstages: { ends: }",
  });
  const ended = await project.cli("run", "stage");
  assert.deepEqual([ended.code, ended.out], [1, "> ends  runs: it has not run yet\n"]);
  assert.match(
    ended.err,
    /^error: a stage or a plugin .*Deno\.exit\(\) at file:.*my größe\/ends\.ts:5:\d+\n$/,
  );
});

Deno.test("a closed standard output ends a run as SIGPIPE does", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const child = project.spawn(["run", "pipeline"]);
  await child.stdout.cancel();
  assert.deepEqual((await child.status).code, 141);
  assert.equal(await new Response(child.stderr).text(), "");
});
