/** Images (in `trained_on.parquet` of imported models) and steps of trainings. */
import { dirname, join } from "node:path";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { readRecord, type StageRecord } from "../../packages/pipeline/stage_record.ts";
import { photoOf } from "../datasets/rows.ts";
import type { ImageSource } from "./image_source.ts";
import { type ModelParams, modelsNamed } from "./trained_models.ts";

const FILE = "trained_on.parquet";

/** Returns the records of a model's folder and, as far as they are stored, of all stages behind it. */
export async function recordsBehind(folder: string): Promise<StageRecord[]> {
  // artifacts/STAGE/FINGERPRINT/model
  const { value: record } = await readRecord(join(folder, ".."));
  if (!record) return [];
  const makers = new Map<string, StageRecord>();
  for (const { path } of await new ArtifactStore(join(folder, "../../..")).storedResults()) {
    const { value } = await readRecord(path);
    for (const { digest } of Object.values(value?.outputs ?? {})) makers.set(digest, value!);
  }
  const behind = new Set([record]);
  for (const { dependencies: { inputs } } of behind) { // grows on the way
    const digests = Object.values(inputs).flatMap((one) =>
      typeof one === "string" ? one : Object.values(one)
    );
    for (const digest of digests) if (makers.has(digest)) behind.add(makers.get(digest)!);
  }
  return [...behind];
}

/** Images that a model was trained on, chosen by or calibrated with, one entry each. */
interface TrainedOn {
  /** Digests of the archives; null if unknown. */
  readonly photos: readonly (string | null)[];
  readonly dataset: readonly string[];
  readonly path: readonly string[];
  /** Digests of the pixels. */
  readonly image: readonly string[];
}

/**
 * Reads which images a model was trained on from the results behind it.
 * @param records its own record and those behind it
 * @returns undefined if dataset or splits are not stored
 */
async function imagesBehind(
  folder: string,
  records: readonly StageRecord[],
): Promise<TrainedOn | undefined> {
  const store = new ArtifactStore(join(folder, "../../.."));
  const placeOf = (digest: unknown) =>
    records.flatMap((record) =>
      Object.entries(record.outputs).filter(([, made]) => made.digest === digest)
        .map(([name]) => store.artifact(record, name, record.id).path)
    )[0];
  const [dataset, splits] = ["dataset", "splits"].map((name) =>
    placeOf(records[0]?.dependencies.inputs[name])
  );
  if (!dataset || !splits) return undefined;
  const [photos] = records.flatMap(({ outputs }) => Object.values(outputs))
    .filter(({ kind }) => kind === "archives").map(({ digest }) => digest);
  const rows: number[] = [];
  for (const name of ["train", "validation", "calibration"]) {
    const path = join(splits, `${name}.npy`);
    if (!await Deno.stat(path).catch(ignoreNotFound)) continue;
    for (const row of readNpy(path, "int32").data) rows.push(row);
  }
  const table = await readParquet(join(dataset, "table.parquet"), {
    dataset: "string",
    path: "string",
  });
  using images = new NpyFile(join(dataset, "images.npy"), "uint8");
  return {
    photos: rows.map(() => photos ?? null),
    dataset: rows.map((row) => table.dataset[row]),
    path: rows.map((row) => table.path[row]),
    image: rows.map((row) => digestOf(images, row)),
  };
}

/**
 * Writes which images a model was trained on, chosen by or calibrated with.
 * @param records its own record and those behind it
 * @returns their number; undefined if dataset or splits are not stored
 */
export async function writeTrainedOn(
  output: string,
  folder: string,
  records: readonly StageRecord[],
): Promise<number | undefined> {
  const found = await imagesBehind(folder, records);
  if (!found) return undefined;
  await writeParquet(join(output, FILE), {
    photos: { type: "string", values: [...found.photos], nullable: true },
    dataset: { type: "string", values: [...found.dataset] },
    path: { type: "string", values: [...found.path] },
    image: { type: "string", values: [...found.image] },
  });
  return found.image.length;
}

/**
 * Warns of models that `init` and `teacher` name if they were trained on images of the test set, as far
 * as that is recorded: scores on these images are then too good.
 * @param test rows of the test set
 * @param people where the images are from
 */
export async function warnOfTestImages(
  params: ModelParams,
  { images, test, people }: {
    images: ImageSource;
    test: Int32Array;
    people: { dataset: readonly string[]; path: readonly string[] };
  },
  { artifacts, warn }: { artifacts: string; warn(message: string): void },
): Promise<void> {
  for (const name of ["init", "teacher"] as const) {
    if (params[name] === undefined) continue;
    for (const folder of (await modelsNamed(name, params, artifacts)).map(dirname)) {
      const found = await readFile(folder) ??
        await imagesBehind(folder, await recordsBehind(folder));
      const count = found ? test.filter(isAmong(found, images, people, [])).length : 0;
      if (count === 0) continue;
      const all = counted(test.length, "image");
      warn(
        `${name} "${folder}" was trained on ${count} of ${all} of the test set: scores on it will be ` +
          "too good. Take a model of the same split, such as a stage of this pipeline.",
      );
    }
  }
}

function digestOf(images: ImageSource, row: number): string {
  return sha256(images.read(row, 1)).slice(0, 32);
}

/**
 * Returns a test of a dataset's rows: true if an imported model was trained on the same image, or on the
 * same photo of the same archives. Undefined if that is not recorded.
 * @param archives digests of the dataset's archives
 */
export async function readTrainedOn(
  folder: string,
  images: ImageSource,
  people: { dataset: readonly string[]; path: readonly string[] },
  archives: readonly string[],
): Promise<((row: number) => boolean) | undefined> {
  const found = await readFile(folder);
  return found && isAmong(found, images, people, archives);
}

/** Reads `trained_on.parquet` of a model's folder; undefined without it. */
async function readFile(folder: string): Promise<TrainedOn | undefined> {
  const file = join(folder, FILE);
  if (!await Deno.stat(file).catch(ignoreNotFound)) return undefined;
  return await readParquet(file, {
    photos: "string?",
    dataset: "string",
    path: "string",
    image: "string",
  });
}

/** Returns a test of a dataset's rows, as `readTrainedOn` does. */
function isAmong(
  seen: TrainedOn,
  images: ImageSource,
  { dataset, path }: { dataset: readonly string[]; path: readonly string[] },
  archives: readonly string[],
): (row: number) => boolean {
  const digests = new Set(seen.image);
  const photos = new Set(
    seen.path.flatMap((path, i) =>
      archives.includes(seen.photos[i] ?? "") ? `${seen.dataset[i]}\n${photoOf(path)}` : []
    ),
  );
  return (row) =>
    photos.has(`${dataset[row]}\n${photoOf(path[row])}`) || digests.has(digestOf(images, row));
}

/** Returns a warning if other stages changed the faces of a training than those of a use of its model. */
export function stepsWarning(
  id: string,
  trained: readonly string[],
  use: string,
  steps: readonly string[] = [],
): string[] {
  const [made, here] = [trained, steps].map((all) => joinWords(all.map(quote)) || "no stage");
  const warning = `"${id}" was trained on faces changed by ${made}, and the faces of ${use} are ` +
    `changed by ${here}: expect other results than on its own test set`;
  return made === here ? [] : [warning];
}
