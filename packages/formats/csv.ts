/**
 * Tables as people make them: CSV from a spreadsheet, pandas or an editor. A thin layer over
 * csv-parse: which separator, which encoding and which columns is found out here.
 */
import { CsvError, parse } from "csv-parse/sync";

/** A table of texts. */
export interface CsvTable {
  /** The header's names as they are written. */
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
 * Reads a CSV: a header, then rows. Values may be quoted, and quoted ones may hold separators,
 * quotes (doubled) and line breaks; lines end in LF, CRLF or CR, mixed as well; commas, semicolons or
 * tabs separate, whichever the header has most of, or what a first line such as Excel's `sep=;` says.
 * UTF-8, or UTF-16 that says so by its byte order mark.
 * @param source what to call it in errors
 * @param problems collects what is wrong with single rows, which are left out; thrown if not given
 * @throws if it is no CSV: with every row that is wrong
 */
export function readCsv(bytes: Uint8Array, source: string, problems?: string[]): CsvTable {
  const text = decodeText(bytes, source);
  const told = /^"?sep=([,;\t|])"?(?:[\r\n]|$)/i.exec(text)?.[1];
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter: told ?? separator(text),
      fromLine: told === undefined ? 1 : 2,
      recordDelimiter: ["\r\n", "\n", "\r"],
      relaxColumnCount: true,
      info: true,
      skipEmptyLines: true,
      trim: true,
    }) as unknown as typeof records;
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new Error(`Cannot read "${source}": ${explain(cause)}.`, { cause });
  }
  const [first, ...rest] = records;
  if (!first) {
    throw new Error(`Cannot read "${source}": it is empty; its first line names columns.`);
  }
  const header = first.record;
  const rows: CsvRow[] = [], ragged: string[] = [];
  let twice = 0; // csv-parse counts a quoted CRLF as two lines
  for (const { record, info } of rest) {
    twice += record.join().split("\r\n").length - 1;
    const row = { values: record.slice(0, header.length), line: info.lines - twice };
    // Spreadsheets end rows in as many separators as they have columns.
    const whole = record.length >= header.length && record.slice(header.length).every((v) => !v);
    if (whole) rows.push(row);
    else {ragged.push(
        `line ${row.line} has ${record.length} value${
          record.length === 1 ? "" : "s"
        }, the header ${header.length}`,
      );}
  }
  if (ragged.length > 0) {
    ragged.push(`${ragged.pop()}; a value with a separator in it has to stand in quotes`);
  }
  if (problems) problems.push(...ragged);
  else if (ragged.length > 0) throw new Error(`Cannot read "${source}": ${listProblems(ragged)}.`);
  return { header, rows };
}

/** The first of many problems, each on a line of its own; one alone stands in the sentence. */
export function listProblems(problems: readonly string[]): string {
  if (problems.length === 1) return problems[0];
  const rest = problems.length - SHOWN;
  return `${problems.length} errors:` +
    problems.slice(0, SHOWN).map((one) => `\n  ${one}`).join("") +
    (rest > 0 ? `\n  and ${rest} more` : "");
}
const SHOWN = 20;

/** What csv-parse found, in the words of a person with a file; its `lines` is where. */
function explain({ code, message, lines }: CsvError & Record<string, unknown>): string {
  return code === "CSV_QUOTE_NOT_CLOSED"
    ? `a quote is opened and never closed; the file ends on line ${lines}`
    : `line ${lines}: ${message}`;
}

function decodeText(bytes: Uint8Array, source: string): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes); // takes the mark off
  } catch (cause) {
    throw new Error(
      `Cannot read "${source}": it is not UTF-8. Save it as "CSV UTF-8", as spreadsheets call it.`,
      { cause },
    );
  }
}

/** The separator that the first line has most of, outside of quotes. */
function separator(text: string): string {
  const line = text.trimStart().split(/[\r\n]/, 1)[0].replaceAll(/"[^"]*"/g, "");
  const count = (mark: string) => line.split(mark).length;
  return [",", ";", "\t"].reduce((best, mark) => count(mark) > count(best) ? mark : best);
}
