/** Parses the CSV with the labels of a local folder; `labelColumns` lists its columns. */
import { type CsvTable, listProblems, readCsv } from "../../packages/formats/csv.ts";
import { ageAtDate, parseDay } from "./age.ts";

/** Names of the columns, in any case and order. `path`, `gender` and an age are required. */
const labelColumns = ["path", "age", "gender", "identity", "name", "born", "taken"] as const;
type LabelColumn = typeof labelColumns[number];

/** Labels of one photo. */
export interface Label {
  /** Relative to the folder, with forward slashes; empty if missing. */
  readonly path: string;
  /** Whole years; NaN if unknown. */
  readonly age: number;
  /** 1 male, 0 female; NaN if unknown. */
  readonly gender: number;
  /** Null if unknown. */
  readonly identity: string | null;
  readonly name: string | null;
  readonly line: number;
}

export interface Labels {
  readonly rows: readonly Label[];
  /** Values that could not be parsed and are treated as unknown. */
  readonly doubts: readonly { line: number; column: string; value: string }[];
}

const genders: Record<string, number> = {
  ...{ "1": 1, "1.0": 1, m: 1, male: 1, man: 1 },
  ...{ "0": 0, "0.0": 0, f: 0, female: 0, woman: 0 },
};

/** Values that stand for unknown. */
const unknown = new Set(["", "?", "-", "na", "n/a", "nan", "null", "none", "unknown"]);

/**
 * Reads a folder's CSV.
 * @param source its name in errors
 * @throws if it is not a CSV, lacks columns, or has paths outside of the folder; lists all problems
 */
export function parseLabels(bytes: Uint8Array, source: string): Labels {
  const problems: string[] = [], outside: string[] = [];
  const table = readCsv(bytes, source, problems);
  const columns = findColumns(table, problems);
  const doubts: Labels["doubts"][number][] = [];
  const rows = table.rows.map(({ values, line }): Label => {
    const text = (column: LabelColumn) => values[columns.get(column) ?? -1] ?? "";
    const read = (column: LabelColumn, parse: (text: string) => number) => {
      const value = text(column);
      if (unknown.has(value.toLowerCase())) return NaN;
      const number = parse(value);
      if (Number.isNaN(number)) doubts.push({ line, column, value });
      return number;
    };
    const path = inside(text("path"));
    if (path === undefined) {
      outside.push(
        `on line ${line} the path ${JSON.stringify(text("path"))} leads outside of the folder`,
      );
    }
    return {
      path: path ?? "",
      gender: read("gender", (value) => genders[value.toLowerCase()] ?? NaN),
      age: ageOf(read),
      identity: text("identity") || null,
      name: text("name") || null,
      line,
    };
  });
  if (outside.length > 0) {
    const way = "Paths are relative to the folder; put the photo, or a link to it, there";
    outside.push(`${outside.pop()}. ${way}`);
    problems.push(...outside);
  }
  if (problems.length > 0) throw new Error(`Cannot use "${source}": ${listProblems(problems)}.`);
  return { rows, doubts };
}

/** Returns the age in whole years: the given one, else from birth to photo. */
function ageOf(read: (column: LabelColumn, parse: (text: string) => number) => number): number {
  const given = read("age", (value) => decimal(value));
  if (!Number.isNaN(given)) return Math.floor(given);
  const born = read("born", parseDay);
  return ageAtDate(born, read("taken", parseDay));
}

/** Parses a number with a decimal point or comma. */
function decimal(text: string): number {
  return /^[+-]?\d+([.,]\d*)?$/.test(text) ? Number(text.replace(",", ".")) : NaN;
}

function findColumns({ header }: CsvTable, problems: string[]): Map<LabelColumn, number> {
  const found = new Map<LabelColumn, number>();
  for (const [i, written] of header.entries()) {
    const name = written.toLowerCase() as LabelColumn;
    if (!labelColumns.includes(name)) continue; // additional columns are allowed
    if (found.has(name)) problems.push(`it has two columns "${written}"`);
    found.set(name, i);
  }
  const missing = (["path", "gender"] as const).filter((name) => !found.has(name))
    .map((name) => `it has no column "${name}"`);
  if (!found.has("age") && !(found.has("born") && found.has("taken"))) {
    missing.push('it has no column "age", nor "born" and "taken"');
  }
  if (missing.length > 0) {
    const has = `its first line has ${header.map((name) => `"${name}"`).join(", ")}`;
    missing.push(`${missing.pop()}; ${has}`);
  }
  problems.push(...missing);
  return found;
}

/** Normalizes a path inside the folder; returns undefined if it leads outside. */
function inside(written: string): string | undefined {
  const path = written.replaceAll("\\", "/").replace(/^(?:\.\/+)+/, "");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  const wrong = /^\/|^[A-Za-z]:|[\0-\x1f]/.test(path) || parts.includes("..");
  return wrong ? undefined : parts.join("/");
}
