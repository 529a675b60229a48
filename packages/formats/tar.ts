/**
 * Reads tar archives by offset, without unpacking them, and writes them as a stream.
 *
 * Supports ustar, GNU long names and PAX extended headers (POSIX.1-2001). A hard link is read as the
 * earlier file that it names. Symbolic links, devices and paths that lead outside are errors.
 */
import { Buffer } from "node:buffer";
import { byteCount, count, type RandomAccessFile, writeAllSync } from "./random_access_file.ts";

/** A file in an archive: `size` bytes from `offset` on. */
export interface TarEntry {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** An archive to read: an open file, or bytes in memory. */
export type TarSource = Pick<RandomAccessFile, "path" | "size" | "read">;

const BLOCK = 512;
const encoder = new TextEncoder();
/** Maximum size of a long name or PAX header. */
const MAX_EXTENSION = 1 << 20;

/**
 * Yields the files of an archive in order, without its folders.
 * @param end byte at which to stop. Default: the archive's end marker
 * @throws {TarError} if it is damaged, or has entries that are not supported
 *
 * @example
 * ```ts
 * import { RandomAccessFile } from "@reproducible/formats/random_access_file";
 * const path = await Deno.makeTempFile();
 * const writer = new TarWriter(path);
 * writer.add("17/a.txt", new TextEncoder().encode("hello"));
 * writer.close();
 * using archive = new RandomAccessFile(path);
 * for (const { path, offset, size } of scanTar(archive)) console.log(path, archive.read(offset, size));
 * ```
 */
export function* scanTar(archive: TarSource, end = Infinity): Generator<TarEntry, void, undefined> {
  let position = 0;
  let globals: Pax = {}, pax: Pax = {};
  let longName: string | undefined, longLink: string | undefined;
  /** The previous files by path, once there is a hard link. */
  let seen: Map<string, TarEntry> | undefined;

  while (position < end) {
    const at = position;
    const fail = (why: string) => new TarError(archive.path, at, why);
    if (position + BLOCK > archive.size) {
      throw fail(`truncated at byte ${count(archive.size)} (no end marker); download it again`);
    }
    const header = archive.read(position, BLOCK);
    position += BLOCK;
    if (header[0] === 0 && header.every((byte) => byte === 0)) return; // end of the archive
    const foreign = at === 0 && latin1(header.subarray(257, 262)) !== "ustar";
    checkSum(header, foreign ? () => fail(formatOf(header)) : fail);

    const type = String.fromCharCode(header[156] || 0x30);
    const size = pax.size !== undefined && !"xgLK".includes(type)
      ? decimal(pax.size, fail)
      : number(header, 124, 12, fail);
    if (size > archive.size - position) {
      throw fail(
        `the entry claims ${byteCount(size)}, ${count(archive.size - position)} remain; ` +
          "it is truncated or damaged; download it again",
      );
    }
    const offset = position;
    position += Math.ceil(size / BLOCK) * BLOCK;

    if ("xgLK".includes(type)) {
      if (size > MAX_EXTENSION) throw fail(`a header of ${byteCount(size)} is too large`);
      const data = archive.read(offset, size);
      if (type === "x") pax = { ...globals, ...paxRecords(data, fail) };
      else if (type === "g") pax = globals = { ...globals, ...paxRecords(data, fail) };
      else if (type === "L") longName = text(data, 0, data.length, fail);
      else longLink = text(data, 0, data.length, fail);
      continue;
    }

    const path = safePath(pax.path ?? longName ?? ustarPath(header, fail), fail);
    if (pax.sparse !== undefined || type === "S") {
      throw fail(
        `"${pax.sparse || path}" is a sparse file; pack it again with GNU tar without ` +
          "--sparse (-S), or with macOS's tar and --no-read-sparse",
      );
    }
    // D and V: a folder of an incremental archive, and the archive's label.
    const folder = "5DV".includes(type) || (type === "0" && path.endsWith("/"));
    if (!folder && !"017".includes(type)) {
      const kind = kinds[type] ?? `an entry of type ${JSON.stringify(type)}`;
      throw fail(`"${path}" is ${kind}; only files and folders are supported; ${repack}`);
    }
    if (!folder) {
      let entry: TarEntry = { path, offset, size };
      if (type === "1") {
        const target = safePath(pax.linkpath ?? longLink ?? text(header, 157, 257, fail), fail);
        // The later of two files with the same path counts.
        seen ??= new Map(scanTar(archive, at).map((entry) => [entry.path, entry]));
        const file = size === 0 ? seen.get(target) : undefined;
        const why = `"${path}" is a hard link to "${target}", which is not an earlier file`;
        if (!file) throw fail(`${why}; ${repack}`);
        entry = { ...file, path };
      }
      seen?.set(path, entry);
      yield entry;
    }
    pax = globals;
    longName = longLink = undefined;
  }
}

/** The way out for entries that are not supported. */
const repack = "pack it again with GNU tar's --dereference --hard-dereference";

/** An archive that is damaged or not supported. */
export class TarError extends Error {
  override readonly name = "TarError";
  constructor(path: string, at: number, why: string) {
    super(`Cannot read the archive "${path}" at byte ${count(at)}: ${why}.`);
  }
}

const kinds: Record<string, string> = {
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "6": "a named pipe",
};

type Fail = (why: string) => TarError;

/** Describes a file whose first bytes are no header. */
function formatOf(header: Uint8Array): string {
  if (header[0] === 0x1f && header[1] === 0x8b) return "it is packed by gzip; name it .tar.gz";
  return `it is no tar; it begins with ${JSON.stringify(latin1(header.subarray(0, 16)))}`;
}

/** Checks the sum of the header's bytes, its own field as spaces; old tars sum signed bytes. */
function checkSum(header: Uint8Array, fail: Fail): void {
  let unsigned = 0, signed = 0;
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

/** Parses a number in octal or, for files of 8 GB and more, in GNU's base 256. */
function number(header: Uint8Array, start: number, length: number, fail: Fail): number {
  if (header[start] === 0x80) {
    let value = 0;
    for (let i = start + 1; i < start + length; i++) value = value * 256 + header[i];
    if (!Number.isSafeInteger(value)) throw fail(`a size of ${value} bytes is not possible`);
    return value;
  }
  const digits = latin1(header.subarray(start, start + length)).replace(/\0.*$/s, "").trim();
  if (!/^[0-7]*$/.test(digits)) throw fail(`${JSON.stringify(digits)} is not an octal number`);
  return digits === "" ? 0 : parseInt(digits, 8);
}

function decimal(digits: string, fail: Fail): number {
  const value = /^\d+$/.test(digits) ? Number(digits) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw fail(`a size of ${JSON.stringify(digits)} is not possible`);
  }
  return value;
}

/** The supported records of a PAX header. */
interface Pax {
  path?: string;
  linkpath?: string;
  size?: string;
  /** Name of a sparse file, or "". */
  sparse?: string;
}

/**
 * Parses a PAX header: records "length key=value\n", where the decimal length includes itself. Other
 * keys are skipped undecoded: extended attributes (SCHILY.xattr, LIBARCHIVE.xattr) are not text.
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
    } else if (key.startsWith("GNU.sparse")) {
      records.sparse ||= key === "GNU.sparse.name"
        ? text(data, equals + 1, end - 1, fail, true)
        : "";
    }
    start = end;
  }
  return records;
}

/** Returns the name in a ustar header, at most 255 bytes in two fields. */
function ustarPath(header: Uint8Array, fail: Fail): string {
  const name = text(header, 0, 100, fail);
  // GNU's format uses the prefix field for other purposes.
  const posix = latin1(header.subarray(257, 263)) === "ustar\0";
  const prefix = posix ? text(header, 345, 500, fail) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Decodes UTF-8 up to the first NUL; with `whole`, up to `end`. */
function text(data: Uint8Array, start: number, end: number, fail: Fail, whole = false): string {
  const nul = whole ? -1 : data.subarray(start, end).indexOf(0);
  const bytes = data.subarray(start, nul < 0 ? end : start + nul);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const name = JSON.stringify(latin1(bytes).slice(0, 100));
    throw fail(`a name is not UTF-8: ${name}; rename it and pack the archive again`);
  }
}

/** Removes a leading "./". @throws if the path leads outside of the archive */
function safePath(path: string, fail: Fail): string {
  const clean = path.replace(/^(?:\.\/+)+/, "");
  const parts = clean.split(/[/\\]/);
  // deno-lint-ignore no-control-regex -- finds control characters
  if (/[\0-\x1f]/.test(clean)) {
    // Such as "Icon\r", which macOS adds to folders.
    const way = "rename or remove it and pack the archive again";
    throw fail(`the path ${JSON.stringify(path)} has a control character; ${way}`);
  }
  if (/^[/\\]|^[A-Za-z]:/.test(clean) || parts.includes("..")) {
    const why = "leads outside the archive; pack it again with relative paths";
    throw fail(`the path ${JSON.stringify(path)} ${why}`);
  }
  if (clean === "" && path === "") throw fail("an entry has no name");
  return clean;
}

/** Writes an archive entry by entry. Equal entries give equal bytes: there are no dates or owners. */
export class TarWriter implements Disposable {
  #file: Deno.FsFile;
  #open = true;

