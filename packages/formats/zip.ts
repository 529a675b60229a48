/**
 * Reads zip archives (PKWARE's APPNOTE 6.3) by offset, zip64 included. Encrypted files are listed
 * only. Split archives, and methods other than store and deflate, are errors.
 */
import { promisify } from "node:util";
import { crc32, inflateRaw } from "node:zlib";
import { byteCount, count, RandomAccessFile } from "./random_access_file.ts";

/** A file in an archive. */
export interface ZipEntry {
  /** With forward slashes, and as it is: "../a" would lead out of a folder. */
  readonly name: string;
  /** Unpacked bytes. */
  readonly size: number;
  readonly packedSize: number;
  readonly crc: number;
  readonly method: number;
  readonly encrypted: boolean;
  /** Position of its local header. */
  readonly offset: number;
}

/** One file of an archive is damaged; the others may be read. */
export class DamagedEntry extends Error {}

const STORED = 0, DEFLATED = 8;
/** Signature of an entry of the directory. */
const ENTRY = 0x02014b50;
const WRAP = 2 ** 32;
/** Flag of a name in UTF-8. */
const UTF8 = 0x800;
/** Characters of bytes from 0x80 on in names without it: code page 437, as of Windows Explorer. */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌" +
  "█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
/** Maximum compression ratio of Deflate. */
const MAX_RATIO = 1032;

const inflate = promisify(inflateRaw);

/**
 * An open archive.
 *
 * @example
 * ```ts ignore
 * using archive = new ZipFile("package.whl");
 * await Deno.writeFile("first.txt", await archive.read(archive.entries[0]));
 * ```
 */
export class ZipFile implements Disposable {
  readonly entries: readonly ZipEntry[];
  readonly #file: RandomAccessFile;

