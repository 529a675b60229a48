/** Downloads, packs or draws data sets, and indexes their archives: the work of stage `download`. */
import { join } from "node:path";
import { counted } from "../../packages/pipeline/causes.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import type { ExternalPlace, StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { jsonText, keepDigest, takeWhole } from "../../packages/pipeline/state.ts";
import { checkSpace } from "../../packages/download/http.ts";
import { formatBytes } from "../../packages/pipeline/format.ts";
import { writeParquet } from "../../packages/formats/parquet.ts";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { scanTar } from "../../packages/formats/tar.ts";
import { type ArchivedDataset, type FilePlace, licenseCautions } from "./archives.ts";
import { describeMirror, gunzipOnce, type Mirror, openMirror } from "./mirror.ts";
import { describeFolder, packFolder } from "./pack_folder.ts";
import { type DatasetName, type FolderDataset, nameOf, sources } from "./sources.ts";

export interface DownloadParams {
  readonly datasets: readonly (DatasetName | FolderDataset)[];
  readonly mirror?: string | undefined;
  readonly checksums: boolean | Readonly<Record<string, string>>;
  readonly sampleFaces: number;
}

type Context = StageContext<{ archives: unknown } & Record<string, never>>;
type Tars = ArchivedDataset["tars"];

/** Describes the sources of data sets for the cache key, without reading the photos. */
export async function describeSources(
  params: DownloadParams,
  place: ExternalPlace,
): Promise<Record<string, string>> {
  const files = filesOf(params).map(({ name }) => name);
  const facts = await describeMirror(params.mirror, files, place);
  for (const dataset of params.datasets) {
    if (typeof dataset === "object") Object.assign(facts, await describeFolder(dataset, place));
  }
  return facts;
}

/** Fills the artifact `archives`. */
export async function downloadDatasets(
  params: DownloadParams,
  context: Context,
): Promise<StageResult> {
  const mirror = await prepare(params, context);
  const datasets: ArchivedDataset[] = [];
  const index: (FilePlace & { dataset: string; path: string })[] = [];
  for (const dataset of params.datasets) {
    const name = nameOf(dataset);
    const fetched = await fetchDataset(dataset, params, mirror, context);
    const { tars, layout, framing, file, labels } = fetched;
    const names = tars.map(({ file }) => file);
    const { places, metadata, repeated } = await indexArchives(context, names, file)
      .catch((error) => discard(tars, context, error));
    for (const [path, place] of places) index.push({ dataset: name, path, ...place });
    datasets.push({ name, layout, ...framing, tars, metadata: { ...metadata, ...labels } });
    context.info(`${name}: ${counted(places.size, "file")} in the archives.`);
    if (repeated > 0) {
      const paths = counted(repeated, "path");
      context.warn(`${name}: ${paths} twice in the archives; the later file counts.`);
    }
  }

  const folder = context.outputs.archives;
  await writeParquet(join(folder, "index.parquet"), {
    dataset: { type: "string", values: index.map(({ dataset }) => dataset) },
    tar: { type: "string", values: index.map(({ tar }) => tar) },
    path: { type: "string", values: index.map(({ path }) => path) },
    offset: { type: "int64", values: index.map(({ offset }) => offset) },
    size: { type: "int64", values: index.map(({ size }) => size) },
  });
  await Deno.writeTextFile(join(folder, "archives.json"), jsonText({ datasets }));
  for (const { file } of datasets.flatMap(({ tars }) => tars)) {
    const [from, to] = [join(context.scratch, file), join(folder, file)];
    // A link keeps the file for the next attempt if this one crashes; not all file systems have them.
    await Deno.link(from, to).catch(() => Deno.rename(from, to));
  }
  const faces = params.datasets.length === 1 ? "The faces" : "Some of the faces";
  const cautions = [
    params.datasets.includes("sample") &&
    `${faces} are synthetic: scores and predictions do not carry over to real people.`,
    ...licenseCautions(datasets),
  ].filter(Boolean);
  const downloads = mirror?.origins ?? {};
  return {
    ...Object.keys(downloads).length > 0 && { observed: { downloads } },
    ...cautions.length > 0 && { caution: cautions.join(" ") },
  };
}

/**
 * Lists the files of a dataset's archives; refuses unsafe archives.
 * @param metadataName name of the file with the labels, without folders: a MATLAB file, or the CSV of
 * a local folder
 * @returns position of each file by its path in the MATLAB file, that of the labels, and the number of
 * paths that occur twice; the later file counts, as in tar
 */
