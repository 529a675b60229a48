/**
 * Presets: descriptions of published data sets. A preset is data. The built-in ones are declared as a
 * plugin's, and a pipeline can have one of its own as a map.
 */
import { z } from "zod";
import {
  type Choice,
  chosen,
  define,
  defineMembers,
  type Definition,
} from "../../packages/pipeline/define.ts";
import { layouts } from "./sources.ts";

const expression = z.string().min(1).superRefine((text, context) => {
  try {
    new RegExp(text, "u");
  } catch (error) {
    context.addIssue({ code: "custom", message: `${(error as Error).message}` });
  }
});

const table = z.strictObject({
  files: expression.describe("Regular expression of the ends of the tables' paths"),
  header: z.array(z.string()).optional().describe("Names of the columns. Default: the first line"),
  skip: z.int().min(0).default(0).describe("Lines before the header"),
});

const presetFields = z.strictObject({
  photos: expression.optional().describe(
    "Regular expression of the end of a photo's path. Its named groups are columns. For data sets " +
      "whose labels are in the paths",
  ),
  labels: z.union([expression, z.array(table).min(1)]).optional().describe(
    "Regular expression of the ends of the tables' paths (CSV, tabs, blanks, JSON, JSON lines, Parquet), whose named " +
      "groups are columns; or a list of { files, header, skip }. Default: every CSV",
  ),
  join: z.boolean().optional().describe("Join rows of the same path, such as of several tables"),
  match: z.record(z.string(), expression).optional().describe(
    "Column: regular expression of its whole values, whose named groups are further columns",
  ),
  columns: z.record(z.string(), z.string()).optional().describe(
    "Column of the labels (path, age, gender, identity, part, left, ...): the data set's column, or " +
      "a text with {COLUMN}, unknown where one of these is; quad takes the corners of a rotated " +
      "box. Other columns are attributes",
  ),
  omit: z.array(z.string()).optional().describe("Columns that are left out"),
  values: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number()]))).optional()
    .describe("Column of the labels: its written values, and what they stand for. Empty: unknown"),
  layout: z.enum(layouts).optional().describe(
    "full: original photos; crop: the face is the middle of the photo; aligned: the photo is the " +
      "face. Without a detector in the last two",
  ),
  margin: z.number().min(0).max(4).optional().describe(
    "crop: margin around the face on each side, as a share of the face. Default: 0.4",
  ),
  terms: z.string().optional().describe("License or terms, a phrase for the model card"),
  labelledBy: z.string().optional().describe("Source of the labels, a phrase for the report"),
  nonCommercial: z.boolean().optional().describe("Whether the terms exclude commercial use"),
});

/** Description of a data set's files and labels. */
export type Preset = z.output<typeof presetFields>;

export interface PresetDefinition extends Definition {
  readonly preset: Preset;
}

defineMembers<PresetDefinition>("preset", { preset: presetFields });

/**
 * Declares a preset. Its fields are the defaults of the options that a pipeline may set.
 * @example
 * ```ts
 * const mine = definePreset({
 *   name: "mine",
 *   summary: "Photos named AGE_GENDER_NUMBER.png",
 *   preset: { photos: "(?<age>\\d+)_(?<gender>[mf])_\\d+\\.png", layout: "aligned" },
 * });
 * console.assert(mine.extends === "preset");
 * ```
 */
export function definePreset(
  definition: { name: string; summary: string; preset: Preset },
): PresetDefinition {
  return define({ kind: "preset", params: presetFields, ...definition }) as PresetDefinition;
}

/** The preset whose fields are all given in the pipeline. */
export const OWN_PRESET = "own";

/** Finds a preset and sets its options. @param plugins presets of plugins */
export function choosePreset(value: Choice, plugins: readonly Definition[] = []): Preset {
  const all = [...presets, ...plugins as readonly PresetDefinition[]];
  const { definition: { preset }, options } = chosen(value, all, OWN_PRESET);
  const { columns, values, ...rest } = options as Preset;
  return {
    ...preset,
    ...rest,
    columns: { ...preset.columns, ...columns },
    values: { ...preset.values, ...values },
  };
}

/** Group of an expression: a part of a data set, as files and folders are called. */
export const PART = "(?<part>train|test|val|valid|validation|dev)";

