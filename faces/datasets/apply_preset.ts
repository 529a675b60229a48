/** Reads the labels of a data set by its preset, and writes them as a CSV of the project's columns. */
import { decodeText, readCsv, separatorOf } from "../../packages/formats/csv.ts";
import { quoted } from "../../packages/formats/csv_write.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { valueAt } from "./attributes.ts";
import { BOX, labelOf } from "./labels.ts";
import { bytesOf, pathIndex, type PhotoFiles } from "./photo_files.ts";
import type { Preset } from "./presets.ts";
import { PARQUET, PHOTO } from "./sources.ts";

type Row = Readonly<Record<string, string>>;

export interface PresetLabels {
  readonly csv: Uint8Array<ArrayBuffer>;
  /** Photos that the pattern does not fit. */
  readonly unmatched: readonly string[];
  /** Columns that the preset names and no row has, and paths that several files fit. */
  readonly warnings: readonly string[];
}

/**
 * Applies a preset to files.
 * @param only the table, in place of the preset's
 * @throws if no file fits, with what the preset expects
 */
export async function applyPreset(
  preset: Preset,
  files: PhotoFiles,
  only?: string,
): Promise<PresetLabels> {
  const unmatched: string[] = [], damaged: Error[] = [];
  const rows = preset.photos === undefined || only !== undefined
    ? await readTables(preset, files, damaged, only)
    : matchPhotos(preset.photos, files.paths, unmatched).map((row) => ({ row, table: "" }));
  const there = new Set(rows.values().flatMap(({ row }) => Object.keys(row)));
  const find = suffixIndex(files.paths);
  const several: string[] = [];
  const toLabels = rowMapper(preset);
  const mapped = rows.map(({ row, table }) => {
    const { path = "", ...rest } = toLabels(row);
    const fitting = find(path, table.replace(/[^/]*$/, ""));
    // Folders of parts may have photos of equal names.
    const inPart = fitting.filter((one) => one.normalize().split("/").includes(rest.part));
    const [file, other] = inPart.length === 1 ? inPart : fitting;
    if (other !== undefined) several.push(`${JSON.stringify(path)}: ${file} and ${other}`);
    return { path: other === undefined && file !== undefined ? file : path, ...rest };
  });
  if (mapped.every(({ path }) => path === "")) {
    const columns = joinWords([...there]) || "no rows";
    throw new Error(`no row has a path; there are ${columns}. Name theirs in columns.path`);
  }
  const contrary: string[] = [];
  const table = preset.join ? joined(mapped, rows.map(({ table }) => table), contrary) : mapped;
  const header = [...new Set(table.flatMap((row) => Object.keys(row)))];
  const lines = [
    header,
    ...table.map((row: Row) => header.map((name) => valueAt(row, name) ?? "")),
  ];
  const text = lines.map((values) => values.map(quoted).join(",") + "\n").join("");
  const warnings = [...lackingColumns(there, preset), ...unfitting(rows, preset)];
  if (preset.photos !== undefined && preset.labels !== undefined && only === undefined) {
    warnings.push("labels of the preset has no effect beside photos: the tables are not read");
  }
  if (several.length > 0) {
    const doubtful = `${counted(several.length, "row")} whose path several files fit`;
    const wayOut = "Remove others, or write the folder in columns.path of the preset";
    warnings.push(`${doubtful}, such as ${several[0]}. ${wayOut}`);
  }
  if (contrary.length > 0) {
    const some = `${counted(contrary.length, "photo")} with different values in joined tables`;
    warnings.push(
      `${some}, such as ${contrary[0]}. The last table counts: order them, or mend one`,
    );
  }
  if (damaged.length > 0) {
    const left = `${counted(damaged.length, "file")} beside a photo left out`;
    const some = damaged.slice(0, 3).map(({ message }) => message.replace(/\.$/, ""));
    warnings.push(`${left}: ${some.join("; ")}. Mend or remove it: its photo lacks these labels`);
  }
  return { csv: new TextEncoder().encode(text), unmatched, warnings };
}

