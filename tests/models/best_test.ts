import assert from "node:assert/strict";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { deepTrunk } from "./build_2021.ts";
import { multiHeadModel } from "../../faces/training/build_network.ts";
import { ageBins } from "../../faces/training/network_options.ts";
import { toEngineNetwork } from "../../faces/training/to_engine_network.ts";

const options = {
  size: 32,
  dropout: 0.3,
  batchNormMomentum: 0.9,
  initializer: "heNormal",
} as const;

Deno.test("bestTrunk() halves the image four times, and has fewer than 500,000 weights with its heads", async () => {
  await openBackend("wasm");
  const columns = 2 + ageBins.length;
  const model = multiHeadModel("best", () => deepTrunk(options), columns, "glorotUniform", 1);
  const shapes = model.layers.filter((layer) => layer.getClassName() === "MaxPooling2D")
    .map(({ outputShape }) => outputShape);
  assert.deepEqual(shapes, [
    [null, 16, 16, 32],
    [null, 8, 8, 48],
    [null, 4, 4, 64],
    [null, 2, 2, 128],
  ]);
  const pairs = [
    ...[[3, 32], [32, 32], [32, 48], [48, 48], [48, 64], [64, 64], [64, 128], [128, 128]],
  ];
  const convolutions = pairs.reduce((sum, [a, b]) => sum + 9 * a * b + b + 4 * b, 0);
  const dense = (2 * 2 * 128 + 1) * 128 + 4 * 128 + (128 + 1) * columns;
  assert.equal(model.countParams(), convolutions + dense);
  assert.ok(model.countParams() < 500_000);
  // The engine takes it: it throws at layers that it lacks.
  toEngineNetwork(model, [{ loss: "categoricalCrossentropy", columns, weight: 1 }]);
  model.dispose();
});

Deno.test("withHeads() draws the same weights for the same seed, and others for another", async () => {
  await openBackend("wasm");
  const draw = (seed: number) => {
    const model = multiHeadModel("best", () => deepTrunk(options), 3, "glorotUniform", seed);
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    model.dispose();
    return weights;
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
});
