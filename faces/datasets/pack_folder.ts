/** A person's folder of pictures, packed into an archive as those of the data sets are. */
import { basename, join, resolve } from "node:path";
import { createHash } from "node:crypto";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { type Labels, parseLabels } from "./labels.ts";
import { folderName } from "./folder_name.ts";

/** A folder as the config names it. */
export interface FolderDataset {
  /** Absolute. */
  readonly folder: string;
  /** The CSV's path from the folder; default: the only CSV that lies in it. */
  readonly labels?: string | undefined;
  readonly name?: string | undefined;
  readonly layout: "full" | "crop";
}

/** Reads a folder's CSV. @throws if there is none, or none that is right */
export async function openLabels(
  { folder, labels }: Pick<FolderDataset, "folder" | "labels">,
): Promise<{ name: string; bytes: Uint8Array; labels: Labels }> {
  const fail = (why: string, cause?: unknown) =>
    new Error(`Cannot use the folder "${folder}": ${why}.`, { cause });
  let tables: string[];
  try {
    // Neither what macOS and spreadsheets put beside a file, nor a folder called x.csv.
    tables = Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => /^(?!\.|~\$).*\.csv$/i.test(name) && isFile(join(folder, name))).sort();
  } catch (cause) {
    const missing = cause instanceof Deno.errors.NotFound;
    throw fail(missing ? "there is no such folder" : (cause as Error).message, cause);
  }
  if (labels === undefined && tables.length !== 1) {
    throw fail(
      tables.length === 0
        ? "it has no CSV that labels its pictures (columns path, age, gender)"
        : `it has ${tables.length} CSVs (${
          tables.slice(0, 5).join(", ")
        }); say which one with "labels"`,
    );
  }
  const given = labels ?? tables[0];
  const path = locate(folder)(given);
  let bytes: Uint8Array;
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file"); // a pipe has no end
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
    return false; // a link that leads nowhere
  }
}

/**
 * Returns a function that finds a file below a folder whichever form of Unicode its name has there:
 * macOS and other systems write é as one code point or as two.
 */
function locate(folder: string): (path: string) => string {
  const listings = new Map<string, Map<string, string>>();
  const list = (place: string) => {
    try {
      return new Map(Array.from(Deno.readDirSync(place), ({ name }) => [name.normalize(), name]));
    } catch {
      return new Map<string, string>(); // reading the file says why it cannot be read
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
 * What tells a folder's content from another's without reading the pictures: the CSV's content, and
 * size and date of each picture that it names. Where only dates changed, packing makes the same
 * archive again, and nothing after it runs.
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
      // Packing says which ones are absent, and why.
    }
    pictures.update(`${path}\0${seen}\0`);
  }
  const id = folderName(dataset);
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

/** A few of many, for a message. */
const SHOWN = 3;

/**
 * Packs the pictures that the CSV names, in its order, and the CSV itself, one file after another.
 * Pictures that are absent or cannot be read are told and left out; later stages list them.
 * @returns the CSV's name, under which it lies in the archive
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
    "are not there": [],
    "cannot be read": [],
    "are not regular files": [],
    "are larger than 1 GiB": [],
  };
  progress.start(lines.size, "pictures");
  const part = `${to}.part`;
  {
    using tar = new TarWriter(part);
    for (const [path, line] of lines) {
      signal.throwIfAborted();
      const picture = await readPicture(find(path));
      if (picture instanceof Uint8Array) tar.add(`pictures/${path}`, picture);
      else lacking[picture].push(`${path} (line ${line})`);
      progress.advance(1, path);
    }
    tar.add(`labels/${name}`, bytes); // last: should a picture have its name, the last counts
    tar.close();
  }
  for (const [how, paths] of Object.entries(lacking)) {
    if (paths.length === 0) continue;
    const some = paths.slice(0, SHOWN).join(", ") + (paths.length > SHOWN ? ", ..." : "");
    warn(`${folderName(dataset)}: ${paths.length} of ${lines.size} pictures ${how}: ${some}`);
  }
  const all = Object.values(lacking).flat();
  if (all.length === lines.size) {
    await Deno.remove(part);
    throw new Error(
      `Cannot use the folder "${folder}": of ${lines.size} pictures that "${name}" names none can ` +
        `be read${all.length > 0 ? `, ${all[0]} for one` : ""}. Paths count from the folder.`,
    );
  }
  await moveDurably(part, to);
  return name;
}

/** No picture is larger; something else would take the memory. */
const LARGEST = 2 ** 30;

/** Why a picture is not packed. */
type Lack = "are not there" | "cannot be read" | "are not regular files" | "are larger than 1 GiB";

async function readPicture(path: string): Promise<Uint8Array | Lack> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) return "are not regular files"; // a pipe may have no end
    return size <= LARGEST ? await Deno.readFile(path) : "are larger than 1 GiB";
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return absent ? "are not there" : "cannot be read";
  }
}
