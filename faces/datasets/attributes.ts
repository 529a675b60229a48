/**
 * Columns of tables: the project's own, and labels that stages pass on: attributes of a data set, such as
 * ethnicity, and intervals of ages. Every stage that rewrites a table reads and writes them here.
 */
import { type Column, readParquet } from "../../packages/formats/parquet.ts";

/** Columns of the table, which faces.parquet repeats. */
export const tableColumns = {
  full_path: "string",
  dataset: "string",
  age: "int32?",
  gender: "int32?",
  name: "string?",
  identity: "string?",
  face_location: "float64[]?",
} as const;

/**
 * Additional columns of faces.parquet: the photo's row in the table, the face box in pixels of the
 * upright photo, and the byte range of the PNG.
 */
export const faceColumns = {
  photo: "int32",
  box_x: "float64",
  box_y: "float64",
  box_width: "float64",
  box_height: "float64",
  score: "float64",
  shard: "string",
  offset: "int64",
  size: "int64",
} as const;

/** All columns of the project's tables; `path` is the dataset's. */
const OWN = ["path", ...Object.keys(tableColumns), ...Object.keys(faceColumns)];

/** First and last year of an age that is known as an interval; `age` is then null. */
export const INTERVAL = ["age_low", "age_high"] as const;

/** A value: text, a number, or null if it is missing. */
export type Attribute = string | number | null;

/** Column → values, one per row. */
export type AttributeColumns = Readonly<Record<string, readonly Attribute[]>>;

export type Attributes = Readonly<Record<string, Attribute>>;

/** Returns a row's value of a column that it has: `constructor` is none unless it is one. */
export function valueAt<T>(row: Readonly<Record<string, T>> = {}, column: string): T | undefined {
  return Object.hasOwn(row, column) ? row[column] : undefined;
}

/** Returns a name that no column of the project's tables has: `score` becomes `score_`. */
export function attributeName(name: string): string {
  return OWN.includes(name) ? `${name}_` : name;
}

/**
 * Reads the attributes and intervals of a table.
 * @returns no columns if the data sets have none
 */
export async function readAttributes(path: string): Promise<AttributeColumns> {
  return await readParquet(path, (name) => !OWN.includes(name)) as AttributeColumns;
}

/** Reads the attributes and intervals of a table by row; undefined for a table without any. */
export async function readRowAttributes(
  path: string,
): Promise<(row: number) => Attributes | undefined> {
  const columns = Object.entries(await readAttributes(path));
  return (row) =>
    columns.length === 0
      ? undefined
      : Object.fromEntries(columns.map(([name, values]) => [name, values[row]]));
}

/** Returns the columns to write for rows, which are nullable: text, or numbers. */
export function attributeColumns(
  rows: readonly (Attributes | undefined)[],
): Record<string, Column> {
  const columns: Record<string, Column> = {};
  for (const name of new Set(rows.flatMap((row) => Object.keys(row ?? {})))) {
    const values = rows.map((row) => valueAt(row, name) ?? null);
    const text = values.some((value) => typeof value === "string") ||
      values.every((v) => v === null);
    columns[name] = text
      ? { type: "string", nullable: true, values: values.map((v) => v === null ? v : String(v)) }
      : { type: "float64", nullable: true, values: values as (number | null)[] };
  }
  return columns;
}

/**
 * Returns a column of ages or genders: integers, nullable only where one is unknown, so that tables of
 * complete labels stay as they are.
 */
export function labelColumn(values: ArrayLike<number | null>): Column {
  const known = Array.from(values, (value) => Number.isNaN(value) ? null : value);
  return known.includes(null)
    ? { type: "int32", nullable: true, values: known }
    : { type: "int32", values: known as number[] };
}
