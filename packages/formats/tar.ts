/**
 * Tar archives, read by offset and written as a stream. Reading goes through the headers only, so
 * an archive of gigabytes costs a few seconds and no memory, and nothing is ever unpacked.
 *
 * Knows ustar, GNU long names and PAX extended headers (POSIX.1-2001). A hard link stands for the
 * earlier file that it names. An archive which asks for more than files and folders inside it -
 * symbolic links, devices, paths that lead outside - is refused.
 */
import type { RandomAccessFile } from "./random_access_file.ts";
import { byteCount } from "./byte_reader.ts";

/** A file in an archive: its bytes are `size` bytes from `offset` on. */
export interface TarEntry {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
/** No long name or PAX header needs more. */
const MAX_EXTENSION = 1 << 20;

/**
 * Yields the files of an archive, in their order. Folders are passed over. Throws `TarError`.
 * @param end byte at which to stop. Default: the archive's end mark
 */
export function* scanTar(
  archive: RandomAccessFile,
  end = Infinity,
): Generator<TarEntry, void, undefined> {
  const header = new Uint8Array(BLOCK);
  let position = 0;
  let globals: Pax = {};
  let pax: Pax = {};
  let longName: string | undefined, longLink: string | undefined;
  /** The files so far by path, from the first hard link on. */
  let seen: Map<string, TarEntry> | undefined;

  while (position < end) {
    const at = position;
    const fail = (why: string) => new TarError(archive.path, at, why);
    if (position + BLOCK > archive.size) {
      throw fail(
        `it ends at ${count(archive.size)} without an end mark, so it was cut short; get it again`,
      );
    }
    archive.readInto(header, position);
    position += BLOCK;
    if (header[0] === 0 && header.every((byte) => byte === 0)) return; // end of the archive
    checkSum(header, fail);

    const type = String.fromCharCode(header[156] || 0x30);
    const size = pax.size !== undefined && !"xgLK".includes(type)
      ? decimal(pax.size, fail)
      : number(header, 124, 12, fail);
    if (size > archive.size - position) {
      throw fail(
        `the entry claims ${byteCount(size)}, ${count(archive.size - position)} remain; ` +
          `it was cut short or damaged, get it again`,
      );
    }
    const offset = position;
    position += Math.ceil(size / BLOCK) * BLOCK;

    if ("xgLK".includes(type)) {
      if (size > MAX_EXTENSION) throw fail(`a header of ${byteCount(size)} is refused`);
      const data = archive.read(offset, size);
      if (type === "x") pax = { ...globals, ...paxRecords(data, fail) };
      else if (type === "g") pax = globals = { ...globals, ...paxRecords(data, fail) };
      else if (type === "L") longName = text(data, 0, data.length, fail);
      else longLink = text(data, 0, data.length, fail);
      continue;
    }

    const path = safePath(pax.path ?? longName ?? ustarPath(header, fail), fail);
    if (pax.sparse) throw fail(`"${path}" is a sparse file, which is refused; ${repack}`);
    const folder = type === "5" || (type === "0" && path.endsWith("/"));
    if (!folder && !"017".includes(type)) {
      const kind = kinds[type] ?? `an entry of type ${JSON.stringify(type)}`;
      throw fail(
        `"${path}" is ${kind}, which is refused: only files and folders are taken; ${repack}`,
      );
    }
    if (!folder) {
      let entry: TarEntry = { path, offset, size };
      if (type === "1") {
        const target = safePath(pax.linkpath ?? longLink ?? text(header, 157, 257, fail), fail);
        seen ??= filesBefore(archive, at);
        const file = size === 0 ? seen.get(target) : undefined;
        if (!file) {
          throw fail(
            `"${path}" is a hard link to "${target}", which is no file before it; ${repack}`,
          );
        }
        entry = { ...file, path };
      }
      seen?.set(path, entry);
      yield entry;
    }
    pax = globals;
    longName = longLink = undefined;
  }
}

/** The way out for what only an archiver can mend. */
const repack = "pack it again with GNU tar's --dereference --hard-dereference";

/** The files of an archive before byte `end`, by path; of two with one path the later. */
function filesBefore(archive: RandomAccessFile, end: number): Map<string, TarEntry> {
  const files = new Map<string, TarEntry>();
  for (const entry of scanTar(archive, end)) files.set(entry.path, entry);
  return files;
}

/** An archive that cannot or must not be read. */
export class TarError extends Error {
  override readonly name = "TarError";
  constructor(path: string, at: number, why: string) {
    super(`Cannot read the archive "${path}" at byte ${count(at)}: ${why}.`);
  }
}

const kinds: Record<string, string> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "6": "a named pipe",
  "S": "a sparse file",
};

type Fail = (why: string) => TarError;

/** The sum of the header's bytes, its own field counted as spaces; old tars summed signed bytes. */
function checkSum(header: Uint8Array, fail: Fail): void {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : header[i];
    unsigned += byte;
    signed += byte << 24 >> 24;
  }
  const stored = number(header, 148, 8, fail);
  if (stored !== unsigned && stored !== signed) {
    throw fail(`the header's checksum is ${stored}, its bytes sum to ${unsigned}; it is damaged`);
  }
}

/** A number in octal text, or in GNU's base 256 for files of 8 GB and more. */
function number(header: Uint8Array, start: number, length: number, fail: Fail): number {
  if (header[start] === 0x80) {
    let value = 0;
    for (let i = start + 1; i < start + length; i++) value = value * 256 + header[i];
    if (!Number.isSafeInteger(value)) throw fail(`a size of ${byteCount(value)} is absurd`);
    return value;
  }
  const digits = latin1(header.subarray(start, start + length)).replace(/\0.*$/s, "").trim();
  if (!/^[0-7]*$/.test(digits)) throw fail(`${JSON.stringify(digits)} is not an octal number`);
  return digits === "" ? 0 : parseInt(digits, 8);
}

