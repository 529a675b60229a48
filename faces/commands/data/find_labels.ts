/** Finds the labels of photos: by presets, by names of files, or in tables of any columns. */
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { counted } from "../../../packages/pipeline/causes.ts";
import { didYouMean, joinWords, UsageError } from "../../../packages/pipeline/errors.ts";
import { pause } from "../../../packages/pipeline/interrupt.ts";
import type { Progress } from "../../../packages/pipeline/stage.ts";
import {
  applyPreset,
  besidePhotos,
  ending,
  readTable,
  stemOf,
  suffixIndex,
} from "../../datasets/apply_preset.ts";
import {
  BOX,
  type Label,
  type Labels,
  parseInterval,
  parseLabels,
  PROPOSED,
} from "../../datasets/labels.ts";
import { bytesOf, pathIndex, type PhotoFiles } from "../../datasets/photo_files.ts";
import { choosePreset, OWN_PRESET, PART, type Preset, presets } from "../../datasets/presets.ts";
import { PARQUET, PHOTO } from "../../datasets/sources.ts";
import type { DataFound } from "../../evaluation/data_page.ts";

/** `PHOTO` as a part of a pattern of paths. */
const PHOTO_ENDING = PHOTO.source.slice(0, -"$".length);

/** Layouts of names without a preset of their own. */
const NAMES: readonly Preset[] = [
  {
    photos: String.raw`(?<age>\d{1,3})\/(?<gender>11[12])\/(?<identity>\d+)-\d+\.jpe?g`,
    values: { gender: { "111": "male", "112": "female" } },
  },
  { photos: String.raw`\d+_(?<identity>[^\/]+)_(?<age>\d{1,3})_(?<gender>[mf])\.jpe?g` },
  { photos: String.raw`(?<identity>\d+)_\d+(?<gender>[MF])(?<age>\d{1,3})\.jpe?g` },
  { photos: String.raw`(?<identity>\d{3})A(?<age>\d{2})[a-z]?\.jpe?g` },
  { photos: String.raw`(?<age>\d{1,3})_(?<gender>[01mfMF])_[^\/]*${PHOTO_ENDING}` },
  { photos: String.raw`${PART}\/(?<gender>(?:fe)?male|(?:wo)?man)\/[^\/]*${PHOTO_ENDING}` },
  { photos: String.raw`(?<gender>(?:fe)?male|(?:wo)?man)\/[^\/]*${PHOTO_ENDING}` },
];

/** Labels of photos, and the preset that reads them, whose warnings are among the strays. */
export type FoundLabels = Pick<DataFound, "preset"> & { labels: Labels };

/** A preset to try, with a sentence on what is doubtful; or a table that has the project's columns. */
type Attempt = Pick<DataFound, "preset"> & { table?: string; doubt?: string | undefined };

/**
 * Finds the preset that labels most photos.
 * @returns `why`: the error of the only CSV, or of the first table, if nothing labels the photos
 */
