/** Parses the CSV with the labels of a local folder; `labelColumns` lists its columns. */
import { type CsvTable, listProblems, readCsv } from "../../packages/formats/csv.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import { type Attribute, attributeName, type Attributes, INTERVAL, valueAt } from "./attributes.ts";
import { photoOf } from "./rows.ts";

/** Sides of the face's box in a CSV, in pixels of the stored photo from 0. */
export const BOX = ["left", "top", "right", "bottom"] as const;

/** Names of the columns, in any case and order. `path` and a label are required. */
const labelColumns = [
  ...["path", "age", "gender", "identity", "name", "born", "taken"] as const,
  ...INTERVAL,
  ...BOX,
] as const;
type LabelColumn = typeof labelColumns[number];

/** Returns the column of labels that a written name means; undefined for an attribute. */
export function labelOf(written: string): LabelColumn | undefined {
  return labelColumns.find((name) => name === written.toLowerCase());
}

export interface Label {
  /** Relative to the folder, with forward slashes; empty if missing. */
  readonly path: string;
  /** Whole years; NaN if unknown. */
  readonly age: number;
  /** 1 male, 0 female; NaN if unknown. */
  readonly gender: number;
  readonly identity: string | null;
  readonly name: string | null;
  /** As `BOX`; null if unknown. */
  readonly box: readonly number[] | null;
  /** Other columns, and the interval of an age that is not known exactly. */
  readonly attributes?: Attributes;
  readonly line: number;
}

export interface Labels {
  /** The labels that the CSV has columns of. */
  readonly columns: { readonly gender: boolean; readonly age: boolean };
  readonly rows: readonly Label[];
  /** Values that could not be parsed and are treated as unknown. */
  readonly doubts: readonly { line: number; column: string; value: string }[];
  /** Sentences about doubtful values: texts among numbers, misspelt classes, impossible ages. */
  readonly strays: readonly string[];
}

const genders = new Map([
  ...["1", "1.0", "m", "male", "man"].map((word) => [word, 1] as const),
  ...["0", "0.0", "f", "female", "woman"].map((word) => [word, 0] as const),
]);

const unknown = new Set(["", "?", "-", "na", "n/a", "nan", "null", "none", "unknown"]);

/** Way out of columns and paths that are not the project's. */
export const PROPOSED = "take the preset that deno task data FOLDER proposes";
const CONTROL = "has a line break or another control character. Rename the photo";
const FURTHER_FACE = "has the ending of a photo's further faces. Rename the photo; write further " +
  "faces as rows of one photo, each with its box";

/**
 * Reads a folder's CSV.
 * @param source its name in errors
 * @throws if it is not a CSV, lacks columns, or has paths outside of the folder; lists all problems
 */
