/** Choices of the training stages in YAML: both forms, errors, overrides, cache keys. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { pipelineJsonSchema } from "../../../packages/pipeline/config/json_schema.ts";
import { parseOverride } from "../../../packages/pipeline/config/override.ts";
import { ConfigError } from "../../../packages/pipeline/errors.ts";
import type { Tensor } from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { classHead, quantityHead } from "../../../faces/training/losses.ts";
import { jointHead } from "../../../faces/training/objective.ts";
import { Optimizer } from "../../../faces/training/optimizer.ts";
import {
  defineAugmentation,
  defineLoss,
  defineOptimizer,
  defineSampling,
  defineSchedule,
  type Tf,
} from "../../../faces/training/training_definitions.ts";
import { z } from "zod";
import { testContext } from "../../context.ts";
import { writeDataset, writeSplits } from "../../stages/training_data.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import { stages } from "../../../stages/mod.ts";
import evaluate from "../../../stages/evaluate.ts";
import trainGender from "../../../stages/trainGender.ts";

const project = fileURLToPath(new URL("../../../", import.meta.url));
const folder = await Deno.makeTempDir({ prefix: "choices-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Reads a training stage, and returns its parameters and extensions. */
async function read(stage: string, params: string, set: string[] = [], plugins = "") {
  const file = join(folder, "pipeline.yaml");
  await Deno.writeTextFile(
    file,
    `${plugins}stages:\n  download:\n  matParse:\n  faceCrop:\n  resize32:\n  split:\n` +
      `  ${stage}: ${params}\n`,
  );
  const options = { project, cwd: folder, registry: new Registry().add(stages) };
  const config = await readConfig(file, { ...options, overrides: set.map(parseOverride) });
  return config.stages.at(-1)!;
}

async function mistakes(stage: string, params: string, set: string[] = []): Promise<string> {
  try {
    await read(stage, params, set);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail("it is valid");
}

Deno.test("a choice is NAME or { use: NAME, ...options }, its options also by override", async () => {
  const network = async (params: string, ...set: string[]) =>
    (await read("trainGender", params, set)).params.network;
  assert.equal(await network("{}"), undefined);
  assert.equal(await network("{ network: residual }"), "residual");
  const plain = { use: "plain", kernelSize: 3, activation: "relu", pooling: "max" };
  assert.deepEqual(await network("{ network: { use: plain, blocks: [[8]] } }"), {
    ...plain,
    normalization: "batch",
    dense: [128],
    blocks: [[8]],
  });
  const mobile = await network("{ network: mobile }", "trainGender.network.filters=[16]");
  assert.deepEqual((mobile as { filters: number[] }).filters, [16]);
});

Deno.test("a choice named after its options keeps them, and shared values stay as they are", async () => {
  const name = "trainGender.network=residual", option = "trainGender.network.filters=[8]";
  for (const set of [[name, option], [option, name]]) {
    const { params } = await read("trainGender", "{ network: plain }", set);
    const { use, filters } = params.network as { use: string; filters: number[] };
    assert.deepEqual([use, filters], ["residual", [8]], set.join(" "));
  }
  // As the points of a sweep do.
  const network = parseOverride("trainGender.network={ use: residual }");
  const file = join(folder, "pipeline.yaml");
  const options = { project, cwd: folder, registry: new Registry().add(stages) };
  await readConfig(file, { ...options, overrides: [network, parseOverride(option)] });
  assert.deepEqual(network.value, { use: "residual" });
});

Deno.test("flat keys and options of a choice are two spellings of one value", async () => {
  for (const params of ["{ dropout: 0.4 }", "{ network: { dropout: 0.4 } }"]) {
    const { params: { dropout, network } } = await read("trainGender", params);
    assert.deepEqual([dropout, network], [0.4, undefined]);
  }
  const { params } = await read("trainJoint", "{ network: { use: best, dropout: 0.4 } }");
  assert.deepEqual([params.dropout, params.network], [0.4, "best"]);
  assert.match(
    await mistakes("trainGender", "{ dropout: 0.4, network: { dropout: 0.3 } }"),
    /7:\d+: trainGender\.dropout and trainGender\.network\.dropout are two spellings of one value/,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { use: plain, dropout: 0.3 } }", [
      "trainGender.dropout=0.1",
    ]),
    /trainGender\.dropout and trainGender\.network\.dropout are two spellings/,
  );
});

