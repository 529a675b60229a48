/** `trained_on.parquet`: the images that an imported model was trained on. */
import { dirname, join } from "node:path";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
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
    if (await Deno.stat(path).catch(ignoreNotFound)) rows.push(...readNpy(path, "int32").data);
  }
  const table = await readParquet(join(dataset, "table.parquet"), {
    ...{ dataset: "string", path: "string" },
  });
  using images = new NpyFile(join(dataset, "images.npy"), "uint8");
  await writeParquet(join(output, FILE), {
    photos: { type: "string", values: rows.map(() => photos ?? null), nullable: true },
    dataset: { type: "string", values: rows.map((row) => table.dataset[row]) },
    path: { type: "string", values: rows.map((row) => table.path[row]) },
    image: { type: "string", values: rows.map((row) => digestOf(images, row)) },
  });
  return rows.length;
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
  { artifacts, scratch, warn }: {
    artifacts: string;
    scratch: string;
    warn(message: string): void;
  },
): Promise<void> {
  for (const name of ["init", "teacher"] as const) {
    if (params[name] === undefined) continue;
    for (const folder of (await modelsNamed(name, params, artifacts)).map(dirname)) {
      let seen = await readTrainedOn(folder, images, people, []);
      if (!seen) {
        const own = await Deno.makeTempDir({ dir: scratch, prefix: "seen-" });
        await writeTrainedOn(own, folder, await recordsBehind(folder));
        seen = await readTrainedOn(own, images, people, []);
        await Deno.remove(own, { recursive: true });
      }
      const count = seen ? test.filter(seen).length : 0;
      if (count === 0) continue;
      warn(
        `${name} "${folder}" was trained on ${count} of ${
          counted(test.length, "image")
        } of the test ` +
          "set: scores on it will be too good. Take a model of the same split, such as a stage of " +
          "this pipeline.",
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
  { dataset, path }: { dataset: readonly string[]; path: readonly string[] },
  archives: readonly string[],
): Promise<((row: number) => boolean) | undefined> {
  const file = join(folder, FILE);
  if (!await Deno.stat(file).catch(ignoreNotFound)) return undefined;
  const seen = await readParquet(file, {
    ...{ photos: "string?", dataset: "string", path: "string", image: "string" },
  });
  const digests = new Set(seen.image);
  const photos = new Set(
    seen.path.flatMap((path, i) =>
      archives.includes(seen.photos[i] ?? "") ? `${seen.dataset[i]}\n${photoOf(path)}` : []
    ),
  );
  return (row) =>
    photos.has(`${dataset[row]}\n${photoOf(path[row])}`) || digests.has(digestOf(images, row));
}
