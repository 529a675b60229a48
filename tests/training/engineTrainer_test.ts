import assert from "node:assert/strict";
import { join } from "node:path";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../compute/mod.ts";
import { EngineTrainer } from "../../training/engineTrainer.ts";
import { imagesInMemory } from "../../training/images.ts";
import { networkOf } from "../../training/network.ts";
import { train, type TrainOptions } from "../../training/train.ts";
import { batchSize, cases, drawCase, epochs, rows, seed } from "./keras_case.ts";
import reference from "./keras_reference.json" with { type: "json" };

const drawn = drawCase();

async function run(name: "gender" | "age", options: Partial<TrainOptions> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "engine-" });
  const { build, objective } = cases[name];
  const model = build();
  try {
    const result = await train({
      ...{ model, objective, rows, batchSize, epochs, seed, trainer: EngineTrainer.open },
      images: imagesInMemory(drawn.images, 32),
      targets: drawn[name],
      learningRate: 0.001,
      earlyStopping: { monitor: "val_loss", patience: epochs, restoreBest: false },
      checkpoint: join(folder, "checkpoint.safetensors"),
      signal: new AbortController().signal,
      progress: { start: () => {}, advance: () => {} },
      ...options,
    });
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    return { ...result, weights };
  } finally {
    model.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("EngineTrainer tracks Keras: same weights, same batches, same losses", async () => {
  await openBackend("wasm");
  const age = await run("age");
  for (const [i, expected] of reference.age.history.entries()) {
    for (const key of ["loss", "metric", "val_loss", "val_metric"] as const) {
      const far = Math.abs(age.history[i][key] / expected[key] - 1);
      assert.ok(far < 0.002, `age, epoch ${i + 1}: ${key} differs by ${far}`);
    }
  }
  // Batch normalisation over 8 and 16 rows, five layers deep, magnifies rounding: early epochs only.
  const gender = await run("gender");
  for (const [epoch, tolerance] of [[0, 0.005], [1, 0.15]]) {
    for (const key of ["loss", "val_loss"] as const) {
      const far = Math.abs(gender.history[epoch][key] / reference.gender.history[epoch][key] - 1);
      assert.ok(far < tolerance, `gender, epoch ${epoch + 1}: ${key} differs by ${far}`);
    }
  }
});

Deno.test("EngineTrainer, interrupted, ends bit for bit where it would have", async () => {
  await openBackend("wasm");
  const whole = await run("gender");
  const folder = await Deno.makeTempDir({ prefix: "resume-" });
  try {
    const checkpoint = join(folder, "checkpoint.safetensors");
    const abort = new AbortController();
    let done = 0;
    const progress = {
      start: () => {},
      advance: (items = 1) => {
        if ((done += items) === 8) abort.abort(new Error("killed"));
      },
    };
    await assert.rejects(run("gender", { checkpoint, progress, signal: abort.signal }), /killed/);
    const resumed = await run("gender", { checkpoint });
    assert.deepEqual(resumed.history, whole.history);
    assert.deepEqual(resumed.weights, whole.weights);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("networkOf() says which layer the engine lacks", () => {
  const conv = (options: object) =>
    layers.conv2d({ name: "conv", inputShape: [8, 8, 3], filters: 2, kernelSize: 2, ...options });
  for (
    const [layer, message] of [
      [conv({ activation: "tanh" }), /train layer "conv": it has the activation tanh/],
      [conv({ dilationRate: 2 }), /train layer "conv": it is dilated/],
      [conv({ kernelConstraint: "unitNorm" }), /"conv": it has a constraint or penalises/],
      [conv({ kernelRegularizer: "l1l2" }), /"conv": it has a penalty other than L2/],
      [conv({ trainable: false }), /train layer "conv": it is frozen/],
    ] as const
  ) {
    const model = sequential({ layers: [layer, layers.flatten(), layers.dense({ units: 1 })] });
    assert.throws(() => networkOf(model, "meanAbsoluteError"), message);
  }
});
