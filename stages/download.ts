import { z } from "zod";
import { OWN_PRESET, presets } from "../faces/datasets/presets.ts";
import { datasetNames, layouts, nameOf, sources } from "../faces/datasets/sources.ts";
import { joinWords } from "../packages/pipeline/errors.ts";
import { definedChoice } from "../packages/pipeline/define.ts";
import { defineStage, pathParam, refuseUnused } from "../packages/pipeline/stage.ts";
import { archives } from "./kinds.ts";

const md5 = z.string().regex(/^[0-9a-fA-F]{32}$/, "an MD5 is 32 hexadecimal digits");
const fileNames = Object.values(sources).flatMap(({ files }) => files.map(({ name }) => name));
const sums = z.record(z.string(), md5).superRefine((sums, context) => {
  for (const name of Object.keys(sums).filter((name) => !fileNames.includes(name))) {
    const message = `is no file of IMDB-WIKI, which has ${joinWords(fileNames)}`;
    context.addIssue({ code: "custom", path: [name], message });
  }
});

const folder = z.strictObject({
  folder: pathParam({ byContent: true }).describe(
    "Folder of photos, a .zip, .tar or .tar.gz of one, or a .parquet that holds them, with a CSV or Parquet of labels. Columns: path (relative to the folder), age " +
      "(years) or born and taken (1980-03-01 or 1980), gender (1, m, male or 0, f, female)," +
      " and optionally identity, name and attributes",
  ),
  labels: z.string().min(1).optional().describe(
    "Path of the CSV or Parquet, relative to the folder. Default: the only CSV in it, or all Parquet",
  ),
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe("Name of the data set in reports. Default: the folder's name"),
  layout: z.enum(layouts).optional().describe(
    "full: original photos; crop: photos cut around the face, whose box is their middle " +
      "1/1.8, as in the _crop archives; aligned: the photo is the face, and no detector runs. " +
      "Default: the preset's, or full",
  ),
  preset: definedChoice("preset", presets, OWN_PRESET).optional().describe(
    "Layout of a published data set, or a map with a preset of your own: which files hold which " +
      "labels. Default: a CSV of the columns above",
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
    checksums: z.union([z.boolean(), sums]).default(true).describe(
      "true: verify MD5 checksums, from the mirror or else the authors; files without a " +
        "published checksum are not verified. A map from file name to MD5 adds to these or " +
        "overrides them. false: verify none",
    ),
    sampleFaces: z.int().min(1).max(100_000).default(400).describe(
      "Number of valid synthetic faces. Invalid rows and damaged photos are added on purpose, one for about ten faces",
    ),
  }),
  ({ datasets }): Record<string, string> =>
    datasets.includes("sample") ? {} : { sampleFaces: "where datasets has no sample" },
);

export default defineStage({
  name: "download",
  summary: "Download the photo archives, verify their checksums and index each photo",
  inputs: {},
  outputs: { archives },
  params,
  // The mirror's location does not change the result; `external` identifies its files.
  ignoreInCacheKey: ["mirror"],
  seeded: ({ datasets }) => datasets.includes("sample"),
  async external(params, place) {
    // Without the modules of a download, for a run with nothing to do.
    if (params.mirror === undefined && params.datasets.every((one) => typeof one === "string")) {
      return {};
    }
    const { describeSources } = await import("../faces/datasets/download_datasets.ts");
    return await describeSources(params, place);
  },
  async run(_inputs, params, context) {
    const { downloadDatasets } = await import("../faces/datasets/download_datasets.ts");
    return await downloadDatasets(params, context);
  },
});
