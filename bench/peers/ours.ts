/** This project's training, as a peer of the bench. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../compute/mod.ts";
import { random } from "../../compute/random.ts";
import { Engine } from "../../engine/engine.ts";
import { reportAge } from "../../models/reportAge.ts";
import { reportGender } from "../../models/reportGender.ts";
import { EngineTrainer } from "../../training/engineTrainer.ts";
import { imagesInMemory } from "../../training/images.ts";
import { networkOf } from "../../training/network.ts";
import { classification, regression } from "../../training/objective.ts";
import { train } from "../../training/train.ts";
import { TextLineStream } from "../lines.ts";
import type { Answer, NetworkName, Order } from "../peer.ts";

await openBackend("wasm");

const networks: Record<NetworkName, () => LayersModel> = {
  gender: () => reportGender({ size: 32, classes: 2, seed: 1 }),
  age: () => reportAge({ size: 32, seed: 1 }),
};

function draw(network: NetworkName, rows: number) {
  const rng = random(1, "bench", network, rows);
  return {
    images: Uint8Array.from({ length: rows * 3072 }, () => rng.int(256)),
    targets: Array.from({ length: rows }, () => rng.int(network === "gender" ? 2 : 90)),
  };
}

async function open(network: NetworkName, batch: number): Promise<Engine> {
  const model = networks[network]();
  const loss = network === "gender" ? "categoricalCrossentropy" : "meanAbsoluteError";
  const engine = await Engine.compile(networkOf(model, loss), { batch });
  engine.setWeights(
    new Map(model.weights.map((weight) => {
      const data = weight.read().dataSync() as Float32Array;
      return [weight.originalName, { shape: weight.shape as number[], data }];
    })),
  );
  return engine;
}

type Prepared = { engine: Engine; images: Uint8Array; targets: number[]; steps: number };
const prepared = new Map<string, Prepared>();

async function obey(order: Order): Promise<Answer> {
  switch (order.op) {
    case "prepare": {
      const engine = await open(order.network, order.batch);
      const batch = { engine, ...draw(order.network, order.batch), steps: 0 };
      prepared.set(`${order.network} ${order.batch}`, batch);
      await steps(batch, 15);
      return {};
    }
    case "steps":
      return { ms: await steps(prepared.get(`${order.network} ${order.batch}`)!, order.count) };
    case "fit": {
      const { network, batch, rows, epochs } = order;
      const model = networks[network]();
      const { images, targets } = draw(network, rows * 1.2);
      const range = (from: number, to: number) =>
        Int32Array.from({ length: to - from }, (_, i) => from + i);
      const folder = await Deno.makeTempDir({ prefix: "bench-" });
      const start = performance.now();
      await train({
        ...{ model, targets, epochs, batchSize: batch, trainer: EngineTrainer.open },
        objective: network === "gender" ? classification(2) : regression(),
        images: imagesInMemory(images, 32),
        rows: { train: range(0, rows), validation: range(rows, rows * 1.2) },
        learningRate: 0.001,
        earlyStopping: { monitor: "val_loss", patience: epochs, restoreBest: false },
        seed: 1,
        checkpoint: `${folder}/checkpoint.safetensors`,
        signal: new AbortController().signal,
        progress: { start() {}, advance() {} },
      });
      const ms = performance.now() - start;
      await Deno.remove(folder, { recursive: true });
      return { ms };
    }
    case "infer": {
      const engine = await open(order.network, 64);
      const { images } = draw(order.network, order.rows);
      await engine.predict(images.subarray(0, 640 * 3072));
      const start = performance.now();
      await engine.predict(images);
      const ms = performance.now() - start;
      await engine.close();
      return { ms };
    }
    case "memory":
      return { bytes: await peakMemory() };
  }
}

async function steps(batch: Prepared, count: number): Promise<number[]> {
  const ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await batch.engine.step(batch.images, batch.targets, [1, batch.steps++]);
    ms.push(performance.now() - start);
  }
  return ms;
}

/** The most memory that this process ever held, where the system tells. */
async function peakMemory(): Promise<number | null> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const kib = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

const lines = Deno.stdin.readable
  .pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream());
for await (const line of lines) {
  const answer = await obey(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(answer));
}
for (const { engine } of prepared.values()) await engine.close();
