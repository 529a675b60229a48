/** Images (in `trained_on.parquet` of imported models) and steps of trainings. */
import { dirname, join, resolve } from "node:path";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { History, resultsOf } from "../../packages/pipeline/history.ts";
import { paced } from "../../packages/pipeline/interrupt.ts";
import { ignoreNotFound, readTextIfExists } from "../../packages/pipeline/paths.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { readRecord, type StageRecord } from "../../packages/pipeline/stage_record.ts";
import { type ArchivedDataset, licenseCautions, openArchives } from "../datasets/archives.ts";
import { photoOf } from "../datasets/rows.ts";
import type { ImageSource } from "./image_source.ts";
import { asWritten, type ModelParams, modelsNamed } from "./trained_models.ts";
import { artifactsOf, type openTrainingData, type TrainingContext } from "./training_data.ts";

const FILE = "trained_on.parquet";

/**
 * Returns the records of a model's folder and, as far as they are stored, of all stages behind it. Of
 * several stages that made the same bytes, it is that of the first run with the model: others may be
 * made of other archives, with terms of their own. Without that run it is the last by name.
 */
export async function recordsBehind(folder: string): Promise<StageRecord[]> {
  // artifacts/STAGE/FINGERPRINT/model
  const { value: record } = await readRecord(join(folder, ".."));
  if (!record) return [];
  const makers = new Map<string, StageRecord[]>(), artifacts = join(folder, "../../..");
  for (const { path } of await new ArtifactStore(artifacts).storedResults()) {
    const { value } = await readRecord(path);
    for (const { digest } of Object.values(value?.outputs ?? {})) {
      makers.getOrInsert(digest, []).push(value!);
    }
  }
  let used: ReadonlySet<string> | undefined;
  const behind = new Set([record]);
  for (const { dependencies: { inputs } } of behind) { // grows on the way
    const digests = Object.values(inputs).flatMap((one) =>
      typeof one === "string" ? one : Object.values(one)
    );
    for (const digest of digests) {
      const all = makers.get(digest) ?? [];
      if (all.length > 1) {
        used ??= (await new History(artifacts).list())
          .map((run) => new Set(resultsOf(run).map(({ fingerprint }) => fingerprint)))
          .find((made) => made.has(record.fingerprint)) ?? new Set();
      }
      const maker = all.find(({ fingerprint }) => used?.has(fingerprint)) ?? all.at(-1);
      if (maker) behind.add(maker);
    }
  }
  return [...behind];
}

/** Returns the artifacts that records describe. @param folder of one of them */
function storedArtifacts(
  folder: string,
  records: readonly StageRecord[],
  only?: string,
): Artifact[] {
  const store = new ArtifactStore(join(folder, "../../.."));
  return records.flatMap((record) =>
    Object.keys(record.outputs).map((name) => store.artifact(record, name, record.id))
  ).filter(({ kind }) => only === undefined || kind === only);
}

/** Folder of a model → its own record and those behind it, as far as they are stored. */
type Family = ReadonlyMap<string, readonly StageRecord[]>;

/** Returns a model and all those that it learned from (init, teacher, teachers), theirs included. */
export async function familyOf(folder: string): Promise<Family> {
  const family = new Map<string, readonly StageRecord[]>([[folder, []]]);
  for (const folder of family.keys()) { // grows on the way
    const records = await recordsBehind(folder);
    family.set(folder, records);
    const { external = {}, inputs: { teachers = [] } = {} } = records[0]?.dependencies ?? {};
    for (const fact of Object.keys(external)) {
      const [, path] = fact.match(/^(?:init|teacher) (.+)$/s) ?? [];
      if (path !== undefined) family.getOrInsert(resolve(folder, "../../..", path), []);
    }
    for (const { digest, path } of storedArtifacts(folder, records, "model")) {
      if (Object.values(teachers).includes(digest)) family.getOrInsert(path, []);
    }
  }
  return family;
}