export function parseLabels(bytes: Uint8Array, source: string): Labels {
  const found: string[] = [], outside: string[] = [], strays: string[] = [];
  const { header, rows: written } = readCsv(bytes, source, found);
  const columns = findColumns({ header }, found);
  // Also within quotes, but names of files may have outer blanks.
  const trimmed = (values: readonly string[]) =>
    values.map((value, i) => i === columns.get("path") ? value : value.trim());
  const table = {
    header,
    rows: written.map(({ values, line }) => ({ values: trimmed(values), line })),
  };
  const attributesOf = parseAttributes(table, strays);
  const doubts: Labels["doubts"][number][] = [];
  const rows = table.rows.map(({ values, line }): Label => {
    const text = (column: LabelColumn) => values[columns.get(column) ?? -1] ?? "";
    const read = (column: LabelColumn, parse: (text: string) => number) => {
      const value = text(column);
      if (isUnknown(value)) return NaN;
      const number = parse(value);
      if (Number.isNaN(number)) doubts.push({ line, column, value });
      return number;
    };
    const path = inside(text("path"));
    const where = `on line ${line} the path ${JSON.stringify(path ?? text("path"))}`;
    if (path === undefined) outside.push(`${where} leads outside of the folder`);
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    else if (/[\0-\x1f]/.test(path)) found.push(`${where} ${CONTROL}`);
    else if (photoOf(path) !== path) found.push(`${where} ${FURTHER_FACE}`);
    const gender = read("gender", (value) => genders.get(value.toLowerCase()) ?? NaN);
    const { age, interval } = ageOf(read);
    const box = BOX.map((side) => read(side, decimal));
    const attributes = {
      ...interval && { [INTERVAL[0]]: interval[0], [INTERVAL[1]]: interval[1] },
      ...attributesOf(values),
    };
    return {
      path: path ?? "",
      gender,
      age,
      box: box.every(Number.isFinite) ? box : null,
      ...Object.keys(attributes).length > 0 && { attributes },
      identity: known(text("identity").replace(/^-1(\.0+)?$/, "")),
      name: known(text("name")),
      line,
    };
  });
  if (outside.length > 0) {
    outside[0] += ". Paths are relative to the folder; put the photo, or a link to it, there, or " +
      PROPOSED;
  }
  strays.push(...implausible(rows));
  const problems = [...found, ...outside];
  if (problems.length > 0) throw new Error(`Cannot use "${source}": ${listProblems(problems)}.`);
  return { rows, doubts, strays, columns: { gender: columns.has("gender"), age: hasAge(columns) } };
}

function hasAge(columns: ReadonlyMap<string, number>): boolean {
  return [["age"], ["born", "taken"], INTERVAL]
    .some((names) => names.every((name) => columns.has(name)));
}

/** Returns the age in whole years, given or from birth to photo, or its interval. */
function ageOf(
  read: (column: LabelColumn, parse: (text: string) => number) => number,
): { age: number; interval?: readonly [low: number, high: number] } {
  const about = ([low, high]: readonly [number, number]) =>
    low === high ? { age: low } : { age: NaN, interval: [low, high] as const };
  let interval: readonly [number, number] | undefined;
  const given = read("age", (value) => {
    interval = parseInterval(value);
    return interval?.[0] ?? decimal(value);
  });
  if (interval) return about(interval);
  if (!Number.isNaN(given)) return { age: Math.floor(given) };
  const [low, high] = INTERVAL.map((column) => Math.floor(read(column, decimal)));
  if (low <= high) return about([low, high]);
  if (low > high) read(INTERVAL[0], () => NaN); // listed as not understood
  const born = read("born", parseDay), taken = read("taken", parseDay);
  return { age: Math.floor((taken - born) / 10_000) };
}

/**
 * Parses 1980, 1980-03, 1980-03-01, 01.03.1980 or, as in EXIF, 1980:03:01, with or without a time, to the
 * number yyyymmdd, which sorts as dates do; NaN if it is invalid. An unknown month, also 0, counts as
 * July, an unknown day as the first.
 */
function parseDay(text: string): number {
  const ordered = text.replace(/^(\d\d?)\.(\d\d?)\.(?=\d{4})(\d+)/, "$3-$2-$1");
  const match = /^(?!0000)(\d{4})(?:\.0)?(?:[-:](\d\d?)(?:[-:](\d\d?)(?:[T ].*)?)?)?$/.exec(
    ordered,
  );
  if (!match) return NaN;
  const year = Number(match[1]);
  const month = Number(match[2]) || 7, day = Number(match[3]) || 1;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real ? year * 10_000 + month * 100 + day : NaN;
}

/** Last year of an interval without one, such as 70+. */
const OLDEST = 100;

/**
 * Parses an interval of years: 25-32, (25, 32), 25;32, 25 to 32, 70+, more than 70. Of unequal brackets, as
 * pandas writes (40, 50] and [40, 50), the year at the round one is left out.
 */
