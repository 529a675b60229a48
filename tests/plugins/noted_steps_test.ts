/** Stages of plugins on a dataset or faces: a step that they do not note themselves is noted. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { app } from "../../main.ts";
import { readPreprocessing } from "../../faces/images/preprocessing.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { createPlan } from "../../packages/pipeline/plan.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { createReporter } from "../../packages/pipeline/reporter.ts";
import { createRunContext } from "../../packages/pipeline/run/run_context.ts";
import { runPlan } from "../../packages/pipeline/run/run_pipeline.ts";
import { writeDataset } from "../stages/training_data.ts";

const PLUGIN = `
export const apiVersion = 1;

const FILES = ["images.npy", "table.parquet", "preprocessing.json"];

export default ({ z, kinds, defineStage, pathParam }) => {
  const { dataset } = kinds;
  const stage = (name, change) => defineStage({
    name, summary: "Change a dataset", inputs: { dataset }, outputs: { dataset },
    params: z.strictObject({
      by: z.number().default(9).describe("Added to all bytes"),
      mask: pathParam().optional().describe("A file"),
    }),
    async run({ dataset }, { by }, { outputs }) {
      for (const file of FILES) {
        const bytes = await Deno.readFile(dataset.path + "/" + file);
        await Deno.writeFile(outputs.dataset + "/" + file, change(file, bytes, by));
      }
    },
  });
  const brighter = (file, bytes, by) =>
    file === "images.npy" ? bytes.map((byte, i) => i < 128 ? byte : byte + by) : bytes;
  return [
    defineStage({
      name: "source", summary: "Copy a dataset", inputs: {}, outputs: { dataset },
      params: z.strictObject({ from: z.string().describe("Its folder") }),
      async run(_, { from }, { outputs }) {
        for (const file of FILES) await Deno.copyFile(from + "/" + file, outputs.dataset + "/" + file);
      },
    }),
    stage("brighter", brighter),
    stage("relabel", (_, bytes) => bytes),
    // The second row twice.
    stage("select", (file, bytes) => {
      if (file !== "images.npy") return bytes;
      const half = (bytes.length - 128) / 2, second = bytes.subarray(128 + half);
      return Uint8Array.of(...bytes.subarray(0, 128), ...second, ...second);
    }),
    stage("honest", (file, bytes, by) => {
      if (file !== "preprocessing.json") return brighter(file, bytes, by);
      const { steps, ...rest } = JSON.parse(new TextDecoder().decode(bytes));
      return new TextEncoder().encode(JSON.stringify({ ...rest, steps: [...steps, "my step"] }));
    }),
  ];
};
`;

Deno.test("a plugin's stage that changes images leaves its step, whatever it writes", async () => {
  const folder = await Deno.makeTempDir({ prefix: "noted-" });
  try {
    const source = join(folder, "source");
    await writeDataset(source, [{ age: 20, gender: 0 }, { age: 30, gender: 1 }]);
    await Deno.mkdir(join(folder, "plugin"));
    await Deno.writeTextFile(join(folder, "plugin/plugin.js"), PLUGIN);
    const file = join(folder, "pipeline.yaml");
    await Deno.writeTextFile(
      file,
      `artifacts: ./artifacts
plugins: [{ use: ./plugin/plugin.js, allow: ["read:${source}"] }]
stages:
  source: { from: "${source}" }
  relabel: { replaces: source }
  select: { replaces: relabel }
  brighter: { replaces: select, mask: ./plugin/mask.png }
  honest: { replaces: brighter }
`,
    );
    const { project, pluginApi } = app;
    const registry = new Registry().add(app.stages);
    const config = await readConfig(file, { project, pluginApi, cwd: project, registry });
    const reporter = createReporter({
      terminal: false,
      color: false,
      columns: () => 80,
      write() {},
    });
    const { signal } = new AbortController();
    const context = await createRunContext(config.artifacts, { ...app, reporter }, signal);
    const { report } = await runPlan(createPlan(config), {}, context, {});
    const steps = await Promise.all(report.stages.map(async ({ id, outputs }) => [
      id,
      (await readPreprocessing(resolve(project, outputs.dataset!))).steps,
    ]));
    assert.deepEqual(Object.fromEntries(steps), {
      source: [],
      relabel: [],
      select: [],
      brighter: ["brighter by=9 mask=mask.png"],
      honest: ["brighter by=9 mask=mask.png", "my step"],
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