/** An image that a model was trained, validated or calibrated on. */
interface TrainedImage {
  /** Digest of the archives; null if unknown. */
  readonly photos: string | null;
  readonly dataset: string;
  readonly path: string;
  /** Digest of the pixels; "" in place of the images of a model, if they are not known. */
  readonly image: string;
  /** Digest of the photo's file; null if unknown. */
  readonly photo: string | null;
  /** Digest of the person's identity; null if unknown. */
  readonly person: string | null;
}

const UNKNOWN = { photos: null, dataset: "", path: "", image: "", photo: null, person: null };

/** Signal, and progress if it shows nothing else. */
type Watch = Pick<StageContext, "signal"> & Partial<Pick<StageContext, "progress">>;

/** Columns of a table that name the origin of each image. */
interface Origins {
  readonly dataset: readonly string[];
  readonly path: readonly string[];
}

/**
 * Reads which images a model was trained on: from its file, or from the results behind it.
 * @param own archives that are compared by paths, without reading photos
 * @returns undefined if dataset or splits are not stored
 */
async function imagesBehind(
  folder: string,
  records: readonly StageRecord[],
  own: readonly Artifact[],
  watch: Watch,
): Promise<readonly TrainedImage[] | undefined> {
  const file = await readTrainedOn(folder);
  if (file) return file;
  const artifacts = storedArtifacts(folder, records);
  const [dataset, splits] = ["dataset", "splits"].map((name) =>
    artifacts.find(({ digest }) => digest === records[0]?.dependencies.inputs[name])?.path
  );
  if (!dataset || !splits) return undefined;
  const archives = storedArtifacts(folder, records, "archives"), [first] = archives;
  const rows: number[] = [];
  for (const name of ["train", "validation", "calibration"]) {
    const path = join(splits, `${name}.npy`);
    if (!await Deno.stat(path).catch(ignoreNotFound)) continue;
    for (const row of readNpy(path, "int32").data) rows.push(row);
  }
  const table = await readParquet(join(dataset, "table.parquet"), {
    dataset: "string",
    path: "string",
    identity: "string?",
  });
  using images = new NpyFile(join(dataset, "images.npy"), "uint8");
  const photos = own.some(({ digest }) => digest === first?.digest)
    ? []
    : await photoDigests(archives, table, rows, watch);
  return await Array.fromAsync(paced(rows.length, watch.signal), (i): TrainedImage => ({
    photos: first?.digest ?? null,
    dataset: table.dataset[rows[i]],
    path: table.path[rows[i]],
    image: digestOf(images.read(rows[i], 1)),
    photo: photos[i] ?? null,
    person: personOf(table.identity[rows[i]]),
  }));
}

/** Returns the digest of the photo's file of each row; null if the archives do not have it. */
async function photoDigests(
  archives: readonly Artifact[],
  { dataset, path }: Origins,
  rows: ArrayLike<number>,
  { signal, progress }: Watch,
): Promise<(string | null)[]> {
  const digests = Array.from(rows, (): string | null => null);
  progress?.start(archives.length * rows.length, "photos");
  for (const artifact of archives) {
    using photos = await openArchives(artifact);
    for await (const i of paced(rows.length, signal)) {
      progress?.advance(1, "those that models learned from");
      const name = dataset[rows[i]];
      const bytes = photos.places.has(name) && photos.read(name, path[rows[i]]);
      if (bytes) digests[i] = digestOf(bytes);
    }
  }
  return digests;
}

/** Returns the images of all models, and the folders of those whose images are not known. */
async function imagesOf(family: Family, own: readonly Artifact[], watch: Watch) {
  const images: TrainedImage[] = [], unknown: string[] = [];
  for (const [folder, records] of family) {
    const found = await imagesBehind(folder, records, own, watch);
    if (!found) unknown.push(folder);
    for (const image of found ?? [UNKNOWN]) images.push(image);
  }
  return { images, unknown };
}

