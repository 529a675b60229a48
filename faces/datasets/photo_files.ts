/** Reads the files of a data set: a folder, and the zip and tar archives that it is or holds. */
import { basename, dirname, join, relative, resolve } from "node:path";
import { ParquetError } from "../../packages/formats/parquet.ts";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { scanTar } from "../../packages/formats/tar.ts";
import { DamagedEntry, ZipFile } from "../../packages/formats/zip.ts";
import { gunzipFile } from "./local_files.ts";
import { ARCHIVE, PARQUET } from "./sources.ts";
import { unpackParquet } from "./unpack_parquet.ts";

/** Reason why a file cannot be used, after "is" or "are". */
export type Lack =
  | "missing"
  | "unreadable"
  | "damaged in the archive"
  | "of another type, such as a folder"
  | "larger than 1 GiB";

/**
 * Files by their path, with forward slashes. Archives in the folder count as unpacked there. A Parquet
 * table, at any depth, counts as lines of JSON, and its photos as in a folder of its name.
 */
export interface PhotoFiles extends AsyncDisposable {
  /** All files, sorted; hidden ones are left out. */
  readonly paths: readonly string[];
  /** Reads a file, whose path may have any Unicode normalization form. */
  read(path: string): Promise<Uint8Array | Lack>;
  /** Returns the path for errors: of a file in an archive, with the archive's name. Default: as it is. */
  sourceOf?(path: string): string;
}

/** Reads a file. @throws if it cannot be used */
export async function bytesOf({ read }: PhotoFiles, path: string): Promise<Uint8Array> {
  const bytes = await read(path);
  if (bytes instanceof Uint8Array) return bytes;
  throw new Error(`${JSON.stringify(path)}: it is ${bytes}`);
}

/** A file of an archive. */
interface Archived {
  readonly archive: string;
  readonly size: number;
  read(): Promise<Uint8Array | Lack>;
}

/** Maximum size of a photo's file: bounds the memory. */
const MAX_PHOTO_BYTES = 2 ** 30;

export function isArchive(path: string): boolean {
  return ARCHIVE.test(path) && isFile(path);
}

function infoOf(path: string): Partial<Deno.FileInfo> {
  try {
    return Deno.statSync(path);
  } catch {
    return {}; // a broken link
  }
}

export const isFile = (path: string) => infoOf(path).isFile ?? false;
export const isFolder = (path: string) => infoOf(path).isDirectory ?? false;

/** Returns the names directly in a folder. @throws if it is none, with the reason only */
export function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such folder"
      : cause instanceof Deno.errors.NotADirectory
      ? "it is neither a folder nor a .zip, .tar, .tar.gz, .tgz or .parquet. Unpack it into a folder"
      : (cause as Error).message;
    throw new Error(why, { cause });
  }
}

export function archivesIn(folder: string): string[] {
  return namesIn(folder).map((name) => join(folder, name))
    .filter((path) => !/^\.|\.parquet$/i.test(basename(path)) && isArchive(path)).sort();
}

/** Returns archives that are not opened: of other formats, below the folder, or in another archive. */
export function unreadArchives(paths: readonly string[], folder: string): string[] {
  const opened = (path: string) =>
    PARQUET.test(path) || !path.includes("/") && isFile(join(folder, path));
  return paths.filter((path) => UNREAD.test(path) || ARCHIVE.test(path) && !opened(path));
}

/** Names of archives of other formats. */
const UNREAD = /\.(rar|7z|t?xz|t?bz2|t?zst)$/i;

/**
 * Lists the files of a folder and of those below, sorted. Links to folders are followed.
 * @param roots folders that are listed, where a link may not lead to again
 */
export function walk(folder: string, below = "", roots = [Deno.realPathSync(folder)]): string[] {
  return entriesOf(join(folder, below)).toSorted((a, b) => a.name < b.name ? -1 : 1)
    .flatMap(({ name, isDirectory, isSymlink }) => {
      const path = below === "" ? name : `${below}/${name}`;
      if (isHidden(path)) return [];
      if (isDirectory) return walk(folder, path, roots);
      if (!isSymlink || !isFolder(join(folder, path))) return [path];
      const target = Deno.realPathSync(join(folder, path));
      const isIn = (one: string, other: string) => !relative(other, one).startsWith("..");
      if (roots.some((root) => isIn(root, target) || isIn(target, root))) return [];
      roots.push(target);
      return walk(folder, path, roots);
    });
}

function entriesOf(folder: string): Deno.DirEntry[] {
  try {
    return Array.from(Deno.readDirSync(folder));
  } catch (cause) {
    // Names that are no UTF-8, such as Latin-1 of old archives, are read with this character.
    const why = folder.includes("\ufffd")
      ? "its name is not UTF-8. Rename it"
      : `${(cause as Error).message}. Allow reading it, or move it elsewhere`;
    throw new Error(`Cannot list the folder "${folder}": ${why}.`, { cause });
  }
}

/** Returns true for hidden files and what macOS adds. */
function isHidden(path: string): boolean {
  return path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
}

/**
 * Opens a folder or an archive.
 * @param scratch folder for unpacked files, which are removed at the end
 * @param wanted paths to read: archives in a folder that has all of them are not opened, nor tables
 */