  /** @throws if it is not a zip archive, or is not supported */
  constructor(path: string) {
    using opened = new DisposableStack();
    this.#file = opened.use(new RandomAccessFile(path));
    this.entries = readDirectory(this.#file);
    opened.move(); // stays open
  }

  /** Unpacks a file. @throws {DamagedEntry} if its length or checksum is not that of the directory */
  async read(entry: ZipEntry): Promise<Uint8Array> {
    const { name, size, packedSize, crc, method, offset, encrypted } = entry;
    const cannot = `Cannot unpack "${name}" of "${this.#file.path}"`;
    if (encrypted) {
      const wayOut = "Unpack the archive with its password, and remove it";
      throw new Error(`${cannot}: it is encrypted. ${wayOut}.`);
    }
    const damaged = (why: string, cause?: unknown) =>
      new DamagedEntry(`${cannot}: ${why}. The archive is damaged.`, { cause });
    const head = inside(this.#file, offset, 30) ? view(this.#file.read(offset, 30)) : undefined;
    if (head?.getUint32(0, true) !== 0x04034b50) {
      throw damaged("there is no header at its position");
    }
    const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    if (!inside(this.#file, start, packedSize)) throw damaged("its data is outside of the archive");
    const packed = this.#file.read(start, packedSize);
    const plain = method === STORED
      ? packed
      : await inflate(packed, { maxOutputLength: Math.min(size, MAX_RATIO * packedSize) + 1 })
        .catch((cause) => {
          throw damaged(`it cannot be unpacked to ${byteCount(size)} (${cause.message})`, cause);
        });
    if (plain.length !== size) {
      throw damaged(`it unpacks to ${count(plain.length)} of ${byteCount(size)}`);
    }
    if (crc32(plain) !== crc) throw damaged("its checksum is wrong");
    return plain;
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
  const { count, size, offset, end } = findDirectory(file, bad);
  const isDirectory = (at: number) =>
    inside(file, at, Math.max(4, size)) && view(file.read(at, 4)).getUint32(0, true) === ENTRY;
  // Positions are too small behind a program that unpacks the archive; those of macOS, which writes no
  // zip64, lack their upper bits, as does the number of entries.
  const start = isDirectory(offset) ? offset : isDirectory(end - size) ? end - size : offset;
  if (!inside(file, start, size)) throw bad("its directory is outside of the file");
  const directory = view(file.read(start, size));
  const entries: ZipEntry[] = [];
  const wraps = (start - offset) % WRAP === 0;
  let at = 0, all = 0, last = 0, before = wraps ? 0 : start - offset;
  for (; at + 46 <= size && directory.getUint32(at, true) === ENTRY; all++) {
    const short = (place: number) => directory.getUint16(at + place, true);
    const long = (place: number) => directory.getUint32(at + place, true);
    const [nameLength, extraLength, commentLength] = [short(28), short(30), short(32)];
    if (at + 46 + nameLength + extraLength > size) throw bad("its directory is damaged");
    const name = nameOf(
      new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameLength),
      { utf8: (short(8) & UTF8) !== 0, dos: short(4) >> 8 === 0 },
    );
    const encrypted = (short(8) & 1) !== 0, method = short(10);
    if (!encrypted && method !== STORED && method !== DEFLATED) {
      throw bad(
        `"${name}" is packed by method ${method}, not stored or deflated; pack it again with deflate`,
      );
    }
    const sizes = { size: long(24), packedSize: long(20), offset: long(42) };
    if (
      !widen(sizes, directory, at + 46 + nameLength, extraLength) ||
      !Object.values(sizes).every(Number.isSafeInteger)
    ) throw bad(`the sizes of "${name}" are damaged`);
    if (start !== offset && wraps && sizes.offset + before < last) before += WRAP;
    sizes.offset += before;
    last = sizes.offset;
    // Folders have entries too.
    if (!name.endsWith("/")) entries.push({ name, method, crc: long(16), encrypted, ...sizes });
    at += 46 + nameLength + extraLength + commentLength;
  }
  if (all % 2 ** 16 !== count % 2 ** 16) throw bad("its directory is damaged");
  return entries;
}

/** Decodes a name. Some archivers write UTF-8 without its flag, or backslashes on DOS and Windows. */
function nameOf(bytes: Uint8Array, { utf8, dos }: { utf8: boolean; dos: boolean }): string {
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: !utf8 }).decode(bytes);
  } catch {
    name = Array.from(bytes, (byte) => byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128])
      .join("");
  }
  if (dos && !name.includes("/")) name = name.replaceAll("\\", "/");
  return name.replace(/^(?:\.\/+)+(?=.)/, "");
}

/** Finds the directory by the end record, or by the zip64 record that a locator points to. */
function findDirectory(file: RandomAccessFile, bad: (why: string) => Error) {
  // The end record has 22 bytes, followed by a comment of at most 65,535.
  const length = Math.min(file.size, 22 + 0xffff);
  const tail = view(file.read(file.size - length, length));
  let end = length - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw bad("it has no directory at its end; it is truncated, or another format");
  const part = tail.getUint16(end + 4, true); // 0xffff in zip64
  const join = "join all: zip -s 0 IN.zip --out OUT.zip";
  if (part > 0 && part < 0xffff) throw bad(`it is part ${part + 1} of a split archive; ${join}`);
  const count = tail.getUint16(end + 10, true);
  const size = tail.getUint32(end + 12, true);
  const offset = tail.getUint32(end + 16, true);
  const locator = end - 20;
  if (locator < 0 || tail.getUint32(locator, true) !== 0x07064b50) {
    return { count, size, offset, end: file.size - length + end };
  }
  const place = Number(tail.getBigUint64(locator + 8, true));
  if (!inside(file, place, 56)) throw bad("its zip64 directory is outside of the file");
  const wide = view(file.read(place, 56));
  if (wide.getUint32(0, true) !== 0x06064b50) throw bad("its zip64 directory is damaged");
  const at = (place: number) => Number(wide.getBigUint64(place, true));
  return { count: at(32), size: at(40), offset: at(48), end: place };
}

function inside({ size }: RandomAccessFile, offset: number, length: number): boolean {
  return offset >= 0 && length >= 0 && offset + length <= size;
}

/**
 * Reads the sizes of an entry that exceed 32 bits from its zip64 field.
 * @returns false if one is missing
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
