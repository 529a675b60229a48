/** Reads and writes Parquet tables with typed columns, over hyparquet and hyparquet-writer. */
import { parquetRead } from "hyparquet";
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { checkPages, ParquetError, readFooter } from "./parquet/check_parquet.ts";
import { byteCount, RandomAccessFile } from "./random_access_file.ts";

interface Values {
  int32: number;
  /** Safe integers; larger ones are refused. */
  int64: number;
  float32: number;
  float64: number;
  boolean: boolean;
  string: string;
  /** A list of float64, of any length. */
  "float64[]": number[];
}

const isNumber = (value: unknown) => typeof value === "number";
/** Per type: its description in the file, and the test of a value. */
const TYPES: Readonly<
  Record<keyof Values, [Omit<SchemaElement, "name">, fits: (value: unknown) => boolean]>
> = {
  int32: [{ type: "INT32" }, (value) => value === ((value as number) | 0)],
  int64: [{ type: "INT64" }, Number.isSafeInteger],
  float32: [{ type: "FLOAT" }, isNumber],
  float64: [{ type: "DOUBLE" }, isNumber],
  boolean: [{ type: "BOOLEAN" }, (value) => typeof value === "boolean"],
  string: [{ type: "BYTE_ARRAY", converted_type: "UTF8" }, (value) => typeof value === "string"],
  "float64[]": [
    { converted_type: "LIST", num_children: 1 },
    (value) => typeof value === "object" && value !== null && "length" in value,
  ],
};

export type ColumnType = keyof Values;

/** A column to write: its type, and a value per row. `null` requires `nullable`. */
export type Column = {
  [T in ColumnType]:
    | { type: T; values: Listed<Values[T]>; nullable?: false }
    | { type: T; values: Listed<Values[T] | null>; nullable: true };
}[ColumnType];

/** Values in memory, or computed when they are written. */
type Listed<T> = ArrayLike<T> | { readonly length: number; at(row: number): T };

/** Rows per row group: bounds the memory, and how long the event loop is blocked. */
const GROUP = 10_000;

/**
 * Writes a table. All columns have the same length. There is no file after an error.
 *
 * @example
 * ```ts
 * const path = await Deno.makeTempFile();
 * await writeParquet(path, {
 *   age: { type: "int32", values: [31, 58] },
 *   name: { type: "string", values: ["Ada", null], nullable: true },
 * });
 * const { age, name } = await readParquet(path, { age: "int32", name: "string?" });
 * ```
 */
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
  try {
    for (let start = 0; start < rows; start += GROUP) {
      const end = Math.min(start + GROUP, rows);
      await writer.write({
        columnData: names.map((name) => ({
          name,
          data: encode(path, name, columns[name], start, end),
        })),
        rowGroupSize: GROUP,
      });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await writer.finish();
  } catch (error) {
    await Deno.remove(path);
    throw error;
  }
}

type Spec = Readonly<Record<string, ColumnType | `${ColumnType}?`>>;
/** Columns that are read by a spec. */
export type Read<S extends Spec> = {
  [K in keyof S]: S[K] extends `${infer T extends ColumnType}?` ? (Values[T] | null)[]
    : S[K] extends ColumnType ? Values[S[K]][]
    : never;
};

/**
 * Reads a table by columns: all, those whose names are wanted, or those of `spec`, whose types it checks;
 * "?" allows null. Without `spec`, integers that are not safe are rounded.
 */
export async function readParquet(
  path: string,
  wanted?: (name: string) => boolean,
): Promise<Record<string, unknown[]>>;
export async function readParquet<const S extends Spec>(path: string, spec: S): Promise<Read<S>>;
export async function readParquet(
  path: string,
  wanted: Spec | ((name: string) => boolean) = () => true,
): Promise<Record<string, unknown[]>> {
  const bytes = readWhole(path);
  try {
    const { metadata, leaves } = readFooter(bytes);
    const present = [...leaves.keys()];
    const rows = Number(metadata.num_rows);
    const spec = typeof wanted === "object" ? wanted : undefined;
    const columns = typeof wanted === "object" ? Object.keys(wanted) : present.filter(wanted);
    const missing = columns.find((name) => !leaves.has(name));
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
      const parts = Map.groupBy(group.columns, ({ meta_data }) => meta_data!.path_in_schema[0]);
      for (const name of columns) {
        const [part, ...more] = parts.get(name) ?? [];
        if (!part || more.length > 0) {
          throw new ParquetError(`it is damaged: column "${name}" is not in every row group`);
        }
        const leaf = leaves.get(name)!;
        checkPages(bytes, part.meta_data!, leaf, Number(group.num_rows));
        // One column at a time: hyparquet catches only the first error of several.
        await parquetRead({
          file,
          metadata: {
            ...metadata,
            schema: [{ ...metadata.schema[0], num_children: 1 }, ...leaf.path],
            row_groups: [{ ...group, columns: [part] }],
          },
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

function elements(name: string, { type, nullable }: Column): SchemaElement[] {
  const repetition_type = nullable ? "OPTIONAL" : "REQUIRED";
  const column: SchemaElement = { name, ...TYPES[type][0], repetition_type };
  if (type !== "float64[]") return [column];
  return [
    column,
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", type: "DOUBLE", repetition_type: "REQUIRED" },
  ];
}

/** Converts a part of a column for the writer. @throws if a value is not of the declared type */
function encode(
  path: string,
  name: string,
  { type, values, nullable }: Column,
  start: number,
  end: number,
): unknown[] {
  const result = new Array(end - start);
  for (let row = start; row < end; row++) {
    const value = "at" in values ? values.at(row) : (values as ArrayLike<unknown>)[row];
    if (value === null && nullable) result[row - start] = null;
    else if (TYPES[type][1](value)) {
      result[row - start] = type === "int64"
        ? BigInt(value as number)
        : type === "float64[]"
        ? (Array.isArray(value) ? value : Array.from(value as number[]))
        : value;
    } else {
      throw new TypeError(
        `Cannot write "${path}": row ${row} of column "${name}" is ${JSON.stringify(value)}, ` +
          `not ${type}.`,
      );
    }
  }
  return result;
}

/** Converts int64 to numbers in place, also in lists, and checks nulls and types. */
function check(name: string, values: unknown[], spec?: Spec[string]): void {
  const numberOf = (one: unknown) => typeof one === "bigint" ? Number(one) : one;
  const type = spec?.replace("?", "") as ColumnType | undefined;
  const nullable = spec === undefined || spec.endsWith("?");
  for (let row = 0; row < values.length; row++) {
    let value = numberOf(values[row] ?? null);
    if (Array.isArray(value)) value = value.map(numberOf);
    if (value === null ? !nullable : type !== undefined && !TYPES[type][1](value)) {
      throw new ParquetError(
        `row ${row} of column "${name}" is ${JSON.stringify(value)}, not ${type}`,
      );
    }
    values[row] = value;
  }
}

/** Maximum size of a file: bounds the memory. */
const MAX_BYTES = 2 ** 30;

function readWhole(path: string): Uint8Array<ArrayBuffer> {
  using file = new RandomAccessFile(path);
  if (file.size > MAX_BYTES) {
    throw new Error(`Cannot read "${path}": it has more than ${byteCount(MAX_BYTES)}.`);
  }
  return file.read(0, file.size);
}