export async function openPhotoFiles(
  place: string,
  scratch: string,
  signal?: AbortSignal,
  wanted?: readonly string[],
): Promise<PhotoFiles> {
  await using stack = new AsyncDisposableStack();
  const archived = new Map<string, Archived>();
  const find = locate(place), archives = isArchive(place) ? [place] : archivesIn(place);
  const complete = archives.length > 0 && wanted?.every(find);
  const folder = archives[0] === place ? undefined : place;
  const walked = wanted || !folder ? [] : walk(folder);
  const tables = walked.filter((path) => PARQUET.test(path)).map((path) => join(place, path));
  for (const [i, archive] of [...complete ? [] : archives, ...tables].entries()) {
    const name = relative(archive === place ? dirname(place) : place, archive);
    const unpacked = join(scratch, `unpacked_${i}.tar`);
    const entries = await openArchive(archive, name, unpacked, stack, signal);
    // A single folder around all files is left out of an archive that is opened by itself.
    const [first = ""] = entries.keys();
    const around = archive === place ? first.slice(0, first.indexOf("/") + 1) : "";
    const common = entries.keys().every((path) => path.startsWith(around)) ? around.length : 0;
    for (const [path, entry] of entries) {
      const inside = path.slice(common), other = archived.get(inside);
      const differs = other && other.size !== entry.size;
      archived.set(inside, differs ? ambiguous(path, other, entry) : entry);
    }
  }
  const written = pathIndex(archived.keys());
  let paths: readonly string[] | undefined;
  const owned = stack.move();
  return {
    get paths() {
      const listed = wanted && folder ? walk(folder) : walked;
      return paths ??= [...new Set([...listed, ...archived.keys()])].sort();
    },
    async read(path) {
      const photo = folder === undefined || PARQUET.test(path)
        ? "missing"
        : await readPhoto(find(path) ?? resolve(folder, path));
      if (photo !== "missing") return photo;
      return await archived.get(written(path) ?? "")?.read() ?? photo;
    },
    sourceOf: (path) => join(basename(archived.get(path)?.archive ?? ""), path),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Returns a function that finds a path in any Unicode normalization form: macOS packs é as two code
 * points, most CSVs have one. A path in another case is found if it is the only one.
 */
export function pathIndex(paths: Iterable<string>): (path: string) => string | undefined {
  const all = [...paths], fold = (path: string) => path.normalize().toLowerCase();
  const known = new Map(all.map((path) => [path.normalize(), path]));
  for (const path of all) known.set(path, path);
  let folded: Map<string, string[]> | undefined; // made where a path is not found
  return (path) => {
    const same = known.get(path) ?? known.get(path.normalize());
    if (same !== undefined) return same;
    const [one, other] = (folded ??= Map.groupBy(new Set(all), fold)).get(fold(path)) ?? [];
    return other === undefined ? one : undefined;
  };
}

/** Returns a file whose path two archives have, such as one of photos with another margin. */
function ambiguous(path: string, one: Archived, other: Archived): Archived {
  const why = `it is in "${basename(one.archive)}" and another one in "${basename(other.archive)}"`;
  const wayOut = "Leave one of these archives there, or unpack each into a folder of its own";
  const error = `Cannot read "${path}": ${why}. ${wayOut}.`;
  return { ...other, read: () => Promise.reject(new Error(error)) };
}

/** Opens an archive. Returns its files by path. @param unpacked the tar to unpack it to, if necessary */
async function openArchive(
  archive: string,
  name: string,
  unpacked: string,
  stack: AsyncDisposableStack,
  signal?: AbortSignal,
): Promise<Map<string, Archived>> {
  const entries = new Map<string, Archived>();
  const add = (path: string, size: number, read: () => Promise<Uint8Array | Lack>) => {
    if (isHidden(path)) return;
    entries.set(path.replaceAll("\\", "/"), { // as some programs of Windows pack
      archive,
      size,
      read: () => size > MAX_PHOTO_BYTES ? Promise.resolve("larger than 1 GiB") : read(),
    });
  };
  if (/\.zip$/i.test(archive)) {
    const zip = stack.use(new ZipFile(archive));
    for (const entry of zip.entries) {
      add(entry.name, entry.size, () =>
        zip.read(entry).catch((error) => {
          if (error instanceof DamagedEntry) return "damaged in the archive";
          throw error;
        }));
    }
    return entries;
  }
  const table = PARQUET.test(archive), packed = /gz$/i.test(archive);
  if (table || packed) stack.defer(() => Deno.remove(unpacked).catch(() => {}));
  if (packed) await gunzipFile(archive, unpacked, signal ? { signal } : {});
  if (table) {
    try {
      await unpackParquet(archive, unpacked, name, signal);
    } catch (error) {
      if (!(error instanceof ParquetError)) throw error;
      add(name, 0, () => Promise.reject(error)); // an error where it is read: others may be of use
      return entries;
    }
  }
  const file = stack.use(new RandomAccessFile(table || packed ? unpacked : archive));
  // At once, so that a killed process leaves none. Windows removes no open file.
  if (table || packed) await Deno.remove(unpacked).catch(() => {});
  for (const { path, offset, size } of scanTar(file)) {
    add(path, size, () => Promise.resolve(file.read(offset, size)));
  }
  return entries;
}

/**
 * Returns a function that finds a file in a folder as `pathIndex` does, or none: file systems store é as
 * one code point or as two, and some ignore the case.
 */
export function locate(folder: string): (path: string) => string | undefined {
  const listings = new Map<string, ReturnType<typeof pathIndex>>();
  const list = (place: string) => {
    try {
      return pathIndex(namesIn(place));
    } catch {
      return () => undefined; // reading the file reports the cause
    }
  };
  return (path) => {
    const plain = resolve(folder, path);
    if (isFile(plain)) return plain;
    const other = path.split("/").reduce((place, name) => {
      return join(place, listings.getOrInsertComputed(place, list)(name) ?? name);
    }, folder);
    return isFile(other) ? other : undefined;
  };
}

async function readPhoto(path: string): Promise<Uint8Array | Lack> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) return "of another type, such as a folder"; // a pipe may have no end
    return size <= MAX_PHOTO_BYTES ? await Deno.readFile(path) : "larger than 1 GiB";
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return absent ? "missing" : "unreadable";
  }
}
