/** Finds out what a folder or archive of photos holds, and proposes a pipeline for it. */
import { basename } from "node:path";
import { parse as parseYaml, stringify } from "yaml";
import { z } from "zod";
import { counted } from "../../../packages/pipeline/causes.ts";
import {
  didYouMean,
  isDiskFull,
  joinWords,
  UsageError,
} from "../../../packages/pipeline/errors.ts";
import { sha256 } from "../../../packages/pipeline/fingerprint.ts";
import { pause } from "../../../packages/pipeline/interrupt.ts";
import type { Progress } from "../../../packages/pipeline/stage.ts";
import { random } from "../../../packages/random/random.ts";
import { applyPreset, parseTable, suffixIndex } from "../../datasets/apply_preset.ts";
import { INTERVAL } from "../../datasets/attributes.ts";
import { findCopies, type Frequencies, frequenciesOf } from "../../datasets/copies.ts";
import { BOX, type Label, type Labels, parseInterval, parseLabels } from "../../datasets/labels.ts";
import {
  openPhotoFiles,
  pathIndex,
  type PhotoFiles,
  unreadArchives,
} from "../../datasets/photo_files.ts";
import { choosePreset, OWN_PRESET, PART, type Preset, presets } from "../../datasets/presets.ts";
import { facePaths } from "../../datasets/rows.ts";
import { PARQUET, PHOTO } from "../../datasets/sources.ts";
import type { DataFound } from "../../evaluation/data_page.ts";
import type { NamedImage } from "../../evaluation/report_data.ts";
import { thumbnail } from "../../evaluation/image_data_urls.ts";
import { MAX_CLASSES } from "../../training/targets.ts";
import { decode, ImageError } from "../../images/decode_image.ts";
import { shownReason } from "../../images/image.ts";

/** Fixed, so the same data show the same photos. */
const SEED = 20210;
const MAX_SHOWN = 60;
/** Maximum number of photos of which all pairs are compared. */
const MAX_PAIRED = 200;
/** Maximum number of pairs of copies with pictures. */
const MAX_PAIRS = 30;
/** Number of different numbers up to which they are proposed as classes. */
const MAX_LEVELS = 12;
/** Number of different whole numbers up to which they may be a scale. */
const MAX_SCALE = 101;
/** Columns that a network does not learn. */
const NO_LABEL = new RegExp(`^(?:${INTERVAL.join("|")}|part|split|fold|subset|partition)$`, "i");
/** Maximum number of networks that are proposed beside those of age and gender. */
const MAX_PROPOSED = 4;
/** Number of photos, some 500 of them for training, below which larger batches make too few steps. */
const FEW = 800;
/** Maximum number of files to name in a hint. */
const MAX_NAMED = 3;
/** Side of a thumbnail, pixels: twice its size on the page. */
const THUMBNAIL = 112;

/** Layouts of names without a preset of their own. */
const NAMES: readonly Preset[] = [
  {
    photos: String.raw`(?<age>\d{1,3})\/(?<gender>11[12])\/(?<identity>\d+)-\d+\.jpe?g`,
    values: { gender: { "111": "male", "112": "female" } },
  },
  { photos: String.raw`\d+_(?<identity>[^\/]+)_(?<age>\d{1,3})_(?<gender>[mf])\.jpe?g` },
  { photos: String.raw`(?<identity>\d+)_\d+(?<gender>[MF])(?<age>\d{1,3})\.jpe?g` },
  { photos: String.raw`(?<identity>\d{3})A(?<age>\d{2})[a-z]?\.jpe?g` },
  { photos: String.raw`(?<age>\d{1,3})_(?<gender>[01mfMF])_[^\/]*\.(?:jpe?g|png|webp)` },
  { photos: String.raw`${PART}\/(?<gender>(?:fe)?male|(?:wo)?man)\/[^\/]*\.(?:jpe?g|png|webp)` },
  { photos: String.raw`(?<gender>(?:fe)?male|(?:wo)?man)\/[^\/]*\.(?:jpe?g|png|webp)` },
];

/**
 * Looks at a data set.
 * @param options.preset name of a preset, or a map as in YAML
 * @param options.preferred presets to take before others that label as many photos
 * @param options.photos maximum number of photos to open
 * @throws {UsageError} if there is no such preset
 */
