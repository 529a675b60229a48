/** Proposes a pipeline for what a folder or archive of photos holds. */
import { stringify } from "yaml";
import { counted } from "../../../packages/pipeline/causes.ts";
import { joinWords } from "../../../packages/pipeline/errors.ts";
import { freeName } from "../../../packages/pipeline/format.ts";
import { INTERVAL } from "../../datasets/attributes.ts";
import type { Label } from "../../datasets/labels.ts";
import { unreadArchives } from "../../datasets/photo_files.ts";
import { choosePreset } from "../../datasets/presets.ts";
import type { DataFound } from "../../evaluation/data_page.ts";
import { MAX_CLASSES } from "../../training/targets.ts";
import { hasAge, YEARS } from "./find_labels.ts";

/** Number of different numbers up to which they are proposed as classes. */
const MAX_LEVELS = 12;
/** Number of different whole numbers up to which they may be a scale. */
const MAX_SCALE = 101;
/** Columns that a network does not learn. */
const OTHERS = [...INTERVAL, "part", "split", "fold", "subset", "partition", "index", "idx", "key"];
const NO_LABEL = new RegExp(`^(?:${OTHERS.join("|")}|(?:.*[_ -])?id|unnamed: \\d+)$`, "i");
/** Maximum number of networks that are proposed beside those of age and gender. */
const MAX_PROPOSED = 4;
/** Number of photos, some 500 of them for training, below which larger batches make too few steps. */
const FEW = 800;
/** Maximum number of files to name in a hint. */
const MAX_NAMED = 3;

/** Returns a pipeline that reads the data set, with comments on what was found. */
export function proposePipeline(found: DataFound): string {
  const { folder, labels, preset, repeated, unreadable, present: rows } = found;
  const known = {
    gender: rows.filter(({ gender }) => gender >= 0).length,
    age: rows.filter(hasAge).length,
  };
  const exact = rows.some(({ age }) => age >= 0);
  const people = new Set(rows.flatMap(({ identity }) => identity ?? [])).size;
  const trains = known.gender > 0 || exact;
  const { proposed } = learnable(rows);
  const scales = proposed.flatMap(({ use, target }) => {
    const values = new Set(rows.flatMap(({ attributes }) => attributes?.[target] ?? []));
    const isScale = use === "trainClassifier" && values.size > 2 &&
      [...values].every(Number.isFinite);
    return isScale ? target : [];
  });
  // Ages that are intervals, alone, train no network here.
  const required = [
    ...known.gender > 0 ? ["gender"] as const : [],
    ...exact || !trains && known.age > 0 ? ["age"] as const : [],
  ];
  const partial = (["gender", "age"] as const).some((label) =>
    (labels?.columns[label] || required.includes(label)) && known[label] !== rows.length
  );
  const layout = preset === undefined ? undefined : choosePreset(preset).layout;
  const doubts = labels?.doubts ?? [], [doubt] = doubts, [damaged] = unreadable;
  const value = doubt && JSON.stringify(doubt.value.slice(0, 40));
  const notes = [
    found.summary,
    ...found.hints,
    !labels &&
    "Write a CSV with the columns path, age and gender, or a preset: photos (a pattern of names)\n" +
      "or labels, columns and values. docs/guide/data.md has examples.",
    labels &&
    `Ages: ${known.age}, genders: ${known.gender}, people: ${people || "unknown"}; ` +
      `${counted(found.missing.length, "photo")} missing, ` +
      `${counted(found.copies.length, "group")} of exact copies.`,
    repeated.length > 0 &&
    `${counted(repeated.length, "photo")} of several rows, the first of which counts, such as ` +
      `${repeated[0]}. Faces of a photo need boxes: left, top, right and bottom.`,
    damaged &&
    `${unreadable.length} of ${counted(found.opened, "opened photo")} cannot be read, such as ` +
      `${damaged.path}: ${damaged.why}.`,
    doubt &&
    `${counted(doubts.length, "value")} not understood, such as the ${doubt.column} ${value} ` +
      (preset === undefined
        ? `on line ${doubt.line}.`
        : `of ${labels!.rows.find(({ line }) => line === doubt.line)!.path}.`),
    Object.values(typeof preset === "object" ? preset.values?.gender ?? {} : {}).includes("?") &&
    'Write female or male in place of "?" in values.gender, if these are genders.',
    !exact && known.age > 0 &&
    "Ages are intervals: docs/guide/data.md trains their classes (FairFace).",
    proposed.length > 0 &&
    `Networks of ${joinWords(proposed.map(({ target }) => target))} are guesses: remove those ` +
      "that are no labels.",
    proposed.length > 1 &&
    "trainJoint trains one network for several columns: docs/guide/training.md.",
    scales.length > 0 &&
    `Numbers of few values, ${joinWords(scales)}, are classes here. If one is a quantity, write ` +
      "use: trainRegressor.",
    partial && "Rows that lack a label of matParse.require are dropped; [] keeps all.",
    !layout && "layout: full: a detector finds the faces; aligned: the photos are faces already.",
  ];
  const few = rows.length < FEW;
  const earlyStopping = { patience: few ? 12 : 5, restoreBest: true };
  const steps = few ? { batchSize: 8, epochs: 40 } : { batchSize: 32 };
  const training = { ...steps, batchNormMomentum: 0.9, earlyStopping };
  const division = publishedDivision(new Set(rows.map(({ attributes }) => attributes?.part)));
  const byPerson = people > 1 && {
    by: "identity",
    ...known.gender > 0 && !division?.validation && { stratify: ["gender"] }, // people are few
  };
  const pipeline = {
    seed: 42,
    stages: {
      download: {
        datasets: [{
          folder,
          ...preset !== undefined && { preset },
          ...layout === undefined && { layout: "full" },
        }],
      },
      matParse: partial && labels ? { require: required } : null,
      faceCrop: null,
      resize32: null,
      split: people > 1 || division ? { ...division, ...byPerson } : null,
      ...known.gender > 0 && { trainGender: training },
      ...exact && { trainAge: { variant: "regression", ...training } },
      ...Object.fromEntries(
        proposed.map(({ id, use, target }) => [id, { use, target, ...training }]),
      ),
      ...(trains || proposed.length > 0) && { evaluate: null, webcamServe: null },
    },
  };
  const yaml = stringify(pipeline, { lineWidth: 100, nullStr: "", aliasDuplicateObjects: false })
    .replaceAll(/ +$/gm, "");
  const header = ["yaml-language-server: $schema=../pipeline.schema.json", ...notes];
  // An error lists problems on lines of their own.
  const lines = header.flatMap((note) => note ? note.split("\n") : []);
  return lines.map((line) => `# ${line}\n`).join("") + yaml;
}

