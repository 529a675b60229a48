/** Drawn networks of the engine, against TensorFlow.js. */
import { Engine, type Network, type Tensors } from "../../../packages/engine/engine.ts";
import type { Rng } from "../../../packages/random/random.ts";
import { close } from "./close.ts";
import { drawBatch, drawNetwork, drawWeights, random } from "./networks.ts";
import { pass } from "./reference.ts";

/** The same weights but for their last bit. */
function nudged(weights: Tensors): Tensors {
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((w, i) => w * (1 + (i % 2 ? 1 : -1) * 2 ** -23)) },
    ]),
  );
}

/** Pixels as a network sees them. */
export const dividedBy255 = (images: Uint8Array) =>
  Float32Array.from(images, (x) => Math.fround(x / 255));
const one = (x: number) => new Float32Array([x]);

/** Compares drawn network `n` with TensorFlow.js. */
export async function compareDrawnNetwork(n: number, relaxed: boolean): Promise<void> {
  const rng = random(11, "network", n);
  const network = drawNetwork(rng);
  const batch = 1 + rng.int(24), rows = Math.max(1, batch - rng.int(3));
  await compareNetwork(network, { n, rng, batch, rows, relaxed });
}

/** Compares predictions, losses, gradients and a step of a network with those of TensorFlow.js. */
export async function compareNetwork(
  network: Network,
  { n, rng, batch, rows, relaxed }: {
    /** Decides on dropout and on the number of threads. */
    n: number;
    rng: Rng;
    batch: number;
    rows: number;
    relaxed: boolean;
  },
): Promise<void> {
  const engine = await Engine.compile(network, {
    batch,
    threads: 1 + n % 3,
    keepGradients: true,
    relaxed,
  });
  try {
    const weights = drawWeights(engine.weights(), rng);
    engine.setWeights(weights);
    const { images, labels } = drawBatch(network, rows, rng);
    const x = dividedBy255(images);
    const what = `network ${n}, ${rows} rows`;

    const used = pass(network, weights, x, labels, undefined);
    close(`${what}: predict`, await engine.predict(images), used.outputs);
    const judged = await engine.evaluate(images, labels);
    close(`${what}: evaluate`, one(judged.loss / rows), one(used.loss));
    close(`${what}: penalty`, one(judged.penalty), one(used.penalty));
    close(`${what}: heads`, judged.heads.map((loss) => loss / rows), used.heads);
    close(`${what}: outputs`, engine.outputs(), used.outputs);

    const key = [n, 5] as const;
    const expected = pass(network, weights, x, labels, { key });
    const got = await engine.step(images, labels, key);
    close(`${what}: loss`, one(got.loss / rows), one(expected.loss));
    // Batch normalisation can take a gradient away but for rounding. What the last bit of the
    // weights decides is not compared.
    const rounded = pass(network, nudged(weights), x, labels, { key });
    const gradients = engine.gradients();
    for (const [name, gradient] of expected.gradients) {
      const noise = rounded.gradients.get(name)!.reduce(
        (far, g, i) => Math.max(far, Math.abs(g - gradient[i])),
        0,
      );
      close(`${what}: ${name}`, gradients.get(name)!.data, gradient, noise * 3e5);
    }
    const after = engine.weights();
    for (const [name, statistic] of expected.moving) {
      close(`${what}: ${name}`, after.get(name)!.data, statistic);
    }
    // Adam's first step, from the engine's own gradients.
    for (const [name, { data }] of gradients) {
      const moved = data.map((g, i) => {
        const m = g * 0.1, v = g * g * 0.001;
        const rate = 0.001 * Math.sqrt(0.001) / 0.1;
        return weights.get(name)!.data[i] - rate * m / (Math.sqrt(v) + 1e-7);
      });
      close(`${what}: Adam on ${name}`, after.get(name)!.data, moved);
    }
  } finally {
    await engine.close();
  }
}
