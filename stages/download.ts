import { z } from "zod";
import {
  defineStage,
  pathParam,
  refuseUnused,
  type StageContext,
} from "../packages/pipeline/stage.ts";
import type { ArchivedDataset } from "../faces/datasets/archives.ts";
import { archives } from "./kinds.ts";
import type { Mirror } from "../faces/datasets/mirror.ts";
import { datasetNames, type SourceFile, sources } from "../faces/datasets/imdb_wiki.ts";
import { folderName } from "../faces/datasets/folder_name.ts";
import { counted } from "../packages/pipeline/causes.ts";

const md5 = z.string().regex(/^[0-9a-fA-F]{32}$/, "an MD5 is 32 hexadecimal digits");

const folder = z.strictObject({
  folder: pathParam().describe(
    "Folder of photos with a CSV of labels. Columns: path (relative to the folder), age " +
      "(years) or born and taken (1980-03-01 or 1980), gender (1, m, male or 0, f, female)," +
      " and optionally identity and name",
  ),
  labels: z.string().min(1).optional().describe(
    "Path of the CSV, relative to the folder. Default: the only CSV in it",
  ),
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe(
      "Name of the data set in reports. Default: the folder's name",
    ),
  layout: z.enum(["full", "crop"]).default("full").describe(
    "full: original photos; crop: photos cut around the face, whose box is their middle " +
      "1/1.8, as in the _crop archives",
  ),
});

const params = refuseUnused(
  z.strictObject({
    datasets: z.array(z.union([z.enum(datasetNames), folder])).min(1)
      .superRefine((datasets, context) => {
        const names = datasets.map(nameOf);
        for (const [i, name] of names.entries()) {
          const twice = names.indexOf(name) < i;
          const taken = typeof datasets[i] === "object" &&
            datasetNames.some((known) => known === name);
          if (!twice && !taken) continue;
          const message = twice ? "is listed twice" : "is the name of another data set";
          const way = typeof datasets[i] === "object" ? "; give the folder another name" : "";
          context.addIssue({ code: "custom", path: [i], message: `"${name}" ${message}${way}` });
        }
      })
      .default(["sample"])
      .describe(
        "sample: synthetic faces, drawn by the project; wiki_crop (1 GB) and imdb_crop (7 " +
          "GB): IMDB-WIKI cropped to the faces; wiki (3 GB) and imdb (270 GB): its original " +
          "photos; { folder: ../mine }: your own photos. Rows keep this order",
      ),
    mirror: pathParam().optional().describe(
      "URL or folder with IMDB-WIKI's files, used in place of the authors' server. An " +
        "MD5SUMS file in it sets the expected checksums",
    ),
    checksums: z.union([z.boolean(), z.record(z.string(), md5)]).default(true).describe(
      "true: verify MD5 checksums, from the mirror or else the authors; files without a " +
        "published checksum are not verified. A map from file name to MD5 adds to these or " +
        "overrides them. false: verify none",
    ),
    sampleFaces: z.int().min(1).max(100_000).default(400).describe(
      "Number of valid synthetic faces. Some invalid rows are added, as in real data",
    ),
  }),
  ({ datasets }): Record<string, string> =>
    datasets.includes("sample") ? {} : { sampleFaces: "where datasets has no sample" },
);

type Params = z.output<typeof params>;
type Dataset = "sample" | keyof typeof sources | z.output<typeof folder>;
type Context = StageContext<{ archives: typeof archives }>;

export default defineStage({
  name: "download",
  summary: "Download the photo archives, verify their checksums and index each photo",
  inputs: {},
  outputs: { archives },
  params,
  // The mirror's location does not change the result; `external` identifies its files.
  ignoreInCacheKey: ["mirror"],
  seeded: ({ datasets }) => datasets.includes("sample"),
  async external(params) {
    const { describeMirror } = await import("../faces/datasets/mirror.ts");
    const facts = await describeMirror(params.mirror, filesOf(params).map(({ name }) => name));
    for (const dataset of params.datasets) {
      if (typeof dataset === "string") continue;
      const { describeFolder } = await import("../faces/datasets/pack_folder.ts");
      Object.assign(facts, await describeFolder(dataset));
    }
    return facts;
  },
  async run(_inputs, params, context) {
    const { join } = await import("node:path");
    const { writeParquet } = await import("../packages/formats/parquet.ts");
    const { indexArchives } = await import("../faces/datasets/index_archives.ts");

    const mirror = await prepare(params, context);
    const datasets: ArchivedDataset[] = [];
    const index = { dataset: [], tar: [], path: [], offset: [], size: [] } as
      & {
        [Column in "dataset" | "tar" | "path"]: string[];
      }
      & { [Column in "offset" | "size"]: number[] };

    for (const dataset of params.datasets) {
      const name = nameOf(dataset);
      const { tars, layout, labels, file } = await fetchDataset(dataset, params, mirror, context);
      const files = tars.map(({ file }) => file);
      const contents = await indexArchives(context.scratch, files, file, context)
        .catch((error) => discard(tars, context, error));
      for (const [path, { tar, offset, size }] of contents.places) {
        index.dataset.push(name);
        index.tar.push(tar);
        index.path.push(path);
        index.offset.push(offset);
        index.size.push(size);
      }
      datasets.push({ name, layout, tars, metadata: { ...contents.metadata, ...labels } });
      context.info(`${name}: ${counted(contents.places.size, "file")} in the archives.`);
      if (contents.repeated > 0) {
        context.warn(
          `${name}: ${
            counted(contents.repeated, "path")
          } twice in the archives; the later file counts.`,
        );
      }
    }

    const folder = context.outputs.archives;
    await writeParquet(join(folder, "index.parquet"), {
      dataset: { type: "string", values: index.dataset },
      tar: { type: "string", values: index.tar },
      path: { type: "string", values: index.path },
      offset: { type: "int64", values: index.offset },
      size: { type: "int64", values: index.size },
    });
    await Deno.writeTextFile(
      join(folder, "archives.json"),
      JSON.stringify({ datasets }, null, 2) + "\n",
    );
    for (const { tars } of datasets) {
      for (const { file } of tars) await publish(join(context.scratch, file), join(folder, file));
    }
    if (!params.datasets.includes("sample")) return {};
    const faces = params.datasets.length === 1 ? "The faces" : "Some of the faces";
    return {
      caution: `${faces} are synthetic: scores and predictions do not carry over to real people.`,
    };
  },
});