export function parseInterval(text: string): readonly [low: number, high: number] | undefined {
  const open = /^(?:more than|over|from)\s+(\d+)$|^(\d+)\s*\+$/i.exec(text);
  if (open) {
    const low = Number(open[1] ?? open[2]);
    return [low, Math.max(low, OLDEST)]; // 101+ does not end before it begins
  }
  const [, left, from, to, right] = /^([([])\s*(\d+)\s*[,;-]\s*(\d+)\s*([)\]])$/.exec(text) ??
    /^()(\d+)\s*(?:[-–;]|to)\s*(\d+)()$/.exec(text) ?? [];
  const low = Number(from) + Number(left === "(" && right === "]");
  const high = Number(to) - Number(left === "[" && right === ")");
  return low <= high ? [low, high] : undefined;
}

/** Describes a column of `known` values of which most, but not `texts`, are numbers as people write them. */
function straysOf(column: string, known: number, texts: readonly string[]): string[] {
  const others = texts.filter((text) => !/^[+-]?\d+(?:\s\d{3})*(?:[.,]\d+)?$/.test(text));
  const names = texts.some((text) => /^\d+$/.test(text)); // such as 01
  if (texts.length === 0 || names || 2 * others.length >= known) return [];
  const shown = Array.from(new Set([...others, ...texts]), quote).slice(0, 3);
  const written = texts.find((text) => !others.includes(text));
  const number = written?.replaceAll(/^\+|\s/g, "").replace(",", ".");
  const ways = [
    written && `Write ${number} in place of ${written} (docs/guide/own_data.md).`,
    others.length > 0 && `Empty texts by ${valuesOf(column, `${shown[0]}: ""`)}`,
  ].filter(Boolean);
  const some = `${texts.length} of ${known} values are no numbers, such as ${shown.join(", ")}`;
  return [`${column} is text: ${some}. ${ways.join(" ")}`];
}

/** Maximum number of classes, and how much rarer a misspelt one is. */
const MAX_CLASSES = 100, RARER = 5;
const ANSWERS: Readonly<Record<string, string>> = { y: "yes", true: "yes", n: "no", false: "no" };

/**
 * Returns true if a word has one letter more, less or other, or two neighbors swapped. Short ones such as
 * grey and gray, and those with digits, may be meant.
 */
function isTypo(word: string, right: string): boolean {
  if (Math.max(word.length, right.length) < 5 || /\d/.test(word + right)) return false;
  let at = 0;
  while (word[at] === right[at] && at < word.length) at++;
  const ends = (mine: number, theirs: number) => word.slice(at + mine) === right.slice(at + theirs);
  const swapped = word[at] === right[at + 1] && word[at + 1] === right[at];
  return ends(1, 1) || ends(1, 0) || ends(0, 1) || swapped && ends(2, 2);
}

/** Describes values of a column that are frequent ones in another case, or rare and spelt nearly so. */
function misspeltOf(column: string, known: readonly string[]): string[] {
  const counts = Array.from(
    Map.groupBy(known, String),
    ([value, { length }]) => ({ value, length }),
  )
    .sort((a, b) => b.length - a.length);
  if (counts.length > MAX_CLASSES) return [];
  const wordOf = (text: string) => valueAt(ANSWERS, text.toLowerCase()) ?? text.toLowerCase();
  const meant = counts.flatMap(({ value, length }, i) => {
    const word = wordOf(value), before = counts.slice(0, i);
    const same = before.find((one) => wordOf(one.value) === word);
    const near = same ??
      before.find((one) => one.length >= RARER * length && isTypo(word, one.value.toLowerCase()));
    return near === undefined ? [] : `${quote(value)}: ${quote(near.value)}`;
  });
  if (meant.length === 0) return [];
  const wayOut = `If they mean these, set by ${valuesOf(column, meant.join(", "))}`;
  return [`${column} has values that resemble more frequent ones. ${wayOut}`];
}

/** Returns a way out: a field of a preset that translates values. */
function valuesOf(column: string, map: string): string {
  return `the preset: values: { ${column}: { ${map} } } (docs/guide/own_data.md).`;
}

