import { z } from "zod";
import { defineStage, pathParam, type StageContext } from "../packages/pipeline/stage.ts";
import type { ArchivedDataset } from "../faces/datasets/archives.ts";
import { archives } from "./kinds.ts";
import type { Mirror } from "../faces/datasets/mirror.ts";
import { datasetNames, type SourceFile, sources } from "../faces/datasets/imdb_wiki.ts";
import { folderName } from "../faces/datasets/folder_name.ts";
import { counted } from "../packages/pipeline/causes.ts";

const md5 = z.string().regex(/^[0-9a-fA-F]{32}$/, "an MD5 is 32 hexadecimal digits");

const folder = z.strictObject({
  folder: pathParam().describe(
    "A folder of pictures with a CSV that labels them: columns path (from the folder), age (years, " +
      "or born and taken, as 1980-03-01 or 1980) and gender (1, m, male or 0, f, female), and if " +
      "you like identity (who it is) and name",
  ),
  labels: z.string().min(1).optional().describe(
    "The CSV's path from the folder, if there are several",
  ),
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe("What the data set is called in reports; the folder's name unless given"),
  layout: z.enum(["full", "crop"]).default("full").describe(
    "full: photos as they were taken; crop: they are cut around the face, whose box is the middle " +
      "1/1.8 of them, as in the _crop archives",
  ),
});

const params = z.strictObject({
  datasets: z.array(z.union([z.enum(datasetNames), folder])).min(1)
    .superRefine((datasets, context) => {
      const names = datasets.map(nameOf);
      for (const [i, name] of names.entries()) {
        const twice = names.indexOf(name) < i;
        const taken = typeof datasets[i] === "object" &&
          datasetNames.some((known) => known === name);
        if (!twice && !taken) continue;
        const message = twice ? "is named twice" : "is the name of another data set";
        const way = typeof datasets[i] === "object" ? "; give the folder another name" : "";
        context.addIssue({ code: "custom", path: [i], message: `"${name}" ${message}${way}` });
      }
    })
    .default(["sample"])
    .describe(
      "sample: faces that the project draws itself; wiki_crop (1 GB) and imdb_crop (7 GB): IMDB-WIKI " +
        "cut to the faces; wiki (3 GB) and imdb (270 GB): its whole photos; { folder: ../mine }: " +
        "pictures of your own. Rows keep this order",
    ),
  mirror: pathParam().optional().describe(
    "A URL or a folder that holds IMDB-WIKI's files, in place of the authors' server. If it has " +
      "an MD5SUMS, that says what the files must be",
  ),
  checksums: z.union([z.boolean(), z.record(z.string(), md5)]).default(true).describe(
    "true checks the MD5 of each file of which one is known: the mirror's, else the authors'. " +
      "A map from file name to MD5 adds to these or overrides them. false checks none",
  ),
  sampleFaces: z.int().min(1).max(100_000).default(400).describe(
    "How many good faces the sample has; some bad rows come on top, as in real data",
  ),
});

type Params = z.output<typeof params>;
type Dataset = "sample" | keyof typeof sources | z.output<typeof folder>;
type Context = StageContext<{ archives: typeof archives }>;

export default defineStage({
  name: "download",
  summary: "Fetch the photo archives, check them and note where each photo lies",
  inputs: {},
  outputs: { archives },
  params,
  // What counts of a mirror is what came from it: `external` tells its files apart.
  unaffecting: ["mirror"],
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
          `${name}: ${contents.repeated} paths occur twice in the archives; the later file counts.`,
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
      caution: `${faces} are drawn: scores and predictions mean nothing for real people.`,
    };
  },
});

/** What a data set is called, in the table and everywhere after it. */
function nameOf(dataset: Dataset): string {
  return typeof dataset === "string" ? dataset : folderName(dataset);
}

/** The files that come from elsewhere. */
function filesOf({ datasets }: Params): SourceFile[] {
  return datasets.flatMap((name) =>
    typeof name === "object" || name === "sample" ? [] : sources[name].files
  );
}

/** Opens the mirror, if something comes from it, and makes sure that there is room for all of it. */
async function prepare(params: Params, context: Context): Promise<Mirror | undefined> {
  const files = filesOf(params);
  if (files.length === 0) return undefined;
  const { openMirror } = await import("../faces/datasets/mirror.ts");
  const { checkSpace, formatGigabytes } = await import("../packages/download/disk_space.ts");
  const mirror = await openMirror(params, context);
  const { bytes, untold } = await mirror.lacking(files);
  if (bytes === 0) return mirror;
  const what = files.map(({ name }) => name).join(", ");
  const free = await checkSpace(context.scratch, bytes, what);
  context.info(
    `${formatGigabytes(bytes)} to get${
      untold > 0 ? `, without ${counted(untold, "file")} of unknown size` : ""
    }` +
      `${free === undefined ? "" : `; ${formatGigabytes(free)} are free`}.`,
  );
  return mirror;
}

type Tars = ArchivedDataset["tars"];

/** A data set's archives in `scratch`, whole, and in which file of theirs its labels are. */
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

/** Draws the sample, unless an earlier attempt has. */
async function draw({ sampleFaces }: Params, context: Context): Promise<Tars> {
  const { join } = await import("node:path");
  const { drawSample, sampleArchive } = await import("../faces/synthetic/mod.ts");
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

/** Gets a dataset's files, and unpacks what is compressed. */
async function get(
  name: keyof typeof sources,
  mirror: Mirror,
  context: Context,
): Promise<Tars> {
  const { unpacked } = await import("../faces/datasets/mirror.ts");
  const tars: Tars[number][] = [];
  for (const source of sources[name].files) {
    const { md5, verified } = await mirror.obtain(source);
    const file = await unpacked(source.name, context)
      .catch((error) =>
        discard([{ file: source.name, source: source.name, verified }], context, error)
      );
    tars.push({ file, source: source.name, md5, verified });
  }
  return tars;
}

/**
 * Forgets files that cannot be used, for another attempt to get them anew; not those whose MD5 is
 * right, which would only come again as they are.
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

/** A link keeps the file for the next attempt, should this one be killed before it is recorded. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch {
    await Deno.rename(from, to); // a file system without links
  }
}
