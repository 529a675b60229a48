/**
 * Checks the footer of a Parquet file before hyparquet decodes it: hyparquet allocates gigabytes for
 * wrong counts. Format: https://parquet.apache.org/docs/file-format/
 */
import { type FileMetaData, parquetMetadata } from "hyparquet";

/** The reason why a table cannot be read; it follows the file's name in messages. */
export class ParquetError extends Error {}

/** Maximum size of a footer: some damages take time quadratic in its size. */
const MAX_FOOTER = 1 << 19;
const MAX_ROWS = 2 ** 24;

/**
 * Reads the footer of a file and checks it against the file.
 * @returns the metadata and the names of the columns
 * @throws if it is not a Parquet file, is damaged, or has nested columns other than lists
 */
export function readFooter(
  bytes: Uint8Array<ArrayBuffer>,
): { metadata: FileMetaData; names: string[] } {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (length < 12 || view.getUint32(length - 4, true) !== 0x31524150) {
    throw new ParquetError("it is not a Parquet file, or is truncated");
  }
  const size = view.getUint32(length - 8, true);
  if (size > Math.min(MAX_FOOTER, length - 12)) throw claims("a footer", size);
  const metadata = parquetMetadata(bytes.subarray(length - 8 - size), { geoparquet: false });
  const names: string[] = [];
  for (let i = 1; i < metadata.schema.length; i++) {
    const path = [metadata.schema[i]];
    while (path.at(-1)!.num_children) {
      const last = path.at(-1)!, list = path.length < 3 && last.num_children === 1;
      if (!list || ++i === metadata.schema.length) {
        throw new ParquetError(
          `its column "${path[0].name}" is neither flat nor a list of plain values`,
        );
      }
      path.push(metadata.schema[i]);
    }
    const repeated = path.filter(({ repetition_type }) => repetition_type === "REPEATED").length;
    if (path.length === 2 || repeated !== (path.length === 3 ? 1 : 0)) {
      throw new ParquetError(
        `its column "${path[0].name}" is neither flat nor a list of plain values`,
      );
    }
    names.push(path[0].name);
  }
  const rows = Number(metadata.num_rows);
  if (!(rows >= 0 && rows <= MAX_ROWS)) throw claims("a table", rows, "rows");
  let sum = 0;
  for (const { num_rows, columns } of metadata.row_groups) {
    sum += num_rows < 0 ? NaN : Number(num_rows);
    for (const { meta_data } of columns) {
      if (!meta_data) throw new ParquetError("it is damaged: a column lacks its metadata");
      const start = Number(meta_data.dictionary_page_offset || meta_data.data_page_offset);
      const end = start + Number(meta_data.total_compressed_size);
      if (!(start >= 4 && end >= start && end <= length)) {
        throw claims(`column "${meta_data.path_in_schema.join(".")}"`, end - start);
      }
    }
  }
  if (sum !== rows) throw claims("a table", rows, "rows");
  return { metadata, names };
}

function claims(what: string, count: number | undefined, unit = "bytes"): ParquetError {
  return new ParquetError(`it is damaged: ${what} claims ${count?.toLocaleString("en")} ${unit}`);
}
