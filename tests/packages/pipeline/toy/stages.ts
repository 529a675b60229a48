/** Stages about numbers in text files: the runner's tests know no faces. */
import { join } from "node:path";
import { z } from "zod";
import {
  all,
  type Artifact,
  defineKind,
  defineStage,
  pathParam,
} from "../../../../packages/pipeline/stage.ts";
import type { LazyStage } from "../../../../packages/pipeline/registry.ts";

const side = z.int().min(1).max(9);

export const numbers = defineKind({
  kind: "numbers",
  summary: "Some numbers",
  files: { "numbers.txt": "one a line" },
});
export const total = defineKind({
  kind: "total",
  summary: "One number that stands for many",
  files: { "total.txt": "the number" },
});
export const comparison = defineKind({
  kind: "comparison",
  summary: "Totals side by side",
  files: { "comparison.txt": "one a line" },
});

async function read({ path }: Artifact): Promise<number[]> {
  return (await Deno.readTextFile(join(path, "numbers.txt"))).split("\n").map(Number);
}

async function write(folder: string, values: readonly number[]): Promise<void> {
  await Deno.writeTextFile(join(folder, "numbers.txt"), values.join("\n"));
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const count = defineStage({
  name: "count",
  summary: "Count from one",
  inputs: {},
  outputs: { numbers },
  params: z.strictObject({
    to: z.int().min(1).max(1000).default(3).describe("The last number"),
    label: z.string().default("").describe("Told while counting; changes nothing"),
  }),
  ignoreInCacheKey: ["label"],
  async run(_, { to, label }, { outputs, info, warn }) {
    if (label) info(label);
    if (to > 900) warn("that is a lot");
    await write(outputs.numbers, Array.from({ length: to }, (_, i) => i + 1));
  },
});

const add = defineStage({
  name: "add",
  summary: "Add to each number",
  inputs: { numbers },
  outputs: { numbers },
  params: z.strictObject({ by: z.number().default(1).describe("What is added") }),
  async run(inputs, { by }, { outputs }) {
    await write(outputs.numbers, (await read(inputs.numbers)).map((n) => n + by));
  },
});

const clamp = defineStage({
  name: "clamp",
  summary: "Cut off what is too large",
  inputs: { numbers },
  outputs: { numbers },
  params: z.strictObject({ max: z.number().default(100).describe("The largest that stays") }),
  async run(inputs, { max }, { outputs }) {
    await write(outputs.numbers, (await read(inputs.numbers)).map((n) => Math.min(n, max)));
  },
});

const sum = defineStage({
  name: "sum",
  summary: "Add all up",
  inputs: { numbers },
  outputs: { total },
  params: z.strictObject({ double: z.boolean().default(false).describe("Count all twice") }),
  async run(inputs, { double }, { outputs }) {
    const result = (await read(inputs.numbers)).reduce((a, b) => a + b, 0) * (double ? 2 : 1);
    await Deno.writeTextFile(join(outputs.total, "total.txt"), String(result));
  },
});

const draw = defineStage({
  name: "draw",
  summary: "Draw a number from the seed",
  inputs: {},
  outputs: { numbers },
  params: z.strictObject({
    lucky: z.boolean().default(true).describe("Whether chance is in it at all"),
  }),
  seeded: ({ lucky }) => lucky,
  async run(_, { lucky }, context) {
    await write(context.outputs.numbers, [lucky ? context.seed * 2 : 1]);
  },
});

const sneak = defineStage({
  name: "sneak",
  summary: "Read what it did not declare",
  inputs: {},
  outputs: { numbers },
  params: z.strictObject({
    what: z.enum(["seed", "compute", "lineage"]).default("seed").describe("What"),
  }),
  async run(_, { what }, context) {
    await write(context.outputs.numbers, [Number(context[what])]);
  },
});

const crunch = defineStage({
  name: "crunch",
  summary: "Name the backend that computes",
  inputs: { numbers },
  outputs: { total },
  params: z.strictObject({}),
  compute: true,
  async run(_, __, { outputs, compute }) {
    await Deno.writeTextFile(join(outputs.total, "total.txt"), compute);
  },
});

const readFile = defineStage({
  name: "readFile",
  summary: "Read numbers from files",
  inputs: {},
  outputs: { numbers },
  params: z.strictObject({
    file: pathParam().describe("A file of numbers"),
    more: z.array(pathParam()).default([]).describe("More such files"),
  }),
  ignoreInCacheKey: ["file", "more"],
  external: async ({ file, more }) =>
    Object.fromEntries(
      await Promise.all(
        [file, ...more].map(async (path) => [
          path.split("/").at(-1)!,
          String((await Deno.stat(path)).size),
        ]),
      ),
    ),
  async run(_, { file, more }, { outputs }) {
    const texts = await Promise.all([file, ...more].map((path) => Deno.readTextFile(path)));
    await write(outputs.numbers, texts.join("\n").trim().split(/\s+/).map(Number));
  },
});

const compare = defineStage({
  name: "compare",
  summary: "Put all totals side by side",
  inputs: { totals: all(total) },
  outputs: { comparison },
  params: z.strictObject({}),
  async run({ totals }, _, { outputs }) {
    const lines = await Promise.all(
      totals.map(async ({ stage, path }) =>
        `${stage} ${await Deno.readTextFile(join(path, "total.txt"))}`
      ),
    );
    await Deno.writeTextFile(join(outputs.comparison, "comparison.txt"), lines.join("\n"));
    const metrics = Object.fromEntries(
      lines.map((line) => line.split(" ")).map(([id, value]) => [id, { test: { loss: +value! } }]),
    );
    return { metrics, show: ["comparison/comparison.txt"] };
  },
});

const judge = defineStage({
  name: "judge",
  summary: "Judge each total on the validation set",
  inputs: { totals: all(total) },
  outputs: { comparison },
  params: z.strictObject({}),
  async run({ totals }, _, { outputs }) {
    await Deno.writeTextFile(join(outputs.comparison, "comparison.txt"), "judged");
    const metrics = await Promise.all(totals.map(async ({ stage, path }) => {
      const loss = Number(await Deno.readTextFile(join(path, "total.txt")));
      return [stage, { validation: { loss } }];
    }));
    return { metrics: Object.fromEntries(metrics) };
  },
});

const slow = defineStage({
  name: "slow",
  summary: "Take its time, and go on where it was stopped",
  inputs: { numbers },
  outputs: { numbers },
  params: z.strictObject({
    ms: z.number().default(20).describe("Time for each number"),
    gate: pathParam().optional().describe("As long as this file is there, it does three numbers"),
    deaf: z.boolean().default(false).describe("Whether it waits there even if the run is to stop"),
  }),
  ignoreInCacheKey: ["ms", "gate", "deaf"],
  async run(inputs, { ms, gate, deaf }, { outputs, scratch, progress, signal, info }) {
    const values = await read(inputs.numbers);
    const done: number[] = [];
    for await (const { name } of Deno.readDir(scratch)) {
      if (!name.endsWith(".aside")) done.push(Number(name));
    }
    if (done.length > 0) info(`${done.length} of ${values.length} were done`);
    progress.start(values.length, "numbers", done.length);
    const closed = () => gate !== undefined && Deno.stat(gate).then(() => true, () => false);
    for (const value of values) {
      if (done.includes(value)) continue;
      while (value > 3 && await closed()) {
        if (!deaf) signal.throwIfAborted();
        await pause(20);
      }
      signal.throwIfAborted();
      await pause(ms);
      const file = join(scratch, String(value));
      await Deno.writeTextFile(`${file}.aside`, String(value * value));
      await Deno.rename(`${file}.aside`, file);
      progress.advance(1, `${value}²`);
    }
    const squares = values.map(async (n) => Number(await Deno.readTextFile(join(scratch, `${n}`))));
    await write(outputs.numbers, await Promise.all(squares));
  },
});

const broken = defineStage({
  name: "broken",
  summary: "Fail",
  inputs: { numbers },
  outputs: { numbers },
  params: z.strictObject({
    how: z.enum(["error", "bug", "never", "spill", "die", "nothing", "returns"]).default("error")
      .describe("In which way"),
  }),
  async run(inputs, { how }, { outputs }) {
    if (how === "nothing") return;
    if (how === "spill") await Deno.writeFile(join(outputs.numbers, "big"), new Uint8Array(8e6));
    await write(outputs.numbers, await read(inputs.numbers));
    if (how === "error") {
      const cause = new Error("the wind was from the east");
      throw new Error('Cannot count "4": it is too large. Use 3.', { cause });
    }
    if (how === "returns") return { metrics: { acc: 1 } } as never;
    if (how === "die") Deno.kill(Deno.pid, "SIGKILL");
    if (how === "bug") (undefined as unknown as { x: () => void }).x();
  },
});

const chance = defineStage({
  name: "chance",
  summary: "Make something else each time",
  inputs: {},
  outputs: { numbers },
  params: z.strictObject({}),
  async run(_, __, { outputs }) {
    await write(outputs.numbers, [crypto.getRandomValues(new Uint32Array(1))[0]!]);
  },
});

const both = defineStage({
  name: "both",
  summary: "Make two totals",
  inputs: { numbers },
  outputs: { low: total, high: total },
  params: z.strictObject({ high: z.number().default(9).describe("The higher one") }),
  async run(_, { high }, { outputs }) {
    await Deno.writeTextFile(join(outputs.low, "total.txt"), "1");
    await Deno.writeTextFile(join(outputs.high, "total.txt"), String(high));
  },
});

const halve = defineStage({
  name: "halve",
  summary: "Halve a total",
  inputs: { total },
  outputs: { numbers },
  params: z.strictObject({}),
  async run(inputs, _, { outputs }) {
    const text = await Deno.readTextFile(join(inputs.total.path, "total.txt"));
    await write(outputs.numbers, [Number(text) / 2]);
  },
});

/** Files that are no part of what takes the story depends on. */
export const story = defineKind({
  kind: "story",
  summary: "How totals came to be",
  files: { "story.json": "the stages behind them", "total.txt": "the first total" },
  volatile: ["story.json"],
});

const tell = defineStage({
  name: "tell",
  summary: "Tell how totals came to be",
  inputs: { totals: all(total) },
  outputs: { story },
  params: z.strictObject({}),
  lineage: true,
  async run({ totals }, _, { outputs, lineage }) {
    const first = await Deno.readTextFile(join(totals[0].path, "total.txt"));
    await Deno.writeTextFile(join(outputs.story, "total.txt"), first);
    await Deno.writeTextFile(join(outputs.story, "story.json"), JSON.stringify(lineage));
    return { observed: { told: lineage.stages.length } };
  },
});

const retell = defineStage({
  name: "retell",
  summary: "Tell it once more",
  inputs: { story },
  outputs: { total },
  params: z.strictObject({}),
  async run({ story }, _, { outputs }) {
    await Deno.copyFile(join(story.path, "total.txt"), join(outputs.total, "total.txt"));
  },
});

const tune = defineStage({
  name: "tune",
  summary: "Have many parameters",
  inputs: { numbers },
  outputs: { total },
  params: z.strictObject({
    rate: z.number().gt(0).lt(1).describe("Has no default"),
    rates: z.array(z.number()).min(1).default([1]).describe("A list"),
    stop: z.strictObject({
      monitor: z.enum(["val_loss", "val_metric"]).default("val_loss").describe("What is watched"),
      patience: z.int().min(0).default(3).describe("How long"),
    }).prefault({}).describe("When to stop"),
    size: z.union([z.int(), z.literal("auto")]).default("auto").describe("How large"),
    on: z.boolean().default(true).describe("Whether"),
    text: z.string().optional().describe("Any"),
    part: z.union([
      z.strictObject({ name: z.string() }),
      z.strictObject({ fold: z.int(), of: z.int() }),
    ])
      .optional().describe("Which part"),
    sides: z.union([side, z.tuple([side, side])]).optional().describe("Pixels"),
    weights: z.record(z.string(), z.number()).default({}).describe("Name → weight"),
  }),
  async run(_, { rate }, { outputs }) {
    await Deno.writeTextFile(join(outputs.total, "total.txt"), String(rate));
  },
});

const greet = defineStage({
  name: "greet",
  summary: "Serve the totals",
  inputs: { totals: all(total) },
  outputs: {},
  params: z.strictObject({
    fail: z.boolean().default(false).describe("Whether to fail at once"),
  }),
  service: true,
  async run({ totals }, { fail }, { info, signal }) {
    if (fail) throw new Error("the port is taken");
    info(`serving ${totals.map(({ stage }) => stage).join(", ")}`);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
});

const list = [
  ...[count, add, clamp, sum, draw, sneak, crunch, readFile, compare, judge],
  ...[slow, broken, chance, both, halve, tell, retell, tune, greet],
];

export const stages: LazyStage[] = list.map((stage) => ({
  name: stage.name,
  module: import.meta.url,
  load: () => Promise.resolve({ default: stage }),
}));

export const stageList = list;