  /** @param size bytes written so far: those of an archive to continue. Default: a new archive */
  constructor(path: string, public size = 0) {
    this.#file = Deno.openSync(path, { write: true, create: true });
    this.#file.truncateSync(size);
    this.#file.seekSync(size, Deno.SeekMode.Start);
  }

  /** Appends a file. Returns its position. */
  add(path: string, data: Uint8Array, executable = false): TarEntry {
    const name = encoder.encode(path);
    const fail = (why: string) => new Error(`Cannot add "${path}" to an archive: ${why}.`);
    if (path === "" || safePath(path, fail as Fail) !== path || path.endsWith("/")) {
      throw fail("it is not a normalized relative path of a file");
    }
    if (name.length > 100 || name.length !== path.length) {
      // Longer or not ASCII: a PAX header holds the complete name.
      this.#entry("x", encoder.encode("pax"), paxRecord(path));
    }
    const mode = executable ? "0000755" : "0000644";
    const offset = this.#entry("0", name.subarray(0, 100), data, mode);
    return { path, offset, size: data.length };
  }

  /** Writes the end marker and closes the file. */
  close(): void {
    if (!this.#open) return;
    this.#write(new Uint8Array(2 * BLOCK));
    this.#open = false;
    this.#file.close();
  }

  /** Closes the file; without `close()` before, the archive is incomplete. */
  [Symbol.dispose](): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }

  #entry(type: string, name: Uint8Array, data: Uint8Array, mode = "0000644"): number {
    const header = new Uint8Array(BLOCK);
    const put = (value: string, start: number) => header.set(encoder.encode(value), start);
    header.set(name);
    put(`${mode}\0` + "0000000\0" + "0000000\0", 100); // mode, owner, group
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
    writeAllSync(this.#file, bytes);
    this.size += bytes.length;
  }
}

function paxRecord(path: string): Uint8Array {
  const rest = encoder.encode(` path=${path}\n`).length;
  // The length counts its own digits.
  const length = rest + String(rest + String(rest).length).length;
  return encoder.encode(`${length} path=${path}\n`);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
