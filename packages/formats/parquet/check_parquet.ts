/**
 * Checks all lengths and counts of a Parquet file before hyparquet decodes it: hyparquet loops endlessly
 * or allocates gigabytes if one of them is damaged.
 * Format: https://parquet.apache.org/docs/file-format/
 */
import {
  type ColumnMetaData,
  type Encoding,
  type FileMetaData,
  parquetMetadata,
  type SchemaElement,
  snappyUncompress,
} from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";

/** The reason why a table cannot be read; it follows the file's name in messages. */
export class ParquetError extends Error {}

/** A column: flat, or a list of plain values. */
interface Leaf {
  /** The column itself or, of a list, three elements from the top. */
  readonly path: readonly SchemaElement[];
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** Maximum size of a footer: some damages take time quadratic in its size. */
const MAX_FOOTER = 1 << 19;
const MAX_ROWS = 2 ** 24;
/** Maximum values of a column in a row group, numbers of lists included. */
const MAX_VALUES = 2 ** 26;
/** Maximum compression ratio of Snappy: 64 bytes in 3. */
const MAX_RATIO = 22;

/**
 * Reads the footer of a file and checks it against the file.
 * @returns the metadata and the columns by name
 * @throws if it is not a Parquet file, is damaged, or has nested columns other than lists
 */
export function readFooter(
  bytes: Uint8Array<ArrayBuffer>,
): { metadata: FileMetaData; leaves: Map<string, Leaf> } {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (length < 12 || view.getUint32(length - 4, true) !== 0x31524150) {
    throw new ParquetError("it is not a Parquet file, or is truncated");
  }
  const size = view.getUint32(length - 8, true);
  if (size > Math.min(MAX_FOOTER, length - 12)) throw claims("a footer", size);
  const metadata = parquetMetadata(bytes.subarray(length - 8 - size), { geoparquet: false });
  const leaves = new Map<string, Leaf>();
  for (let i = 1; i < metadata.schema.length; i++) {
    const path = [metadata.schema[i]];
    const nested = `its column "${path[0].name}" is neither flat nor a list of plain values`;
    while (path.at(-1)!.num_children) {
      const last = path.at(-1)!, list = path.length < 3 && last.num_children === 1;
      if (!list || ++i === metadata.schema.length) throw new ParquetError(nested);
      path.push(metadata.schema[i]);
    }
    const levels = (wanted: (element: SchemaElement) => boolean) => path.filter(wanted).length;
    const maxRepetition = levels(({ repetition_type }) => repetition_type === "REPEATED");
    if (path.length === 2 || maxRepetition !== (path.length === 3 ? 1 : 0)) {
      throw new ParquetError(nested);
    }
    const maxDefinition = levels(({ repetition_type }) => repetition_type !== "REQUIRED");
    leaves.set(path[0].name, { path, maxDefinition, maxRepetition });
  }
  const rows = Number(metadata.num_rows);
  if (!(rows >= 0 && rows <= MAX_ROWS)) throw claims("a table", rows, "rows");
  let sum = 0;
  for (const { num_rows, columns } of metadata.row_groups) {
    sum += num_rows < 0 ? NaN : Number(num_rows);
    for (const { meta_data } of columns) {
      if (!meta_data) throw new ParquetError("it is damaged: a column lacks its metadata");
      const { start, end } = rangeOf(meta_data);
      if (!(start >= 4 && end >= start && end <= length)) {
        throw claims(`column "${meta_data.path_in_schema.join(".")}"`, end - start);
      }
    }
  }
  if (sum !== rows) throw claims("a table", rows, "rows");
  return { metadata, leaves };
}

/** Returns the byte range of a column in a row group. */
function rangeOf(meta: ColumnMetaData): { start: number; end: number } {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  return { start, end: start + Number(meta.total_compressed_size) };
}

export function checkPages(
  file: Uint8Array<ArrayBuffer>,
  meta: ColumnMetaData,
  { path, maxDefinition, maxRepetition }: Leaf,
  rows: number,
): void {
  const { start, end } = rangeOf(meta);
  const { codec } = meta, total = Number(meta.num_values);
  if (codec !== "UNCOMPRESSED" && codec !== "SNAPPY") {
    throw new ParquetError(`its column "${path[0].name}" is packed by ${codec}, not by SNAPPY`);
  }
  const fits = maxRepetition > 0 ? total >= rows && total <= MAX_VALUES : total === rows;
  if (!fits || meta.type !== path.at(-1)!.type) throw claims("a column", total, "values");
  const reader = {
    view: new DataView(file.buffer, file.byteOffset + start, end - start),
    offset: 0,
  };
  let values = 0, dictionary: number | undefined;
  while (reader.offset < end - start) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: size } = header;
    const at = start + reader.offset;
    if (!(packed >= 0 && at + packed <= end)) throw claims("a page", packed);
    const most = codec === "SNAPPY" ? packed * MAX_RATIO + 64 : packed;
    if (!(size >= 0 && size <= most)) throw claims("an unpacked page", size);
    const bytes = file.subarray(at, at + packed);
    reader.offset += packed;
    const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header } = header;
    if (header.type === "DICTIONARY_PAGE") {
      dictionary = dictionary_page_header?.num_values ?? -1;
      // Each value takes at least one byte.
      if (!(dictionary >= 0 && dictionary <= size)) {
        throw claims("a dictionary", dictionary, "values");
      }
      unpack(bytes, size, codec);
      continue;
    }
    const data = header.type === "DATA_PAGE" ? v1 : header.type === "DATA_PAGE_V2" ? v2 : undefined;
    const count = data?.num_values ?? -1;
    if (data === undefined || !(count >= 0 && (values += count) <= total)) {
      throw claims("a page", count, "values");
    }
    let plain: Uint8Array, from = 0, known = count;
    if (header.type === "DATA_PAGE") {
      plain = unpack(bytes, size, codec);
      for (const top of [maxRepetition, maxDefinition]) {
        if (top === 0) continue;
        const ends = from + 4 + lengthAt(plain, from);
        known = checkRuns(plain, from + 4, ends, count, widthOf(top), top);
        from = ends;
      }
    } else {
      const repetition = v2!.repetition_levels_byte_length;
      const levels = repetition + v2!.definition_levels_byte_length;
      if (!(repetition >= 0 && levels >= repetition && levels <= packed && levels <= size)) {
        throw claims("levels", levels);
      }
      if (maxRepetition) checkRuns(bytes, 0, repetition, count, widthOf(maxRepetition));
      if (maxDefinition) {
        known = checkRuns(bytes, repetition, levels, count, widthOf(maxDefinition), maxDefinition);
      }
      if (v2!.num_nulls !== count - known) throw claims("a page", v2!.num_nulls, "nulls");
      const whole = v2!.is_compressed === false ? "UNCOMPRESSED" : codec;
      plain = unpack(bytes.subarray(levels), size - levels, whole);
    }
    checkEncoding(data.encoding, plain, from, known, meta.type === "BOOLEAN", dictionary);
  }
  if (values !== total) throw claims("a column", total, "values");
}