Deno.test("every training stage takes optimizer, schedule, augment and mirror", async () => {
  for (const stage of ["trainGender", "trainAge", "trainJoint"]) {
    const { params } = await read(
      stage,
      "{ optimizer: { use: sgd, learningRate: 0.1, momentum: 0.9 }, augment: { flip: false }, " +
        "schedule: { use: linear, warmup: 0.2 }, mirror: true }",
      [`${stage}.optimizer.clipNorm=1`],
    );
    assert.deepEqual(params.optimizer, { use: "sgd", momentum: 0.9, nesterov: false, clipNorm: 1 });
    const { learningRate, warmup, schedule } = params;
    assert.deepEqual([learningRate, warmup, schedule], [0.1, 0.2, "linear"]);
  }
  const { params } = await read("trainGender", "{ optimizer: { learningRate: 0.01 } }");
  assert.deepEqual([params.learningRate, params.optimizer], [0.01, undefined]);
  assert.match(
    await mistakes("trainAge", "{ learningRate: 0.1, optimizer: { use: sgd, learningRate: 0.2 } }"),
    /trainAge\.learningRate and trainAge\.optimizer\.learningRate are two spellings of one value/,
  );
  assert.match(
    await mistakes("trainAge", "{ optimizer: { use: adam, weightDecay: 0.2 } }"),
    /trainAge\.optimizer has no "weightDecay"/,
  );
});

Deno.test("trainJoint's heads have losses, and weights under two spellings", async () => {
  const { params } = await read(
    "trainJoint",
    "{ heads: { gender: { weight: 2 }, age: { loss: { use: ageDistribution, spread: 3 } } } }",
  );
  assert.deepEqual(params.weights, { gender: 2, age: 1 });
  assert.deepEqual([params.ageSpread, params.heads], [3, { age: { loss: "ageDistribution" } }]);
  assert.match(
    await mistakes("trainJoint", "{ weights: { age: 2 }, heads: { age: { weight: 3 } } }"),
    /trainJoint\.weights\.age and trainJoint\.heads\.age\.weight are two spellings/,
  );
  assert.match(
    await mistakes("trainJoint", "{ ageSpread: 3, heads: { age: { loss: mse } } }"),
    /ageSpread: expected to be left out with the loss mse of age/,
  );
  assert.match(
    await mistakes("trainJoint", "{ heads: { gender: { loss: mse } } }"),
    /heads\.gender\.loss: expected "crossEntropy" or "focal" or .*got "mse"/,
  );
});

Deno.test("a parameter without effect beside a choice is refused", async () => {
  assert.match(
    await mistakes("trainGender", "{ optimizer: adam, weightDecay: 0.1 }"),
    /trainGender\.weightDecay: expected to be left out with optimizer: adam; adamw has it/,
  );
  for (const schedule of ["constant", "{ use: step, every: 3 }"]) {
    assert.match(
      await mistakes("trainAge", `{ schedule: ${schedule}, warmup: 0.1 }`),
      /trainAge\.warmup: expected to be left out with schedule: (constant|step)/,
    );
  }
  await read("trainJoint", "{ optimizer: adam, schedule: constant }");
});