/** Maximum age in years that a person may have. */
const MAX_AGE = 120;

export function isPlausible(age: number): boolean {
  return age >= 0 && age <= MAX_AGE;
}

/** Describes ages that no person has. */
function implausible(rows: readonly Label[]): string[] {
  const odd = rows.filter(({ age }) => !isPlausible(age) && !Number.isNaN(age));
  const some = odd.slice(0, 3).map(({ age, path }) => `${age} of ${path}`).join(", ");
  return odd.slice(0, 1).map(({ age }) =>
    `age is below 0 or above ${MAX_AGE} in ${odd.length} of ${rows.length} rows, such as ${some}. ` +
    `Empty one that means unknown by ${valuesOf("age", `"${age}": ""`)}`
  );
}

/** Returns a function that reads the other columns of a row: numbers where all values are, else text. */
function parseAttributes(csv: CsvTable, strays: string[]): (row: readonly string[]) => Attributes {
  const others = csv.header.flatMap((written, i) => {
    if (written === "" || labelOf(written)) return [];
    const known = csv.rows.map(({ values }) => values[i].normalize())
      .filter((value) => !isUnknown(value));
    // Longer digits, such as time stamps, and leading zeros are names. Programs write small numbers as
    // 1e-05; 12e4, without a sign, is rather a name.
    const texts = known.filter((value) =>
      !/^-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:e[+-]\d{1,3})?$/i.test(value)
    );
    strays.push(...straysOf(written, known.length, texts));
    if (texts.length > 0) strays.push(...misspeltOf(written, known));
    const read = (value: string): Attribute =>
      isUnknown(value) ? null : texts.length === 0 ? Number(value) : value.normalize();
    return [{ i, name: attributeName(written.normalize()), read }];
  });
  return (values) => Object.fromEntries(others.map(({ i, name, read }) => [name, read(values[i])]));
}

/** Otherwise all people of an unknown identity, such as NA, would be one. */
function known(value: string): string | null {
  return isUnknown(value) ? null : value.normalize();
}

function isUnknown(value: string): boolean {
  return unknown.has(value.toLowerCase());
}

/** Parses a number with a decimal point or comma; programs write a box's -0.00003 as -3e-05. */
function decimal(text: string): number {
  return /^[+-]?\d+([.,]\d*)?(e[+-]\d+)?$/i.test(text) ? Number(text.replace(",", ".")) : NaN;
}

function findColumns(
  { header }: Pick<CsvTable, "header">,
  problems: string[],
): Map<string, number> {
  const found = new Map<string, number>();
  for (const [i, written] of header.entries()) {
    const name = labelOf(written) ?? attributeName(written.normalize());
    const other = header[found.get(name) ?? i]; // readCsv() finds equal ones
    if (other !== written) {
      problems.push(`it has two columns "${written}", one of them written "${other}"; rename one`);
    }
    found.set(name, i);
  }
  const missing = found.has("path") ? [] : ['it has no column "path"'];
  const attributes = header.some((written) => written !== "" && !labelOf(written));
  if (!found.has("gender") && !hasAge(found) && !attributes) {
    missing.push('it has no labels: no column "age", nor "born" and "taken", nor "gender"');
  }
  if (missing.length > 0) {
    const has = `its first line has ${header.map((name) => `"${name}"`).join(", ")}`;
    missing.push(`${missing.pop()}; ${has}. Rename columns, or ${PROPOSED}`);
  }
  problems.push(...missing);
  return found;
}

/** Normalizes a path inside the folder; returns undefined if it leads outside. */
function inside(written: string): string | undefined {
  const path = written.replaceAll("\\", "/").replace(/^(?:\.\/+)+/, "");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const wrong = /^\/|^[A-Za-z]:/.test(path) || parts.includes("..");
  return wrong ? undefined : parts.join("/");
}
