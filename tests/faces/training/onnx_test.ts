/** Networks as ONNX, run by onnxruntime: the same predictions as in TensorFlow.js. */
import { deepStrictEqual, match, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import {
  input,
  layers,
  type LayersModel,
  model,
  sequential,
  type SymbolicTensor,
} from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import {
  chooseNetwork,
  extractHead,
  multiHeadModel,
  singleHeadModel,
} from "../../../faces/training/build_network.ts";
import { networks } from "../../../models/mod.ts";
import type { Choice } from "../../../packages/pipeline/define.ts";
import { initialize } from "../../../faces/training/initialize.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../models/build_2021.ts";
import { checkExports, writeExports } from "../../../faces/training/onnx/convert.ts";
import { predict } from "../../predict.ts";
import { genderClasses } from "../../../faces/training/targets.ts";
import { preprocessing } from "../serving/fixture.ts";
import { drawModel } from "./drawn_models.ts";

const SIZE = 32, COUNT = 20;

/** Gives every weight a value that matters, also the moving averages of batch normalisation. */
function shake(network: LayersModel): LayersModel {
  const rng = random(5, "shake");
  for (const layer of network.layers) {
    const weights = layer.getWeights();
    const shaken = weights.map((weight, i) => {
      // Of batch normalisation: gamma, beta, mean, variance; the last may not be negative.
      const scale = layer.getClassName() === "BatchNormalization" ? 0.3 : 0.05;
      const values = Float32Array.from(
        weight.dataSync(),
        (value) => value + scale * (weights.length === 4 && i === 3 ? rng.next() : rng.normal()),
      );
      return tf.tensor(values, weight.shape);
    });
    layer.setWeights(shaken);
    tf.dispose(shaken);
  }
  return network;
}

/** What the report's networks do without: odd sizes, steps, branches, means. */
function branched(): LayersModel {
  const images = input({ shape: [SIZE, SIZE, 3] });
  const apply = (layer: layers.Layer, ...from: SymbolicTensor[]) =>
    layer.apply(from.length > 1 ? from : from[0]) as SymbolicTensor;
  const first = apply(
    layers.conv2d({ filters: 6, kernelSize: [5, 3], strides: 2, padding: "same", useBias: false }),
    images,
  );
  const normal = apply(layers.batchNormalization({ scale: false, center: false }), first);
  const left = apply(
    layers.conv2d({ filters: 6, kernelSize: 3, padding: "same", activation: "elu" }),
    apply(layers.reLU(), normal),
  );
  const right = apply(
    layers.conv2d({
      filters: 6,
      kernelSize: 3,
      dilationRate: 2,
      padding: "same",
      activation: "tanh",
    }),
    normal,
  );
  const sum = apply(layers.add(), left, right, normal);
  const small = apply(layers.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" }), sum);
  const valid = apply(
    layers.maxPooling2d({ poolSize: [2, 3], strides: [1, 2], padding: "valid" }),
    apply(layers.leakyReLU({ alpha: 0.1 }), small),
  );
  const mean = apply(layers.globalAveragePooling2d({}), valid);
  const flat = apply(layers.dense({ units: 6 }), apply(layers.flatten(), valid));
  const both = apply(layers.dropout({ rate: 0.5 }), apply(layers.add(), mean, flat));
  const output = apply(
    layers.softmax(),
    apply(
      layers.dense({ units: 2, useBias: false }),
      apply(layers.dense({ units: 5, activation: "sigmoid" }), both),
    ),
  );
  const network = model({ name: "branched", inputs: images, outputs: output });
  initialize(network, 3); // layers without a seed begin elsewhere each time, at times with a dull one
  return network;
}

const LISTED = [
  { conv2d: { name: "a", filters: 6, kernelSize: 3, activation: "relu6", padding: "same" } },
  { prelu: {} },
  { separableConv2d: { name: "b", filters: 6, kernelSize: 3, padding: "same", strides: 2 } },
  { depthwiseConv2d: { kernelSize: 3, depthMultiplier: 2, activation: "mish" } },
  { elu: { name: "c" } },
  { conv2d: { name: "d", filters: 3, kernelSize: 1 } },
  { concatenate: { name: "e", inputs: ["c", "d"] } },
  { maxPooling2d: { poolSize: 4 } },
  { reshape: { targetShape: [3, 9, 5] } },
  { flatten: {} },
  { layerNormalization: {} },
];

/** Features beside images: 32 channels as 32 columns, and a reshape of two axes beside images. */
const MIXED = [
  { conv2d: { name: "a", filters: SIZE, kernelSize: 1, activation: "relu" } },
  { globalAveragePooling2d: { name: "b" } },
  { multiply: { name: "c", inputs: ["b", "a", "b"] } },
  { globalMaxPooling2d: { name: "d" } },
  { reshape: { name: "e", targetShape: [1, SIZE] } },
  { add: { name: "f", inputs: ["c", "e"] } },
  { flatten: {} },
];

function chosen(network: Choice): LayersModel {
  const { name, trunk, initializer } = chooseNetwork(network, networks, "", {});
  return singleHeadModel(name, trunk(SIZE), 2, initializer, 7);
}

/** An age read from a distribution, by a ReLU with a limit. */
function ofDistribution(): LayersModel {
  const trunk = () =>
    deepTrunk({ size: SIZE, dropout: 0.3, batchNormMomentum: 0.9, initializer: "heNormal" });
  const trained = multiHeadModel("best", trunk, ageBins.length, "glorotUniform", 3);
  const place = { name: "age", start: 0, columns: ageBins.length, reading: "median" } as const;
  const age = extractHead(trained, trunk, place);
  trained.dispose();
  return age;
}

function record(classes: boolean, mirror = false) {
  return {
    task: classes ? "gender" : "age",
    classes: classes ? [...genderClasses] : null,
    input: { size: SIZE, channels: "RGB", divisor: 255, mirror },
    preprocessing,
  } as const;
}

Deno.test("export: [onnx] gives onnxruntime the predictions that we have", async (t) => {
  await openBackend("wasm");
  const folder = await Deno.makeTempDir({ prefix: "onnx-" });
  const cases: Record<string, LayersModel> = {
    reportGender: buildGender2021({ size: SIZE, classes: 2, seed: 3 }),
    reportAge: buildAge2021({ size: SIZE, seed: 3 }),
    branched: branched(),
    ofDistribution: ofDistribution(),
    mirroredGender: buildGender2021({ size: SIZE, classes: 2, seed: 4 }),
    residual: chosen({ use: "residual", filters: [6, 8], squeezeExcitation: true }),
    mobile: chosen({
      use: "mobile",
      filters: [6, 8],
      squeezeExcitation: true,
      activation: "swish",
    }),
    plain: chosen({ use: "plain", blocks: [[6]], normalization: "layer", activation: "gelu" }),
    listed: chosen({ use: "layers", layers: LISTED }),
    mixed: chosen({ use: "layers", layers: MIXED }),
    padded: chosen({
      use: "layers",
      layers: [
        { zeroPadding2d: { padding: [0, 2] } },
        { conv2d: { filters: 3, kernelSize: 3, activation: "relu" } },
        { zeroPadding2d: {} },
        { flatten: {} },
      ],
    }),
  };
  for (let n = 0; n < 12; n++) {
    const network = drawModel(random(22, "network", n), `drawn${n}`, [SIZE, SIZE, 3]);
    initialize(network, n);
    cases[`drawn${n}`] = network;
  }
  const age = (name: string) => ["reportAge", "ofDistribution"].includes(name);
  const mirror = (name: string) => ["ofDistribution", "mirroredGender"].includes(name);
  try {
    const rng = random(1, "images");
    const images = Uint8Array.from({ length: COUNT * SIZE * SIZE * 3 }, () => rng.int(256));
    await Deno.writeFile(join(folder, "images"), images);
    const paths = [];
    for (const [name, network] of Object.entries(cases)) {
      if (name !== "ofDistribution") shake(network); // its last layers are as they must be
      const place = join(folder, name);
      await Deno.mkdir(place);
      await writeExports(network, place, record(!age(name), mirror(name)), ["onnx"]);
      paths.push(join(place, "model.onnx"));
    }
    const script = fileURLToPath(new URL("./onnx/run.ts", import.meta.url));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-lock", "--no-prompt", "--allow-all", script],
        ...[join(folder, "images"), String(COUNT), String(SIZE), ...paths],
      ],
    }).output();
    const text = new TextDecoder().decode(stderr);
    if (text.includes("error sending request for url")) {
      const name = "skipped: npm, which has onnxruntime-web, does not answer";
      return void await t.step({ name, ignore: true, fn: () => {} });
    }
    ok(code === 0, text);
    const theirs: Record<string, number[]>[] = JSON.parse(new TextDecoder().decode(stdout));
    for (const [i, [name, network]] of Object.entries(cases).entries()) {
      await t.step(name, async () => {
        const ours = await predict(network, images, { mirror: mirror(name) });
        const [[output, values]] = Object.entries(theirs[i]);
        deepStrictEqual(output, age(name) ? "years" : "probabilities");
        deepStrictEqual(values.length, ours.length);
        const spread = Math.max(...ours) - Math.min(...ours);
        // Drawn networks may be dull.
        ok(spread > 0.05 || /^drawn/.test(name), `${name} says much the same of all (${spread})`);
        const off = Math.max(...values.map((value, at) => Math.abs(value - ours[at])));
        ok(off < 1e-4, `${name} is off by ${off}`);
      });
    }
  } finally {
    Object.values(cases).forEach((network) => network.dispose());
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("export: [onnx] writes the same bytes of the same network, and says what the input is", async () => {
  await openBackend("wasm");
  const folder = await Deno.makeTempDir({ prefix: "onnx-" });
  try {
    const write = async () => {
      const network = buildAge2021({ size: SIZE, seed: 3 });
      await writeExports(network, folder, record(false), ["onnx"]);
      network.dispose();
      return await Deno.readFile(join(folder, "model.onnx"));
    };
    const first = await write();
    deepStrictEqual(await write(), first);
    const text = new TextDecoder("latin1").decode(first);
    match(text, /images: uint8 \[batch, 32, 32, 3\], RGB, 0 to 255; the graph divides by 255/);
    match(text, /"margin":0.2/);
    await Deno.remove(join(folder, "model.onnx"));
    const network = buildAge2021({ size: SIZE, seed: 3 });
    await writeExports(network, folder, record(false), []);
    network.dispose();
    await rejects(Deno.stat(join(folder, "model.onnx")), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("checkExports() refuses, before training, what ONNX would lack", async () => {
  await openBackend("wasm");
  const refused = (layer: layers.Layer, why: RegExp) => {
    const first = layers.conv2d({ inputShape: [SIZE, SIZE, 3], filters: 4, kernelSize: 1 });
    const network = sequential({
      name: "odd",
      layers: [first, layer],
    });
    throws(() => checkExports(network, ["onnx"]), why);
    checkExports(network, []);
    network.dispose();
  };
  refused(
    layers.upSampling2d({ name: "up" }),
    /Cannot write "odd" as ONNX: its layer "up" is a UpSampling2D. Train without export: \[onnx\]/,
  );
  refused(layers.batchNormalization({ name: "norm", axis: 1 }), /"norm" normalizes another axis/);
  const first = { name: "first", dataFormat: "channelsFirst" } as const;
  const why = /"first" has its channels first/;
  refused(layers.flatten(first), why);
  refused(layers.globalMaxPooling2d(first), why);
  refused(layers.zeroPadding2d({ ...first, padding: 1 }), why);
  refused(
    layers.activation({ name: "a", activation: "logSoftmax" as "softmax" }),
    /has the activation logSoftmax/,
  );
});