Deno.test("stages use a plugin's optimizer, schedule, loss and sampling", async () => {
  const calls = { optimizer: 0, schedule: 0, loss: 0, sampling: 0, augmentation: 0 };
  const params = z.strictObject({});
  const definitions = [
    defineOptimizer({
      name: "sign",
      summary: "Signs",
      params,
      state: [],
      prepare: ({ learningRate }, tf) => (gradient) => {
        calls.optimizer++;
        return { change: tf.mul(tf.sign(gradient), learningRate), state: [] };
      },
    }),
    defineSchedule({
      name: "half",
      summary: "Half",
      params,
      factor: () => () => (calls.schedule++, 0.5),
    }),
    defineLoss({
      name: "half",
      summary: "Half the cross-entropy",
      params,
      of: ["classes"],
      head: ({ classes, weight }) => ({
        ...classHead(classes!, weight),
        loss: "half",
        builtIn: false,
        rowLosses(tf, logits, labels) {
          calls.loss++;
          return tf.mul(tf.neg(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), -1)), 0.5);
        },
      }),
    }),
    defineSampling({
      name: "asTheyAre",
      summary: "In order",
      params,
      order: (rows) => (calls.sampling++, rows),
    }),
    defineAugmentation({
      name: "white",
      summary: "White",
      params,
      apply(image) {
        calls.augmentation++;
        image.fill(255);
      },
    }),
  ];
  const extensions = definitions.map((definition) => ({
    kind: definition.extends,
    name: definition.name,
    summary: definition.summary,
    module: "plugins/all.ts",
    definition,
  }));
  using context = testContext(trainGender, { extensions });
  const people = Array.from({ length: 12 }, (_, i) => ({ age: i, gender: i % 2 }));
  await context.run({
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), { train: 8, validation: 4, test: 0 }),
  }, {
    optimizer: "sign",
    schedule: "half",
    loss: "half",
    sampling: "asTheyAre",
    augment: { further: ["white", { use: "gamma", limit: 0.1 }] },
    epochs: 1,
    batchSize: 4,
    network: { use: "plain", blocks: [[4]], dense: [] },
  });
  assert.ok(Object.values(calls).every((count) => count > 0), JSON.stringify(calls));
});

Deno.test("the warning of batch normalization needs a network with some", async () => {
  const people = Array.from({ length: 12 }, (_, i) => ({ age: i, gender: i % 2 }));
  for (const normalization of ["batch", "layer", "none"]) {
    using context = testContext(trainGender);
    await context.run({
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), {
        train: 8,
        validation: 4,
        test: 0,
      }),
    }, {
      network: { use: "plain", blocks: [[2]], dense: [], normalization },
      epochs: 2,
      earlyStopping: { patience: 1 },
    });
    const warned = context.warnings.some((text) => text.startsWith("batch normalization"));
    assert.equal(warned, normalization === "batch");
  }
});

Deno.test("an optimizer may keep its state, and another shape is an error that names it", async () => {
  await openBackend("wasm");
  const step = (of: (gradient: Tensor, state: readonly Tensor[]) => unknown, steps = 1) => {
    const definition = defineOptimizer({
      name: "own",
      summary: "Own",
      params: z.strictObject({}),
      state: ["own/a", "own/b"],
      prepare: () => of as never,
    });
    const variable = tf.variable(tf.ones([2, 3]));
    const optimizer = new Optimizer([variable], 0.1, { definition, options: {} });
    for (let n = 0; n < steps; n++) optimizer.step([tf.ones([2, 3])]);
    return [...variable.dataSync()];
  };
  const kept = step((gradient, state) => ({ change: gradient, state: [...state] }), 2);
  assert.deepEqual(kept, Array(6).fill(-1));
  assert.throws(
    () => step((gradient, [state]) => ({ change: tf.mean(gradient), state: [state, state] })),
    /optimizer "own": for a weight of shape \[2,3\], it returns a change and states of \[\], \[2,3\]/,
  );
  assert.throws(
    () => step((gradient) => ({ change: gradient, state: [] })),
    /states of \[2,3\]. Return a change and 2 states of that shape/,
  );
  assert.throws(
    () => step((gradient) => void gradient),
    /optimizer "own": .* it returns a change and states of nothing. Return a change and 2 states/,
  );
});