export async function findLabels(
  files: PhotoFiles,
  photos: readonly string[],
  wanted: string | Preset | undefined,
  { preferred = [], signal, progress }: {
    preferred?: readonly (string | Preset)[];
    signal: AbortSignal;
    progress?: Progress;
  },
): Promise<{ found?: FoundLabels | undefined; why: string }> {
  const has = pathIndex(files.paths);
  const read = async ({ table = "", preset, doubt }: Attempt): Promise<FoundLabels> => {
    if (preset === undefined) return { labels: parseLabels(await bytesOf(files, table), table) };
    const { csv, warnings } = await applyPreset(choosePreset(preset), files);
    const labels = parseLabels(csv, "labels.csv");
    const strays = [doubt ?? [], labels.strays, warnings.map((warning) => `${warning}.`)].flat();
    return { preset, labels: { ...labels, strays } };
  };
  if (wanted) return { found: await read({ preset: wanted }), why: "" };
  let why = "";
  const guessed = await guessTables(files, (error) => {
    why ||= error.message;
  });
  const [own, ...others] = files.paths.filter((path) => /^[^/]*\.csv$/i.test(path));
  const readTranslated = async (attempt: Attempt): Promise<FoundLabels> => {
    const found = await read(attempt);
    const preset = attempt.preset ?? guessed.find(({ table }) => table === own)?.preset;
    const translated = typeof preset === "object" && translateGenders(preset, found.labels);
    return translated ? await read({ preset: translated, doubt: attempt.doubt }) : found;
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
      else if (attempt.table !== undefined) why ||= error.message;
    });
    const rows = found?.labels.rows ?? [], labelled = rows.filter(({ path }) => has(path));
    if (found && attempt.table !== undefined && labelled.length === 0) {
      const some = rows.length > 0 ? `, such as ${JSON.stringify(rows[0].path)}` : "";
      const none = `${counted(rows.length, "row")}, and none of a photo that is there${some}.`;
      why = [`${attempt.table} has ${none}`, ...found.labels.strays].join(" ");
    }
    // A preferred preset precedes others that label no more photos. Of equal labels, those with parts,
    // boxes, translations.
    const translated = Number(found?.preset !== attempt.preset) / 8;
    const isPreferred = preferred.includes(attempt.preset!);
    const bonus = (row: Label) =>
      isPreferred && labelsOf(row) > 0
        ? MAX_LABELS
        : (Number(row.attributes?.part != null) + Number(row.box !== null) + translated) / 8;
    const labels = labelled.reduce((sum, row) => sum + labelsOf(row), 0);
    const score = labelled.reduce((sum, row) => sum + bonus(row), labels);
    // Names that a pattern fits by chance are few.
    const isChance = typeof found?.preset === "object" && labels < photos.length / 10;
    if (found && score > most && !isChance) {
      [best, most] = [found, score];
    }
  }
  const folders = best === undefined && why === "" && classFolders(photos);
  if (folders) best = await read({ preset: folders });
  return { found: best, why: why && why.replace(PROPOSED, "write a preset").replace(/\.?$/, ".") };
}

/** Maximum number of folders that may be classes, and mean number of photos that each has at least. */
const MAX_CLASSES = 12, PHOTOS_EACH = 5;
/** Names of folders that are no labels of faces. */
const OF_PHOTOS = /^(?:images?|imgs?|photos?|pictures?|masks?|crops?|originals?|dcim\d*)$/i;

/** Returns a preset of photos in few folders with many photos each, maybe below those of parts. */
function classFolders(all: readonly string[]): Preset | undefined {
  const below = String.raw`(?<label>[^\/]*[^\/\d][^\/]*)\/[^\/]*${PHOTO_ENDING}`; // no numbers
  for (const photos of [String.raw`${PART}\/${below}`, below]) {
    const fits = ending(photos);
    const found = all.flatMap((path) => fits(path)?.groups?.label ?? []);
    const labels = new Set(found), enough = Math.max(PHOTOS_EACH * labels.size, all.length / 2);
    const isPart = [...labels].some((label) => IS_PART.test(label) || OF_PHOTOS.test(label));
    const few = labels.size > 1 && labels.size <= MAX_CLASSES;
    if (few && found.length >= enough && !isPart) return { photos };
  }
  return undefined;
}

/** Returns the gender of a word of some languages; "?", which means unknown, for others. */
function genderOf(word: string): string {
  if (/^(?:m[äa]nn.*|male|m[ae]n|hom[bm].*|mas[cq].*|uomo|муж.*|男性?)$/i.test(word)) return "male";
  const female = /^(?:w|weibl.*|frau|f[ée]m.*|wom[ae]n|mujer|donna|vrouw.*|kvinn.*|жен.*|女性?)$/i;
  return female.test(word) ? "female" : "?";
}

/** Letters of men and women: English, French, Spanish, Italian, Dutch, Swedish, Turkish, Russian. */
const LETTERS = ["mf", "hf", "hm", "ud", "mv", "mk", "ek", "мж"];

/** Returns a preset with `values` of genders; of two unknown words, to fill in, beside an attribute. */
function translateGenders(preset: Preset, { doubts, rows }: Labels): Preset | undefined {
  const doubted = doubts.flatMap(({ column, value }) => column === "gender" ? value : []);
  const words = [...new Set(doubted)];
  const found = new Set([
    ...rows.map(({ gender }) => ["f", "m"][gender]),
    ...words.flatMap((word) => [word.toLowerCase(), genderOf(word)[0]]),
  ]);
  const pairs = LETTERS.filter(([man, woman]) => found.has(man) && found.has(woman));
  const [man, woman] = pairs.length === 1 ? pairs[0] : "";
  if (man === "h" && woman === "m") words.push(words.includes("H") ? "M" : "m"); // mujer
  const translate = (word: string) => {
    const letter = word.toLowerCase();
    return letter === man ? "male" : letter === woman ? "female" : genderOf(word);
  };
  const known = words.filter((word) => translate(word) !== "?");
  const open = known.length === 0 && words.length === 2 && !found.has("m") && !found.has("f");
  if (!open && known.length === 0) return undefined;
  const gender = Object.fromEntries((open ? words : known).map((word) => [word, translate(word)]));
  const source = preset.columns?.gender ?? "gender";
  const kept = open && { gender: source, [source === "gender" ? "gender_words" : source]: source };
  const values = { ...preset.values, gender: { ...preset.values?.gender, ...gender } };
  return { ...preset, columns: { ...preset.columns, ...kept }, values };
}

