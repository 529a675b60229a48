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
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { RandomAccessFile } from "../random_access_file.ts";

/** A table that cannot be read; within these modules, the reason alone. */
export class ParquetError extends Error {}

/** A column: flat, a field of a struct, or lists of these. */
export interface Leaf {
  /** Its elements from the top, without the root; each has one child. */
  readonly path: readonly SchemaElement[];
  /** Names of the fields of structs that it is in, and its own in them. */
  readonly fields: readonly string[];
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** Maximum size of a footer: some damages take time quadratic in its size. */
const MAX_FOOTER = 1 << 22;
const MAX_ROWS = 2 ** 24;
/** Maximum values of a column in a row group, numbers of lists included. */
const MAX_VALUES = 2 ** 26;
/** Maximum size of a column in a row group, and of an unpacked page: bounds the memory. */
const MAX_BYTES = 2 ** 30;
/** Maximum compression ratio of Snappy: 64 bytes in 3. */
const MAX_RATIO = 22;
const MAX_DEPTH = 16;

const inflate = (codec: typeof gunzipSync) => (bytes: Uint8Array, size: number): Uint8Array =>
  new Uint8Array(codec(bytes, { maxOutputLength: Math.max(size, 1) }));

/** Decompressors of a page by codec. */
export const CODECS: Readonly<Record<string, ReturnType<typeof inflate>>> = {
  UNCOMPRESSED: (bytes) => bytes,
  SNAPPY: unpackSnappy,
  GZIP: inflate(gunzipSync),
  ZSTD: inflate(zstdDecompressSync),
  BROTLI: inflate(brotliDecompressSync),
};

/**
 * Reads the footer of a file and checks it against the file.
 * @returns the metadata and the columns by name; `struct.field` is a field's
 * @throws if it is not a Parquet file, is damaged, or has maps
 */
export function readFooter(
  file: RandomAccessFile,
): { metadata: FileMetaData; leaves: Map<string, Leaf> } {
  const length = file.size;
  const end = new DataView(file.read(Math.max(0, length - 8), Math.min(8, length)).buffer);
  if (length < 12 || end.getUint32(4, true) !== 0x31524150) {
    const pointer = new TextDecoder().decode(file.read(0, Math.min(40, length)));
    throw new ParquetError(
      pointer.startsWith("version https://git-lfs")
        ? "it is a pointer of Git LFS. Run git lfs pull beside it"
        : "it is not a Parquet file, or is truncated. Download or write it again",
    );
  }
  const size = end.getUint32(0, true);
  if (size > Math.min(MAX_FOOTER, length - 12)) throw claims("a footer", size);
  const footer = file.read(length - 8 - size, size + 8);
  const metadata = parquetMetadata(footer.buffer, { geoparquet: false });
  const leaves = new Map<string, Leaf>();
  for (let next = 1; next < metadata.schema.length;) {
    next = addLeaves(metadata.schema, next, leaves);
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

/** Adds the leaves below an element of the schema. Returns the index of the element after them. */
function addLeaves(
  schema: readonly SchemaElement[],
  at: number,
  leaves: Map<string, Leaf>,
  above: readonly SchemaElement[] = [],
): number {
  const element = schema[at];
  if (element === undefined || above.length > MAX_DEPTH) {
    throw new ParquetError("it is damaged: its schema is not complete");
  }
  if (element.num_children) {
    // hyparquet reads each leaf as the only one.
    const branch = [...above, { ...element, num_children: 1 }];
    let next = at + 1;
    for (let i = 0; i < element.num_children; i++) next = addLeaves(schema, next, leaves, branch);
    return next;
  }
  const path = [...above, element];
  const lists = path.map(({ repetition_type }) => repetition_type === "REPEATED");
  // The two elements between a list and its values have no meaning.
  const fields = path.map(({ name }) => name).filter((_, i) =>
    i === 0 || !lists[i] && !lists[i - 1]
  );
  const name = fields.join(".");
  if (leaves.has(name)) {
    throw new ParquetError(`its column "${name}" is a map, or occurs twice. Leave it out`);
  }
  leaves.set(name, {
    path,
    fields: fields.slice(1),
    maxDefinition: path.filter(({ repetition_type }) => repetition_type !== "REQUIRED").length,
    maxRepetition: lists.filter(Boolean).length,
  });
  return at + 1;
}

/** Returns the byte range of a column in a row group. */
export function rangeOf(meta: ColumnMetaData): { start: number; end: number } {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  return { start, end: start + Number(meta.total_compressed_size) };
}

/**
 * Reads the bytes of a column in a row group and checks all of their pages.
 * @param rows those of the row group
 */
export function readChunk(
  file: RandomAccessFile,
  meta: ColumnMetaData,
  { path, maxDefinition, maxRepetition }: Leaf,
  rows: number,
): Uint8Array<ArrayBuffer> {
  const { start, end } = rangeOf(meta), length = end - start;
  const { codec } = meta, total = Number(meta.num_values);
  const name = path.map(({ name }) => name).join(".");
  if (!Object.hasOwn(CODECS, codec)) {
    throw new ParquetError(
      `its column "${name}" is packed by ${codec}, which is not read. Write it with ZSTD or SNAPPY`,
    );
  }
  if (length > MAX_BYTES) {
    const size = `${length.toLocaleString("en")} bytes in a row group`;
    throw new ParquetError(`its column "${name}" has ${size}. Write fewer rows per row group`);
  }
  const fits = maxRepetition > 0 ? total >= rows && total <= MAX_VALUES : total === rows;
  if (!fits || meta.type !== path.at(-1)!.type) throw claims("a column", total, "values");
  const chunk = file.read(start, length);
  const reader = { view: new DataView(chunk.buffer), offset: 0 };
  let values = 0, dictionary: number | undefined;
  while (reader.offset < length) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: size } = header;
    const at = reader.offset;
    if (!(packed >= 0 && at + packed <= length)) throw claims("a page", packed);
    if (!(size >= 0 && size <= MAX_BYTES)) throw claims("an unpacked page", size);
    const bytes = chunk.subarray(at, at + packed);
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
    checkEncoding(data.encoding, plain, from, known, meta.type, dictionary);
  }
  if (values !== total) throw claims("a column", total, "values");
  return chunk;
}

function checkEncoding(
  encoding: Encoding,
  page: Uint8Array,
  at: number,
  count: number,
  type: string,
  dictionary: number | undefined,
): void {
  const boolean = type === "BOOLEAN";
  // A plain value takes at least one bit.
  if (
    encoding === "PLAIN" || encoding === "BYTE_STREAM_SPLIT" && /^(?:INT|FLOAT|DOUBLE)/.test(type)
  ) {
    if (count > 8 * (page.length - at)) throw claims("a page", count, "values");
  } else if (encoding === "RLE" && boolean) {
    checkRuns(page, at + 4, at + 4 + lengthAt(page, at), count, 1);
  } else if (encoding.endsWith("_DICTIONARY") && !boolean && dictionary !== undefined) {
    const width = page[at] ?? 0;
    if (width > 32) throw claims("a dictionary's index", width, "bits");
    checkRuns(page, at + 1, page.length, count, width);
  } else {
    const wayOut = "Write it with plain or dictionary encoding";
    throw new ParquetError(`a page is encoded as ${encoding}, which is not read. ${wayOut}`);
  }
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
  const plain = CODECS[codec](bytes, size);
  if (plain.length !== size) throw claims("a page", size);
  return plain;
}

function unpackSnappy(bytes: Uint8Array, size: number): Uint8Array {
  if (size > bytes.length * MAX_RATIO + 64) throw claims("an unpacked page", size);
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
