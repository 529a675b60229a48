import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import * as tfjs from "@tensorflow/tfjs-layers";
import { z } from "zod";
import {
  chooseNetwork,
  multiHeadModel,
  multiplyAdds,
  singleHeadModel,
} from "../../faces/training/build_network.ts";
import { checkExports } from "../../faces/training/onnx/convert.ts";
import { forward } from "../../faces/training/forward.ts";
import { defineNetwork, type Tfjs } from "../../faces/training/training_definitions.ts";
import { toEngineNetwork } from "../../faces/training/to_engine_network.ts";
import { networks } from "../../models/mod.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import trainGender from "../../stages/trainGender.ts";
import trainJoint from "../../stages/trainJoint.ts";
import { testContext } from "../context.ts";
import { build, compareGradients } from "./network_gradients.ts";
import { writeDataset, writeSplits } from "../stages/training_data.ts";

const listed = {
  use: "layers",
  layers: [
    { conv2d: { name: "a", filters: 12, kernelSize: 3, padding: "same", activation: "swish" } },
    { batchNormalization: { name: "n" } },
    { depthwiseConv2d: { name: "d", kernelSize: 3, padding: "same" } },
    { conv2d: { name: "b", filters: 12, kernelSize: 1, l2: 0.001 } },
    { add: ["a", "b"] },
    { layerNormalization: {} },
    { averagePooling2d: { name: "p", poolSize: 2 } },
    { conv2d: { name: "q", input: "p", filters: 4, kernelSize: [1, 3], padding: "same" } },
    { concatenate: { name: "both", inputs: ["p", "q"] } },
    { globalAveragePooling2d: {} },
    { dropout: { rate: 0.1 } },
    { dense: { name: "e", units: 8, activation: "gelu" } },
  ],
};

const small: Choice[] = [
  { use: "plain", blocks: [[4], [6, 6]], dense: [], pooling: "average", normalization: "layer" },
  { use: "plain", blocks: [[4]], kernelSize: 5, activation: "leakyRelu", dense: [8, 8] },
  { use: "residual", filters: [4, 6], blocks: 1, squeezeExcitation: true, activation: "elu" },
  { use: "mobile", filters: [4], blocks: 2, squeezeExcitation: true, activation: "swish" },
  listed,
];
const all: Choice[] = ["residual", "mobile", ...small];

Deno.test("networks can be trained, and its gradients on wasm are those of the cpu backend", async () => {
  for (const network of small) await compareGradients(network);
});

Deno.test("multiplyAdds() counts kernels by the positions where they are used", async () => {
  await openBackend("wasm");
  const count = (network: Choice) => {
    const model = build(network);
    const counted = [model.countParams(), multiplyAdds(model)];
    model.dispose();
    return counted;
  };
  const conv = 16 * 16 * 9 * 3 * 4 + 8 * 8 * 9 * 4 * 6, dense = 4 * 4 * 6 * 5 + 5 * 2;
  assert.deepEqual(count({ use: "plain", blocks: [[4], [6]], dense: [5], normalization: "none" }), [
    9 * 3 * 4 + 4 + 9 * 4 * 6 + 6 + (4 * 4 * 6 + 1) * 5 + (5 + 1) * 2,
    conv + dense,
  ]);
  const shared = defineNetwork({
    name: "shared",
    summary: "One layer twice",
    params: z.strictObject({}),
    trunk(_, { layers }, image) {
      const dense = layers.dense({ name: "dense", units: 3 });
      const pool = layers.maxPooling2d({ name: "pool", poolSize: 2 });
      const once = pool.apply(dense.apply(image));
      return layers.globalAveragePooling2d({ name: "end" }).apply(dense.apply(once)) as never;
    },
  });
  const { trunk, initializer } = chooseNetwork("shared", [shared], "", {});
  const twice = singleHeadModel("shared", trunk(16), 2, initializer, 1);
  assert.equal(multiplyAdds(twice), (16 * 16 + 8 * 8) * 9 + 6);
  twice.dispose();
  // A transposed convolution and a recurrent layer use their kernels at each position of the input.
  const { layers, sequential } = tfjs;
  const recurrentInitializer = "zeros";
  const others = sequential({
    layers: [
      layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, inputShape: [4, 4, 5] }),
      layers.reshape({ targetShape: [9, 18] }),
      layers.gru({ units: 3, recurrentInitializer, returnSequences: true }),
      layers.lstm({ units: 3, recurrentInitializer }),
    ],
  });
  const [transposed, gru, lstm] = [4 * 4 * 9 * 2 * 5, 9 * (18 + 3) * 9, 9 * (3 + 3) * 12];
  assert.equal(multiplyAdds(others), transposed + gru + lstm);
  others.dispose();
  const mobile = { use: "mobile", stem: 4, filters: [6], blocks: 1 };
  const separable = 16 * 16 * 9 * 3 * 4 + 8 * 8 * 9 * 4 + 8 * 8 * 4 * 6 + 6 * 2;
  assert.equal(count(mobile)[1], separable);
});

