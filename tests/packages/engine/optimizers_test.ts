/** The engine's optimizers, against those of TensorFlow.js. */
import { deepEqual, ok } from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { Engine, type EngineOptions, type Tensors } from "../../../packages/engine/engine.ts";
import { close } from "./close.ts";
import { drawBatch, drawNetwork, drawWeights, random } from "./networks.ts";
import "./reference.ts"; // the backend

/** Adam is Keras's, whose epsilon stands elsewhere than tfjs's: kernels_test.ts and Keras check it. */
const cases: [string, EngineOptions, () => tf.Optimizer][] = [
  ["sgd", { batch: 9, optimizer: "sgd", learningRate: 0.01 }, () => tf.train.sgd(0.01)],
  [
    "sgd with momentum",
    { batch: 9, optimizer: "sgd", learningRate: 0.01, momentum: 0.9 },
    () => tf.train.momentum(0.01, 0.9),
  ],
  [
    "sgd with Nesterov momentum",
    { batch: 9, optimizer: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true },
    () => tf.train.momentum(0.01, 0.9, true),
  ],
  [
    "rmsprop",
    { batch: 9, optimizer: "rmsprop", learningRate: 0.003, rho: 0.95, momentum: 0.8 },
    () => tf.train.rmsprop(0.003, 0.95, 0.8, 1e-7),
  ],
];

/** Drawn networks with steps on drawn batches. */
async function* steps(
  options: EngineOptions,
  networks = 6,
): AsyncGenerator<{ what: string; engine: Engine; before: Tensors }> {
  for (let n = 0; n < networks; n++) {
    const rng = random(3, "optimizers", n), network = drawNetwork(rng);
    const engine = await Engine.compile(network, {
      threads: 1 + n % 3,
      keepGradients: true,
      ...options,
    });
    try {
      engine.setWeights(drawWeights(engine.weights(), rng));
      for (let step = 0; step < 4; step++) {
        const { images, labels } = drawBatch(network, 9 - step, rng);
        const before = engine.weights();
        await engine.step(images, labels);
        yield { what: `network ${n}, step ${step}`, engine, before };
      }
    } finally {
      await engine.close();
    }
  }
}

const normOf = (gradients: Tensors) =>
  Math.sqrt(
    [...gradients.values()].reduce((sum, { data }) => data.reduce((sum, g) => sum + g * g, sum), 0),
  );

for (const [name, options, open] of cases) {
  Deno.test(`Engine steps as tfjs does: ${name}`, async () => {
    let optimizer = open(), of: Engine | undefined;
    for await (const { what, engine, before } of steps(options)) {
      if (engine !== of) [optimizer, of] = [open(), engine];
      const gradients = engine.gradients(), after = engine.weights();
      tf.tidy(() => {
        for (const key of gradients.keys()) {
          const variables = tf.engine().registeredVariables;
          variables[key]?.dispose();
          delete variables[key];
          tf.variable(tf.tensor1d(before.get(key)!.data), true, key);
        }
        optimizer.applyGradients(
          Object.fromEntries([...gradients].map(([key, { data }]) => [key, tf.tensor1d(data)])),
        );
        for (const key of gradients.keys()) {
          const moved = tf.engine().registeredVariables[key]!.dataSync() as Float32Array;
          close(`${what}: ${key}`, after.get(key)!.data, moved);
        }
      });
    }
  });
}

Deno.test("Engine clips the gradient by its norm over all weights", async () => {
  const clipNorm = 0.05;
  const free = steps({ batch: 9 }), clipped = steps({ batch: 9, clipNorm });
  let shorter = 0;
  for await (const { what, engine } of clipped) {
    const { engine: other } = (await free.next()).value as { engine: Engine };
    // Only the first steps start from equal weights.
    if (engine.steps > 1) continue;
    const norm = normOf(other.gradients()), factor = Math.min(1, clipNorm / norm);
    if (factor < 1) shorter++;
    for (const [key, { data }] of other.gradients()) {
      close(`${what}: ${key}`, engine.gradients().get(key)!.data, data.map((g) => g * factor));
    }
    ok(normOf(engine.gradients()) <= clipNorm * (1 + 1e-5));
  }
  await free.return(undefined);
  ok(shorter > 2);
});

Deno.test("Engine with a limit that is never reached trains as without one", async () => {
  const free = steps({ batch: 9 });
  for await (const { what, engine } of steps({ batch: 9, clipNorm: 1e9 })) {
    const { engine: other } = (await free.next()).value as { engine: Engine };
    for (const [key, { data }] of other.weights()) {
      close(`${what}: ${key}`, engine.weights().get(key)!.data, data);
    }
  }
  await free.return(undefined);
});

Deno.test("Engine resumes every optimizer as if it had never stopped, on any threads", async () => {
  const options: EngineOptions[] = [
    { batch: 9, optimizer: "sgd", momentum: 0.9, clipNorm: 0.1, weightDecay: 0.1 },
    { batch: 9, optimizer: "rmsprop", momentum: 0.5, clipNorm: 0.1 },
  ];
  for (const option of options) {
    const network = drawNetwork(random(8, "resume"));
    const run = async (engine: Engine, steps: number) => {
      while (engine.steps < steps) {
        const { images, labels } = drawBatch(network, 9, random(8, "batch", engine.steps));
        await engine.step(images, labels);
      }
    };
    const open = (threads: number) => Engine.compile(network, { ...option, threads });
    const whole = await open(1), half = await open(3), rest = await open(2);
    const weights = drawWeights(whole.weights(), random(8, "weights"));
    whole.setWeights(weights);
    half.setWeights(weights);
    await run(whole, 5);
    await run(half, 2);
    rest.setWeights(half.weights());
    rest.setOptimizerState(half.optimizerState());
    await run(rest, 5);
    deepEqual(rest.weights(), whole.weights());
    deepEqual(rest.optimizerState(), whole.optimizerState());
    for (const engine of [whole, half, rest]) await engine.close();
  }
});
