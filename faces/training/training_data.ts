/** Inputs of a training: images, labels and sets; and what it takes of a stage's context. */
import { basename, dirname, join, resolve } from "node:path";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { readPreprocessing } from "../images/preprocessing.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { readPeople } from "./targets.ts";

export type StageInputs = Readonly<
  { dataset: Artifact; splits: Artifact; teachers: readonly Artifact[] }
>;

/** Rows of the training set and of the validation set. */
export interface InputRows {
  train: Int32Array;
  validation: Int32Array;
}

/** Folders of the artifacts that training reads. */
export interface InputFolders {
  dataset: string;
  splits: string;
  /** Models of the same pipeline whose outputs are learned. Default: none. */
  teachers?: readonly string[];
}

export function foldersOf({ dataset, splits, teachers }: StageInputs): Required<InputFolders> {
  const paths = teachers.map(({ path }) => path);
  return { dataset: dataset.path, splits: splits.path, teachers: paths };
}

/** The subset of a stage's context that training needs; no plugins by default. */
export type TrainingContext =
  & Pick<StageContext, "scratch" | "seed" | "compute" | "signal" | "progress" | "info" | "warn">
  & Partial<Pick<StageContext, "definitions">>;

/**
 * Opens a dataset and its splits: images of `size` pixels, labels of each (`people`) and where it is
 * from (`table`), and rows of each set.
 */
export async function openTrainingData({ dataset, splits }: InputFolders) {
  const path = join(dataset, "table.parquet");
  const table = await readParquet(path, {
    identity: "string?",
    dataset: "string",
    path: "string",
  });
  const rowsOf = (name: string) => readNpy(join(splits, `${name}.npy`), "int32").data;
  const rows: InputRows = { train: rowsOf("train"), validation: rowsOf("validation") };
  const images = new NpyFile(join(dataset, "images.npy"), "uint8");
  /** Reads the rows of a set that may be absent: there is no test set within folds of an audit. */
  const rowsIfAny = async (name: "test" | "calibration") => {
    const there = await Deno.stat(join(splits, `${name}.npy`)).catch(ignoreNotFound);
    return there ? rowsOf(name) : new Int32Array();
  };
  return {
    images,
    size: images.shape[1],
    people: await readPeople(path),
    rows,
    test: await rowsIfAny("test"),
    calibration: await rowsIfAny("calibration"),
    preprocessing: await readPreprocessing(dataset),
    table,
    [Symbol.dispose]: () => images[Symbol.dispose](),
  };
}

/** Returns the folder of all artifacts; "" outside of a run. */
export function artifactsOf({ scratch }: TrainingContext): string {
  const work = resolve(scratch, "../..");
  return basename(work) === ".work" ? dirname(work) : "";
}
