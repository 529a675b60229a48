/** Which output an input takes, in which order stages run, and how that is drawn. */
import assert from "node:assert/strict";
import { ancestors, descendants, mermaid } from "../../runner/graph.ts";
import { Project } from "./toy/project.ts";

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
  assert.deepEqual(await totals(`${TOTALS}  compare: { inputs: { totals: zeta } }`), [all[3]]);
});

Deno.test("ancestors() and descendants() go all the way", async () => {
  const plan = await planOf(BLURRED.replace("slow: {", "slow: { ms: 1,"));
  assert.deepEqual([...ancestors(plan, "add")].sort(), ["add", "count", "slow"]);
  assert.deepEqual([...descendants(plan, "add")].sort(), ["add", "compare", "sum"]);
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
