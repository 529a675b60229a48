/** What a person's CSV says about their pictures: see `labelColumns` for its columns. */
import { type CsvTable, listProblems, readCsv } from "../../packages/formats/csv.ts";
import { ageAtDate, parseDay } from "./dates.ts";

/** Names of columns, in any case and order. `path`, `gender` and an age are needed. */
export const labelColumns = ["path", "age", "gender", "identity", "name", "born", "taken"] as const;
type LabelColumn = typeof labelColumns[number];

/** One picture of a folder, as its CSV describes it. */
export interface Label {
  /** From the folder, with forward slashes; empty if the row gives none. */
  readonly path: string;
  /** Whole years; NaN if it is not known. */
  readonly age: number;
  /** 1 male, 0 female; NaN if it is not known. */
  readonly gender: number;
  /** Null: nobody says who it is. */
  readonly identity: string | null;
  readonly name: string | null;
  readonly line: number;
}

export interface Labels {
  readonly rows: readonly Label[];
  /** Values that are there but not understood; the rows count as unknown. */
  readonly doubts: readonly { line: number; column: string; value: string }[];
}

const genders: Record<string, number> = {
  ...{ "1": 1, "1.0": 1, m: 1, male: 1, man: 1 },
  ...{ "0": 0, "0.0": 0, f: 0, female: 0, woman: 0 },
};

/** How people and their programs write that they do not know. */
const unknown = new Set(["", "?", "-", "na", "n/a", "nan", "null", "none", "unknown"]);

/**
 * Reads a folder's CSV.
 * @param source what to call it in errors
 * @throws if it is no CSV, lacks columns, or names paths outside of the folder: with all that is wrong
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
    const way = "Paths count from the folder; put the picture, or a link to it, there";
    outside.push(`${outside.pop()}. ${way}`);
    problems.push(...outside);
  }
  if (problems.length > 0) throw new Error(`Cannot use "${source}": ${listProblems(problems)}.`);
  return { rows, doubts };
}

/** Whole years: the age that is given, else those from birth to picture. */
function ageOf(read: (column: LabelColumn, parse: (text: string) => number) => number): number {
  const given = read("age", (value) => decimal(value));
  if (!Number.isNaN(given)) return Math.floor(given);
  const born = read("born", parseDay);
  return ageAtDate(born, read("taken", parseDay));
}

/** A number with a point or, as in half of the world, a comma. */
function decimal(text: string): number {
  return /^[+-]?\d+([.,]\d*)?$/.test(text) ? Number(text.replace(",", ".")) : NaN;
}

function findColumns({ header }: CsvTable, problems: string[]): Map<LabelColumn, number> {
  const found = new Map<LabelColumn, number>();
  for (const [i, written] of header.entries()) {
    const name = written.toLowerCase() as LabelColumn;
    if (!labelColumns.includes(name)) continue; // what else people note is theirs
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

/** A path below the folder, in one way of writing it; undefined if it leads elsewhere. */
function inside(written: string): string | undefined {
  const path = written.replaceAll("\\", "/").replace(/^(?:\.\/+)+/, "");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  const wrong = /^\/|^[A-Za-z]:|[\0-\x1f]/.test(path) || parts.includes("..");
  return wrong ? undefined : parts.join("/");
}
