/** Packs a local folder of photos into an archive, as in the downloaded data sets. */
import { counted } from "../../packages/pipeline/causes.ts";
import { basename, join, resolve } from "node:path";
import { createHash } from "node:crypto";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { type Labels, parseLabels } from "./labels.ts";
import { type FolderDataset, nameOf } from "./sources.ts";

/** Reads a folder's CSV. @throws if there is none, or if it is invalid */
async function openLabels(
  { folder, labels }: Pick<FolderDataset, "folder" | "labels">,
): Promise<{ name: string; bytes: Uint8Array; labels: Labels }> {
  const fail = (why: string, cause?: unknown) =>
    new Error(`Cannot use the folder "${folder}": ${why}.`, { cause });
  let tables: string[];
  try {
    // Skips hidden files of macOS, lock files of spreadsheets, and folders named x.csv.
    tables = Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => /^(?!\.|~\$).*\.csv$/i.test(name) && isFile(join(folder, name))).sort();
  } catch (cause) {
    const missing = cause instanceof Deno.errors.NotFound;
    throw fail(missing ? "there is no such folder" : (cause as Error).message, cause);
  }
  if (labels === undefined && tables.length !== 1) {
    throw fail(
      tables.length === 0
        ? "it has no CSV of labels (columns path, age, gender)"
        : `it has ${tables.length} CSVs (${
          tables.slice(0, 5).join(", ")
        }); select one with "labels"`,
    );
  }
  const given = labels ?? tables[0];
  const path = locate(folder)(given);
  let bytes: Uint8Array;
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file"); // a pipe may not end
    bytes = await Deno.readFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? `it has no "${given}"; it has ${tables.join(", ") || "no CSV"}`
      : `"${given}" cannot be read (${(cause as Error).message})`;
    throw fail(why, cause);
  }
  return { name: basename(given), bytes, labels: parseLabels(bytes, path) };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // a broken link
  }
}

/**
 * Returns a function that finds a file in a folder in any Unicode normalization form: file systems
 * store é as one code point or as two.
 */
function locate(folder: string): (path: string) => string {
  const listings = new Map<string, Map<string, string>>();
  const list = (place: string) => {
    try {
      return new Map(Array.from(Deno.readDirSync(place), ({ name }) => [name.normalize(), name]));
    } catch {
      return new Map<string, string>(); // reading the file reports the cause
    }
  };
  return (path) => {
    const plain = resolve(folder, path);
    if (/^[\0-\x7f]*$/.test(path) || isFile(plain)) return plain;
    return path.split("/").reduce((place, name) => {
      const names = listings.get(place) ?? list(place);
      listings.set(place, names);
      return join(place, names.get(name.normalize()) ?? name);
    }, folder);
  };
}

/**
 * Describes a folder's content for the cache key without reading the photos: the CSV's content, and
 * size and date of each photo in it. If only dates changed, packing produces the same archive and later
 * stages do not run.
 */
export async function describeFolder(dataset: FolderDataset): Promise<Record<string, string>> {
  const { name, bytes, labels } = await openLabels(dataset);
  const pictures = createHash("sha256");
  const find = locate(dataset.folder);
  for (const { path } of labels.rows) {
    let seen = "absent";
    try {
      const { size, mtime } = Deno.statSync(find(path));
      seen = `${size} ${mtime?.getTime()}`;
    } catch {
      // Packing reports missing photos, with the reason.
    }
    pictures.update(`${path}\0${seen}\0`);
  }
  const id = nameOf(dataset);
  return {
    [`${id}'s ${name}`]: createHash("sha256").update(bytes).digest("hex"),
    [`a picture of ${id}`]: pictures.digest("hex"),
  };
}

interface Context {
  readonly signal: AbortSignal;
  readonly progress: {
    start(total: number, unit: string): void;
    advance(items?: number, note?: string): void;
  };
  warn(message: string): void;
}

/** Number of examples in a message. */
const MAX_EXAMPLES = 3;

/**
 * Packs the photos of the CSV, in its order, and the CSV itself. Warns about photos that are missing
 * or cannot be read; later stages list them.
 * @returns the CSV's name in the archive
 */
export async function packFolder(
  dataset: FolderDataset,
  to: string,
  { signal, progress, warn }: Context,
): Promise<string> {
  const { name, bytes, labels } = await openLabels(dataset);
  const { folder } = dataset;
  const lines = new Map<string, number>();
  for (const { path, line } of labels.rows) {
    if (path !== "" && !lines.has(path)) lines.set(path, line);
  }
  const find = locate(folder);
  const lacking: Record<Lack, string[]> = {
    "are missing": [],
    "cannot be read": [],
    "are not regular files": [],
    "are larger than 1 GiB": [],
  };
  progress.start(lines.size, "photos");
  const part = `${to}.part`;
  {
    using tar = new TarWriter(part);
    for (const [path, line] of lines) {
      signal.throwIfAborted();
      const photo = await readPhoto(find(path));
      if (photo instanceof Uint8Array) tar.add(`pictures/${path}`, photo);
      else lacking[photo].push(`${path} (line ${line})`);
      progress.advance(1, path);
    }
    tar.add(`labels/${name}`, bytes); // last: the later of two files with the same name counts
    tar.close();
  }
  for (const [how, paths] of Object.entries(lacking)) {
    if (paths.length === 0) continue;
    const some = paths.slice(0, MAX_EXAMPLES).join(", ") +
      (paths.length > MAX_EXAMPLES ? ", ..." : "");
    warn(`${nameOf(dataset)}: ${paths.length} of ${counted(lines.size, "photo")} ${how}: ${some}`);
  }
  const all = Object.values(lacking).flat();
  if (all.length === lines.size) {
    await Deno.remove(part);
    throw new Error(
      `Cannot use the folder "${folder}": none of ${
        counted(lines.size, "photo")
      } in "${name}" can ` +
        `be read${all.length > 0 ? `, such as ${all[0]}` : ""}. Paths are relative to the folder.`,
    );
  }
  await moveDurably(part, to);
  return name;
}

/** Maximum size of a photo's file: bounds the memory. */
const MAX_PHOTO_BYTES = 2 ** 30;

/** Reason why a photo is not packed. */
type Lack = "are missing" | "cannot be read" | "are not regular files" | "are larger than 1 GiB";

async function readPhoto(path: string): Promise<Uint8Array | Lack> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) return "are not regular files"; // a pipe may have no end
    return size <= MAX_PHOTO_BYTES ? await Deno.readFile(path) : "are larger than 1 GiB";
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return absent ? "are missing" : "cannot be read";
  }
}
