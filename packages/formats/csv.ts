/** Reads CSVs of spreadsheets, pandas and editors: detects separator and encoding, over csv-parse. */
import { CsvError, parse } from "csv-parse/sync";

export interface CsvTable {
  /** Names of the columns, as written. */
  readonly header: readonly string[];
  readonly rows: readonly CsvRow[];
}

export interface CsvRow {
  /** The row's values, trimmed, in the header's order. */
  readonly values: readonly string[];
  /** The line in the file on which the row ends, from 1. */
  readonly line: number;
}

/**
 * Reads a CSV of a header and rows. Quoted values may contain separators, doubled quotes and line breaks.
 * Lines end in LF, CRLF or CR. The separator is that of a first line such as Excel's `sep=;`, else the
 * most frequent of comma, semicolon and tab in the first two lines. The encoding is UTF-8, or UTF-16 with
 * a byte order mark. Rows without a value are left out.
 * @param source its name in errors
 * @param problems collects errors of single rows, which are skipped. Default: they are thrown
 * @throws if it is not a CSV; lists all invalid rows
 *
 * @example
 * ```ts
 * const bytes = new TextEncoder().encode("path;age\na.jpg;31\n");
 * const { header, rows } = readCsv(bytes, "labels.csv");
 * console.log(header, rows[0].values, rows[0].line); // ["path", "age"], ["a.jpg", "31"], 2
 * ```
 */
export function readCsv(bytes: Uint8Array, source: string, problems?: string[]): CsvTable {
  const text = decodeText(bytes, source);
  const declared = /^"?sep=([,;\t|])"?(?:[\r\n]|$)/i.exec(text)?.[1];
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter: declared ?? separatorOf(text),
      fromLine: declared === undefined ? 1 : 2,
      recordDelimiter: ["\r\n", "\n", "\r"],
      relaxColumnCount: true,
      info: true,
      skipEmptyLines: true,
      skipRecordsWithEmptyValues: true, // spreadsheets write ";;;" below a table
      trim: true,
    }) as unknown as typeof records;
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const plain = text.replaceAll("\r\n", "\n"); // csv-parse counts a quoted CRLF as two lines
    if (plain !== text) return readCsv(new TextEncoder().encode(plain), source, problems);
    throw new Error(`Cannot read "${source}": ${explain(cause)}.`, { cause });
  }
  const [first, ...rest] = records;
  if (!first) {
    throw new Error(`Cannot read "${source}": it is empty; its first line must name the columns.`);
  }
  const header = first.record;
  const rows: CsvRow[] = [], ragged: string[] = [];
  const repeated = header.filter((name, i) => name !== "" && header.indexOf(name) < i);
  const twice = [...new Set(repeated)].map((name) => `it has two columns "${name}"; rename one`);
  const doubled = (record: string[]) => record.join().split("\r\n").length - 1;
  let excess = doubled(header); // lines that csv-parse counts twice
  for (const { record, info } of rest) {
    excess += doubled(record);
    const row = { values: record.slice(0, header.length), line: info.lines - excess };
    // Spreadsheets end rows in as many separators as they have columns.
    const whole = record.length >= header.length && record.slice(header.length).every((v) => !v);
    if (whole) rows.push(row);
    else {
      const values = `${record.length} value${record.length === 1 ? "" : "s"}`;
      ragged.push(`line ${row.line} has ${values}, the header ${header.length}`);
    }
  }
  if (ragged.length > 0) ragged[0] += "; quote values that contain a separator";
  const all = [...twice, ...ragged];
  if (problems) all.forEach((one) => problems.push(one));
  else if (all.length > 0) throw new Error(`Cannot read "${source}": ${listProblems(all)}.`);
  return { header, rows };
}

/** Formats problems for a message: one in the sentence, several as a list of at most 20 lines. */
export function listProblems(problems: readonly string[]): string {
  if (problems.length === 1) return problems[0];
  const rest = problems.length - SHOWN;
  const lines = [...problems.slice(0, SHOWN), ...rest > 0 ? [`and ${rest} more`] : []];
  return [`${problems.length} errors:`, ...lines].join("\n  ");
}
const SHOWN = 20;

function explain({ code, lines }: CsvError & Record<string, unknown>): string {
  return code === "CSV_QUOTE_NOT_CLOSED"
    ? `a quote is opened and never closed; the file ends on line ${lines}`
    : `line ${lines} has a quote within a value; quote the value and double its quotes: "x ""y"""`;
}

/**
 * Decodes UTF-8, or UTF-16 with a byte order mark.
 * @param source its name in errors
 * @throws if it is of another encoding
 */
export function decodeText(bytes: Uint8Array, source: string): string {
  const mark = bytes[0] << 8 | bytes[1];
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes); // removes the mark
    if (text.includes("\0")) throw new Error("it has NUL characters, as UTF-16 without a mark");
    return text;
  } catch (cause) {
    throw new Error(
      `Cannot read "${source}": it is not UTF-8. Save it as UTF-8, which spreadsheets call "CSV UTF-8".`,
      { cause },
    );
  }
}

/**
 * Returns the separator that divides the header and the row below it alike, else the one that they have
 * most of, outside of quotes: comma, semicolon or tab. Names and numbers may have commas.
 */
export function separatorOf(text: string): string {
  const lines = text.replace(/^\s*[\r\n]/, "").split(/[\r\n]+/, 2).filter(Boolean)
    .map((line) => line.replaceAll(/"[^"]*"/g, ""));
  const score = (mark: string) => {
    const counts = lines.map((line) => line.split(mark).length), [first] = counts;
    const alike = first > 1 && counts.every((count) => count === first);
    return [Number(alike), Math.min(...counts), first];
  };
  const isBetter = (a: number[], b: number[]) => {
    const i = a.findIndex((value, i) => value !== b[i]);
    return a[i] > b[i];
  };
  return [",", ";", "\t"].reduce((best, mark) => isBetter(score(mark), score(best)) ? mark : best);
}