Deno.test("deep is plain with its blocks, and the engine supports both", async () => {
  await openBackend("wasm");
  const { name, trunk, initializer } = chooseNetwork("best", networks, "", { heads: 2 });
  const deep = multiHeadModel(name, trunk(32), 5, initializer, 1);
  const other = chooseNetwork(
    { use: "plain", blocks: [[32, 32], [48, 48], [64, 64], [128, 128]] },
    networks,
    "",
    {},
  );
  const plain = multiHeadModel("best", other.trunk(32), 5, other.initializer, 1);
  assert.equal(JSON.stringify(plain.toJSON()), JSON.stringify(deep.toJSON()));
  assert.deepEqual(plain.getWeights()[0].dataSync(), deep.getWeights()[0].dataSync());
  toEngineNetwork(deep, [{ loss: "categoricalCrossentropy", columns: 5, weight: 1 }]);
  for (const model of [deep, plain]) model.dispose();
});

Deno.test("layers: names the item that cannot follow", async () => {
  await openBackend("wasm");
  const fails = (message: RegExp, ...layers: object[]) =>
    assert.throws(() => build({ use: "layers", layers }), message);
  // These shapes are equal for images of odd size.
  const conv = { name: "a", filters: 3, kernelSize: 3, strides: 2 };
  const pool = { name: "b", input: "image" };
  fails(
    /layer 3 \(add\) does not fit/,
    { conv2d: conv },
    { maxPooling2d: pool },
    { add: ["a", "b"] },
    { flatten: {} },
  );
  const wide = { conv2d: { filters: 2, kernelSize: 14 } };
  fails(
    /network "layers": its layer "conv2d2" leaves nothing of the 3 x 3 x 2 before it. Use a smaller/,
    wide,
    wide,
    { flatten: {} },
  );
  const reshape = { reshape: { targetShape: [7, 7] } };
  fails(
    /layer 2 \(reshape\) makes 49 numbers of 768. Change its targetShape/,
    { flatten: {} },
    reshape,
    { flatten: {} },
  );
  const flat = defineNetwork({
    name: "flat",
    summary: "Images",
    params: z.strictObject({}),
    trunk: ({ size }, { layers }) => [
      layers.conv2d({ inputShape: [size, size, 3], filters: 2, kernelSize: 3 }),
    ],
  });
  const { trunk, initializer } = chooseNetwork("flat", [flat], "", {});
  assert.throws(
    () => multiHeadModel("flat", trunk(16), 2, initializer, 1),
    /heads need \[batch, n\]. End it with flatten or globalAveragePooling2d/,
  );
  const named = (name: string) =>
    chooseNetwork(
      { use: "layers", layers: [{ flatten: { name } }] },
      networks,
      "",
      {},
    );
  for (const [name, build] of [["logits", singleHeadModel], ["heads", multiHeadModel]] as const) {
    assert.throws(
      () => build("layers", named(name).trunk(8), 1, "glorotUniform", 1),
      new RegExp(`The name "${name}" is used 2 times in the model`),
    );
  }
  const parse = (item: object) =>
    z.parse(trainGender.params, { network: { use: "layers", layers: [item] } });
  assert.throws(() => parse({ conv2d: { filters: 2, kernelsize: 3 } }), /kernelsize/);
  fails(/layer 2 \(flatten\) does not fit: /, { globalMaxPooling2d: {} }, { flatten: {} });
  const one = { zeroPadding2d: { padding: [0, 1] } };
  const padded = build({ use: "layers", layers: [one, { conv2d: conv }, { flatten: {} }] });
  assert.deepEqual(padded.getLayer("zeroPadding2d1").outputShape, [null, 16, 18, 3]);
  padded.dispose();
  assert.throws(() => parse({ flatten: {}, reLU: {} }), /expected one layer per item/);
});

