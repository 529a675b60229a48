/** A person's folder of pictures, packed into an archive as those of the data sets are. */
import { join } from "node:path";
import { createHash } from "node:crypto";
import { TarWriter } from "../../formats/tar.ts";
import { moveWhole } from "../../runner/durable.ts";
import { type Labels, parseLabels } from "./labels.ts";
import { folderName } from "./name.ts";

/** A folder as the config names it. */
export interface FolderDataset {
  /** Absolute. */
  readonly folder: string;
  /** The CSV's name in the folder; unless given, the only one there. */
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
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch (cause) {
    const missing = cause instanceof Deno.errors.NotFound;
    throw fail(missing ? "there is no such folder" : (cause as Error).message, cause);
  }
  const tables = names.filter((name) => /\.csv$/i.test(name));
  if (labels === undefined && tables.length !== 1) {
    throw fail(
      tables.length === 0
        ? "it has no CSV that labels its pictures (columns path, age, gender)"
        : `it has ${tables.length} CSVs (${
          tables.slice(0, 5).join(", ")
        }); say which one with "labels"`,
    );
  }
  const name = labels ?? tables[0];
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(join(folder, name));
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? `it has no "${name}"; it has ${tables.join(", ") || "no CSV"}`
      : `"${name}" cannot be read (${(cause as Error).message})`;
    throw fail(why, cause);
  }
  return { name, bytes, labels: parseLabels(bytes, join(folder, name)) };
}

/**
 * What tells a folder's content from another's without reading the pictures: the CSV's content, and
 * size and date of each picture that it names. Where only dates changed, packing makes the same
 * archive again, and nothing after it runs.
 */
export async function describeFolder(dataset: FolderDataset): Promise<Record<string, string>> {
  const { name, bytes, labels } = await openLabels(dataset);
  const pictures = createHash("sha256");
  for (const { path } of labels.rows) {
    let seen = "absent";
    try {
      const { size, mtime } = Deno.statSync(join(dataset.folder, path));
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
  const rows = labels.rows.filter(({ path, repeated }) => path !== "" && !repeated);
  const absent: string[] = [], unreadable: string[] = [];
  progress.start(rows.length, "pictures");
  const part = `${to}.part`;
  {
    using tar = new TarWriter(part);
    for (const { path, line } of rows) {
      signal.throwIfAborted();
      const picture = await readPicture(join(folder, path));
      if (picture instanceof Uint8Array) tar.add(`pictures/${path}`, picture);
      else (picture === "absent" ? absent : unreadable).push(`${path} (line ${line})`);
      progress.advance(1, path);
    }
    tar.add(`labels/${name}`, bytes); // last: should a picture have its name, the last counts
    tar.close();
  }
  const tell = (what: string[], how: string) => {
    if (what.length === 0) return;
    const some = what.slice(0, SHOWN).join(", ") + (what.length > SHOWN ? ", ..." : "");
    warn(`${folderName(dataset)}: ${what.length} of ${rows.length} pictures ${how}: ${some}`);
  };
  tell(absent, "are not there");
  tell(unreadable, "cannot be read");
  if (absent.length + unreadable.length === rows.length) {
    await Deno.remove(part);
    throw new Error(
      `Cannot use the folder "${folder}": of ${rows.length} pictures that "${name}" names none can ` +
        `be read${
          rows.length > 0 ? `, ${[...absent, ...unreadable][0]} for one` : ""
        }. Paths count ` +
        `from the folder.`,
    );
  }
  await moveWhole(part, to);
  return name;
}

/** No picture is larger; something else would take the memory. */
const LARGEST = 2 ** 30;

async function readPicture(path: string): Promise<Uint8Array | "absent" | "unreadable"> {
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile && size <= LARGEST ? await Deno.readFile(path) : "unreadable";
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return absent ? "absent" : "unreadable";
  }
}
