/** Unpacks Parquet tables, as Hugging Face's data sets are: photos in their rows, codes of classes. */
import { z } from "zod";
import { identifyImage } from "../../packages/formats/image_format.ts";
import { ParquetError, ParquetFile } from "../../packages/formats/parquet.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import { PHOTO } from "./sources.ts";

/** A column of photos, where its type is bytes: a field `bytes`, or a column alone. */
const PHOTO_COLUMN = /(?:^|\.)bytes$|^(?:image|img|photo|picture|jpe?g|png|webp)$/i;

const note = z.object({
  info: z.object({
    features: z.record(z.string(), z.object({ names: z.array(z.string()) }).catch({ names: [] })),
  }),
});

/**
 * Unpacks a table into an archive of its photos and, named as the table itself, its other columns as
 * lines of JSON. `path` there is the photo's: the table's without ending, and its file's name or the row.
 * @param name path of the table
 */
export async function unpackParquet(
  from: string,
  to: string,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  using table = new ParquetFile(from);
  using tar = new TarWriter(to);
  const isBytes = (column: string) => {
    const { type, converted_type, logical_type } = table.columns.get(column)!;
    return type === "BYTE_ARRAY" && converted_type === undefined && logical_type === undefined;
  };
  const columns = [...table.columns.keys()];
  const photo = columns.find((column) => PHOTO_COLUMN.test(column) && isBytes(column));
  const pathColumn = photo?.replace(/[^.]*$/, "path") ?? "";
  const labels = columns.filter((one) => one !== pathColumn && (!photo || !isBytes(one)));
  const classes = classesOf(table);
  const lines: string[] = [], taken = new Set<string>();
  const read = [...labels, ...columns.filter((one) => one === photo || one === pathColumn)];
  let row = 0;
  for await (const { rows, values } of table.groups(read, photo)) {
    await pause(signal);
    for (let i = 0; i < rows; i++) {
      row++;
      const label = Object.fromEntries(
        labels.map((column) => [column, valueOf(values[column][i], classes.get(column))]),
      );
      const bytes = values[photo ?? ""]?.[i], given = values[pathColumn]?.[i];
      if (given !== undefined) label.path = given;
      if (bytes instanceof Uint8Array) {
        let file = String(given ?? "").split(/[\\/]/).at(-1)!;
        // deno-lint-ignore no-control-regex -- archives refuse them
        if (!PHOTO.test(file) || /^\.|[\0-\x1f]/.test(file)) {
          const format = identifyImage(bytes)?.name.split(" ").at(-1) ?? "jpg"; // "a JPEG"
          file = `${row}.${format.toLowerCase()}`;
        }
        while (taken.has(file)) file = `${row}-${file}`;
        taken.add(file);
        label.path = `${name.replace(/\.[^.]*$/, "")}/${file}`;
        tar.add(label.path as string, bytes);
      }
      lines.push(JSON.stringify(label, (_, one) => typeof one === "bigint" ? String(one) : one));
    }
  }
  tar.add(name, new TextEncoder().encode(lines.join("\n")));
  tar.close();
}

/**
 * Returns the names of classes by column, which Hugging Face's `datasets` notes in a table.
 * @throws {ParquetError} if the note is not JSON: codes would be read for other labels
 */
function classesOf({ notes, path }: ParquetFile): ReadonlyMap<string, readonly string[]> {
  let noted: unknown;
  try {
    noted = JSON.parse(notes.get("huggingface") ?? "{}");
  } catch (cause) {
    const { message } = cause as Error;
    const why = `its note "huggingface" of the names of classes is not JSON (${message})`;
    const wayOut = "Write it again without the note; in Python, with pyarrow.parquet as pq: " +
      "pq.write_table(pq.read_table(IN).replace_schema_metadata(), OUT)";
    throw new ParquetError(`Cannot read "${path}": ${why}. ${wayOut}.`, { cause });
  }
  const features = Object.entries(note.safeParse(noted).data?.info.features ?? {});
  return new Map(features.map(([name, { names }]) => [name, names]));
}

/** Returns a value for JSON: the class of a code, and nothing for -1, which stands for none. */
function valueOf(value: unknown, classes: readonly string[] = []): unknown {
  if (value instanceof Date) return value.toISOString().replace("T00:00:00.000Z", "");
  if (classes.length === 0 || value === null) return value;
  return Number(value) === -1 ? null : classes[Number(value)] ?? value;
}
