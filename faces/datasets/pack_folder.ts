/** Packs a local folder or archive of photos into an archive, as in the downloaded data sets. */
import { counted } from "../../packages/pipeline/causes.ts";
import { contentDigest } from "../../packages/pipeline/content_digest.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import { basename, join, resolve } from "node:path";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import type { ExternalPlace, StageContext } from "../../packages/pipeline/stage.ts";
import { applyPreset } from "./apply_preset.ts";
import { parseLabels } from "./labels.ts";
import {
  archivesIn,
  bytesOf,
  isArchive,
  isFile,
  isFolder,
  type Lack,
  locate,
  namesIn,
  openPhotoFiles,
  type PhotoFiles,
  unreadArchives,
  walk,
} from "./photo_files.ts";
import { choosePreset, PART, type Preset } from "./presets.ts";
import { type FolderDataset, nameOf, PARQUET } from "./sources.ts";

function cannotUse(folder: string, why: string, cause?: unknown): Error {
  // Errors of files are sentences.
  return new Error(`Cannot use the folder "${folder}": ${why.replace(/\.$/, "")}.`, { cause });
}

function namesOf(folder: string): string[] {
  try {
    return namesIn(folder);
  } catch (error) {
    throw cannotUse(folder, (error as Error).message, (error as Error).cause);
  }
}

/** Reads a folder's labels, and the CSV that has them. @throws if there is none, or if it is invalid */
async function openLabels({ folder, labels }: Pick<FolderDataset, "folder" | "labels">) {
  // Skips hidden files of macOS, lock files of spreadsheets, and folders named x.csv.
  const tables = namesOf(folder).filter((name) => isTable(name) && isFile(join(folder, name)))
    .sort();
  const given = labels ?? onlyTable(folder, tables);
  const path = locate(folder)(given) ?? resolve(folder, given);
  let bytes: Uint8Array;
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file"); // a pipe may not end
    bytes = await Deno.readFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? `it has no "${given}"; it has ${tables.join(", ") || "no CSV"}`
      : `"${given}" cannot be read (${(cause as Error).message})`;
    throw cannotUse(folder, why, cause);
  }
  return { name: basename(given), bytes, labels: parseLabels(bytes, path) };
}

/** Labels of Parquet tables: of any name, whose beginning or folder may be a part. */
const PARQUET_LABELS: Preset = { labels: `(?:${PART}(?:[-_./].*)?|[^/]+)\\.parquet` };

/** Returns true where the labels are in Parquet, which is read as by a preset: by name, or without a CSV. */
function isParquet({ folder, labels }: FolderDataset): boolean {
  if (labels !== undefined || isArchive(folder)) return PARQUET.test(labels ?? folder);
  return !namesOf(folder).some(isTable) && walk(folder).some((path) => PARQUET.test(path));
}

function isTable(name: string): boolean {
  return /^(?!\.|~\$)[^/]*\.csv$/i.test(name);
}

function onlyTable(folder: string, tables: readonly string[]): string {
  if (tables.length === 1) return tables[0];
  throw cannotUse(
    folder,
    tables.length === 0
      ? "it has no CSV of labels (columns path, age, gender). A preset reads other layouts: set " +
        "preset, or look at it with deno task data"
      : `it has ${tables.length} CSVs (${tables.slice(0, 5).join(", ")}); select one with "labels"`,
  );
}

/** Name of the CSV that a preset makes. */
const MADE = "labels.csv";

/** Reads the labels of opened files: by a preset, or an archive's CSV. */
async function readLabels(
  { folder, labels: given, preset }: FolderDataset & { preset?: Preset | undefined },
  files: PhotoFiles,
  warn: (message: string) => void,
) {
  const fail = (cause: Error): never => {
    throw cannotUse(folder, cause.message, cause);
  };
  if (!preset) {
    const name = given ?? onlyTable(folder, files.paths.filter(isTable));
    const bytes = await bytesOf(files, name).catch(fail);
    return { name: basename(name), bytes, labels: parseLabels(bytes, `${folder}/${name}`) };
  }
  const { csv, unmatched, warnings } = await applyPreset(preset, files, given).catch(fail);
  warnings.forEach(warn);
  if (unmatched.length > 0) {
    const some = unmatched.slice(0, MAX_EXAMPLES).join(", ");
    warn(`${counted(unmatched.length, "photo")} without a label in the path, such as ${some}`);
  }
  return { name: MADE, bytes: csv, labels: parseLabels(csv, `${folder}/${MADE}`) };
}