/** Names in braces of a template. */
const NAMED = /\{([^}]+)\}/g;

/** Returns the template of a column of a preset: a text with names in braces, or a name alone. */
const templateOf = (column: string) => column.includes("{") ? column : `{${column}}`;

/** Returns the names that a template has in braces. */
const namesIn = (template: string) => Array.from(template.matchAll(NAMED), ([, name]) => name);

/** Finds a column by its name, in any case where it is one of the project's, as in a CSV without a preset. */
function columnNamed(name: string, there: readonly string[]): string | undefined {
  if (there.includes(name)) return name;
  return there.find((one) => labelOf(one) === name.toLowerCase());
}

/** Describes columns of the data set that a preset names and no row has, such as misspelled ones. */
function lackingColumns(
  there: Set<string>,
  { match = {}, columns = {}, values = {} }: Preset,
): string[] {
  const groupsOf = (names: readonly string[]) =>
    names.flatMap((name) => Array.from(match[name].matchAll(/\(\?<(\w+)>/g), ([, group]) => group));
  const matched = Object.keys(match), made = groupsOf(matched);
  const found = groupsOf(matched.filter((name) => there.has(name)));
  const named = [
    // Another column may have the same groups.
    ...matched.filter((name) => groupsOf([name]).some((group) => !found.includes(group)))
      .map((name) => ["match", name]),
    ...Object.entries(columns).flatMap(([ours, theirs]) =>
      namesIn(templateOf(theirs)).map((name) => [`columns.${ours}`, name])
    ),
    ...Object.keys(values)
      .filter((name) => !columnNamed(name, [...there, ...Object.keys(columns)]))
      .map((name) => ["values", name]),
  ];
  return named.filter(([, name]) => !there.has(name) && !made.includes(name)).map(([key, name]) =>
    `${key} of the preset names ${JSON.stringify(name)}, which no table has; there are ` +
    joinWords([...there])
  );
}

/**
 * Returns a function that fits a pattern to the end of a path, from the start of a name on, in any case
 * and Unicode normalization form.
 */
export function ending(pattern: string): (path: string) => RegExpExecArray | null {
  const expression = new RegExp(`(?:^|/)(?:${pattern.normalize()})$`, "iu");
  return (path) => expression.exec(path.normalize());
}

/** Returns a row per photo whose path fits. */
function matchPhotos(pattern: string, paths: readonly string[], unmatched: string[]): Row[] {
  const fits = ending(pattern);
  const rows = paths.flatMap((path) => {
    const found = fits(path);
    if (found) return [{ ...defined(found.groups), path }];
    if (PHOTO.test(path)) unmatched.push(path);
    return [];
  });
  if (rows.length === 0) throw nothingFits("photo", pattern, paths);
  return rows;
}

/** Returns a function that fits a pattern to a whole value. */
function matching(pattern: string): (value: string) => RegExpExecArray | null {
  const expression = new RegExp(`^(?:${pattern})$`, "u");
  return (value) => expression.exec(value.normalize());
}

/** Describes expressions of a preset that fit no value. */
function unfitting(rows: readonly { row: Row }[], { match = {} }: Preset): string[] {
  return Object.entries(match).flatMap(([column, pattern]) => {
    const fits = matching(pattern);
    const values = rows.flatMap(({ row }) => valueAt(row, column) || []);
    if (values.length === 0 || values.some((value) => fits(value))) return [];
    const some = `none of ${counted(values.length, "value")}, such as ${quote(values[0])}`;
    return `match.${column} of the preset fits ${some}. It has to fit a whole value: write .* for ` +
      "what may be before and after";
  });
}

function defined(groups: Readonly<Record<string, string | undefined>> = {}): Row {
  const found = Object.entries(groups).filter(([, value]) => value !== undefined);
  return Object.fromEntries(found) as Row;
}

function nothingFits(what: string, pattern: string, paths: readonly string[]): Error {
  const held = paths.slice(0, 3).map((path) => JSON.stringify(path)).join(", ");
  const files = counted(paths.length, "file");
  return new Error(
    `no ${what} fits its preset's ${JSON.stringify(pattern)}: of ${files}, the first are ` +
      `${held || "none"}. Set preset to what the files are`,
  );
}

/** Returns a path without its ending. */
export const stemOf = (path: string) => path.replace(/\.[^./]*$/, "");

/** Returns a function that finds labels of a single photo, beside it: those of a WebDataset. */
export function besidePhotos(paths: readonly string[]): (path: string) => boolean {
  const photos = new Set(paths.filter((path) => PHOTO.test(path)).map(stemOf));
  return (path) => /\.(?:cls|json)$/i.test(path) && photos.has(stemOf(path));
}

/**
 * Reads tables. Returns their rows, with the table's path.
 * @param damaged collects errors of labels beside a photo, without which others are of use
 */
async function readTables(
  preset: Preset,
  files: PhotoFiles,
  damaged: Error[],
  only?: string,
): Promise<{ row: Row; table: string }[]> {
  const { labels = String.raw`[^\/]+\.csv` } = preset;
  const tables: { files: string; header?: string[] | undefined; skip: number }[] =
    typeof labels === "string" ? [{ files: labels, skip: 0 }] : labels;
  const own = tables.find(({ files }) => ending(files)(only ?? "")) ?? tables[0];
  const rows: { row: Row; table: string }[] = [];
  let beside: ReturnType<typeof besidePhotos> | undefined;
  const isBeside = (path: string) => (beside ??= besidePhotos(files.paths))(path);
  for (const { files: pattern, header, skip } of only === undefined ? tables : [own]) {
    const fits = ending(pattern);
    const matching = files.paths.filter((path) =>
      only === undefined ? fits(path) : path.normalize() === only.normalize()
    );
    if (matching.length === 0) throw nothingFits("table", only ?? pattern, files.paths);
    for (const path of matching) {
      const groups = defined(fits(path)?.groups);
      const found = await readTable(files, path, { header, skip, isBeside }).catch(
        (error: Error) => {
          if (!isBeside(path)) throw error;
          damaged.push(error);
          return [];
        },
      );
      for (const row of found) rows.push({ row: { ...row, ...groups }, table: path });
    }
  }
  if (rows.length === 0 && damaged.length > 0) throw damaged[0];
  return rows;
}

/** Numbers that Python writes to JSON, which has none of them, outside of strings (the group). */
const NOT_FINITE = /("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g;

/**
 * Reads JSON (a list of objects, a map of these by path, or lines), a CSV, or columns between blanks, in
 * one Unicode normalization form: that of a photo's path does not matter.
 * @param isBeside returns true for labels of a single photo, which have to have names. Default: none are
 */
export async function readTable(
  files: PhotoFiles,
  path: string,
  { header, skip = 0, isBeside }: {
    header?: readonly string[] | undefined;
    skip?: number;
    isBeside?: (path: string) => boolean;
  } = {},
): Promise<Row[]> {
  const bytes = await bytesOf(files, path), source = files.sourceOf?.(path) ?? path;
  const read = () => decodeText(bytes, source).normalize();
  if (/\.(?:jsonl?|parquet)$/i.test(path)) {
    if (bytes[0] === 0x50 && PARQUET.test(path)) { // P: one in a folder is lines of JSON here
      throw new Error(`"${path}" is in an archive. Unpack the archive`);
    }
    const written = read(), lines = !/n$/i.test(path);
    const text = lines ? `[${written.trim().replaceAll(/\s*[\r\n]\s*/g, ",")}]` : written;
    let value: unknown;
    try {
      value = parseJson(text.replaceAll(NOT_FINITE, (_, string) => string ?? "null"));
    } catch (cause) {
      throw new Error(`"${source}" is not valid JSON (${(cause as Error).message})`, { cause });
    }
    // Beside each photo of a WebDataset there is an object with its labels.
    const single = isMap(value) &&
      Object.entries(value).every(([key, one]) =>
        !PHOTO.test(key) && (!isMap(one) || isBeside?.(path))
      );
    const rows = Object.entries(single ? [value] : value ?? {}).flatMap(([key, one]) => {
      if (!isMap(one) && !Array.isArray(one)) return [];
      const own = Object.entries(one).map(([name, value]) => [name, textOf(value)] as const);
      return [Object.fromEntries(single || Array.isArray(value) ? own : [["path", key], ...own])];
    });
    const none = ["[]", "{}", "null"].includes(JSON.stringify(value));
    if (rows.length === 0 && !none && isBeside?.(path)) {
      const expected = 'expected an object of labels, such as {"age": 31}, or a list of these';
      throw new Error(`"${source}" has ${quote(value)}, whose values have no names: ${expected}`);
    }
    return rows;
  }
  if (/\.cls$/i.test(path)) return [{ cls: read().trim() }];
  const text = read(), lines = text.split(/\r\n|\r|\n/).slice(skip);
  if (!/[,;\t]/.test(lines[0]) && /\S\s+\S/.test(lines[0])) {
    const all = lines.map((line) => line.trim().split(/\s+/)).filter(([value]) => value !== "");
    const names = header ?? all.shift()!;
    // A header without a name of the first column, as CelebA's.
    const columns = all[0]?.length === names.length + 1 ? ["path", ...names] : names;
    return all.map((values) =>
      Object.fromEntries(columns.map((name, i) => [name, values[i] ?? ""]))
    );
  }
  if (header) lines.unshift(header.join(separatorOf(lines[0] ?? "")));
  const whole = skip === 0 && !header; // line breaks within its values stay
  const table = new TextEncoder().encode(whole ? text : lines.join("\n"));
  const { header: columns, rows } = readCsv(table, source);
  return rows.map(({ values }) => Object.fromEntries(columns.map((name, i) => [name, values[i]])));
}

/** Parses JSON, whole numbers that a number cannot hold, such as ids, to texts. */
function parseJson(text: string): unknown {
  type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
  const exact: Reviver = (_, value, { source }) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? source : value;
  return JSON.parse(text, /\d{16}/.test(text) ? exact as () => unknown : undefined);
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Formats a value of JSON; numbers of a list as those of a box. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.flat(3).map(textOf).join(" ");
  const text = typeof value === "object" && value ? JSON.stringify(value) : String(value ?? "");
  return text.normalize(); // after the escapes of JSON
}

/** Returns a function that maps a row of a data set to the project's columns. */
function rowMapper(
  { match = {}, columns = {}, omit = [], values = {} }: Preset,
): (row: Row) => Row {
  const matched = Object.entries(match).map(([column, pattern]) =>
    [column, matching(pattern)] as const
  );
  const templates = Object.entries(columns).map(([ours, theirs]) => {
    const template = templateOf(theirs);
    // A part of an identity is no person. Parts without text between them stand for each other.
    const isWhole = ours === "identity" ||
      ours !== "path" && template.replaceAll(NAMED, "") !== "";
    return { ours, template, isWhole };
  });
  const used = new Set([
    ...omit,
    ...templates.flatMap(({ template }) => namesIn(template)),
  ]);
  return (given) => {
    let row = given;
    for (const [column, fits] of matched) {
      row = { ...row, ...defined(fits(valueAt(row, column) ?? "")?.groups) };
    }
    const mapped: Record<string, string> = {};
    for (const { ours, template, isWhole } of templates) {
      let known = true;
      const text = template.replaceAll(NAMED, (_, name) => {
        known &&= Boolean(valueAt(row, name));
        return valueAt(row, name) ?? "";
      });
      mapped[ours] = known || !isWhole ? text : "";
    }
    const others = Object.entries(row).filter(([name]) =>
      !used.has(name) && !Object.hasOwn(mapped, name)
    );
    const result: Record<string, string> = { ...mapped, ...Object.fromEntries(others) };
    for (const [named, map] of Object.entries(values)) {
      const name = columnNamed(named, Object.keys(result)) ?? named;
      const written = valueAt(result, name) ?? "", trimmed = written.trim();
      // Programs write 1 as 1.0 where other rows have no value.
      const value = valueAt(map, written) ?? valueAt(map, trimmed) ??
        valueAt(map, trimmed.replace(/^(-?\d+)\.0+$/, "$1"));
      if (value !== undefined) result[name] = String(value);
    }
    // As values of a CSV are; names of files may have outer blanks.
    for (const name of Object.keys(result)) if (name !== "path") result[name] = result[name].trim();
    const { quad, ...rest } = result;
    return quad === undefined ? rest : { ...rest, ...uprightBox(quad) };
  };
}

/** Returns the upright square of a rotated box's corners: the same center and mean side. */
function uprightBox(quad: string): Row {
  const numbers = quad.match(/-?\d+(?:\.\d+)?(?:e-?\d+)?/gi)?.map(Number) ?? [];
  if (numbers.length !== 8) return {};
  const corner = (i: number) => [numbers[2 * (i % 4)], numbers[2 * (i % 4) + 1]];
  const mean = (axis: number) => [0, 1, 2, 3].reduce((sum, i) => sum + corner(i)[axis], 0) / 4;
  const side = [0, 1, 2, 3].reduce((sum, i) => {
    const [[x, y], [nextX, nextY]] = [corner(i), corner(i + 1)];
    return sum + Math.hypot(nextX - x, nextY - y);
  }, 0) / 4;
  const box = [-1, -1, 1, 1].map((sign, i) => mean(i % 2) + sign * side / 2);
  return Object.fromEntries(BOX.map((name, i) => [name, String(Math.round(box[i] * 100) / 100)]));
}

/**
 * Returns a function that finds files by the end of their path, in any Unicode normalization form: only
 * the one whose path is complete or below `folder`, which ends in a slash, if there is one.
 */
export function suffixIndex(
  paths: readonly string[],
): (path: string, folder?: string) => readonly string[] {
  const same = pathIndex(paths);
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const byName = Map.groupBy(paths, (path) => nameOf(path).normalize());
  return (path, folder = "") => {
    const clean = path.normalize().replaceAll("\\", "/").replace(/^(?:\.?\/+)+/, "");
    const exact = same(path) ?? same(folder + clean);
    if (exact !== undefined) return [exact];
    return byName.get(nameOf(clean))?.filter((written) => {
      const one = written.normalize();
      return one === clean || one.endsWith(`/${clean}`);
    }) ?? [];
  };
}

/**
 * Joins rows of the same path; of two values the later counts. Different rows of one table, such as of the
 * faces of a photo, stay apart, each with the values of the other tables.
 * @param contrary collects values that a later one replaced
 */
function joined(
  rows: readonly (Row & { path: string })[],
  tables: readonly string[],
  contrary: string[],
): Row[] {
  const known = (row: Row) => Object.entries(row).filter(([, value]) => value !== "");
  const merge = (some: readonly number[]) =>
    Object.fromEntries(some.flatMap((i) => known(rows[i])));
  const byPath = Map.groupBy(rows.keys(), (i) => rows[i].path);
  return [...byPath].flatMap(([path, same]) => {
    const different = new Map(same.map((i) => [JSON.stringify([tables[i], known(rows[i])]), i]));
    const byTable = Map.groupBy(different.values(), (i) => tables[i]).values().toArray();
    const common = byTable.filter(({ length }) => length === 1).flat();
    const several = byTable.filter(({ length }) => length > 1).flat();
    return (several.length > 0 ? several.map((i) => [...common, i]) : [common]).map((some) => {
      const row: Row = { ...merge(some), path };
      const other = some.flatMap((i) => known(rows[i])).find(([name, value]) =>
        row[name] !== value
      );
      if (other) contrary.push(`${other[0]} of ${path}: ${other[1]} and ${row[other[0]]}`);
      return row;
    });
  });
}
