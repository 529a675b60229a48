/** What a training reads and is handed: the same for every network. */
import { join } from "node:path";
import type { Preprocessing } from "../faces/preprocessing.ts";
import { NpyFile, readNpy } from "../formats/npy.ts";
import { readParquet } from "../formats/parquet.ts";
import { UnsupportedNetwork } from "../engine/engine.ts";
import { EngineTrainer } from "./engineTrainer.ts";
import type { Person } from "./targets.ts";
import { TfjsTrainer } from "./tfjsTrainer.ts";
import type { TrainOptions } from "./train.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** Folders of the artifacts that a training reads. */
export interface InputFolders {
  dataset: string;
  splits: string;
}

/** The part of a stage's context that a training needs. */
export interface FitContext {
  scratch: string;
  seed: number;
  compute: string;
  signal: AbortSignal;
  progress: TrainOptions["progress"];
  info(message: string): void;
  warn(message: string): void;
}

export interface FitInputs extends Disposable {
  images: NpyFile<"uint8">;
  /** Height and width of the images. */
  size: number;
  /** Image by image. */
  people: readonly Person[];
  rows: { train: Int32Array; validation: Int32Array };
  preprocessing: Preprocessing;
  /** Training images by the data set that they are from, by name. */
  datasets: Record<string, number>;
}

/** Opens a dataset and its splits. */
export async function openInputs({ dataset, splits }: InputFolders): Promise<FitInputs> {
  // Only passed on: what would check it knows the detectors, on which no training depends.
  const preprocessing: Preprocessing = JSON.parse(
    await Deno.readTextFile(join(dataset, "preprocessing.json")),
  );
  const table = await readParquet(join(dataset, "table.parquet"), {
    age: "int32",
    gender: "int32",
    dataset: "string",
  });
  const rows = {
    train: readNpy(join(splits, "train.npy"), "int32").data,
    validation: readNpy(join(splits, "validation.npy"), "int32").data,
  };
  const images = new NpyFile(join(dataset, "images.npy"), "uint8");
  return {
    images,
    size: images.shape[1],
    people: table.age.map((age, i) => ({ age, gender: table.gender[i] })),
    rows,
    preprocessing,
    datasets: countBy(Array.from(rows.train, (row) => table.dataset[row])),
    [Symbol.dispose]: () => images[Symbol.dispose](),
  };
}

/** What computes the steps on a backend: on `wasm`, the project's own engine where it can. */
export function trainerOn(context: FitContext): TrainOptions["trainer"] {
  return context.compute === "wasm" ? (options) => openTrainer(options, context) : undefined;
}

/** The project's own engine where it knows the network's layers, else TensorFlow.js. */
async function openTrainer(options: TrainerOptions, context: FitContext): Promise<Trainer> {
  try {
    return await EngineTrainer.open(options);
  } catch (error) {
    if (!(error instanceof UnsupportedNetwork)) throw error;
    context.info(`${error.message}; it trains on TensorFlow.js, several times slower`);
    return new TfjsTrainer(options);
  }
}

/** How often each name occurs, by name. */
function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
