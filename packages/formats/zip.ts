/**
 * Zip archives (PKWARE's APPNOTE 6.3), read by offset: the directory at the end, then only the files
 * that are wanted, streamed. Archives and files beyond 4 GB (zip64) included; encrypted and split
 * ones, and methods other than store and deflate, are refused.
 */
import { crc32 } from "node:zlib";
import { RandomAccessFile } from "./random_access_file.ts";
import { byteCount } from "./byte_reader.ts";

/** A file in an archive. */
export interface ZipEntry {
  /** With forward slashes. */
  readonly name: string;
  /** Bytes when unpacked. */
  readonly size: number;
  readonly packedSize: number;
  readonly crc: number;
  readonly method: number;
  /** Of its local header. */
  readonly offset: number;
}

const STORED = 0, DEFLATED = 8;
const PIECE = 1 << 20;

export class ZipFile implements Disposable {
  readonly entries: readonly ZipEntry[];
  readonly #file: RandomAccessFile;

  /** @throws if it is no zip archive, or one that this does not read */
  constructor(path: string) {
    this.#file = new RandomAccessFile(path);
    try {
      this.entries = readDirectory(this.#file);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Unpacks one file in pieces. The last of them comes only if its length and checksum are right. */
  async *read(entry: ZipEntry): AsyncGenerator<Uint8Array> {
    const { name, size, packedSize, crc, method, offset } = entry;
    const damaged = (why: string) =>
      new Error(`Cannot unpack "${name}" of "${this.#file.path}": ${why}. It is damaged.`);
    const head = inside(this.#file, offset, 30) ? view(this.#file.read(offset, 30)) : undefined;
    if (head?.getUint32(0, true) !== 0x04034b50) {
      throw damaged("its header is not where it should be");
    }
    const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    if (!inside(this.#file, start, packedSize)) throw damaged("its data lie outside");
    let at = 0;
    const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => {
        const length = Math.min(PIECE, packedSize - at);
        if (length === 0) return controller.close();
        controller.enqueue(this.#file.read(start + at, length));
        at += length;
      },
    });
    const plain = method === STORED
      ? packed
      : packed.pipeThrough(new DecompressionStream("deflate-raw"));
    let sum = 0, length = 0;
    let last: Uint8Array | undefined;
    try {
      for await (const piece of plain) {
        sum = crc32(piece, sum);
        length += piece.length;
        if (length > size) throw damaged(`it unpacks to more than ${byteCount(size)}`);
        if (last !== undefined) yield last;
        last = piece;
      }
    } catch (error) {
      // What the decompressor says of bad data.
      throw error instanceof TypeError ? damaged(error.message) : error;
    }
    if (length !== size) throw damaged(`it unpacks to ${byteCount(length)} of ${size}`);
    if (sum !== crc) throw damaged("its checksum is wrong");
    if (last !== undefined) yield last;
  }

  /** Unpacks one file to a path. */
  async extract(entry: ZipEntry, path: string): Promise<void> {
    using file = await Deno.open(path, { write: true, create: true, truncate: true });
    for await (const piece of this.read(entry)) {
      for (let at = 0; at < piece.length;) at += file.writeSync(piece.subarray(at));
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readDirectory(file: RandomAccessFile): ZipEntry[] {
  const bad = (why: string) => new Error(`Cannot read "${file.path}" as a zip archive: ${why}.`);
  const { count, size, offset } = findDirectory(file, bad);
  if (!inside(file, offset, size)) throw bad("its directory lies outside");
  const directory = view(file.read(offset, size));
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || directory.getUint32(at, true) !== 0x02014b50) {
      throw bad("its directory is damaged");
    }
    const short = (place: number) => directory.getUint16(at + place, true);
    const long = (place: number) => directory.getUint32(at + place, true);
    const [nameLength, extraLength, commentLength] = [short(28), short(30), short(32)];
    if (at + 46 + nameLength + extraLength > size) throw bad("its directory is damaged");
    const name = new TextDecoder().decode(
      new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameLength),
    );
    if (short(8) & 1) throw bad(`"${name}" is encrypted`);
    const method = short(10);
    if (method !== STORED && method !== DEFLATED) {
      throw bad(`"${name}" is packed by method ${method}, not stored or deflated`);
    }
    const sizes = { size: long(24), packedSize: long(20), offset: long(42) };
    if (
      !widen(sizes, directory, at + 46 + nameLength, extraLength) ||
      !Object.values(sizes).every(Number.isSafeInteger)
    ) throw bad(`the sizes of "${name}" are damaged`);
    // Folders have entries too.
    if (!name.endsWith("/")) entries.push({ name, method, crc: long(16), ...sizes });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return entries;
}

/** Where the directory is: the end record, or its zip64 form, which a locator before it points to. */
function findDirectory(file: RandomAccessFile, bad: (why: string) => Error) {
  // The end record has 22 bytes, and a comment of at most 65,535 after it.
  const length = Math.min(file.size, 22 + 0xffff);
  const tail = view(file.read(file.size - length, length));
  let end = length - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw bad("it has no directory at its end. It is cut short, or something else");
  const count = tail.getUint16(end + 10, true);
  const size = tail.getUint32(end + 12, true);
  const offset = tail.getUint32(end + 16, true);
  const locator = end - 20;
  if (locator < 0 || tail.getUint32(locator, true) !== 0x07064b50) return { count, size, offset };
  const place = Number(tail.getBigUint64(locator + 8, true));
  if (!inside(file, place, 56)) throw bad("its zip64 directory lies outside");
  const wide = view(file.read(place, 56));
  if (wide.getUint32(0, true) !== 0x06064b50) throw bad("its zip64 directory is damaged");
  const at = (place: number) => Number(wide.getBigUint64(place, true));
  return { count: at(32), size: at(40), offset: at(48) };
}

/** Returns whether bytes that an archive claims to have lie in it. */
function inside({ size }: RandomAccessFile, offset: number, length: number): boolean {
  return offset >= 0 && length >= 0 && offset + length <= size;
}

/**
 * Takes sizes that did not fit into 32 bits from an entry's zip64 field.
 * @returns false if they are not all there
 */
function widen(
  sizes: { size: number; packedSize: number; offset: number },
  directory: DataView,
  start: number,
  length: number,
): boolean {
  for (let at = start; at + 4 <= start + length;) {
    const [id, fieldLength] = [directory.getUint16(at, true), directory.getUint16(at + 2, true)];
    if (id === 1) {
      let value = at + 4;
      for (const key of ["size", "packedSize", "offset"] as const) {
        if (sizes[key] !== 0xffffffff) continue;
        if (value + 8 > Math.min(at + 4 + fieldLength, start + length)) return false;
        sizes[key] = Number(directory.getBigUint64(value, true));
        value += 8;
      }
    }
    at += 4 + fieldLength;
  }
  return true;
}