async function indexArchives(
  { scratch, signal }: Pick<Context, "scratch" | "signal">,
  tars: readonly string[],
  metadataName: string,
) {
  const places = new Map<string, FilePlace>();
  const matlab = metadataName.endsWith(".mat");
  const held: string[] = [];
  let metadata: FilePlace & { path: string } | undefined;
  let photos = 0, repeated = 0, scanned = 0;
  for (const tar of tars) {
    using archive = new RandomAccessFile(join(scratch, tar));
    for (const { path, offset, size } of scanTar(archive)) {
      const inner = matlab ? pathInMatlab(path) : path.slice(path.indexOf("/") + 1);
      // AppleDouble files: macOS packs a file's attributes beside it.
      if (matlab && /(^|\/)\._[^/]*$/.test(path)) continue;
      if (/^\d\d\//.test(inner)) photos++;
      else if (held.length < 3) held.push(JSON.stringify(path));
      if (places.has(inner)) repeated++;
      places.set(inner, { tar, offset, size });
      if (inner.split("/").at(-1) === metadataName) metadata = { tar, offset, size, path };
      if (++scanned % 2000 === 0) await pause(signal);
    }
  }
  const cannot = `Cannot use ${tars.map((tar) => `"${tar}"`).join(", ")}`;
  if (!metadata) {
    const files = counted(scanned, "file");
    throw new Error(`${cannot}: none of ${files} is "${metadataName}", which has the labels.`);
  }
  if (matlab && photos === 0) {
    throw new Error(
      `${cannot}: photos must be in folders of two digits ("17/name.jpg"), but the ${scanned} ` +
        `files are elsewhere: ${held.join(", ")}. Pack the archive again with these folders.`,
    );
  }
  return { places, metadata, repeated };
}

/**
 * Returns the path as in the MATLAB file, which begins with two digits: `wiki_crop/17/x.jpg`,
 * and `any/folders/wiki_crop/17/x.jpg` of an archive that was packed again, is `17/x.jpg` there.
 */
function pathInMatlab(path: string): string {
  return /(?:^|\/)(\d\d\/[^/]+)$/.exec(path)?.[1] ?? path.slice(path.indexOf("/") + 1);
}

/** Returns the files to download or to copy from a mirror. */
function filesOf({ datasets }: DownloadParams) {
  return datasets.flatMap((name) =>
    typeof name === "object" || name === "sample" ? [] : sources[name].files
  );
}

/**
 * Opens the mirror, takes files of earlier results and checks the free disk space.
 * @returns undefined if no data set needs a mirror
 */
async function prepare(params: DownloadParams, context: Context): Promise<Mirror | undefined> {
  const files = filesOf(params);
  if (files.length === 0) return undefined;
  const mirror = await openMirror(params, context);
  await mirror.reuse(files);
  const { bytes, unknownSizes } = await mirror.lacking(files);
  if (bytes === 0) return mirror;
  const free = await checkSpace(context.scratch, bytes, files.map(({ name }) => name).join(", "));
  const unknown = unknownSizes > 0 ? ` and ${counted(unknownSizes, "file")} of unknown size` : "";
  const room = free === undefined ? "" : `; ${formatBytes(free)} are free`;
  context.info(`${formatBytes(bytes)} to download${unknown}${room}.`);
  return mirror;
}

/**
 * Downloads, packs or draws a data set.
 * @returns its complete archives in `scratch`, and the file in them that holds its labels
 */
async function fetchDataset(
  dataset: DatasetName | FolderDataset,
  params: DownloadParams,
  mirror: Mirror | undefined,
  context: Context,
): Promise<{
  tars: Tars;
  layout: ArchivedDataset["layout"];
  framing?: Pick<ArchivedDataset, "margin" | "detect" | "terms" | "labelledBy" | "nonCommercial">;
  file: string;
  labels: { variable: string } | { csv: true };
}> {
  if (typeof dataset === "object") {
    const tar = `folder_${nameOf(dataset)}.tar`; // IMDB-WIKI's files have other names
    const { file, preset } = await packFolder(dataset, join(context.scratch, tar), context);
    await context.checkExternal?.();
    const layout = dataset.layout ?? preset?.layout ?? "full";
    const { margin, terms, labelledBy, nonCommercial } = preset ?? {};
    const framing = {
      ...layout === "crop" && margin !== undefined && { margin },
      ...(layout === "aligned" || layout === "crop" && preset) && { detect: false as const },
      ...terms !== undefined && { terms },
      ...labelledBy !== undefined && { labelledBy },
      ...nonCommercial && { nonCommercial },
    };
    return { tars: [ownArchive(tar)], layout, framing, file, labels: { csv: true } };
  }
  if (dataset === "sample") {
    const tars = [ownArchive(await drawSample(params, context))];
    return { tars, layout: "crop", file: "sample.mat", labels: { variable: "sample" } };
  }
  const { layout, variable, files } = sources[dataset];
  const tars: Tars[number][] = [];
  for (const source of files) {
    const { md5, verified } = await mirror!.obtain(source);
    const file = await gunzipOnce(source.name, context).catch((error) =>
      discard([{ file: source.name, source: source.name, verified }], context, error)
    );
    tars.push({ file, source: source.name, md5, verified });
  }
  return { tars, layout, file: `${variable}.mat`, labels: { variable } };
}

function ownArchive(file: string): Tars[number] {
  return { file, source: file, md5: null, verified: true };
}

/** Draws the synthetic data set, or reuses the file of an earlier attempt. */
async function drawSample({ sampleFaces }: DownloadParams, context: Context): Promise<string> {
  const { drawSample, sampleArchive } = await import("../synthetic/sample_archive.ts");
  const path = join(context.scratch, sampleArchive);
  if (await takeWhole(path, (message) => context.info(message))) return sampleArchive;
  await drawSample(context.scratch, sampleFaces, context);
  await keepDigest(path);
  return sampleArchive;
}

/**
 * Removes unusable files, so the next attempt downloads them again. Files with a verified MD5 stay:
 * another download would return the same bytes.
 */
async function discard(
  tars: readonly { file: string; source: string; verified: boolean }[],
  context: Context,
  error: unknown,
): Promise<never> {
  const unverified = context.signal.aborted ? [] : tars.filter(({ verified }) => !verified);
  for (const name of unverified.flatMap(({ file, source }) => [file, source])) {
    for (const ending of ["", ".digest", ".origin"]) {
      await Deno.remove(join(context.scratch, name + ending)).catch(() => {});
    }
  }
  throw error;
}