Deno.test("a schedule without a function is an error that names it", async () => {
  const half = defineSchedule({ name: "half", summary: "Half", factor: () => undefined as never });
  const extension = { kind: "schedule", name: "half", summary: "Half", module: "plugins/half.ts" };
  using context = testContext(trainGender, { extensions: [{ ...extension, definition: half }] });
  const people = Array.from({ length: 12 }, (_, i) => ({ age: i, gender: i % 2 }));
  const given = {
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), { train: 8, validation: 4, test: 0 }),
  };
  const params = { schedule: "half", network: { use: "plain", blocks: [[4]], dense: [] } };
  await assert.rejects(
    context.run(given, params),
    /factor\(\) of schedule "half" returned no function/,
  );
});

Deno.test("a loss that returns anything but a number per row is an error that names it", async () => {
  await openBackend("wasm");
  const fails = (losses: (tf: Tf, rows: Tensor) => unknown, message: RegExp) => {
    const head = { ...quantityHead(1), loss: "own", rowLosses: losses as never };
    assert.throws(() => jointHead([head]).lossOf(tf.zeros([3, 1]), [1, 2, 3]), message);
  };
  fails(
    (_, rows) => rows,
    /loss "own": its rowLosses\(\) returns a tensor of shape \[3,1\] and must/,
  );
  fails((tf, rows) => tf.mean(rows), /returns a tensor of shape \[\] .* a tensor of shape \[3\]/);
  fails(() => 7, /returns 7 and must/);
  fails(() => undefined, /returns undefined and must/);
});

Deno.test("a wrong choice is an error with its place and the nearest name", async () => {
  assert.match(
    await mistakes("trainGender", "{ network: residul }"),
    /7:27: trainGender\.network: expected .*"residual".*got "residul"\. Did you mean "residual"\?/,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { use: residul } }"),
    /7:34: trainGender\.network\.use: expected .*got "residul"\. Did you mean "residual"\?/,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { use: plain, kernelsize: 5 } }"),
    /7:41: trainGender\.network has no "kernelsize"\. Did you mean "kernelSize"\?/,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { use: plain, filters: 16 } }"),
    /trainGender\.network has no "filters"\. It has use, blocks, kernelSize, (?!.*leaveOut)/,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { filters: 16 } }"),
    /trainGender\.network has no "filters"\. As gender2021, it has use, leaveOut, /,
  );
  assert.match(
    await mistakes("trainGender", "{ network: { use: plain, kernelSize: 50 } }"),
    /7:\d+: trainGender\.network\.kernelSize: expected at most 7, got 50/,
  );
  assert.match(
    await mistakes("trainGender", "{ loss: { classWeights: [0, 0] } }"),
    /trainGender\.loss\.classWeights: expected a weight above 0, got \[0,0\]/,
  );
  for (const written of ["foo", "{ use: foo }", "{ use: plain }, metrics: [foo]"]) {
    assert.doesNotMatch(
      await mistakes("trainGender", `{ network: ${written} }`),
      /"(report|best|cs5)"/,
    );
  }
  assert.match(
    await mistakes("trainGender", "{ network: layers }"),
    /trainGender\.network: expected/,
  );
});

Deno.test("a plugin's network is chosen like a built-in one, and its module counts", async () => {
  const module = join(project, "plugins/inception.ts");
  const plugins = `plugins: [${JSON.stringify(module)}]\n`;
  for (const written of ["inception", "{ use: inception, modules: [8] }"]) {
    const stage = await read("trainJoint", `{ network: ${written} }`, [], plugins);
    assert.deepEqual(stage.extensions.map(({ name }) => name), ["inception"]);
  }
  const { extensions } = await read("trainJoint", "{ network: residual }", [], plugins);
  assert.deepEqual(extensions, []);
  assert.match(
    await mistakes("trainJoint", "{ network: inception }"),
    /expected .*got "inception"/,
  );
});

Deno.test("choices are in the JSON Schema: names, options, keys of a sweep", () => {
  const schema = pipelineJsonSchema([trainGender]) as {
    definitions: Record<string, { properties: { network: { anyOf: { enum?: string[] }[] } } }>;
    properties: { sweep: { properties: Record<string, unknown> } };
  };
  const [names] = schema.definitions["whole.of.trainGender"].properties.network.anyOf;
  assert.ok(
    ["gender2021", "report", "plain", "mobile"].every((name) => names.enum!.includes(name)),
  );
  assert.ok(!names.enum!.includes("layers"), "it needs options");
  const keys = Object.keys(schema.properties.sweep.properties);
  assert.ok(keys.includes("trainGender.network") && keys.includes("trainGender.network.filters"));
  assert.doesNotMatch(JSON.stringify(schema), /"(choice|chooses|aliases)":/);
});

