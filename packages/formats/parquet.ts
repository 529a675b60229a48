/** Reads and writes Parquet tables with typed columns, over hyparquet and hyparquet-writer. */
import { parquetRead } from "hyparquet";
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { CODECS, ParquetError, rangeOf, readChunk, readFooter } from "./parquet/check_parquet.ts";
import { RandomAccessFile } from "./random_access_file.ts";

export { ParquetError };

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
  using file = new ParquetFile(path);
  const spec = typeof wanted === "object" ? wanted : undefined;
  const columns = typeof wanted === "object"
    ? Object.keys(wanted)
    : [...file.columns.keys()].filter(wanted);
  const result = Object.fromEntries(columns.map((name) => [name, [] as unknown[]]));
  for await (const { values } of file.groups(columns)) {
    for (const name of columns) values[name].forEach((value) => result[name].push(value));
  }
  try {
    for (const name of columns) check(name, result[name], spec?.[name]);
  } catch (cause) {
    throw unreadable(path, cause as Error);
  }
  return result;
}

function unreadable(path: string, cause: Error): ParquetError {
  const { message } = cause;
  const why = cause instanceof ParquetError ? message : `it is damaged (${message})`;
  return new ParquetError(`Cannot read "${path}": ${why}.`, { cause });
}

/**
 * A table of any size: its row groups are read one by one.
 *
 * @example
 * ```ts
 * const path = await Deno.makeTempFile();
 * await writeParquet(path, { age: { type: "int32", values: [31, 58] } });
 * using file = new ParquetFile(path);
 * for await (const { rows, values } of file.groups(["age"])) console.log(rows, values.age); // 2, [31, 58]
 * ```
 */
export class ParquetFile implements Disposable {
  /** Types of the columns by name; `struct.field` is a field's. */
  readonly columns: ReadonlyMap<string, SchemaElement>;
  readonly rows: number;
  /** Texts that the writing program added, by key. */
  readonly notes: ReadonlyMap<string, string>;
  #file: RandomAccessFile;
  #footer: ReturnType<typeof readFooter>;

  /** @throws if the file is no Parquet file, or damaged */
  constructor(readonly path: string) {
    this.#file = new RandomAccessFile(path);
    try {
      const { metadata, leaves } = this.#footer = readFooter(this.#file);
      this.rows = Number(metadata.num_rows);
      this.columns = new Map(Array.from(leaves, ([name, { path }]) => [name, path.at(-1)!]));
      const notes = metadata.key_value_metadata ?? [];
      this.notes = new Map(notes.map(({ key, value = "" }) => [key, value]));
    } catch (cause) {
      this.#file.close();
      throw unreadable(path, cause as Error);
    }
  }

  /**
   * Reads columns by row group: integers of 64 bits are bigint, dates are `Date`.
   * @param binary name of a column whose values are bytes, also where they could be text
   */
  async *groups(
    names: readonly string[],
    binary?: string,
  ): AsyncGenerator<{ rows: number; values: Record<string, unknown[]> }, void, undefined> {
    const { metadata, leaves } = this.#footer;
    try {
      const missing = names.find((name) => !leaves.has(name));
      if (missing !== undefined) {
        const present = [...leaves.keys()].join(", ");
        throw new ParquetError(`it has no column "${missing}", only ${present}`);
      }
      for (const group of metadata.row_groups) {
        const rows = Number(group.num_rows), values: Record<string, unknown[]> = {};
        for (const name of names) {
          const leaf = leaves.get(name)!, place = leaf.path.map(({ name }) => name).join(".");
          const part = group.columns.find(({ meta_data }) =>
            meta_data!.path_in_schema.join(".") === place
          );
          if (!part) {
            throw new ParquetError(`it is damaged: column "${name}" is not in every row group`);
          }
          const chunk = readChunk(this.#file, part.meta_data!, leaf, rows);
          const { start } = rangeOf(part.meta_data!);
          const { converted_type, scale = 0 } = leaf.path.at(-1)!;
          const isFraction = converted_type === "DECIMAL" && scale > 0;
          const column = values[name] = new Array<unknown>(rows).fill(null);
          // One column at a time: hyparquet catches only the first error of several.
          await parquetRead({
            file: {
              byteLength: this.#file.size,
              slice: (from, to = start + chunk.length) =>
                chunk.buffer.slice(from - start, to - start),
            },
            metadata: {
              ...metadata,
              schema: [{ ...metadata.schema[0], num_children: 1 }, ...leaf.path],
              row_groups: [{ ...group, columns: [part] }],
            },
            compressors: CODECS,
            utf8: name !== binary,
            onChunk({ columnData, rowStart }) {
              for (let i = 0; i < columnData.length; i++) {
                let value: unknown = columnData[i];
                for (const field of leaf.fields) {
                  if (!Array.isArray(value)) value = (value as Record<string, unknown>)?.[field];
                }
                column[rowStart + i] = (isFraction ? rounded(value, scale) : value) ?? null;
              }
            },
          });
        }
        yield { rows, values };
      }
    } catch (cause) {
      throw unreadable(this.path, cause as Error);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Rounds decimals, also in lists, to their digits, or to those of a double: hyparquet multiplies by 0.1
 * and the like.
 */
function rounded(decimal: unknown, digits: number): unknown {
  if (Array.isArray(decimal)) return decimal.map((one) => rounded(one, digits));
  if (typeof decimal !== "number") return decimal;
  const fits = Math.abs(decimal) * 10 ** digits < 2 ** 53;
  return Number(fits ? decimal.toFixed(digits) : decimal.toPrecision(15));
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
