/** `deno task new types`: plugins elsewhere type-check against the one file that it writes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import command from "../../../faces/commands/new.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { needsRegistry } from "../../registry.ts";
import { app } from "../../../main.ts";

const PLUGIN = `
import type { Api } from "./plugin_api.d.ts";
export const apiVersion = 1;
export default ({ z, kinds, defineStage, defineNetwork, defineLoss, ...api }: Api) => [
  defineStage({
    name: "grey",
    summary: "Remove the color",
    inputs: { faces: kinds.faces, all: api.all(kinds.table, { orNone: true }) },
    outputs: { faces: kinds.faces },
    params: z.strictObject({ by: z.number().default(1).describe("By") }),
    async run({ faces, all }, { by }, { outputs, seed }) {
      const numbers: number[] = [by, seed, all.length];
      await Deno.writeTextFile(outputs.faces, faces.path + numbers);
      // @ts-expect-error: no output of this name
      outputs.face;
      // @ts-expect-error: no kind of this name
      kinds.face;
    },
  }),
  defineNetwork({
    name: "flat",
    summary: "Flat",
    params: z.strictObject({ units: z.int().default(8).describe("Units") }),
    trunk: ({ units, size }, { layers }) => [
      layers.flatten({ inputShape: [size, size, 3] }), layers.dense({ units }),
    ],
  }),
  defineLoss({
    name: "mine", summary: "Mine", of: ["years"], params: z.strictObject({}),
    head: ({ weight }) => ({
      ...api.quantityHead(weight), rowLosses: (tf, years, labels) => tf.mean(tf.sub(years, labels), -1),
    }),
  }),
  api.defineMetric({
    name: "far", summary: "Far", title: "far", of: "years", unit: "", better: "less", decimals: 2,
    params: z.strictObject({}),
    compute: ({ truth, prediction }) => Math.abs(truth[0]! - prediction[0]!),
  }),
  api.definePreset({ name: "own", summary: "Own", preset: { photos: "x" } }),
  api.defineDetector({
    name: "all", summary: "All",
    open: ({ minConfidence }) => Promise.resolve({
      detect: ({ width, height }) =>
        Promise.resolve([{ box: { x: 0, y: 0, width, height }, score: minConfidence }]),
      close() {},
    }),
  }),
  api.defineSchedule({
    name: "half", summary: "Half", params: z.strictObject({}),
    factor: () => (step, steps) => step < steps / 2 ? 1 : 0.5,
  }),
  api.defineReportSection({
    name: "hello", summary: "Hello", params: z.strictObject({}),
    links: () => [["hello", "Hello"]], render: () => api.html\`<b>\${1}</b>\`,
  }),
];
`;

const test = needsRegistry("the types of the API are one file, and check what plugins do");
Deno.test(test, async () => {
  const folder = await Deno.makeTempDir({ prefix: "types-" });
  const context = { ...app, cwd: folder, reporter: { log() {} } } as unknown as CommandContext;
  try {
    assert.equal(await command.run(["types"], context), 0);
    const types = await Deno.readTextFile(join(folder, "plugin_api.d.ts"));
    assert.doesNotMatch(types, /from "\.|import\("\./);
    assert.ok(!types.includes(fileURLToPath(new URL("../../../", import.meta.url))));
    await Deno.writeTextFile(join(folder, "plugin.ts"), PLUGIN);
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "-q", "--no-lock", "plugin.ts"],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
