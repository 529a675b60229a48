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
 * quotes (doubled) and line breaks; lines end in LF or CRLF; commas, semicolons or tabs separate,
 * whichever the header has most of. UTF-8, or UTF-16 that says so by its byte order mark.
 * @param source what to call it in errors
 */
export function readCsv(bytes: Uint8Array, source: string): CsvTable {
  const text = decodeText(bytes, source);
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter: separator(text),
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
  return {
    header: first.record,
    rows: rest.map(({ record, info }) => ({ values: record, line: info.lines })),
  };
}

/** What csv-parse found, in the words of a person with a file; its `lines` is where. */
function explain({ code, message, lines, record }: CsvError & Record<string, unknown>): string {
  const where = `line ${lines}`;
  switch (code) {
    case "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH": {
      const expected = /expect (\d+)/.exec(message)?.[1];
      const got = Array.isArray(record) ? record.length : /got (\d+)/.exec(message)?.[1];
      return `${where} has ${got} values, the header ${expected}; a value with a separator in it ` +
        `has to stand in quotes`;
    }
    case "CSV_QUOTE_NOT_CLOSED":
      return `a quote is opened and never closed; the file ends on ${where}`;
    default:
      return `${where}: ${message}`;
  }
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
  const line = text.trimStart().split(/\r?\n/, 1)[0].replaceAll(/"[^"]*"/g, "");
  const count = (mark: string) => line.split(mark).length;
  return [",", ";", "\t"].reduce((best, mark) => count(mark) > count(best) ? mark : best);
}
