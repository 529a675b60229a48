/** Which output an input takes, in which order stages run, and how that is drawn. */
import assert from "node:assert/strict";
import { ancestors, descendants, mermaid } from "../../../packages/pipeline/plan.ts";
import { Project, stageUrl } from "./toy/project.ts";

async function planOf(yaml: string) {
  await using project = await Project.make({ "pipeline.yaml": yaml });
  return await project.plan();
}

const BLURRED = `stages:
  count:
  slow:
  add: { inputs: { numbers: slow } }
  sum: { inputs: { numbers: add } }
  compare:
`.replace("  slow:\n", "  slow: { inputs: { numbers: count } }\n");

Deno.test("plan() wires the one that makes a kind, and places transforms by inputs", async () => {
  const plan = await planOf(BLURRED);
  const wires = Object.fromEntries(plan.stages.map(({ id, wires }) => [id, wires]));
  assert.deepEqual(wires, {
    count: {},
    slow: { numbers: { stage: "count", output: "numbers" } },
    add: { numbers: { stage: "slow", output: "numbers" } },
    sum: { numbers: { stage: "add", output: "numbers" } },
    compare: { totals: [{ stage: "sum", output: "total" }] },
  });
});

Deno.test("plan() orders by what stages need, not by where they are written", async () => {
  const lines = BLURRED.trim().split("\n").slice(1);
  const expected = ["count", "slow", "add", "sum", "compare"];
  const turned = ["stages:", ...lines.toReversed()].join("\n");
  const shuffled = ["stages:", ...[3, 1, 4, 0, 2].map((i) => lines[i])].join("\n");
  for (const yaml of [BLURRED, turned, shuffled]) {
    assert.deepEqual((await planOf(yaml)).stages.map(({ id }) => id), expected);
  }
});

Deno.test("plan() keeps the order of the YAML where it may", async () => {
  const { stages } = await planOf("stages:\n  zeta: { use: draw }\n  alpha: { use: chance }\n");
  assert.deepEqual(stages.map(({ id }) => id), ["zeta", "alpha"]);
});

const TOTALS = `stages:
  count:
  zeta: { use: sum }
  alpha: { use: sum, double: true }
  both:
`;

Deno.test("a stage that takes all takes them in order of ids and outputs", async () => {
  const all = [["alpha", "total"], ["both", "high"], ["both", "low"], ["zeta", "total"]];
  const totals = async (yaml: string) => {
    const compare = (await planOf(yaml)).stages.find(({ id }) => id === "compare")!;
    return [compare.wires.totals!].flat().map(({ stage, output }) => [stage, output]);
  };
  assert.deepEqual(await totals(`${TOTALS}  compare:`), all);
  const some = `${TOTALS}  compare: { inputs: { totals: [zeta, both.low, alpha, zeta] } }`;
  assert.deepEqual(await totals(some), [all[0], all[2], all[3]]);
  // A stage without an output's name: all that it makes.
  const whole = `${TOTALS}  compare: { inputs: { totals: [both] } }`;
  assert.deepEqual(await totals(whole), [all[1], all[2]]);
  assert.deepEqual(await totals(`${TOTALS}  compare: { inputs: { totals: zeta } }`), [all[3]]);
});

Deno.test("ancestors() and descendants() go all the way", async () => {
  const plan = await planOf(BLURRED.replace("slow: {", "slow: { ms: 1,"));
  assert.deepEqual([...ancestors(plan, ["add"])].sort(), ["add", "count", "slow"]);
  assert.deepEqual([...descendants(plan, ["add"])].sort(), ["add", "compare", "sum"]);
});

Deno.test("mermaid() draws stages, services and outputs", async () => {
  const plan = await planOf("stages:\n  count:\n  much: { use: sum }\n  greet:\n");
  assert.equal(
    mermaid(plan),
    `flowchart LR
  count["count"]
  much["much<br/><small>sum</small>"]
  greet(["greet"])
  count -- numbers --> much
  much -- total --> greet`,
  );
});

/** Stage → the stages that its inputs come from. */
async function sources(yaml: string) {
  return Object.fromEntries((await planOf(yaml)).stages.map(({ id, after }) => [id, after]));
}