export async function lookAt(
  folder: string,
  options: {
    preset?: string | undefined;
    preferred?: readonly (string | Preset)[];
    photos: number;
    signal: AbortSignal;
    progress?: Progress;
  },
): Promise<DataFound> {
  const wanted = options.preset === undefined ? undefined : parsePreset(options.preset);
  const scratch = await Deno.makeTempDir();
  try {
    await using files = await openPhotoFiles(folder, scratch, options.signal).catch((error) => {
      const { message, cause } = error as Error;
      const wayOut = isDiskFull(message)
        ? ` It is unpacked into ${scratch}: set TMPDIR to a folder on a larger disk.`
        : "";
      const why = message.replace(/\.$/, "");
      throw new Error(`Cannot look at "${folder}": ${why}.${wayOut}`, { cause });
    });
    const photos = files.paths.filter((path) => PHOTO.test(path));
    const { found, why } = await findLabels(files, photos, wanted, options);
    const rows = found?.labels.rows ?? [];
    const has = pathIndex(files.paths), named = pathIndex(rows.map(({ path }) => path));
    const present = rows.filter(({ path }) => has(path));
    return {
      folder,
      name: basename(folder),
      files: files.paths.length,
      photos,
      ...found,
      present: present.length,
      missing: rows.filter(({ path }) => !has(path)).map(({ path }) => path),
      unlabelled: photos.filter((path) => !named(path)),
      repeated: found ? repeatedIn(found) : [],
      ...await openPhotos(files, present.length > 0 ? present.map(({ path }) => path) : photos, {
        ...options,
        captionOf: captions(found?.labels),
      }),
      summary: `${counted(photos.length, "photo")} in ${counted(files.paths.length, "file")}; ` +
        (found
          ? `${counted(present.length, "row")} of labels with a photo.`
          : `no labels found. ${why}`.trimEnd()),
      hints: [...hintsOf(present, files.paths, folder), ...found?.labels.strays ?? []],
    };
  } finally {
    await Deno.remove(scratch, { recursive: true }).catch(() => {});
  }
}

type FoundLabels = Pick<DataFound, "preset"> & { labels: Labels };

/** A preset to try, or a table that has the project's columns. */
type Attempt = Pick<DataFound, "preset"> & { table?: string };

/**
 * Finds the preset that labels most photos.
 * @returns `why`: the error of the only CSV, or of the first table, if nothing labels the photos
 */
async function findLabels(
  files: PhotoFiles,
  photos: readonly string[],
  wanted: string | Preset | undefined,
  { preferred = [], signal, progress }: Omit<Parameters<typeof lookAt>[1], "preset" | "photos">,
): Promise<{ found?: FoundLabels | undefined; why: string }> {
  const has = pathIndex(files.paths);
  const read = async ({ table = "", preset }: Attempt): Promise<FoundLabels> => {
    if (preset === undefined) return { labels: parseLabels(await bytesOf(files, table), table) };
    const { csv } = await applyPreset(choosePreset(preset), files);
    return { preset, labels: parseLabels(csv, "labels.csv") };
  };
  if (wanted) return { found: await read({ preset: wanted }), why: "" };
  let why = "";
  const guessed = await guessTables(files, (error) => why ||= error.message.replace(/\.?$/, "."));
  const [own, ...others] = files.paths.filter((path) => /^[^/]*\.csv$/i.test(path));
  const readTranslated = async (attempt: Attempt): Promise<FoundLabels> => {
    const found = await read(attempt);
    const preset = attempt.preset ?? guessed.find(({ table }) => table === own)?.preset;
    const translated = typeof preset === "object" && translateGenders(preset, found.labels);
    return translated ? await read({ preset: translated }) : found;
  };
  const attempts: Attempt[] = [
    ...preferred.map((preset) => ({ preset })),
    ...own !== undefined && others.length === 0 ? [{ table: own }] : [],
    ...[...names, ...NAMES].map((preset) => ({ preset })),
    ...guessed,
  ];
  let best: FoundLabels | undefined, most = 0;
  progress?.start(attempts.length, "layouts");
  for (const attempt of attempts) {
    await pause(signal);
    progress?.advance();
    // An attempt fails where its files are not there, or are of another form.
    const found = await readTranslated(attempt).catch((error: Error) => {
      if (attempt.preset === undefined) why = error.message;
      else if (attempt.table !== undefined) why ||= error.message.replace(/\.?$/, ".");
    });
    const rows = found?.labels.rows ?? [], labelled = rows.filter(({ path }) => has(path));
    if (found && attempt.table !== undefined && labelled.length === 0) {
      why =
        `${attempt.table} has ${counted(rows.length, "row")}, and none of a photo that is there` +
        (rows.length > 0 ? `, such as ${JSON.stringify(rows[0].path)}.` : ".");
    }
    // Of equal labels, those of a preferred preset, then those with parts, boxes, translations.
    const translated = Number(found?.preset !== attempt.preset) / 8;
    const isPreferred = preferred.includes(attempt.preset!);
    const bonus = ({ attributes, box }: Label) =>
      isPreferred ? 3 : Number(attributes?.part != null) + Number(box !== null) + translated;
    const score = labelled.reduce((sum, row) => sum + labelsOf(row) + bonus(row) / 8, 0);
    // Names that a pattern fits by chance are few.
    if (
      found && score > most && (score >= photos.length / 10 || typeof found.preset !== "object")
    ) {
      [best, most] = [found, score];
    }
  }
  return { found: best, why };
}