Deno.test("layers: a value that one layer takes twice is there for the next", async () => {
  await openBackend("wasm");
  const model = build({
    use: "layers",
    layers: [
      { conv2d: { name: "a", filters: 2, kernelSize: 1 } },
      { multiply: { name: "b", inputs: ["a", "a", "a"] } },
      { add: ["a", "b"] },
      { globalAveragePooling2d: {} },
    ],
  });
  toEngineNetwork(model, "categoricalCrossentropy");
  checkExports(model, ["onnx"]);
  const x = tf.ones([1, 16, 16, 3]);
  const [predicted] = [(model.apply(x) as tf.Tensor).dataSync()];
  const own = tf.softmax(forward(model, x)).dataSync();
  assert.deepEqual(predicted, own);
  model.dispose();
});

Deno.test("a plugin's layers need no inputShape, and another result is an error", async () => {
  await openBackend("wasm");
  const params = z.strictObject({});
  const build = (trunk: (tf: Tfjs, image: tfjs.SymbolicTensor) => unknown) => {
    const own = defineNetwork({
      name: "own",
      summary: "Own",
      params,
      trunk: (_, ...given) => trunk(...given) as never,
    });
    const chosen = chooseNetwork("own", [own], "", {});
    return singleHeadModel("own", chosen.trunk(16), 2, chosen.initializer, 1);
  };
  for (const options of [{}, { inputShape: [8, 8, 3] }]) {
    const model = build(({ layers }) => [layers.flatten({ name: "flatten", ...options })]);
    assert.deepEqual(model.inputs[0].shape, [null, 16, 16, 3]);
    model.dispose();
  }
  assert.throws(
    () =>
      build(() => {
        throw new RangeError("offset is out of bounds"); // as TensorFlow.js, for too many weights
      }),
    /^Error: Cannot build the network: its weights do not fit into memory .* smaller one\.$/,
  );
  const empty = (strides: number, kernelSize: number) => ({ layers }: Tfjs) => [
    layers.maxPooling2d({ name: "pool", poolSize: 64, strides }),
    layers.conv2d({ name: "conv", filters: 2, kernelSize }),
    layers.flatten({ name: "flat" }),
    layers.dense({ name: "dense", units: 2 }),
  ];
  const graph =
    (layers: (tf: Tfjs) => tfjs.layers.Layer[]) => (tf: Tfjs, image: tfjs.SymbolicTensor) =>
      layers(tf).reduce((x, layer) => layer.apply(x) as tfjs.SymbolicTensor, image);
  for (const layers of [empty(64, 1), empty(1, 1), empty(2, 3)]) {
    for (const trunk of [layers, graph(layers)]) {
      assert.throws(
        () => build(trunk),
        /network "own": its layer "pool" leaves nothing of the 16 x 16 x 3 before it\. Use a smaller/,
      );
    }
  }
  for (const inputShape of [[16, 16, 1], [48]]) {
    assert.throws(
      () => build(({ layers }) => [layers.flatten({ name: "flat", inputShape })]),
      new RegExp(
        `"own": its first layer "flat" has an inputShape of ${inputShape.at(-1)} channels`,
      ),
    );
  }
  assert.throws(
    () =>
      build((
        { layers },
      ) => [layers.flatten({ name: "f" }), layers.dense({ name: "a/b c", units: 4 })]),
    /network "own": its layer "a\/b c" needs a name of letters, digits, _, \. and -, since/,
  );
  for (const [result, text] of [[undefined, "undefined"], [[], "\\[\\]"], [[7], "\\[7\\]"]]) {
    assert.throws(
      () => build(() => result),
      new RegExp(`"own": its trunk\\(\\) returns ${text}. Return layers, or the output`),
    );
  }
  assert.throws(
    () => build(({ layers }) => [layers.flatten({ name: "flat" }), undefined]),
    /"own": its trunk\(\) returns \["flat",null\]\. Return layers/,
  );
});