/** An attribute that a network can learn, and the stage that would. */
type Learnable = Readonly<Record<"id" | "use" | "target", string>>;

/**
 * Returns the attributes that can be learned, as numbers or else as classes: those that are proposed,
 * with few classes and a value in most rows, and others. Identifiers are neither.
 */
function learnable(rows: readonly Label[]): Record<"proposed" | "others", readonly Learnable[]> {
  const proposed: Learnable[] = [], others: Learnable[] = [];
  const names = Object.keys(rows.find(({ attributes }) => attributes)?.attributes ?? {});
  for (const target of names.filter((name) => !NO_LABEL.test(name))) {
    const known = rows.flatMap(({ attributes }) => attributes?.[target] ?? []);
    const { size } = new Set(known), many = size > MAX_LEVELS;
    const numbers = many && known.every(Number.isFinite);
    const unique = many && size === known.length;
    // Whole numbers that mostly follow each other are those of rows, some of which are left out.
    const next = known.filter((value, i) => Number(value) - Number(known[i - 1]) === 1).length;
    const counts = numbers && 2 * next > known.length;
    if (size < 2 || counts || unique && !numbers || !numbers && size > MAX_CLASSES) continue;
    const use = numbers ? "trainRegressor" : "trainClassifier";
    const name = /[a-z\d]/i.test(target) ? target.replaceAll(/\W+/g, "_") : "label";
    const stage = `train${name[0].toUpperCase()}${name.slice(1)}`;
    const id = freeName(stage, proposed.map((one) => one.id), "_");
    // Unique whole numbers that are more than most scales have may be those of people.
    const doubtful = unique && size > MAX_SCALE && known.every(Number.isInteger);
    const fits = (numbers || !many) && !doubtful && 2 * known.length >= rows.length;
    (fits && proposed.length < MAX_PROPOSED ? proposed : others).push({ id, use, target });
  }
  return { proposed, others };
}

/** Names files that are not read, and attributes that no network of the proposal learns, with its stage. */
export function hintsOf(
  rows: readonly Label[],
  paths: readonly string[],
  folder: string,
): string[] {
  const isSheet = (path: string) => /\.(?:xlsx?|ods|numbers|arrow|feather)$/i.test(path);
  const archives = unreadArchives(paths, folder).slice(0, MAX_NAMED);
  const sheets = rows.length > 0 ? [] : paths.filter(isSheet).slice(0, MAX_NAMED);
  const names = rows.some(hasAge) ? [] : Object.keys(rows[0]?.attributes ?? {});
  const years = names.filter((name) => YEARS.test(name));
  const stages = Map.groupBy(learnable(rows).others, ({ use }) => use);
  const others = Array.from(
    stages,
    ([use, some]) => `${joinWords(some.map(({ target }) => target))} (${use})`,
  );
  return [
    archives.length > 0 && `Not read: ${joinWords(archives)}. Unpack archives, or pack them as ` +
      ".zip or .tar.gz directly in the folder.",
    sheets.length > 0 &&
    `Not read: ${joinWords(sheets)}. Save the table as CSV UTF-8 or Parquet.`,
    others.length > 0 &&
    `No network is proposed for ${joinWords(others)}. Add the stage with a label as target.`,
    years.length > 0 &&
    `Perhaps the age: ${joinWords(years)}. If so, name it in columns.age of the preset.`,
  ].filter((hint) => hint !== false);
}

/** Returns the sets of a data set's own parts; results of FairFace are published on val. */
function publishedDivision(parts: ReadonlySet<unknown>) {
  const has = (...names: string[]) => names.find((name) => parts.has(name));
  const validation = has("val", "validation", "valid", "dev"), tested = has("test");
  const part = tested ?? validation ?? has("fold_0");
  if (part === undefined) return undefined;
  return { test: { part }, ...tested && validation && { validation: { part: validation } } };
}