/** Returns the gender of a word of some languages; "?", which means unknown, for others. */
function genderOf(word: string): string {
  if (/^(?:m[äa]nn.*|male|m[ae]n|hom[bm].*|mas[cq].*|uomo|муж.*|男性?)$/i.test(word)) return "male";
  const female = /^(?:w|weibl.*|frau|f[ée]m.*|wom[ae]n|mujer|donna|vrouw.*|kvinn.*|жен.*|女性?)$/i;
  return female.test(word) ? "female" : "?";
}

/** Returns a preset with `values` of genders; of two unknown words, to fill in, beside an attribute. */
function translateGenders(preset: Preset, { doubts, rows }: Labels): Preset | undefined {
  const doubted = doubts.flatMap(({ column, value }) => column === "gender" ? value : []);
  const words = [...new Set(doubted)], known = words.filter((word) => genderOf(word) !== "?");
  const open = known.length === 0 && words.length === 2 && !rows.some((row) => row.gender >= 0);
  if (!open && known.length === 0) return undefined;
  const gender = Object.fromEntries((open ? words : known).map((word) => [word, genderOf(word)]));
  const source = preset.columns?.gender ?? "gender";
  const kept = open && { gender: source, [source === "gender" ? "gender_words" : source]: source };
  const values = { ...preset.values, gender: { ...preset.values?.gender, ...gender } };
  return { ...preset, columns: { ...preset.columns, ...kept }, values };
}

const names = presets.map(({ name }) => name).filter((name) => name !== OWN_PRESET);

function parsePreset(wanted: string): string | Preset {
  if (!wanted.startsWith("{") && !names.includes(wanted)) {
    throw new UsageError(
      `there is no preset "${wanted}".${didYouMean(wanted, names)} ` +
        `Take ${joinWords(names, "or")}, or a map: '{photos: ...}'`,
    );
  }
  try {
    const value = wanted.startsWith("{") ? parseYaml(wanted) : wanted;
    choosePreset(value);
    return value;
  } catch (error) {
    const { path, message } = error instanceof z.ZodError
      ? error.issues[0]
      : { path: [], message: (error as Error).message.split(":\n")[0] };
    throw new UsageError(`--preset ${wanted}: ${[...path, message].join(": ")}`);
  }
}

/** True if a row has an age or an interval of it. */
function hasAge({ age, attributes }: Label): boolean {
  return age >= 0 || attributes?.age_low != null;
}

/** Returns the number of a row's labels; all of its attributes count as half of one without others. */
function labelsOf(row: Label): number {
  return Number(hasAge(row)) + Number(row.gender >= 0) || Number(row.attributes !== undefined) / 2;
}

/** Describes photos, or faces of a photo, that several rows name; the first of them counts. */
function repeatedIn({ labels: { rows }, preset }: FoundLabels): string[] {
  const { layout = "full" } = preset === undefined ? {} : choosePreset(preset);
  const faces = layout === "full" ? facePaths(rows) : rows.map(({ path }) => path);
  const byFace = Map.groupBy(rows.keys(), (i) => faces[i]);
  byFace.delete("");
  return [...byFace].filter(([, { length }]) => length > 1).map(([face, same]) => {
    const labels = new Set(same.map((i) => `${rows[i].age} ${rows[i].gender}`));
    return `${face}: ${same.length} rows${labels.size > 1 ? " of different labels" : ""}`;
  });
}