function decimal(digits: string, fail: Fail): number {
  const value = /^\d+$/.test(digits) ? Number(digits) : NaN;
  if (!Number.isSafeInteger(value)) throw fail(`a size of ${JSON.stringify(digits)} is absurd`);
  return value;
}

/** The records of a PAX header that count here. */
interface Pax {
  path?: string;
  linkpath?: string;
  size?: string;
  sparse?: true;
}

/**
 * Reads a PAX header: records "length key=value\n", the length in decimal and counting itself. Other
 * keys are passed over undecoded: extended attributes (SCHILY.xattr, LIBARCHIVE.xattr) are no text.
 */
function paxRecords(data: Uint8Array, fail: Fail): Pax {
  const records: Pax = {};
  for (let start = 0; start < data.length;) {
    const space = data.indexOf(0x20, start);
    const length = space < 0 || space - start > 8
      ? NaN
      : decimal(latin1(data.subarray(start, space)), fail);
    const equals = data.indexOf(0x3d, space);
    const end = start + length;
    if (!(end <= data.length) || data[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      throw fail(`its extended header is malformed at its byte ${start}`);
    }
    const key = latin1(data.subarray(space + 1, equals));
    if (key === "path" || key === "linkpath" || key === "size") {
      records[key] = text(data, equals + 1, end - 1, fail, true);
    } else if (key.startsWith("GNU.sparse")) records.sparse = true;
    start = end;
  }
  return records;
}

/** The name in a plain header, of up to 255 bytes in two fields. */
function ustarPath(header: Uint8Array, fail: Fail): string {
  const name = text(header, 0, 100, fail);
  // GNU's own format uses the prefix field for other things.
  const posix = latin1(header.subarray(257, 263)) === "ustar\0";
  const prefix = posix ? text(header, 345, 500, fail) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** UTF-8 text, up to the first NUL unless `whole`. */
function text(data: Uint8Array, start: number, end: number, fail: Fail, whole = false): string {
  const bytes = data.subarray(start, end);
  const nul = whole ? -1 : bytes.indexOf(0);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      nul < 0 ? bytes : bytes.subarray(0, nul),
    );
  } catch {
    throw fail(
      `a name is not UTF-8: ${JSON.stringify(latin1(bytes).slice(0, 100))}; rename it, and pack ` +
        `the archive again`,
    );
  }
}

/** A relative path that stays inside, "./" taken off the front; anything else is refused. */
function safePath(path: string, fail: Fail): string {
  const clean = path.replace(/^(?:\.\/+)+/, "");
  const parts = clean.split(/[/\\]/);
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/[\0-\x1f]/.test(clean) || /^[/\\]|^[A-Za-z]:/.test(clean) || parts.includes("..")) {
    throw fail(`the path ${JSON.stringify(path)} leads outside the archive, which is refused`);
  }
  if (clean === "" && path === "") throw fail("an entry has no name");
  return clean;
}

/**
 * Writes an archive entry by entry. The same entries give the same bytes on any day and machine:
 * no dates, no owners.
 */
export class TarWriter implements Disposable {
  /** Bytes written so far. */
  size = 0;
  #file: Deno.FsFile;
  #open = true;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
  }

  /** Appends a file and tells where its bytes lie. */
  add(path: string, data: Uint8Array): TarEntry {
    const name = new TextEncoder().encode(path);
    const fail = (why: string) => new Error(`Cannot add "${path}" to an archive: ${why}.`);
    if (path === "" || safePath(path, fail as Fail) !== path || path.endsWith("/")) {
      throw fail("it is not the plain relative path of a file");
    }
    if (name.length > 100 || name.length !== path.length) {
      // Longer or not ASCII: a PAX header gives the name, and the plain one a cut.
      this.#entry("x", "pax", paxRecord("path", path));
    }
    const offset = this.#entry("0", name.subarray(0, 100), data);
    return { path, offset, size: data.length };
  }

  /** Writes the end mark; without it the archive reads as cut short. */
  close(): void {
    if (!this.#open) return;
    this.#write(new Uint8Array(2 * BLOCK));
    this.#open = false;
    this.#file.close();
  }

  /** Lets go of the file, finished or not. */
  [Symbol.dispose](): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }

  #entry(type: string, name: Uint8Array | string, data: Uint8Array): number {
    const header = new Uint8Array(BLOCK);
    const put = (value: string, start: number) =>
      header.set(new TextEncoder().encode(value), start);
    header.set(typeof name === "string" ? new TextEncoder().encode(name) : name);
    put("0000644\0" + "0000000\0" + "0000000\0", 100); // mode, owner, group
    put(data.length.toString(8).padStart(11, "0") + "\0", 124);
    put("00000000000\0", 136); // date
    put("        ", 148);
    put(type, 156);
    put("ustar\x0000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    put(sum.toString(8).padStart(6, "0") + "\0 ", 148);
    this.#write(header);
    const offset = this.size;
    this.#write(data);
    this.#write(new Uint8Array((BLOCK - data.length % BLOCK) % BLOCK));
    return offset;
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    this.size += bytes.length;
  }
}

function paxRecord(key: string, value: string): Uint8Array {
  const rest = new TextEncoder().encode(` ${key}=${value}\n`).length;
  // The length counts its own digits.
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return new TextEncoder().encode(`${length} ${key}=${value}\n`);
}

function latin1(bytes: Uint8Array): string {
  let result = "";
  for (const byte of bytes) result += String.fromCharCode(byte);
  return result;
}

function count(n: number): string {
  return n.toLocaleString("en");
}
