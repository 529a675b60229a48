/** Reads and writes the artifacts `table` and `faces`, described in `stages/kinds.ts`. */
import { join } from "node:path";
import { identifyImage } from "../../packages/formats/image_format.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import {
  type Column,
  type Read,
  readParquet,
  writeParquet,
} from "../../packages/formats/parquet.ts";
import { RandomAccessFiles } from "../../packages/formats/random_access_file.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { paced } from "../../packages/pipeline/interrupt.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import {
  attributeColumns,
  type Attributes,
  faceColumns,
  labelColumn,
  readRowAttributes,
  tableColumns,
} from "../datasets/attributes.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import {
  readCropPreprocessing,
  readPreprocessing,
  writePreprocessing,
} from "../images/preprocessing.ts";

const columns = { ...tableColumns, ...faceColumns };

type Row<Columns extends typeof tableColumns> =
  & { readonly [Name in keyof Columns]: Read<Columns>[Name][number] }
  & { readonly attributes?: Attributes };

export type TableRow = Row<typeof tableColumns>;
export type FaceRow = Row<typeof columns>;

export async function readTable(folder: string): Promise<TableRow[]> {
  return await readRows(join(folder, "table.parquet"), tableColumns);
}

export async function writeFaceRows(folder: string, rows: readonly FaceRow[]): Promise<void> {
  const written: Record<string, Column> = {};
  for (const [name, type] of Object.entries(columns)) {
    const values = rows.map((row) => row[name as keyof typeof columns]);
    written[name] = type === "int32?"
      ? labelColumn(values as (number | null)[])
      : { type: type.replace("?", ""), nullable: type.endsWith("?"), values } as Column;
  }
  const attributes = attributeColumns(rows.map(({ attributes }) => attributes));
  await writeParquet(join(folder, "faces.parquet"), { ...written, ...attributes });
}

export function shardName(index: number): string {
  return `faces-${String(index).padStart(5, "0")}.tar`;
}

/** Returns the name of a PNG in its shard: the photo's row in the table. */
export function pngName(photo: number): string {
  return `${String(photo).padStart(7, "0")}.png`;
}

/** An artifact `faces`, whose crops are read on demand. */
export interface Faces extends Disposable {
  readonly rows: readonly FaceRow[];
  png(row: FaceRow): Uint8Array;
}

export async function openFaces(folder: string): Promise<Faces> {
  const rows: FaceRow[] = await readRows(join(folder, "faces.parquet"), columns);
  const shards = new RandomAccessFiles();
  return {
    rows,
    png: ({ shard, offset, size }) => shards.read(join(folder, shard), offset, size),
    [Symbol.dispose]: () => shards[Symbol.dispose](),
  };
}

/**
 * Finds the artifact `faces` that a dataset was made from, by its preprocessing.
 * @returns the first artifact if none matches; undefined if there are none
 */
export async function findSourceFaces<T extends { readonly path: string }>(
  dataset: string,
  all: readonly T[],
): Promise<T | undefined> {
  const { resize: _, ...crop } = await readPreprocessing(dataset);
  const shared = await Promise.all(all.map(async ({ path }) => {
    const made = await readCropPreprocessing(path), { length } = made.steps;
    // Stages on the dataset add further steps.
    const part = { ...crop, steps: crop.steps.slice(0, length) };
    return JSON.stringify(made) === JSON.stringify(part) ? length : -1;
  }));
  return all[shared.indexOf(Math.max(...shared))];
}

/**
 * Transforms an artifact `faces` into another: `change` maps each PNG, everything else is copied.
 * Several crops are transformed concurrently. A plugin's stage passes its context.
 *
 * @example
 * ```ts
 * import sharp from "sharp";
 * import type { StageContext } from "../../packages/pipeline/stage.ts";
 *
 * // Turns the crops gray.
 * async function toGray(input: string, output: string, context: StageContext) {
 *   const change = (png: Uint8Array) => sharp(png).grayscale().png().toBuffer();
 *   await mapFaces(input, output, context, "gray", change);
 * }
 * ```
 * @param step description of the transformation, for `preprocessing.json`
 */
