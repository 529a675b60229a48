/**
 * Reads one struct of a MATLAB level-5 file field by field, while it is unpacked: neither the file nor
 * what it unpacks to is ever in memory as a whole.
 */
import { byteCount, ByteReader } from "./byte_reader.ts";
import { byteOrder, checkClaim, HEADER, miCOMPRESSED, miMATRIX } from "./mat.ts";
import { type MatError, MatSource } from "./mat/source.ts";
import { kindOf, type MatCell, type MatValue, structFields, valueAt } from "./mat_values.ts";

/** A file, or a part of one. */
export interface MatFile {
  readonly size: number;
  /** The bytes from `offset` on, in memory of their own. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

/** A field of a struct. */
export interface MatField {
  /** As float64. @throws {MatError} if it holds anything but real numbers */
  numbers(): Float64Array;
  /** @throws {MatError} if it holds no cell */
  cell(): MatCell;
}

export interface MatStructOptions {
  /** Name of the file, for messages. */
  source: string;
  /** Name of the struct. */
  variable: string;
  /** Most bytes that it may unpack to. */
  limit?: number;
}

/** Bytes of the file at a time. */
const CHUNK = 1 << 18;
/** Header and names of a struct take less. */
const HEAD = 1 << 16;

/**
 * Calls `take` with each field of a struct that it has a function for, in the file's order. A field's
 * memory is free again once its function let go of it.
 * @returns the names of all fields
 * @throws {MatError} if the file is damaged or has no such struct
 */
export async function readMatStruct(
  file: MatFile,
  { source, variable, limit = 2 ** 30 }: MatStructOptions,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<readonly string[]> {
  const little = byteOrder(file.read(0, Math.min(HEADER, file.size)), source);
  const others: string[] = [];
  for (let at = HEADER; at < file.size;) {
    const place = { little, file: source, offset: at };
    const remain = file.size - at;
    const tag = new MatSource(file.read(at, Math.min(8, remain)), place).tag(0, remain);
    if (tag.type !== miCOMPRESSED && tag.type !== miMATRIX) {
      throw new MatSource(new Uint8Array(), place)
        .error(0, `is of type ${tag.type}; a variable was expected`);
    }
    const packed = tag.type === miCOMPRESSED;
    const chunks = packed
      ? unpack(file, at + tag.data, tag.size)
      : piecesOf(file, at, tag.data + tag.size);
    await using stream = new ByteReader(chunks);
    const inner = packed ? { little, file: source, unpackedFrom: at } : place;
    const error = (where: number, why: string, cause?: unknown) =>
      new MatSource(new Uint8Array(), inner).error(where, why, cause);
    try {
      const head = await stream.peek(HEAD);
      const top = new MatSource(head, inner);
      if (head.length < 8) throw error(0, `unpacks to ${byteCount(head.length)}, less than a tag`);
      const size = 8 + top.view.getUint32(4, little);
      if (packed) checkClaim(new MatSource(new Uint8Array(), place), 0, tag.size, size, limit);
      const header = headOf(() => top.headerWithin(0, size), error);
      const kind = kindOf(header);
      if (header.name === variable) {
        if (kind === "struct" && header.count !== 1) {
          throw new Error(
            `Cannot use "${source}": its struct "${variable}" is an array of ` +
              `${
                header.dims.join(" × ")
              } structs; one struct of columns was expected. In MATLAB: ` +
              `${variable} = table2struct(struct2table(${variable}), 'ToScalar', true).`,
          );
        }
        if (kind !== "struct") {
          throw notThere(source, variable, [...others, `${variable} (${kind})`]);
        }
        const { names, next } = headOf(() => structFields(top, header), error);
        await stream.skip(next);
        await readFields(stream, names, size, inner, take);
        if (!await stream.ended()) {
          throw error(0, `unpacks to more than the ${byteCount(size)} that it claims`);
        }
        return names;
      }
      if (header.name !== "") others.push(`${header.name} (${kind})`);
    } catch (cause) {
      if (!(cause instanceof Unpacking)) throw cause;
      throw new MatSource(new Uint8Array(), place).error(0, cause.message, cause);
    }
    at += packed ? tag.data + tag.size : tag.next;
  }
  throw notThere(source, variable, others);
}

type Place = ConstructorParameters<typeof MatSource>[1];

/** The fields of a struct, whose data is next in the stream. */
async function readFields(
  stream: ByteReader,
  names: readonly string[],
  end: number,
  place: Place,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<void> {
  for (const name of names) {
    const at = stream.position;
    const here = { ...place, offset: at + (place.offset ?? 0) };
    const tagBytes = await stream.peek(8);
    const { type, next } = new MatSource(tagBytes, here).tag(0, Math.min(end - at, MAX));
    if (tagBytes.length < 8) throw short(here);
    if (type !== miMATRIX) {
      throw new MatSource(tagBytes, here)
        .error(0, `is of storage type ${type}, an array was expected`);
    }
    const use = Object.hasOwn(take, name) ? take[name] : undefined;
    if (!use) {
      if (!await stream.skip(next)) throw short(here);
      continue;
    }
    const bytes = await stream.take(next);
    if (!bytes) throw short(here);
    const source = new MatSource(bytes, here);
    use(fieldOf(name, valueAt(source, 0, next, 1), source));
  }
}

/** No tag counts more bytes. */
const MAX = 2 ** 32 + 16;

function short(place: Place): MatError {
  return new MatSource(new Uint8Array(), place).error(0, "claims more bytes than there are");
}

function fieldOf(name: string, value: MatValue, source: MatSource): MatField {
  const unlike = (wanted: string) => {
    const is = value.kind === "unsupported" ? value.class : value.kind;
    return source.error(0, `, field "${name}", is of kind ${is}, ${wanted} was expected`);
  };
  return {
    numbers() {
      if (value.kind === "numeric" && !value.imaginary) return value.float64();
      throw unlike("real numbers");
    },
    cell() {
      if (value.kind === "cell") return value;
      throw unlike("a cell");
    },
  };
}

/** Reads what is at the beginning of a struct, of which only so much was looked at. */
function headOf<T>(read: () => T, error: (at: number, why: string, cause: unknown) => MatError): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw error(0, `does not name what it holds in its first ${byteCount(HEAD)}`, cause);
  }
}

function notThere(source: string, variable: string, others: readonly string[]): Error {
  return new Error(
    `Cannot use "${source}": it has no struct "${variable}"; it holds ` +
      `${others.join(", ") || "nothing"}.`,
  );
}

/** What is wrong with compressed data. */
class Unpacking extends Error {}

async function* piecesOf(
  file: MatFile,
  start: number,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < size; at += CHUNK) {
    yield file.read(start + at, Math.min(CHUNK, size - at));
  }
}

/** What a part of the file unpacks to. Cut short, or with more behind its end, it is damaged. */
async function* unpack(file: MatFile, start: number, size: number): AsyncGenerator<Uint8Array> {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const feed = async () => {
    for await (const piece of piecesOf(file, start, size)) await writer.write(piece);
    await writer.close();
  };
  const fed = feed().catch((error) => error); // told by what reads
  try {
    for await (const chunk of stream.readable) yield chunk;
  } catch (cause) {
    throw new Unpacking(`cannot be unpacked (${(cause as Error).message})`, { cause });
  }
  await fed;
}