Deno.test("layers of a plugin without a name are an error of any stage", async () => {
  const definition = defineNetwork({
    name: "unnamed",
    summary: "Layers without names",
    params: z.strictObject({}),
    trunk: (_, { layers }) => [layers.flatten(), layers.dense({ units: 4 })],
  });
  const { name, summary } = definition;
  const extensions = [{ kind: "network", name, summary, module: import.meta.url, definition }];
  for (const stage of [trainGender, trainJoint]) {
    using context = testContext(stage, { extensions });
    const people = Array.from({ length: 8 }, (_, i) => ({ age: i, gender: i % 2 }));
    const given = {
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), {
        train: 4,
        validation: 4,
        test: 0,
      }),
    };
    const why = /layer "dense_Dense\d+": its name is generated and depends on the networks built/;
    await assert.rejects(context.run(given, { network: name }) as Promise<unknown>, why);
  }
});

Deno.test("stages train any network, with the same bytes after a kill", async () => {
  const people = Array.from({ length: 24 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
  for (
    const [stage, output, network] of [
      [trainGender, "model", { use: "residual", filters: [4, 6], blocks: 1 }],
      [trainGender, "model", listed],
      [trainJoint, "age", { use: "mobile", stem: 4, filters: [6], blocks: 1 }],
    ] as const
  ) {
    const params = { network, epochs: 2, batchSize: 8, batchNormMomentum: 0.5 };
    const run = async (options: Parameters<typeof testContext>[1] = {}) => {
      const context = testContext(stage, options);
      const splits = { train: 16, validation: 8, test: 0 };
      const observed = await context.run({
        dataset: await writeDataset(join(context.folder, "dataset"), people),
        splits: await writeSplits(join(context.folder, "splits"), splits),
      }, params);
      return { context, observed: observed!.observed! };
    };
    const whole = await run();
    const abort = new AbortController();
    let steps = 0;
    const folder = await Deno.makeTempDir();
    const onAdvance = () => void (++steps === 3 && abort.abort(new Error("killed")));
    await assert.rejects(run({ folder, signal: abort.signal, onAdvance }), /killed/);
    const resumed = await run({ folder });
    for (const file of ["weights.bin", "history.csv", "training.json"]) {
      const read = ({ context }: typeof whole) =>
        Deno.readFile(join(context.outputs[output], file));
      assert.deepEqual(await read(resumed), await read(whole), file);
    }
    const record = JSON.parse(
      await Deno.readTextFile(join(whole.context.outputs[output], "training.json")),
    );
    assert.equal(record.params.network.use, network.use);
    assert.ok(record.multiplyAdds > 0 && record.weights > 0);
    assert.match(
      whole.context.infos[1],
      /^network \w+: [\d,]+ parameters, [\d,]+ multiply-adds per image$/,
    );
    assert.match(String(whole.observed.computedBy), /^engine, \d+ threads?$/);
    for (const { context } of [whole, resumed]) context[Symbol.dispose]();
  }
});

Deno.test("every network can be exported", async () => {
  await openBackend("wasm");
  for (const network of all) {
    const model = build(network);
    checkExports(model, ["onnx"]);
    model.dispose();
  }
});