async function bytesOf(files: PhotoFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.read(path);
  if (bytes instanceof Uint8Array) return bytes;
  throw new Error(`${path}: it is ${bytes}`);
}

/** Maximum number of tables to read, and of rows to guess from. */
const MAX_TABLES = 20, MAX_ROWS = 200;

const IS_PART = new RegExp(`^${PART}$`, "i");

/** An age in years, or none; and columns that may be ages. */
const AGE = /^(?:(?:\d\d?|1[01]\d)(?:[.,]\d+)?|[?-]|n\/?a)?$/i;
const YEARS = /^(?:years?(?:_old)?|alter|âge|edad|età|leeftijd|idade|ålder|wiek)$/i;

/** Names of the sides of a face's box. */
const CORNERS = [
  ["left", "top", "right", "bottom"],
  ["x_?min", "y_?min", "x_?max", "y_?max"],
  ["x1", "y1", "x2", "y2"],
  ["x0", "y0", "x1", "y1"],
];

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Returns a date that a spreadsheet has made of an interval, such as 03-Sep and Oct-19, and the interval. */
function bandOf(date: string): [[date: string, band: string]] | undefined {
  const [, first, last] = /^(\w{1,3})-(\w{1,3})$/.exec(date) ?? [];
  const numbers = [first, last].map((one) => MONTHS.indexOf(one) + 1 || Number(one));
  const band = numbers.join("-");
  return band !== date && /[a-z]/.test(date) && parseInterval(band) ? [[date, band]] : undefined;
}

type Row = Readonly<Record<string, string>>;

/** Returns the first column of which most values fit. */
function mostly(rows: readonly Row[], fits: (value: string, name: string) => boolean) {
  return Object.keys(rows[0] ?? {}).find((name) =>
    2 * rows.filter((row) => fits(row[name] ?? "", name)).length > rows.length
  );
}

/** Maximum number of folders of another machine before a path. */
const MAX_FOLDERS = 12;

/**
 * Returns the column or template of paths of photos: values as they are, without the first folders, which
 * are those of another machine, or with an ending.
 */
function pathOf(
  rows: readonly Row[],
  isPhoto: (path: string) => boolean,
): Pick<Preset, "match" | "omit"> & { path: string } | undefined {
  for (let folders = 0; folders <= MAX_FOLDERS; folders++) {
    const match = String.raw`(?:[^\/\\]*[\/\\]){${folders}}(?<below>.+)`, fits = new RegExp(match);
    const column = mostly(rows, (value) => isPhoto(fits.exec(value)?.groups?.below ?? ""));
    if (column === undefined) continue;
    if (folders === 0) return { path: column };
    const omit = column === "path" ? {} : { omit: [column] };
    return { path: "{below}", match: { [column]: match }, ...omit };
  }
  for (const ending of ["jpg", "jpeg", "png", "webp"]) {
    // Ages may be numbers of photos, too, but not all differ.
    const column = mostly(
      rows,
      (value, name) =>
        isPhoto(`${value}.${ending}`) && new Set(rows.map((row) => row[name])).size === rows.length,
    );
    if (column !== undefined) return { path: `{${column}}.${ending}` };
  }
  return undefined;
}