/**
 * Writes which images a model, and those that it learned from, were trained, validated or calibrated on.
 * @param family the model and those that it learned from
 * @returns the folders of models whose dataset and splits are not stored
 */
export async function writeTrainedOn(
  output: string,
  family: Family,
  watch: Watch,
): Promise<string[]> {
  const { images, unknown } = await imagesOf(family, [], watch);
  if (unknown.length === family.size) return unknown;
  await writeParquet(join(output, FILE), {
    photos: { type: "string", values: images.map(({ photos }) => photos), nullable: true },
    dataset: { type: "string", values: images.map(({ dataset }) => dataset) },
    path: { type: "string", values: images.map(({ path }) => path) },
    image: { type: "string", values: images.map(({ image }) => image) },
    photo: { type: "string", values: images.map(({ photo }) => photo), nullable: true },
    person: { type: "string", values: images.map(({ person }) => person), nullable: true },
  });
  return unknown;
}

/** A model that a training learned from, as its record observes it. */
export interface LearnedFrom {
  readonly by: "init" | "teacher" | "teachers";
  /** As written, or the folder of a model of the same pipeline. */
  readonly model: string;
  /** Data sets that it, and the models that it learned from, were trained on. */
  readonly datasets: readonly string[];
  /** Data set → its license or terms, if known. */
  readonly terms: Readonly<Record<string, string>>;
  /** Cautions of data sets whose terms exclude commercial use, without the training's own. */
  readonly cautions: readonly string[];
  /** Images of the test set that these were trained, validated or calibrated on; null if unknown. */
  readonly testImages: number | null;
  /** Other test images, of people that these were trained on and the training was not, if any. */
  readonly testPeople?: number;
}

/**
 * Describes the models that `init`, `teacher` and `inputs.teachers` name.
 * @param teachers folders of models of the same pipeline
 */
export async function learnedFrom(
  params: ModelParams,
  teachers: readonly string[],
  dataset: string,
  data: Awaited<ReturnType<typeof openTrainingData>>,
  watch: TrainingContext,
): Promise<LearnedFrom[]> {
  const artifacts = artifactsOf(watch);
  const named = await modelsNamed(params, artifacts);
  const models = [
    ...named.map(({ by, from, path }) => ({ by, model: asWritten(from), folder: dirname(path) })),
    ...teachers.map((folder) => ({ by: "teachers" as const, model: folder, folder })),
  ];
  if (models.length === 0) return [];
  const { images, table: people, rows, test, calibration } = data;
  const ours = [...rows.train, ...rows.validation, ...calibration];
  const known = new Set(ours.map((row) => people.identity[row]));
  const archives = storedArtifacts(dataset, await recordsBehind(dataset), "archives");
  const own = { images, people, archives }, stated = licenseCautions(await datasetsIn(archives));
  return await Array.fromAsync(models, async ({ by, model, folder }): Promise<LearnedFrom> => {
    const family = await familyOf(folder), seen = (await imagesOf(family, archives, watch)).images;
    const { found, related, complete } = await findAmong(seen, test, own, watch);
    const strangers = [...related].filter((row) => !known.has(people.identity[row])).length;
    const datasets = new Set<string>(), stored = new Set<ArchivedDataset>();
    for (const [folder, records] of family) {
      const text = await readTextIfExists(join(folder, "training.json")) ?? "{}";
      for (const name of Object.keys(JSON.parse(text).datasets ?? {})) datasets.add(name);
      const archives = storedArtifacts(folder, records, "archives");
      for (const one of await datasetsIn(archives)) stored.add(one);
    }
    return {
      by,
      model,
      datasets: [...datasets].sort(),
      terms: Object.fromEntries(
        [...stored].flatMap(({ name, terms }) => terms ? [[name, terms]] : []),
      ),
      cautions: licenseCautions([...stored]).filter((one) => !stated.includes(one)),
      testImages: found.size > 0 || complete ? found.size : null,
      ...strangers > 0 && { testPeople: strangers },
    };
  });
}

