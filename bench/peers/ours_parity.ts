/** Trains the 2021 networks with this project on given images and rows. */
import { join } from "node:path";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { buildAge2021, buildGender2021 } from "../../models/build_2021.ts";
import { EngineTrainer } from "../../faces/training/engine_trainer.ts";
import { classification, regression } from "../../faces/training/objective.ts";
import { predictRows } from "../../faces/training/predict_rows.ts";
import { train } from "../../faces/training/train.ts";
import { type Answer, type LearnOrder, servePeer } from "../peer.ts";

await openBackend("wasm");

async function learn(order: LearnOrder): Promise<Answer> {
  const { network, seed, batchSize, epochs, patience, batchNormMomentum } = order;
  using images = new NpyFile(order.images, "uint8");
  const targets = readNpy(order.labels, "int32").data;
  const [training, validation, test] = (["train", "validation", "test"] as const)
    .map((part) => readNpy(order.rows[part], "int32").data);
  const model = network === "gender"
    ? buildGender2021({ size: 32, classes: 2, seed, batchNormMomentum })
    : buildAge2021({ size: 32, seed, batchNormMomentum });
  const folder = await Deno.makeTempDir({ prefix: "parity-" });
  try {
    const { seconds } = await train({
      ...{ model, images, targets, seed, batchSize, epochs, trainer: EngineTrainer.open },
      objective: network === "gender" ? classification(2) : regression(),
      rows: { train: training, validation },
      learningRate: 0.001,
      earlyStopping: { monitor: "val_loss", patience, restoreBest: true },
      checkpoint: join(folder, "checkpoint.safetensors"),
      signal: new AbortController().signal,
      progress: { start: () => {}, advance: () => {} },
    });
    const said = await predictRows(model, images, test);
    const sum = test.reduce(
      (sum, row, i) =>
        sum +
        (network === "gender"
          ? Number(Number(said[2 * i + 1] > said[2 * i]) === targets[row])
          : Math.abs(said[i] - targets[row])),
      0,
    );
    const weights = model.countParams();
    const ms = seconds.map((second) => second * 1000);
    return { ms, metric: sum / test.length, weights };
  } finally {
    model.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}

await servePeer(learn);