const ETHNICITY = { "0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "Other" };

/** Ages that Adience's folds have beside its eight classes, as most papers assign them. */
const ADIENCE_AGES = Object.fromEntries(
  Object.entries({
    "0-2": "2 3",
    "8-12": "13 (8,23)",
    "15-20": "22",
    "25-32": "23 29 32 34 35 (27,32)",
    "38-43": "36 42 45 (38,42) (38,48)",
    "48-53": "46 55 56",
    "60-100": "57 58",
  }).flatMap(([band, ages]) => ages.split(" ").map((age) => [age.replace(",", ", "), band])),
);

export const presets: readonly PresetDefinition[] = [
  definePreset({ name: OWN_PRESET, summary: "A data set of your own", preset: {} }),
  definePreset({
    name: "utkface",
    summary: "UTKFace, aligned and cropped: AGE_GENDER_RACE_TIME.jpg.chip.jpg",
    preset: {
      // A few names lack gender or race, or have a blank before .jpg.
      photos: String.raw`(?<age>\d{1,3})_(?<gender>\d?)_(?:(?<race>\d)_)?\d{14,20}[^\/]*\.jpe?g`,
      columns: { ethnicity: "race" },
      // The reverse of the project's codes.
      values: { gender: { "0": "male", "1": "female" }, ethnicity: ETHNICITY },
      layout: "aligned",
      terms: "UTKFace, for non-commercial research only",
      labelledBy: "estimated by the network DEX, checked by a person",
      nonCommercial: true,
    },
  }),
  definePreset({
    name: "fairface",
    summary: "FairFace: fairface_label_{train,val}.csv, photos with a margin of 0.25",
    preset: {
      labels: String.raw`fairface_label_(?<part>train|val)\.csv`,
      columns: { path: "file", ethnicity: "race" },
      // Spreadsheets turned two of the bins into dates.
      values: { age: { "03-Sep": "3-9", "3-Sep": "3-9", "Oct-19": "10-19" } },
      layout: "crop",
      margin: 0.25,
      terms: "FairFace (Kärkkäinen and Joo, 2021), CC BY 4.0",
      labelledBy: "by three crowd workers per photo, from its looks",
    },
  }),
  definePreset({
    name: "adience",
    summary: "Adience: fold_{0..4}_data.txt, faces/USER/coarse_tilt_aligned_face.FACE.IMAGE",
    preset: {
      labels: String.raw`fold_(?<fold>\d)_data\.txt`,
      columns: {
        path: "faces/{user_id}/coarse_tilt_aligned_face.{face_id}.{original_image}",
        part: "fold_{fold}",
        fold: "fold",
        album: "user_id", // not a person
      },
      // The boxes are of photos that are not published.
      omit: [
        ...["original_image", "face_id", "x", "y", "dx", "dy"],
        ...["tilt_ang", "fiducial_yaw_angle", "fiducial_score"],
      ],
      values: { gender: { u: "" }, age: ADIENCE_AGES },
      layout: "aligned",
      terms:
        "Adience (Eidinger, Enbar and Hassner, 2014), for research; photos under Creative Commons",
      labelledBy: "by the data set's authors, from photo and album",
      nonCommercial: true,
    },
  }),
  definePreset({
    name: "imdbClean",
    summary: "IMDB-Clean: imdb_{train,valid,test}_new.csv with boxes in the photos of imdb",
    preset: {
      // imdb_*_new_1024.csv beside them has the boxes in other photos.
      labels: String.raw`imdb_(?<part>train|valid|test)_new\.csv`,
      match: { filename: String.raw`(?:.*\/)?(?<identity>nm\d+)_.*` },
      columns: { path: "filename", left: "x_min", top: "y_min", right: "x_max", bottom: "y_max" },
      values: { part: { valid: "val" } },
      layout: "full",
      terms: "IMDB-Clean (Lin et al., 2022) of IMDB-WIKI, for academic research only",
      labelledBy: "from profiles on IMDb, cleaned automatically",
      nonCommercial: true,
    },
  }),
  definePreset({
    name: "benchmark2024",
    summary: "JSONs of the age benchmark of 2024 (Paplham and Franc): folders and rotated boxes",
    preset: {
      labels: String.raw`[^\/]+\.json`,
      match: {
        // Data sets of a published division, which their folders are; those of FG-NET are people.
        database: "(?<divided>CACD|CLAP|ChaLearn|IMDB-CLEAN|APPA-REAL|FG-NET).*",
        // The person: AgeDB and IMDB-Clean have names, others numbers, some both or neither.
        name: "(?<person>.+)",
        id_num: "(?<person>(?!-1$).+)",
      },
      columns: {
        path: "img_path",
        identity: "{database}:{person}",
        quad: "aligned_bbox",
        part: "{divided}{folder}",
        folder: "folder",
        database: "database",
      },
      omit: ["id_num"],
      values: {
        gender: { U: "" },
        age: { "-1": "" },
        // The first of its five splits.
        part: Object.fromEntries([
          ...Array.from("0123456789", (i) => [i, i < "6" ? "train" : i < "8" ? "val" : "test"]),
          ...["CACD", "CLAP", "ChaLearn", "IMDB-CLEAN", "APPA-REAL"].flatMap((set) =>
            ["train", "val", "test"].map((part, i) => [`${set}${i}`, part])
          ),
          ...Array.from({ length: 82 }, (_, i) => [`FG-NET${i + 1}`, "test"]),
        ]),
      },
      layout: "full",
      terms: "the terms of each data set of the benchmark, most of them for research only",
      nonCommercial: true,
    },
  }),
];