function checkEncoding(
  encoding: Encoding,
  page: Uint8Array,
  at: number,
  count: number,
  boolean: boolean,
  dictionary: number | undefined,
): void {
  // A plain value takes at least one bit.
  if (encoding === "PLAIN") {
    if (count > 8 * (page.length - at)) throw claims("a page", count, "values");
  } else if (encoding === "RLE" && boolean) {
    checkRuns(page, at + 4, at + 4 + lengthAt(page, at), count, 1);
  } else if (encoding.endsWith("_DICTIONARY") && !boolean && dictionary !== undefined) {
    const width = page[at] ?? 0;
    if (width > 32) throw claims("a dictionary's index", width, "bits");
    checkRuns(page, at + 1, page.length, count, width);
  } else throw new ParquetError(`a page is encoded as ${encoding}, which is not read here`);
}

/**
 * Checks runs of numbers, repeated or bit-packed, from `at` on.
 * @returns the number of values that equal `top`
 */
function checkRuns(
  bytes: Uint8Array,
  at: number,
  end: number,
  count: number,
  width: number,
  top = NaN,
): number {
  let tops = 0;
  for (let seen = 0; seen < count;) {
    let header = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      if (at >= end || end > bytes.length || shift > 28) throw claims("runs", count, "values");
      more = bytes[at] > 127;
      header |= (bytes[at++] & 127) << shift;
    }
    const packed = header & 1, length = packed ? (header >>> 1) * 8 : header >>> 1;
    const takes = packed ? length / 8 * width : (width + 7) >> 3;
    // The last packed run may be padded.
    if (header < 2 || length > count - seen + (packed ? 511 : 0) || at + takes > end) {
      throw claims("a run", length, "values");
    }
    for (let i = 0; i < Math.min(length, count - seen) && !Number.isNaN(top); i++) {
      let value = 0;
      for (let bit = 0; bit < width; bit++) {
        const place = packed ? i * width + bit : bit;
        value |= (bytes[at + (place >> 3)] >> (place & 7) & 1) << bit;
      }
      if (value === top) tops++;
    }
    at += takes;
    seen += length;
  }
  return tops;
}

function widthOf(level: number): number {
  return 32 - Math.clz32(level);
}

function lengthAt(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw claims("a page", bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

function unpack(bytes: Uint8Array, size: number, codec: string): Uint8Array {
  if (codec === "UNCOMPRESSED") {
    if (bytes.length !== size) throw claims("a page", size);
    return bytes;
  }
  // hyparquet's decompressor loops endlessly at a literal of 2 GB or more.
  let at = 0;
  while (bytes[at++] > 127);
  while (at < bytes.length) {
    const tag = bytes[at], extra = (tag >> 2) - 59;
    if ((tag & 3) > 0) at += [2, 3, 5][(tag & 3) - 1];
    else if (extra < 1) at += 2 + (tag >> 2);
    else if (extra === 4) throw claims("a piece", 2 ** 31);
    else {
      let length = 1;
      for (let i = 0; i < extra; i++) length += bytes[at + 1 + i] << (8 * i);
      at += 1 + extra + length;
    }
  }
  const result = new Uint8Array(size);
  snappyUncompress(bytes, result);
  return result;
}

function claims(what: string, count: number | undefined, unit = "bytes"): ParquetError {
  return new ParquetError(`it is damaged: ${what} claims ${count?.toLocaleString("en")} ${unit}`);
}