async function datasetsIn(archives: readonly Artifact[]): Promise<ArchivedDataset[]> {
  const opened = await Array.fromAsync(archives, (one) => openArchives(one, { photos: false }));
  return opened.flatMap(({ datasets }) => datasets);
}

function digestOf(content: string | Uint8Array): string {
  return sha256(content).slice(0, 32);
}

/** Returns the digest of an identity in any Unicode form: a copied model names no people. */
const personOf = (identity: string | null) => identity && digestOf(identity.normalize());

/** Finds the rows that a model, imported or trained on other splits, learned from; undefined of others. */
export async function findLearned(
  folder: string,
  splits: Artifact,
  rows: Int32Array,
  own: Parameters<typeof findAmong>[2],
  watch: Watch,
): Promise<Awaited<ReturnType<typeof findAmong>> | undefined> {
  const { value: record } = await readRecord(join(folder, ".."));
  const { splits: theirs = splits.digest } = record?.dependencies.inputs ?? {};
  const images = theirs === splits.digest
    ? await readTrainedOn(folder)
    : (await imagesOf(await familyOf(folder), own.archives, watch)).images;
  return images && await findAmong(images, rows, own, watch);
}

/** Reads `trained_on.parquet` of an imported model's folder; undefined without it. */
export async function readTrainedOn(folder: string): Promise<TrainedImage[] | undefined> {
  const file = join(folder, FILE);
  if (!await Deno.stat(file).catch(ignoreNotFound)) return undefined;
  const { photos, dataset, path, image } = await readParquet(file, {
    photos: "string?",
    dataset: "string",
    path: "string",
    image: "string",
  });
  // Files of earlier versions lack them.
  const later = await readParquet(file, (name) => name === "photo" || name === "person");
  const { photo = [], person = [] } = later as Record<string, (string | null)[] | undefined>;
  return image.map((image, i) => ({
    photos: photos[i],
    dataset: dataset[i],
    path: path[i],
    image,
    photo: photo[i] ?? null,
    person: person[i] ?? null,
  }));
}

/**
 * Finds the rows of a dataset that are among images: the same pixels, or the same photo.
 * @returns `complete` if all images could be compared; `related`: other rows, of people in the images
 */
export async function findAmong(
  seen: readonly TrainedImage[],
  rows: Int32Array,
  { images, people: { dataset, path, identity }, archives }: {
    readonly images: ImageSource;
    readonly people: Origins & { readonly identity: readonly (string | null)[] };
    readonly archives: readonly Artifact[];
  },
  watch: Watch,
): Promise<Record<"found" | "related", ReadonlySet<number>> & { complete: boolean }> {
  const [own = [], others = []] = [true, false].map((wanted) =>
    seen.filter(({ photos }) => archives.some(({ digest }) => digest === photos) === wanted)
  );
  const placeOf = (dataset: string, path: string) => `${dataset}\n${photoOf(path)}`;
  const places = new Set(own.map(({ dataset, path }) => placeOf(dataset, path)));
  const pixels = new Set(seen.map(({ image }) => image));
  const photos = new Set(others.flatMap(({ photo }) => photo ?? []));
  const digests = photos.size === 0
    ? []
    : await photoDigests(archives, { dataset, path }, rows, watch);
  const known = new Set(seen.flatMap(({ person }) => person ?? []));
  const found = new Set<number>(), related = new Set<number>();
  for await (const i of paced(rows.length, watch.signal)) {
    const row = rows[i];
    const same = places.has(placeOf(dataset[row], path[row])) || photos.has(digests[i] ?? "") ||
      pixels.has(digestOf(images.read(row, 1)));
    if (same) found.add(row);
    else if (known.has(personOf(identity[row]) ?? "")) related.add(row);
  }
  const complete = others.every(({ image, photo }) =>
    image !== "" && (photo !== null || archives.length === 0)
  );
  return { found, related, complete };
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
    `changed by ${here}: expect other results than on its own test set.`;
  return made === here ? [] : [warning];
}