/** Guesses which columns of tables are path, age, gender, identity, part and the sides of boxes. */
async function guessTables(
  files: PhotoFiles,
  failed: (error: Error) => void,
): Promise<Attempt[]> {
  const find = suffixIndex(files.paths);
  const guesses: Attempt[] = [];
  const tables = new Map<string, string>(), parts = new RegExp(`(^|/)${PART}(?=[-_./])`, "i");
  for (const path of files.paths.filter((path) => /\.(csv|tsv|jsonl?|parquet)$/i.test(path))) {
    const escaped = path.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    // One preset reads all pieces of a data set, which are numbered, and all of its parts.
    const pieces = PARQUET.test(path) ? escaped.replaceAll(/\d+(?![^/]*\/)/g, "\\d+") : escaped;
    tables.getOrInsert(pieces.replace(parts, `$1${PART}`), path);
  }
  for (const [labels, path] of [...tables].slice(0, MAX_TABLES)) {
    try {
      const all = parseTable(await bytesOf(files, path), path), some = all.slice(0, MAX_ROWS);
      const header = Object.keys(some[0] ?? {});
      const named = (pattern: RegExp) => header.find((name) => pattern.test(name));
      const folder = path.replace(/[^/]*$/, "");
      const { path: photo, ...stripped } = pathOf(some, (value) =>
        find(value, folder).length === 1) ??
        { path: mostly(some, (value) => PHOTO.test(value)) }; // of photos that are not there
      const age = named(/^(?:real_?)?age$/i) ?? named(/(?:^|_)age(?:_|$)|^age/i) ??
        header.find((name) => YEARS.test(name) && some.every((row) => AGE.test(row[name] ?? "")));
      const gender = named(/^(?:gender|sex)$/i) ?? named(/gender|sex|geschlecht|^male$/i) ??
        mostly(some, (value) => value.length > 1 && genderOf(value) !== "?");
      const part = mostly(some, (value) => IS_PART.test(value));
      const side = (name: string) => named(new RegExp(`^(?:face_?|bbox_?)?${name}$`, "i"));
      const box = CORNERS.map((names) => names.map(side)).find((sides) => sides.every(Boolean));
      const identity = named(/^(?:identity|person|subject|celeb)(?:_?(?:id|num))?$|^id_num$/i);
      if (photo === undefined || some[0][photo] !== undefined && PHOTO.test(photo)) continue; // without a header
      const ages = all.map((row) => row[age ?? ""] ?? "");
      const dates = Object.fromEntries(ages.flatMap((value) => bandOf(value) ?? []));
      const binned = ages.filter((value) => parseInterval(dates[value] ?? value)).length;
      // Intervals are also classes.
      const bin = 2 * binned > all.length ? age?.replace(/^age$/i, "age_bin") : undefined;
      const columns: Record<string, string> = Object.fromEntries([
        ...Object.entries({ path: photo, age, gender, identity, part }),
        ...BOX.map((side, i) => [side, box?.[i]]),
        ...bin ? [[bin, age]] : [],
        // A column that becomes another one as well has to be named.
      ].filter(([ours, theirs]) => theirs && (ours !== theirs || bin && theirs === age)));
      const values = {
        ...gender?.toLowerCase() === "male" && { gender: { "-1": "female" } },
        ...Object.keys(dates).length > 0 && { age: dates, ...bin && { [bin]: dates } },
      };
      const preset = {
        labels,
        ...stripped,
        columns,
        ...Object.keys(values).length > 0 && { values },
      };
      guesses.push({ table: path, preset });
    } catch (error) {
      failed(error as Error); // another kind of table, or a damaged one
    }
  }
  return guesses;
}

/** Returns a function that describes a photo: its path with all labels; age and gender alone. */
function captions(labels?: Labels): (path: string) => Omit<NamedImage, "image"> {
  const byPath = new Map(labels?.rows.map((row) => [row.path, row]));
  return (path) => {
    const { age = NaN, gender = NaN, attributes: { age_low, age_high, ...rest } = {} } =
      byPath.get(path) ?? {};
    const years = age >= 0 ? String(age) : age_low == null ? "" : `${age_low}–${age_high}`;
    const others = Object.entries(rest).map(([name, value]) =>
      value !== null && `${name} ${value}`
    );
    const both = [years, ["female", "male"][gender]].filter(Boolean);
    return { name: [path, ...both, ...others].filter(Boolean).join(", "), label: both.join(" ") };
  };
}