const names = presets.map(({ name }) => name).filter((name) => name !== OWN_PRESET);

/** @throws {UsageError} if there is no such preset, or a map is none */
export function parsePreset(wanted: string): string | Preset {
  if (!wanted.startsWith("{") && !names.includes(wanted)) {
    throw new UsageError(
      `there is no preset "${wanted}".${didYouMean(wanted, names)} ` +
        `Take ${joinWords(names, "or")}, or a map, as of a plugin's: '{photos: ...}'`,
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
export function hasAge({ age, attributes }: Label): boolean {
  return age >= 0 || attributes?.age_low != null;
}

/** More than a row of any preset scores, with its bonus. */
const MAX_LABELS = 2.5;

/** Returns the number of a row's labels; all of its attributes count as half of one without others. */
function labelsOf(row: Label): number {
  return Number(hasAge(row)) + Number(row.gender >= 0) || Number(row.attributes !== undefined) / 2;
}

/** Tables beside a photo, as in a WebDataset: a class, or an object of JSON. */
const BESIDE = String.raw`(?<key>[^\/]+)\.(?:cls|json)`;

/** Maximum number of tables to read, and of rows to guess from. */
const MAX_TABLES = 20, MAX_ROWS = 200;

const IS_PART = new RegExp(`^${PART}$`, "i");

/** An age in years, or none. */
const AGE = /^(?:(?:\d\d?|1[01]\d)(?:[.,]\d+)?|[?-]|n\/?a|nan|null|none|unknown)?$/i;
/** Names of columns of ages: surely in years, in years if all values may be ages, and others. */
const AGE_ALONE = /^(?:real_?)?age$/i, AGE_IN_YEARS = /(?:^|[_ ])age.*year|year.*[_ ]age/i;
const AGE_NAME =
  /(?:^|[^a-z])age(?:s|years?|group|class|bin|band|bucket|range|categ\w*)?(?:[^a-z]|$)/i;
export const YEARS =
  /^(?:years?(?:_old)?|(?:alter|âge|edad|età|leeftijd|idade|ålder|wiek|yaş|возраст|年[齢龄]|나이)(?:[ _(]+(?:in[ _])?(?:jahren?|ans|a[nñ]os|anni|jaar|anos|år|lata)\)?)?)$/i;
/** Names of what is no age in years: other units, uncertainty, one end of an interval, codes. */
const NO_AGE =
  /month|week|hour|variance|deviat|confid|probab|score|error|(?<![a-z])(?:age)?(?:days?|std|dev|var|conf|prob|sd|ids?|codes?|low|high|min|max|n)(?![a-z])/i;
/** Names of classes of ages, whose numbers are codes. */
const AGE_CLASS = /(?<![a-z])(?:age)?(?:group|class|bin|band|bucket|range|categ)/i;

/** Names of columns of people. */
const IDENTITY =
  /^(?:identity|person|subject|subj|celeb|patient|patienten|participant|proband|individual|donor|client|volunteer|user)[ _-]?(?:id|num|number|nummer|nr|no|code)?\.?$|^(?:id_num|pid|pat[ _-]?id)$/i;

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

/** Parses an interval of years, also one that became a date. */
function intervalOf(value: string) {
  return parseInterval(bandOf(value)?.[0][1] ?? value);
}

/** Returns the column of ages in years, by its name and values. */
function ageColumn(rows: readonly Row[]): string | undefined {
  const header = Object.keys(rows[0] ?? {});
  const wordsOf = (name: string) => name.replaceAll(/([a-z])(?=[A-Z])/g, "$1_");
  const isAge = (value: string, name: string) =>
    !NO_AGE.test(wordsOf(name)) && (intervalOf(value.trim()) !== undefined ||
      !AGE_CLASS.test(wordsOf(name)) && AGE.test(value.trim()));
  const named = (pattern: RegExp) =>
    mostly(rows, (value, name) => pattern.test(wordsOf(name)) && isAge(value, name));
  const isYears = (name: string) =>
    YEARS.test(name) && rows.every((row) => isAge(row[name] ?? "", name));
  return header.find((name) => AGE_ALONE.test(name)) ?? named(AGE_IN_YEARS) ??
    header.find(isYears) ?? named(AGE_NAME);
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

/** Reads the first group of tables of which none is damaged. */
async function readFirst(
  files: PhotoFiles,
  groups: readonly (readonly string[])[],
  failed: (error: Error) => void,
): Promise<{ path: string; rows: readonly Row[] } | undefined> {
  for (const paths of groups) {
    const tables = await Promise.all(paths.map((path) => readTable(files, path))).catch(failed);
    if (tables) return { path: paths[0], rows: tables.flat() };
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
  const parts = new RegExp(`(^|/)${PART}(?=[-_/\\\\])`, "i");
  const training = /(?:^|\/)train(?=[-_./])/i; // has all labels, which other parts may lack
  const isBeside = besidePhotos(files.paths);
  // One preset reads all pieces of a data set, which are numbered, and all of its parts.
  const patternOf = (path: string) => {
    if (isBeside(path)) return BESIDE;
    const escaped = path.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pieces = PARQUET.test(path) ? escaped.replaceAll(/\d+(?![^/]*\/)/g, "\\d+") : escaped;
    return pieces.replace(parts, `$1${PART}`);
  };
  const isTable = (path: string) => /\.(cls|csv|tsv|jsonl?|parquet)$/i.test(path);
  const tables = Map.groupBy(files.paths.filter(isTable), patternOf);
  for (const [labels, paths] of [...tables].slice(0, MAX_TABLES)) {
    const join = labels === BESIDE;
    const ordered = new Set([...paths.filter((path) => training.test(path)).reverse(), ...paths]);
    const groups = [...Map.groupBy(ordered, join ? stemOf : String).values()];
    const read = await readFirst(files, groups.slice(0, MAX_TABLES), failed);
    if (!read) continue;
    const { path, rows } = read, key = ending(labels)(path)!.groups;
    const all: readonly Row[] = join ? [Object.assign({ ...key }, ...rows)] : rows;
    const some = all.slice(0, MAX_ROWS);
    const header = Object.keys(some[0] ?? {});
    const named = (pattern: RegExp) => header.find((name) => pattern.test(name));
    const folder = path.replace(/[^/]*$/, "");
    const pathWhere = (fits: (photos: number) => boolean) =>
      pathOf(some, (value) => fits(find(value, folder).length));
    const { path: photo, ...stripped } = pathWhere((photos) => photos === 1) ??
      pathWhere((photos) => photos > 1) ??
      { path: mostly(some, (value) => PHOTO.test(value)) }; // of photos that are not there
    const age = ageColumn(some);
    const gender = named(/^(?:gender|sex)$/i) ?? named(/gender|sex|geschlecht|^male$/i) ??
      mostly(some, (value) => !/^w$/i.test(value) && genderOf(value) !== "?");
    const part = mostly(some, (value) => IS_PART.test(value));
    const side = (name: string) => named(new RegExp(`^(?:face_?|bbox_?)?${name}$`, "i"));
    const box = CORNERS.map((names) => names.map(side)).find((sides) => sides.every(Boolean));
    const identity = named(IDENTITY);
    if (photo === undefined || some[0][photo] !== undefined && PHOTO.test(photo)) continue; // without a header
    const ages = all.map((row) => row[age ?? ""] ?? "");
    const dates = Object.fromEntries(ages.flatMap((value) => bandOf(value) ?? []));
    const binned = ages.filter(intervalOf).length;
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
    const also = Object.keys(values).length > 0 && { values };
    const wayOut = "If that is no age in years, remove age from the columns of the preset.";
    const isSure = bin ??
      [AGE_ALONE, AGE_IN_YEARS, YEARS].some((name) => name.test(age ?? "age"));
    const doubt = !isSure ? `The age is taken from ${age}. ${wayOut}` : undefined;
    const preset = { labels, ...join && { join }, ...stripped, columns, ...also };
    guesses.push({ table: path, preset, doubt });
  }
  return guesses;
}