Deno.test("replaces: a stage takes another's output and its place for all that would take it", async (t) => {
  const yaml = "stages:\n  count:\n  slow: { replaces: count }\n  sum:\n  crunch:\n  compare:\n";
  await t.step("one stage", async () => {
    assert.deepEqual(await sources(yaml), {
      count: [],
      slow: ["count"],
      sum: ["slow"],
      crunch: ["slow"],
      compare: ["crunch", "sum"],
    });
    const planned = await planOf(yaml);
    assert.match(mermaid(planned), /count -- numbers --> slow\n {2}slow -- numbers --> sum\n/);
  });
  await t.step("a chain, in any order of the YAML", async () => {
    const chain = `${yaml}  add: { replaces: slow }\n  clamp: { replaces: add }\n`;
    for (
      const text of [
        chain,
        chain.replace("count:\n", "count: \n").split("\n  ").toSorted().join("\n  "),
      ]
    ) {
      const { slow, add, clamp, sum, crunch } = await sources(
        text.startsWith("stages") ? text : `stages:\n  ${text.replace(/\n?stages:/, "")}`,
      );
      assert.deepEqual({ slow, add, clamp, sum, crunch }, {
        slow: ["count"],
        add: ["slow"],
        clamp: ["add"],
        sum: ["clamp"],
        crunch: ["clamp"],
      });
    }
  });
  await t.step("inputs: wins, for the stage itself and for others", async () => {
    const { add, sum, crunch } = await sources(
      `${yaml.replace("sum:", "sum: { inputs: { numbers: count } }")}` +
        "  add: { replaces: slow, inputs: { numbers: count } }\n",
    );
    assert.deepEqual({ add, sum, crunch }, { add: ["count"], sum: ["count"], crunch: ["add"] });
  });
  await t.step("a stage does not take from its own replacement", async () => {
    // add would otherwise have a choice between count and clamp, which waits for add.
    const { add, clamp } = await sources(
      "stages:\n  count:\n  add:\n  clamp: { replaces: add }\n  sum: { inputs: { numbers: clamp } }",
    );
    assert.deepEqual({ add, clamp }, { add: ["count"], clamp: ["add"] });
  });
});

Deno.test("replaces: a stage is named whose output it can take, once", async (t) => {
  await using project = await Project.make();
  const cases: Record<string, [stages: string, ...errors: string[]]> = {
    "two of one": [
      "count:\n  add: { replaces: count }\n  clamp: { replaces: count }\n  sum:",
      "4:22: add and clamp both replace count. To apply one after the other, write " +
      "clamp: { replaces: add }.",
    ],
    "no such stage": [
      "count:\n  add: { replaces: cuont }",
      '3:20: there is no stage "cuont". Did you mean "count"? There are count.',
    ],
    "itself": [
      "count:\n  add: { replaces: add }",
      "3:20: these stages replace each other: add → add",
    ],
    "each other": [
      "count:\n  add: { replaces: clamp }\n  clamp: { replaces: add }",
      "3:20: these stages replace each other: add → clamp → add",
      "4:22: these stages replace each other: clamp → add → clamp",
    ],
    "another kind": [
      "count:\n  sum: { replaces: count }",
      '3:20: sum cannot replace count: sum does not turn "numbers" into another.',
    ],
    "a number": [
      "count:\n  add: { replaces: 3 }",
      "3:20: add.replaces: expected a text, got 3.",
    ],
  };
  for (const [name, [stages, ...errors]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const message = await project.mistakes(`stages:\n  ${stages}`);
      for (const error of errors) assert.ok(message.includes(`pipeline.yaml:${error}`), message);
    });
  }
  await t.step("is offered where two stages make a kind", async () => {
    const message = await project.mistakes("stages:\n  count:\n  add:\n  sum:");
    assert.match(
      message,
      /sum: \{ inputs: \{ numbers: add \} \}, or for all stages add: \{ replaces: count \}\n/,
    );
  });
});

Deno.test("a kind that two plugins declare with other files is an error that names both", async () => {
  const plugin = (name: string, file: string, takes: boolean, options = "") =>
    `import { z } from "npm:zod@4.6.7"; import { defineKind, defineStage } from "${stageUrl}";
const words = defineKind({ kind: "words", summary: "Words", files: { "${file}": "words" }${options} });
export default defineStage({ name: "${name}", summary: "Words", params: z.strictObject({}),
  ${takes ? "inputs: { words }, outputs: {}" : "inputs: {}, outputs: { words }"}, run() {} });
`;
  await using project = await Project.make({
    "maker.ts": plugin("maker", "w.csv", false),
    "taker.ts": plugin("taker", "other.csv", true),
    "modest.ts": plugin("modest", "other.csv", true, ', optional: ["other.csv"]'),
  });
  await project.write({ "vague.ts": plugin("vague", "", false).replace('{ "": "words" }', "{}") });
  const yaml = "plugins: [maker.ts, taker.ts, modest.ts, vague.ts]\nstages:\n  maker:\n";
  assert.match(
    await project.mistakes(`${yaml}  taker:\n`),
    /4:3: taker takes "words" with a file "other\.csv", and that of maker has "w\.csv": two/,
  );
  await project.write({ "pipeline.yaml": `${yaml}  modest:\n` });
  assert.equal((await project.plan()).stages.length, 2);
  await project.write({ "pipeline.yaml": `${yaml.replace("  maker:", "  vague:")}  taker:\n` });
  assert.equal((await project.plan()).stages.length, 2);
});

Deno.test("many wrong stages are told of as few, and soon", async () => {
  await using project = await Project.make();
  const lines = (line: (i: number) => string) =>
    `stages:\n${Array.from({ length: 1000 }, (_, i) => `  s${i}: ${line(i)}\n`).join("")}`;
  const unknown = (await project.mistakes(lines(() => ""))).split("\n");
  assert.equal(unknown.filter((line) => line.includes("no stage is called")).length, 100);
  // Each would list all others; the size stands for the time, which is quadratic in it.
  const wirings = [
    "{ use: add }",
    "{ use: sum, inputs: { numbers: s } }",
    "{ use: add, replaces: s }",
  ];
  for (const written of wirings) {
    const message = await project.mistakes(lines(() => written));
    assert.ok(message.length < 100_000, String(message.length));
  }
});