Deno.test("layers: inputs and names are checked before anything runs, at their line", async () => {
  const check = async (pattern: RegExp, ...items: string[]) => {
    const layers = items.map((item) => `\n        - ${item}`).join("");
    const params = `\n      network:\n       use: layers\n       layers:${layers}`;
    assert.match(await mistakes("trainGender", params), pattern);
  };
  const conv = "conv2d: { name: a, filters: 2, kernelSize: 3 }";
  await check(
    /pipeline\.yaml:12:20: trainGender\.network\.layers\.1\.add\.1: expected a layer above it, image or a, got "zz"\./,
    conv,
    "add: [a, zz]",
    "flatten: {}",
  );
  await check(/:11:29: .*expected a layer above it, image, got "b"/, "flatten: { input: b }");
  await check(/:12:35: .*expected a layer above .*"b"/, conv, "concatenate: { inputs: [b, a] }");
  await check(
    /:12:28: .*expected a name that no layer above has, got "a"/,
    conv,
    "flatten: { name: a }",
  );
  const half = "conv2d: { name: b, input: image, filters: 2, kernelSize: 3, strides: 2 }";
  await check(
    /:11:11: .*layers.0 has no "conv2D". Did you mean "conv2d"\?(?![^]*expected)/,
    "conv2D: { filters: 2, kernelSize: 3 }",
    "add: [conv2D1, b]",
  );
  await check(/:11:11: .*expected one layer per item/, "{}");
  // Without add: [a, b], a would be left out of the network without a word.
  await check(
    /:11:19: .*layers\.0\.conv2d: expected a layer below that takes it, .*"name":"a"/,
    conv,
    half,
    "flatten: {}",
  );
  const none = await mistakes("trainGender", "{ network: { use: layers, layers: [] } }");
  assert.match(none, /expected at least 1 item/);
  assert.doesNotMatch(none, /-1/, "no item is named that is not there");
  await check(
    /:11:11: .*expected a map of names to values, got "flatten". Write flatten: {}/,
    "flatten",
  );
  const { params } = await read(
    "trainGender",
    `{ network: { use: layers, layers: [reshape: { targetShape: [3072] }] } }`,
  );
  assert.deepEqual(params.network, {
    use: "layers",
    layers: [{ reshape: { targetShape: [3072] } }],
  });
});

Deno.test("dropout is refused beside layers, which have rates of their own", async () => {
  const layers = "use: layers, layers: [dropout: { rate: 0.5 }, flatten: {}]";
  assert.match(
    await mistakes("trainGender", `{ network: { ${layers} }, dropout: 0.5 }`),
    /trainGender\.dropout: expected to be left out with network: layers, which has no such option/,
  );
  assert.match(
    await mistakes("trainJoint", `{ network: { ${layers}, dropout: 0.5 } }`),
    /trainJoint\.network has no "dropout"\. It has use, layers, batchNormMomentum and initializer/,
  );
  await read("trainGender", `{ network: { ${layers} }, dropout: 0.25 }`);
});

Deno.test("a metric or section that is there twice is an error before anything runs", async () => {
  assert.match(
    await mistakes("trainGender", "{ metrics: [auc, f1, { use: auc }] }"),
    /pipeline\.yaml:\d+:\d+: trainGender\.metrics\.2: expected each name once with the same options, got {"use":"auc"}/,
  );
  const parse = (given: object) => z.parse(evaluate.params, given);
  assert.throws(() => parse({ metrics: ["rmse", { use: "rmse" }] }), /expected each name once/);
  assert.throws(() => parse({ sections: ["data", "data"] }), /expected each name once/);
  parse({ metrics: ["rmse", { use: "cs", within: 3 }], sections: ["data", "models"] });
});