export async function mapFaces(
  input: string,
  output: string,
  context: Pick<StageContext, "signal" | "progress">,
  step: string,
  change: (png: Uint8Array, row: FaceRow) => Promise<Uint8Array>,
): Promise<void> {
  using faces = await openFaces(input);
  context.progress.start(faces.rows.length, "faces");
  const rows: FaceRow[] = [];
  let writer: TarWriter | undefined;
  try {
    let shard = "";
    const changed = mapOrdered(faces.rows, 8, (row) => change(faces.png(row), row));
    for await (const png of changed) {
      context.signal.throwIfAborted();
      const row = faces.rows[rows.length];
      const format = png instanceof Uint8Array ? identifyImage(png)?.name : undefined;
      if (format !== "a PNG") {
        throw new Error(
          `Cannot change the face "${row.full_path}": the function given to mapFaces() returned ` +
            `${format ?? "no image"}. Return a PNG, as sharp(png).png().toBuffer() does.`,
        );
      }
      if (row.shard !== shard) {
        writer?.close();
        shard = row.shard;
        writer = new TarWriter(join(output, shard));
      }
      const { offset, size } = writer!.add(pngName(row.photo), png);
      rows.push({ ...row, offset, size });
      context.progress.advance();
    }
    writer?.close();
  } finally {
    writer?.[Symbol.dispose]();
  }
  await writeFaceRows(output, rows);
  for (const name of ["problems.csv", "summary.json"]) {
    await Deno.copyFile(join(input, name), join(output, name));
  }
  const preprocessing = await readCropPreprocessing(input);
  await writePreprocessing(output, { ...preprocessing, steps: [...preprocessing.steps, step] });
}

/**
 * Adds the step of a plugin's stage to `preprocessing.json` of its faces and datasets, unless the stage
 * wrote a step itself or left the images as they were; it may leave out or repeat some.
 */
export async function noteStep(
  step: string,
  signal: AbortSignal,
  ...made: readonly (readonly Pick<Artifact, "kind" | "path">[])[]
): Promise<void> {
  const [inputs, outputs] = await Promise.all(
    made.map((all) =>
      Array.fromAsync(all.filter(({ kind }) => /^(faces|dataset)$/.test(kind)), async (one) => {
        const read = one.kind === "faces" ? readCropPreprocessing : readPreprocessing;
        return { ...one, preprocessing: await read(one.path) };
      })
    ),
  );
  for (const output of outputs) {
    const { path, preprocessing } = output, { steps } = preprocessing;
    const sources = inputs.filter((input) => `${input.preprocessing.steps}` === `${steps}`);
    if (sources.length === 0) continue;
    const known = new Set((await Array.fromAsync(sources, (one) => digests(one, signal))).flat());
    if ((await digests(output, signal)).every((image) => known.has(image))) continue;
    await writePreprocessing(path, { ...preprocessing, steps: [...steps, step] });
  }
}

/** Returns the digest of each image. */
async function digests({ kind, path }: Pick<Artifact, "kind" | "path">, signal: AbortSignal) {
  using images = kind === "faces"
    ? await openFaces(path)
    : new NpyFile(join(path, "images.npy"), "uint8");
  const { rows } = images, count = typeof rows === "number" ? rows : rows.length;
  return await Array.fromAsync(
    paced(count, signal),
    (i) => sha256("png" in images ? images.png(images.rows[i]) : images.read(i, 1)),
  );
}

async function readRows<T>(path: string, spec: typeof tableColumns | typeof columns): Promise<T[]> {
  const table: Record<string, unknown[]> = await readParquet(path, spec);
  const attributesOf = await readRowAttributes(path);
  const names = Object.keys(table);
  return Array.from({ length: table[names[0]].length }, (_, i) => {
    const row = Object.fromEntries(names.map((name) => [name, table[name][i]]));
    const attributes = attributesOf(i);
    return { ...row, ...attributes && { attributes } } as T;
  });
}
