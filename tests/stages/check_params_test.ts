/** Mistakes that would end a stage after those before it are found before anything runs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { app } from "../../main.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { createPlan } from "../../packages/pipeline/plan.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { checkParams } from "../../packages/pipeline/run/check_params.ts";

const BASE = `stages:
  download: { datasets: [sample] }
  matParse:
  faceCrop: { detector: metadata }
  resize32:
  split: { calibration: 0.2 }
`;

/** Returns the errors of stages that are written over a base; empty: there are none. */
async function errorsOf(
  stages: string,
  { plugin, inherited = "", top = "" }: { plugin?: string; inherited?: string; top?: string } = {},
): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: join(app.project, "artifacts"), prefix: "check-" });
  try {
    await Deno.writeTextFile(join(folder, "base.yaml"), BASE + inherited);
    if (plugin !== undefined) await Deno.writeTextFile(join(folder, "plugin.ts"), plugin);
    const plugins = plugin === undefined ? "" : "plugins: [./plugin.ts]\n";
    const file = join(folder, "x.yaml");
    const text = `extends: ./base.yaml\n${plugins}stages:\n${stages}\n${top}`;
    await Deno.writeTextFile(file, text);
    const registry = new Registry().add(app.stages);
    const config = await readConfig(file, { project: app.project, cwd: folder, registry });
    const all = new Set(config.stages.map(({ id }) => id));
    const resolveCompute = (backend: string) =>
      backend === "node"
        ? Promise.reject(new Error("Cannot compute on it."))
        : Promise.resolve({ backend, why: "" });
    await checkParams([createPlan(config)], all, { resolveCompute });
    return "";
  } catch (error) {
    return (error as Error).message;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await Deno.mkdir(join(app.project, "artifacts"), { recursive: true });

const years = (use: string) =>
  new RegExp(`${use}\\.loss: Cannot train age .*a loss of classes, and the network predicts years`);
const weights = (place: string, classes: number) =>
  new RegExp(`${place}\\.loss: Cannot weigh ${classes} classes with classWeights of 3 numbers`);
const THREE = "{ use: crossEntropy, classWeights: [1, 2, 3] }";

const MISTAKES: [stages: string, error: RegExp][] = [
  ["trainAge: { loss: crossEntropy }", /^x\.yaml:3:21: /],
  ["trainAge: { loss: crossEntropy }", years("trainAge")],
  ["trainAge: { loss: { use: focal, gamma: 1 } }", years("trainAge")],
  ["trainAge: { variant: binary, loss: mae }", /a loss of years, and the network predicts classes/],
  [
    "trainJoint: { numbers: [height], heads: { height: { loss: focal } } }",
    /loss of classes, and the network predicts numbers\. Use mae, mse or huber\./,
  ],
  ["trainRegressor: { target: height, loss: ordinal }", /loss "ordinal": it is of ages\. Use mae/],
  ["auditLabels: { target: age, loss: focal }", years("auditLabels")],
  ["auditLabels: { target: gender, loss: mse }", /auditLabels\.loss: .* predicts classes/],
  [`trainGender: { loss: ${THREE} }`, weights("trainGender", 2)],
  [`trainAge: { variant: multiclass, loss: ${THREE} }`, weights("trainAge", 8)],
  [`trainClassifier: { target: gender, loss: ${THREE} }`, weights("trainClassifier", 2)],
  [`trainJoint: { heads: { gender: { loss: ${THREE} } } }`, weights("heads\\.gender", 2)],
  [
    "trainJoint: { classes: [gender, tone], heads: { tone: { loss: mse } } }",
    /^x\.yaml:3:65: trainJoint\.heads\.tone\.loss: .* a loss of years, .* predicts classes/,
  ],
  [
    "trainJoint: { numbers: [height], heads: { tone: { weight: 2 } } }",
    /^x\.yaml:3:51: trainJoint\.heads\.tone: .* the network learns gender and height\. Add "tone"/,
  ],
  ["trainJoint: { numbers: [height], weights: { age: 2 } }", /trainJoint\.weights\.age: .*no such/],
  [
    "trainJoint: { classes: [tone, gender], metrics: [f1], earlyStopping: { monitor: val_f1 } }",
    /by "val_f1": .* Name one of val_loss, val_metric, val_tone_f1, val_gender_f1, or/,
  ],
  ["trainJoint: { classes: [], numbers: [age] }", /trainJoint\.numbers: expected at least two/],
  ["trainJoint: { classes: [tone], numbers: [tone] }", /numbers: "tone" is there twice/],
  [
    "trainJoint: { classes: [age, gender] }",
    /classes\.0: .* other than age, which belongs to numbers/,
  ],
  ["trainJoint: { classes: [a.b, gender] }", /classes\.0: expected letters, digits/],
  ['trainJoint: { classes: ["a ", gender] }', /classes\.0: expected letters, digits/],
  ["trainGender: { metrics: [f1, rmse] }", /trainGender\.metrics: .*"rmse", which is of years/],
  ["auditLabels: { target: age, metrics: [auc] }", /auditLabels\.metrics: .*"auc"/],
  [
    "trainGender: { metrics: [f1], earlyStopping: { monitor: val_auc } }",
    /^x\.yaml:3:59: trainGender\.earlyStopping\.monitor: Cannot stop early by "val_auc": .* val_f1/,
  ],
  ["trainAge: { metrics: [bias], earlyStopping: { monitor: val_bias } }", /early by "val_bias"/],
  [
    "split:\n    calibration:\n  trainGender: { abstain: 0.1 }",
    /trainGender\.abstain: .*Set split/,
  ],
  [
    "trainAge: { abstain: 0.1 }",
    /trainAge\.abstain: .* left out with variant: regression, which has intervals/,
  ],
  ["split: { test: { dataset: smaple } }", /^x\.yaml:3:29: split\.test\.dataset: .* are sample/],
  ["split: { validation: { dataset: [sample, x] } }", /no image has dataset "x"/],
  ["matParse: { minAge: 60, maxAge: 30 }", /matParse\.minAge: expected at most maxAge, 30, got 60/],
  ["faceCrop: { detector: dlibCnn, weights: ./none.dat }", /^x\.yaml:3:43: faceCrop\.weights: /],
  [
    "trainGender:\n  webcamServe: { tls: { cert: ./none.pem, key: ./none.key } }",
    /webcamServe\.tls\.cert: Cannot serve over HTTPS: .*\n(.*\n)*.*webcamServe\.tls\.key/,
  ],
];

for (const [stages, error] of MISTAKES) {
  Deno.test(`refused before anything runs: ${stages} (${error.source.slice(0, 40)})`, async () => {
    assert.match(await errorsOf(`  ${stages}`), error);
  });
}

const RIGHT = [
  "trainAge: { variant: binary, loss: focal, metrics: [auc] }",
  `trainClassifier: { target: tone, loss: ${THREE} }`,
  `auditLabels: { target: tone, loss: ${THREE}, earlyStopping: { monitor: val_metric } }`,
  "trainJoint: { metrics: [auc, rmse], earlyStopping: { monitor: val_rmse }, abstain: 0.1 }",
  "trainJoint: { classes: [5_o_Clock_Shadow, Größe], metrics: [f1], earlyStopping: { monitor: val_Größe_f1 } }",
  "trainJoint: { classes: [tone], numbers: [height, Body mass], heads: { tone: { loss: focal } } }",
  "trainAge: { variant: multiclass, abstain: 0.1 }",
  "split: { test: { dataset: sample }, validation: { part: val } }",
];

for (const stages of RIGHT) {
  Deno.test(`not refused: ${stages}`, async () => {
    assert.equal(await errorsOf(`  ${stages}`), "");
  });
}

Deno.test("a loss and a metric of a plugin fit a task as built-in ones do", async () => {
  const root = new URL("../../", import.meta.url).href;
  const plugin = `import { z } from "zod";
    import { defineLoss } from "${root}faces/training/training_definitions.ts";
    import { defineMetric } from "${root}faces/training/further_metrics.ts";
    const params = z.strictObject({ classWeights: z.array(z.number()).optional() });
    const head = () => { throw new Error("there are no targets yet"); };
    export default [
      defineLoss({ name: "mine", summary: "Mine", of: ["years"], params, head }),
      defineLoss({ name: "ours", summary: "Ours", of: ["classes"], params, head }),
      defineMetric({ name: "worst", summary: "Worst", of: "years", params: z.strictObject({}),
        title: "worst", unit: "years", better: "less", decimals: 1, compute: () => 1 }),
    ];`;
  const errors = (stages: string) => errorsOf(`  ${stages}`, { plugin });
  assert.match(await errors("trainGender: { loss: mine }"), /"mine": .* Use .*focal/);
  assert.match(
    await errors("trainJoint: { heads: { gender: { loss: mine } } }"),
    /^x\.yaml:4:42: trainJoint\.heads\.gender\.loss: Cannot train gender with loss "mine"/,
  );
  const tone = "trainJoint: { classes: [gender, tone], heads: { tone: { loss: ours } } }";
  assert.equal(await errors(tone), "");
  assert.match(await errors("trainGender: { metrics: [worst] }"), /"worst", which is of years/);
  const monitored = "earlyStopping: { monitor: val_worst }";
  assert.equal(await errors(`trainAge: { loss: mine, metrics: [worst], ${monitored} }`), "");
  const ours = "{ use: ours, classWeights: [1, 2, 3] }"; // its weights may mean something else
  assert.equal(await errors(`trainGender: { loss: ${ours} }`), "");
});

Deno.test("a page that is to compute with the detector of a plugin is refused", async () => {
  const root = new URL("../../", import.meta.url).href;
  const plugin = `import { defineDetector } from "${root}faces/detection/detector.ts";
    const open = () => Promise.resolve({ detect: () => Promise.resolve([]), close() {} });
    export default defineDetector({ name: "whole", summary: "Whole", open });`;
  const crop = "  faceCrop: { detector: whole }\n  trainGender:\n";
  const errors = (served: string) => errorsOf(`${crop}  webcamServe: { ${served} }`, { plugin });
  const error =
    /^x\.yaml:6:24: webcamServe\.mode: Cannot run inference .* detector "whole" is from/;
  assert.match(await errors("mode: browser"), error);
  assert.match(
    await errorsOf("  trainGender:\n  webcamServe: { mode: browser, liveDetector: whole }", {
      plugin,
    }),
    /webcamServe\.mode: Cannot run inference in the browser/,
  );
  for (const right of ["mode: server", "mode: browser, detector: dlibCnn"]) {
    assert.equal(await errors(right), "");
  }
});

Deno.test("a backend that is not there is refused if a stage computes", async () => {
  const top = "compute: node\n";
  assert.match(
    await errorsOf("  trainGender:", { top }),
    /^x\.yaml:4:10: compute: Cannot compute on it\.\n.*\n.*$/,
  );
  assert.equal(await errorsOf("", { top }), "");
});

Deno.test("an inherited value names how to leave it out", async () => {
  const own = "  trainAge: { variant: regression }";
  const inherited = "  trainAge: { variant: binary, loss: focal, metrics: [auc] }\n";
  const errors = await errorsOf(own, { inherited });
  assert.match(errors, /base\.yaml:7:38: trainAge\.loss: .*In x\.yaml, loss: without a value/);
  assert.match(errors, /trainAge\.metrics: .*In x\.yaml, metrics: without a value/);
  // Without its data set, the form of a set would be none; without the set, it has its default.
  const divided = "  other: { use: split, test: { dataset: none } }\n";
  assert.match(
    await errorsOf("  faceCrop:", { inherited: divided }),
    /other\.test\.dataset: .*In x\.yaml, test: without a value leaves it out/,
  );
});

Deno.test("inputs of another size, and splits of other photos, are refused", async () => {
  const sizes = "  big: { use: resize32, size: 64 }\n  split: { inputs: { dataset: resize32 } }\n";
  const small = "inputs: { dataset: resize32 }";
  assert.match(
    await errorsOf(
      `${sizes}  trainGender: { inputs: { dataset: big } }\n  evaluate: { ${small} }`,
    ),
    /^x\.yaml:6:23: evaluate\.inputs\.models: Cannot take trainGender: .* 64 pixels, .* has 32/,
  );
  const teacher = "  trainAge: { inputs: { dataset: big } }\n";
  const student = "{ use: trainAge, inputs: { dataset: resize32, teachers: trainAge } }";
  assert.match(
    await errorsOf(`${sizes}${teacher}  student: ${student}`),
    /student\.inputs\.teachers: Cannot take trainAge/,
  );
  const other = "  more: { use: download, datasets: [wiki_crop] }\n" +
    "  rows: { use: matParse, inputs: { archives: more } }\n" +
    "  crop: { use: faceCrop, inputs: { archives: more, table: rows } }\n" +
    "  others: { use: resize32, inputs: { faces: crop } }\n" +
    "  matParse: { inputs: { archives: download } }\n" +
    "  faceCrop: { inputs: { archives: download, table: matParse } }\n" +
    "  resize32: { inputs: { faces: faceCrop } }\n" +
    "  split: { inputs: { dataset: resize32 } }\n";
  const train = (dataset: string) =>
    errorsOf(`${other}  trainGender: { inputs: { dataset: ${dataset} } }`);
  assert.match(
    await train("others"),
    /trainGender\.inputs\.splits: .*they divide photos of download, and the dataset has those of more/,
  );
  assert.equal(await train("resize32"), "");
  // Crops of the same photos, as in experiments/framing.yaml.
  assert.equal(
    await errorsOf(
      "  wide: { use: faceCrop, margin: 0.4 }\n  resize32: { inputs: { faces: faceCrop } }\n" +
        "  other: { use: resize32, inputs: { faces: wide } }\n" +
        "  split: { inputs: { dataset: resize32 } }\n  trainGender: { inputs: { dataset: other } }",
    ),
    "",
  );
});