/** Opens a random subset of photos: copies, damage and thumbnails. */
async function openPhotos(
  files: PhotoFiles,
  paths: readonly string[],
  { photos, signal, progress, captionOf }: Parameters<typeof lookAt>[1] & {
    captionOf: ReturnType<typeof captions>;
  },
): Promise<Pick<DataFound, "opened" | "unreadable" | "copies" | "near" | "pairs" | "shown">> {
  const chosen = random(SEED, "data").shuffle([...new Set(paths)]).slice(0, photos);
  const digests = new Map<string, string[]>();
  const unreadable: DataFound["unreadable"][number][] = [];
  const shown: DataFound["shown"][number][] = [];
  const compared: string[] = [], frequencies: Frequencies[] = [];
  progress?.start(chosen.length, "photos");
  for (const path of chosen) {
    signal.throwIfAborted();
    progress?.advance(1, path);
    const bytes = await files.read(path);
    if (!(bytes instanceof Uint8Array)) {
      unreadable.push({ path, why: `it is ${bytes}` });
      continue;
    }
    const equal = digests.getOrInsertComputed(sha256(bytes), () => []);
    equal.push(path);
    try {
      if (shown.length < MAX_SHOWN) {
        shown.push({ image: await thumbnail(bytes, THUMBNAIL), ...captionOf(path) });
      }
      if (equal.length > 1) continue;
      frequencies.push(await frequenciesOf(await decode(bytes)));
      compared.push(path);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      unreadable.push({ path, why: shownReason(error.reason) });
    }
  }
  const copies = [...digests.values()].filter(({ length }) => length > 1);
  const near = await findCopies(frequencies, { allPairs: frequencies.length <= MAX_PAIRED });
  const pairs = [
    ...near.map(({ image, of, mirrored }) =>
      [compared[of], compared[image], mirrored ? "≈ (mirrored)" : "≈"] as const
    ),
    ...copies.flatMap(([of, ...same]) => same.map((path) => [of, path, "="] as const)),
  ];
  const pictures: DataFound["pairs"]["shown"][number][] = [];
  for (const [of, path, sign] of pairs.slice(0, MAX_PAIRS)) {
    for (const [one, before] of [[of, ""], [path, `${sign} `]]) {
      const image = await thumbnail(await bytesOf(files, one), THUMBNAIL).catch(() => undefined);
      const { name, label } = captionOf(one);
      if (image) pictures.push({ image, name: before + name, label: before + label });
    }
  }
  return {
    opened: chosen.length,
    unreadable,
    copies,
    near: near.length,
    shown,
    pairs: { shown: pictures, lines: pairs.map(([of, path, sign]) => `${of} ${sign} ${path}`) },
  };
}

/** Returns a pipeline that reads the data set, with comments on what was found. */
export function proposePipeline(found: DataFound): string {
  const { folder, labels, preset, repeated, unreadable } = found;
  const missing = new Set(found.missing);
  const rows = (labels?.rows ?? []).filter(({ path }) => !missing.has(path));
  const known = {
    gender: rows.filter(({ gender }) => gender >= 0).length,
    age: rows.filter(hasAge).length,
  };
  const exact = rows.some(({ age }) => age >= 0);
  const people = new Set(rows.flatMap(({ identity }) => identity ?? [])).size;
  const trains = known.gender > 0 || exact;
  const { proposed } = learnable(rows);
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
    `${counted(doubts.length, "value")} not understood, such as the ${doubt.column} ${value} on ` +
      `line ${doubt.line}.`,
    Object.values(typeof preset === "object" ? preset.values?.gender ?? {} : {}).includes("?") &&
    'Write female or male in place of "?" in values.gender, if these are genders.',
    !exact && known.age > 0 &&
    "Ages are intervals: docs/guide/data.md trains their classes (FairFace).",
    proposed.length > 0 &&
    `Networks of ${joinWords(proposed.map(({ target }) => target))} are guesses: remove those ` +
      "that are no labels.",
    partial && "Rows that lack a label of matParse.require are dropped; [] keeps all.",
    !layout && "layout: full: a detector finds the faces; aligned: the photos are faces already.",
  ];
  const few = rows.length < FEW;
  const earlyStopping = { patience: few ? 12 : 5, restoreBest: true };
  const steps = few ? { batchSize: 8, epochs: 40 } : { batchSize: 32 };
  const training = { ...steps, batchNormMomentum: 0.9, earlyStopping };
  const division = publishedDivision(new Set(rows.map(({ attributes }) => attributes?.part)));
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
      split: people > 1 || division ? { ...division, ...people > 1 && { by: "identity" } } : null,
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
    // Whole numbers that ascend, or are more than most scales have, are numbers of rows or people.
    const ascending = known.every((value, i) => i === 0 || value > known[i - 1]);
    const counts = known.every(Number.isInteger) && (ascending || size > MAX_SCALE);
    if (size < 2 || unique && (counts || known.some((value) => typeof value === "string"))) {
      continue;
    }
    if (!numbers && size > MAX_CLASSES) continue;
    const use = numbers ? "trainRegressor" : "trainClassifier";
    const name = target.replaceAll(/\W+/g, "_");
    const id = `train${name[0].toUpperCase()}${name.slice(1)}`;
    const fits = (numbers || !many) && 2 * known.length >= rows.length;
    const same = proposed.some((one) => one.id === id);
    (fits && !same && proposed.length < MAX_PROPOSED ? proposed : others).push({ id, use, target });
  }
  return { proposed, others };
}

/** Names files that are not read, and attributes that no network of the proposal learns, with its stage. */
function hintsOf(rows: readonly Label[], paths: readonly string[], folder: string): string[] {
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