/** Describes a folder's content for the cache key: names and bytes of the files that it is packed from. */
export async function describeFolder(
  dataset: FolderDataset,
  { artifacts, ...watch }: ExternalPlace,
): Promise<Record<string, string>> {
  const { folder } = dataset, id = nameOf(dataset);
  const content = (paths: readonly string[]) => contentDigest(paths, artifacts, watch);
  if (isArchive(folder)) return { [`the archive ${id}`]: await content([folder]) };
  if ((dataset.preset !== undefined || isParquet(dataset)) && isFolder(folder)) {
    const paths = walk(folder);
    const seen = await content(paths.map((path) => join(folder, path)).filter(isFile));
    return { [`a file of ${id}`]: sha256(paths.join("\0") + seen) };
  }
  const { name, bytes, labels } = await openLabels(dataset);
  const find = locate(folder);
  const names: string[] = [], there: string[] = [];
  for (const [i, { path }] of labels.rows.entries()) {
    if (i % 2000 === 1999) await pause(watch.signal);
    const file = find(path);
    names.push(`${path}\0${file !== undefined}`);
    if (file !== undefined) there.push(file);
  }
  // Packing looks for missing photos there.
  if (there.length < names.length) there.push(...archivesIn(folder));
  return {
    [`${id}'s ${name}`]: sha256(bytes),
    [`a picture of ${id}`]: sha256(names.join("\0") + await content(there)),
  };
}

/** Number of examples in a message. */
const MAX_EXAMPLES = 3;

/**
 * Packs the photos of the labels, in their order, and the CSV. Warns about photos that are missing
 * or cannot be read; later stages list them.
 * @returns the CSV's name in the archive, and the preset
 */
export async function packFolder(
  dataset: FolderDataset,
  to: string,
  context: Pick<StageContext, "scratch" | "signal" | "progress" | "warn" | "definitions">,
): Promise<{ file: string; preset?: Preset | undefined }> {
  const { folder } = dataset, { signal, progress } = context;
  const preset = dataset.preset === undefined
    ? isParquet(dataset) ? PARQUET_LABELS : undefined
    : choosePreset(dataset.preset, context.definitions("preset"));
  const note = (message: string) => context.warn(`${nameOf(dataset)}: ${message}`);
  // Before the folder is walked, as it may hold other things.
  const own = preset || isArchive(folder) ? undefined : await openLabels(dataset);
  const names = isArchive(folder) ? [] : namesOf(folder);
  const wanted = own?.labels.rows.flatMap(({ path }) => path || []);
  await using files = await openPhotoFiles(folder, context.scratch, signal, wanted);
  const { name, bytes, labels } = own ?? await readLabels({ ...dataset, preset }, files, note);
  const lines = new Map<string, number>();
  for (const { path, line } of labels.rows) {
    if (path !== "") lines.getOrInsert(path, line);
  }
  if (lines.size === 0) throw cannotUse(folder, `no row of "${name}" has a path`);
  const lacking = new Map<Lack, string[]>();
  progress.start(lines.size, "photos");
  const part = `${to}.part`;
  {
    using tar = new TarWriter(part);
    for (const [i, [path, line]] of [...lines].entries()) {
      signal.throwIfAborted();
      if (i % 100 === 99) await pause(signal); // archives are read without one
      const photo = await files.read(path);
      const shown = preset ? path : `${path} (line ${line})`;
      if (photo instanceof Uint8Array) tar.add(`pictures/${path}`, photo);
      else lacking.getOrInsertComputed(photo, () => []).push(shown);
      progress.advance(1, path);
    }
    tar.add(`labels/${name}`, bytes); // last: the later of two files with the same name counts
    tar.close();
  }
  for (const [how, paths] of lacking) {
    const some = paths.slice(0, MAX_EXAMPLES).join(", ") +
      (paths.length > MAX_EXAMPLES ? ", ..." : "");
    note(`${paths.length} of ${counted(lines.size, "photo")} are ${how}: ${some}`);
  }
  const unread = lacking.has("missing") ? unreadArchives(own ? names : files.paths, folder) : [];
  if (unread.length > 0) {
    const some = joinWords(unread.slice(0, MAX_EXAMPLES));
    note(
      `photos in ${some} are not read: unpack them, or pack them as .zip or .tar.gz beside the CSV`,
    );
  }
  const all = [...lacking.values()].flat();
  if (all.length === lines.size) {
    await Deno.remove(part);
    const none = `none of ${counted(lines.size, "photo")} in "${name}" can be read`;
    const wayOut = "Paths are relative to the folder; look at it with deno task data";
    throw cannotUse(folder, `${none}, such as ${all[0]}. ${wayOut}`);
  }
  await moveDurably(part, to);
  return { file: name, preset };
}
