/**
 * Tables as Parquet files, which pandas, DuckDB and others open. A thin layer over hyparquet and
 * hyparquet-writer: columns with declared types in, typed columns out.
 */
import { parquetRead } from "hyparquet";
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { checkPages, ParquetError, readFooter } from "./parquet/check_parquet.ts";
import { RandomAccessFile } from "./random_access_file.ts";

interface Values {
  int32: number;
  /** As numbers: whole ones up to 2^53 are exact, and larger are refused. */
  int64: number;
  float32: number;
  float64: number;
  boolean: boolean;
  string: string;
  /** A list of float64, of any length. */
  "float64[]": number[];
}

export type ColumnType = keyof Values;

/** A column to write: its type, and a value for each row. `null` needs `nullable`. */
export type Column = {
  [T in ColumnType]:
    | { type: T; values: Listed<Values[T]>; nullable?: false }
    | { type: T; values: Listed<Values[T] | null>; nullable: true };
}[ColumnType];

/** Values that are there, or that are made when they are written. */
type Listed<T> = ArrayLike<T> | { readonly length: number; at(row: number): T };

/** Rows encoded at a time: bounds the memory, and how long the event loop stands still. */
const GROUP = 10_000;

/** Writes a table. All columns have the same length. */
export async function writeParquet(
  path: string,
  columns: Readonly<Record<string, Column>>,
): Promise<void> {
  const names = Object.keys(columns);
  const rows = columns[names[0]]?.values.length ?? 0;
  for (const name of names) {
    const { length } = columns[name].values;
    if (length !== rows) {
      throw new Error(
        `Cannot write "${path}": column "${name}" has ${length} rows, "${names[0]}" ${rows}.`,
      );
    }
  }
  const schema: SchemaElement[] = [
    { name: "root", num_children: names.length },
    ...names.flatMap((name) => elements(name, columns[name])),
  ];
  const writer = new ParquetWriter({ writer: fileWriter(path), schema });
  for (let start = 0; start < rows; start += GROUP) {
    const end = Math.min(start + GROUP, rows);
    await writer.write({
      columnData: names.map((name) => ({ name, data: encode(path, name, columns, start, end) })),
      rowGroupSize: GROUP,
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await writer.finish();
}

type Spec = Readonly<Record<string, ColumnType | `${ColumnType}?`>>;
type Read<S extends Spec> = {
  [K in keyof S]: S[K] extends `${infer T extends ColumnType}?` ? (Values[T] | null)[]
    : S[K] extends ColumnType ? Values[S[K]][]
    : never;
};

/**
 * Reads a table, column by column. With `spec`, only the columns that it names, each checked:
 * `readParquet(path, { age: "int32", name: "string?" })`, where "?" lets values be null.
 */
export async function readParquet(path: string): Promise<Record<string, unknown[]>>;
export async function readParquet<const S extends Spec>(path: string, spec: S): Promise<Read<S>>;
export async function readParquet(path: string, spec?: Spec): Promise<Record<string, unknown[]>> {
  const bytes = readWhole(path);
  try {
    const { metadata, leaves } = readFooter(bytes);
    const present = [...leaves.keys()];
    const rows = Number(metadata.num_rows);
    const columns = spec ? Object.keys(spec) : present;
    const missing = columns.find((name) => !present.includes(name));
    if (missing !== undefined) {
      throw new ParquetError(`it has no column "${missing}", only ${present.join(", ")}`);
    }
    const result: Record<string, unknown[]> = {};
    for (const name of columns) result[name] = new Array(rows).fill(null);
    const file = {
      byteLength: bytes.length,
      slice: (start: number, end?: number) => bytes.buffer.slice(start, end),
    };
    let start = 0;
    for (const group of metadata.row_groups) {
      for (const name of columns) {
        const parts = group.columns.filter(({ meta_data }) =>
          meta_data!.path_in_schema[0] === name
        );
        if (parts.length !== 1) {
          throw new ParquetError(`it is damaged: column "${name}" has no place`);
        }
        const leaf = leaves.get(name)!;
        checkPages(bytes, parts[0].meta_data!, leaf, Number(group.num_rows));
        // One at a time: of several that fail, hyparquet catches the first.
        await parquetRead({
          file,
          metadata: { ...metadata, row_groups: [{ ...group, columns: parts }] },
          onChunk({ columnData, rowStart }) {
            for (let i = 0; i < columnData.length; i++) {
              result[name][start + rowStart + i] = columnData[i];
            }
          },
        });
      }
      start += Number(group.num_rows);
    }
    for (const name of columns) check(name, result[name], spec?.[name]);
    return result;
  } catch (cause) {
    const { message } = cause as Error;
    const why = cause instanceof ParquetError ? message : `it is damaged (${message})`;
    throw new Error(`Cannot read "${path}": ${why}.`, { cause });
  }
}

/** How the format describes a column. */
function elements(name: string, { type, nullable }: Column): SchemaElement[] {
  const repetition_type = nullable ? "OPTIONAL" : "REQUIRED";
  switch (type) {
    case "int32":
      return [{ name, type: "INT32", repetition_type }];
    case "int64":
      return [{ name, type: "INT64", repetition_type }];
    case "float32":
      return [{ name, type: "FLOAT", repetition_type }];
    case "float64":
      return [{ name, type: "DOUBLE", repetition_type }];
    case "boolean":
      return [{ name, type: "BOOLEAN", repetition_type }];
    case "string":
      return [{ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type }];
    case "float64[]":
      return [
        { name, converted_type: "LIST", repetition_type, num_children: 1 },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", type: "DOUBLE", repetition_type: "REQUIRED" },
      ];
  }
}

/** A part of a column as the writer takes it, every value checked against the declared type. */
function encode(
  path: string,
  name: string,
  columns: Readonly<Record<string, Column>>,
  start: number,
  end: number,
): unknown[] {
  const { type, values, nullable = false } = columns[name];
  const made = "at" in values && !Array.isArray(values) && !ArrayBuffer.isView(values);
  const result = new Array(end - start);
  for (let row = start; row < end; row++) {
    const value = made ? values.at(row) : (values as ArrayLike<unknown>)[row];
    if (value === null && nullable) result[row - start] = null;
    else if (fits(type, value)) {
      result[row - start] = type === "int64"
        ? BigInt(value as number)
        : type === "float64[]"
        ? (Array.isArray(value) ? value : Array.from(value as number[]))
        : value;
    } else {
      throw new TypeError(
        `Cannot write "${path}": row ${row} of column "${name}" is ${JSON.stringify(value)}, ` +
          `which is no ${type}.`,
      );
    }
  }
  return result;
}

function fits(type: ColumnType, value: unknown): boolean {
  switch (type) {
    case "int32":
      return value === ((value as number) | 0);
    case "int64":
      return Number.isSafeInteger(value);
    case "float32":
    case "float64":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "float64[]":
      return typeof value === "object" && value !== null && "length" in value;
  }
}

/** Makes int64 numbers, and checks nulls and types where the caller said what it counts on. */
function check(name: string, values: unknown[], spec?: Spec[string]): void {
  const type = spec?.replace("?", "") as ColumnType | undefined;
  const nullable = spec === undefined || spec.endsWith("?");
  for (let row = 0; row < values.length; row++) {
    let value = values[row] ?? null;
    if (typeof value === "bigint") value = Number(value);
    if (value === null ? !nullable : type !== undefined && !fits(type, value)) {
      throw new ParquetError(
        `row ${row} of column "${name}" is ${JSON.stringify(value)}, no ${type}`,
      );
    }
    values[row] = value;
  }
}

/** No table of this project is larger. */
const MAX_BYTES = 2 ** 30;

function readWhole(path: string): Uint8Array<ArrayBuffer> {
  using file = new RandomAccessFile(path);
  if (file.size > MAX_BYTES) {
    throw new Error(`Cannot read "${path}": it has more than ${MAX_BYTES} bytes.`);
  }
  return file.read(0, file.size);
}