/** Returns the name of a data set, as used in the table and in all later stages. */
function nameOf(dataset: Dataset): string {
  return typeof dataset === "string" ? dataset : folderName(dataset);
}

/** Returns the files to download or to copy from a mirror. */
function filesOf({ datasets }: Params): SourceFile[] {
  return datasets.flatMap((name) =>
    typeof name === "object" || name === "sample" ? [] : sources[name].files
  );
}

/**
 * Opens the mirror and checks the free disk space.
 * @returns undefined if no data set needs a mirror
 */
async function prepare(params: Params, context: Context): Promise<Mirror | undefined> {
  const files = filesOf(params);
  if (files.length === 0) return undefined;
  const { openMirror } = await import("../faces/datasets/mirror.ts");
  const { checkSpace, formatGigabytes } = await import("../packages/download/disk_space.ts");
  const mirror = await openMirror(params, context);
  const { bytes, unknownSizes } = await mirror.lacking(files);
  if (bytes === 0) return mirror;
  const what = files.map(({ name }) => name).join(", ");
  const free = await checkSpace(context.scratch, bytes, what);
  context.info(
    `${formatGigabytes(bytes)} to download${
      unknownSizes > 0 ? ` and ${counted(unknownSizes, "file")} of unknown size` : ""
    }` +
      `${free === undefined ? "" : `; ${formatGigabytes(free)} are free`}.`,
  );
  return mirror;
}

type Tars = ArchivedDataset["tars"];

/**
 * Downloads, packs or draws a data set.
 * @returns its complete archives in `scratch`, and the file in them that holds its labels
 */
async function fetchDataset(
  dataset: Dataset,
  params: Params,
  mirror: Mirror | undefined,
  context: Context,
): Promise<{
  tars: Tars;
  layout: ArchivedDataset["layout"];
  file: string;
  labels: { variable: string } | { csv: true };
}> {
  if (typeof dataset === "object") {
    const { packFolder } = await import("../faces/datasets/pack_folder.ts");
    const { join } = await import("node:path");
    const name = nameOf(dataset);
    const tar = `folder_${name}.tar`; // IMDB-WIKI's files have other names
    const file = await packFolder(dataset, join(context.scratch, tar), context);
    const tars = [{ file: tar, source: tar, md5: null, verified: true }];
    return { tars, layout: dataset.layout, file, labels: { csv: true } };
  }
  if (dataset === "sample") {
    const tars = await draw(params, context);
    return { tars, layout: "crop", file: "sample.mat", labels: { variable: "sample" } };
  }
  const { layout, variable } = sources[dataset];
  const tars = await get(dataset, mirror!, context);
  return { tars, layout, file: `${variable}.mat`, labels: { variable } };
}

/** Draws the synthetic data set, or reuses the file of an earlier attempt. */
async function draw({ sampleFaces }: Params, context: Context): Promise<Tars> {
  const { join } = await import("node:path");
  const { drawSample, sampleArchive } = await import("../faces/synthetic/sample_archive.ts");
  const { keepDigest, takeWhole } = await import("../packages/pipeline/state.ts");
  const path = join(context.scratch, sampleArchive);
  if (!await takeWhole(path, (message) => context.info(message))) {
    let drawn = 0;
    await drawSample({
      folder: context.scratch,
      seed: context.seed,
      faces: sampleFaces,
      signal: context.signal,
      onProgress(done, total) {
        if (drawn === 0) context.progress.start(total, "faces");
        context.progress.advance(done - drawn, sampleArchive);
        drawn = done;
      },
    });
    await keepDigest(path);
  }
  return [{ file: sampleArchive, source: sampleArchive, md5: null, verified: true }];
}

/** Downloads a data set's files and decompresses them where necessary. */
async function get(
  name: keyof typeof sources,
  mirror: Mirror,
  context: Context,
): Promise<Tars> {
  const { gunzipOnce } = await import("../faces/datasets/mirror.ts");
  const tars: Tars[number][] = [];
  for (const source of sources[name].files) {
    const { md5, verified } = await mirror.obtain(source);
    const file = await gunzipOnce(source.name, context)
      .catch((error) =>
        discard([{ file: source.name, source: source.name, verified }], context, error)
      );
    tars.push({ file, source: source.name, md5, verified });
  }
  return tars;
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
  const { join } = await import("node:path");
  for (const { file, source, verified } of context.signal.aborted ? [] : tars) {
    if (verified) continue;
    for (const name of [file, source].flatMap((name) => [name, `${name}.digest`])) {
      await Deno.remove(join(context.scratch, name)).catch(() => {});
    }
  }
  throw error;
}

/** Publishes a file. A hard link keeps it for the next attempt if this one crashes. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch {
    await Deno.rename(from, to); // a file system without links
  }
}
