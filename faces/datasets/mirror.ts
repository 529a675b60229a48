/** Downloads files from the authors' server, or copies them from a mirror, and verifies their MD5s. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hideUrl, type StageContext } from "../../packages/pipeline/stage.ts";
import { fetchFile, fetchSize, fetchText } from "../../packages/download/http.ts";
import { copyFile, gunzipFile, md5Of } from "./local_files.ts";
import { keepDigest, takeWhole } from "../../packages/pipeline/state.ts";
import { address, addressOf, parseMd5Sums, type SourceFile } from "./imdb_wiki.ts";

interface Options {
  mirror?: string | undefined;
  checksums: boolean | Readonly<Record<string, string>>;
}

type Context = Pick<StageContext, "scratch" | "signal" | "progress" | "info" | "warn">;

export interface Obtained {
  md5: string;
  /** True if the expected MD5 is known; a wrong one is an error. */
  verified: boolean;
}

/** A source of files. */
export interface Mirror {
  /** Returns the bytes still to be written, and the number of files of unknown size. */
  lacking(files: readonly SourceFile[]): Promise<{ bytes: number; unknownSizes: number }>;
  /** Downloads or copies a file to `scratch`. */
  obtain(file: SourceFile): Promise<Obtained>;
}

export async function openMirror(
  { mirror, checksums }: Options,
  context: Context,
): Promise<Mirror> {
  const folder = localFolder(mirror);
  const base = mirror ?? address;
  const sums = mirror === undefined || checksums === false
    ? undefined
    : folder === undefined
    ? await fetchText(addressOf(base, "MD5SUMS"), {
      signal: context.signal, // not the whole context: undeclared reads throw
      folder: context.scratch,
    })
    : await readIfThere(join(folder, "MD5SUMS"));
  const odd: string[] = [];
  const known = parseMd5Sums(sums ?? "", (line) => odd.push(line));
  if (odd.length > 0) {
    context.warn(
      `MD5SUMS: ${odd.length} ${
        odd.length === 1 ? "line" : "lines"
      } not understood or in conflict ` +
        `with another, the first ${
          JSON.stringify(odd[0].slice(0, 100))
        }. Expected is an MD5 and a ` +
        `file name, as md5sum and md5 write them.`,
    );
  }
  const given = typeof checksums === "object" ? checksums : {};

  return {
    async lacking(files) {
      let bytes = 0, unknownSizes = 0;
      for (const { name } of files) {
        const path = join(context.scratch, name);
        // Photos hardly compress: a .gz takes about the same space again when decompressed.
        const unpacks = name.endsWith(".gz") && !await exists(path.slice(0, -".gz".length));
        const have = await sizeIfThere(path);
        const size = have ??
          (folder === undefined
            ? await fetchSize(addressOf(base, name), context.signal)
            : await sizeIfThere(join(folder, name)));
        if (size === undefined) unknownSizes++;
        else {
          const part = have ?? (folder === undefined ? await sizeIfThere(`${path}.part`) : 0) ?? 0;
          bytes += Math.max(0, size - part) + (unpacks ? size : 0);
        }
      }
      return { bytes, unknownSizes };
    },
    async obtain({ name, md5: published }) {
      const expected = checksums === false
        ? undefined
        : given[name]?.toLowerCase() ?? known.get(name) ?? published;
      const path = join(context.scratch, name);
      const progress = {
        onStart: (size: number | undefined, have = 0) =>
          context.progress.start(size ?? 0, "bytes", have),
        onBytes: (bytes: number) => context.progress.advance(bytes, name),
      };
      const options = { path, md5: expected, signal: context.signal, ...progress };
      let lengthKnown = true;
      let md5: string | undefined;
      const info = (message: string) => context.info(message);
      // From an earlier attempt, complete if it exists.
      if (expected === undefined ? await takeWhole(path, info) : await exists(path)) {
        md5 = await md5Of(path, context.signal);
        if (expected !== undefined && md5 !== expected) {
          await Deno.remove(path);
          await Deno.remove(path.replace(/\.gz$/, "")).catch(() => {}); // its decompressed copy
          md5 = undefined;
        }
      }
      if (md5 === undefined && folder !== undefined) {
        const from = join(folder, name);
        if (!await exists(from)) throw await missing(name, folder);
        ({ md5 } = await copyFile(from, path, options));
      } else if (md5 === undefined) {
        const url = addressOf(base, name);
        const onTrouble = (message: string) => context.info(`${name}: ${message}.`);
        ({ md5, lengthKnown } = await fetchFile(url, { ...options, onTrouble }));
      }
      if (expected === undefined) {
        await keepDigest(path);
        const why = checksums === false ? "checksums are off" : "no MD5 is known";
        const checked = lengthKnown ? "only its length was checked" : "it could not be checked";
        context.warn(`${name}: ${why}, so ${checked}. Its MD5 is ${md5}.`);
      } else if (expected !== published && known.get(name) === expected) {
        context.info(`${name}: matches the mirror's MD5SUMS; it is not the authors' file.`);
      }
      return { md5, verified: expected !== undefined };
    },
  };
}

/** Decompresses `x.tar.gz` beside itself, once; other files stay. Returns the archive's name. */
export async function gunzipOnce(name: string, context: Context): Promise<string> {
  if (!name.endsWith(".gz")) return name;
  const tar = name.slice(0, -".gz".length);
  const to = join(context.scratch, tar);
  if (!await takeWhole(to, (message) => context.info(message))) {
    await gunzipFile(join(context.scratch, name), to, {
      signal: context.signal,
      onStart: (size) => context.progress.start(size, "bytes"),
      onBytes: (bytes) => context.progress.advance(bytes, `unpacking ${name}`),
    });
    await keepDigest(to);
  }
  return tar;
}

/** Describes a mirror's files without reading them, for the cache key: sizes and dates, or the URL. */
export async function describeMirror(
  mirror: string | undefined,
  files: readonly string[],
): Promise<Record<string, string>> {
  if (mirror === undefined || files.length === 0) return {};
  const folder = localFolder(mirror);
  if (folder === undefined) return { mirror: hideUrl(mirror) };
  const facts: Record<string, string> = {};
  for (const name of [...files, "MD5SUMS"]) {
    const info = await Deno.stat(join(folder, name)).catch(() => undefined);
    // A dry run fails where a run would.
    if (!info && name !== "MD5SUMS") throw await missing(name, folder);
    if (info) facts[`mirror's ${name}`] = `${info.size} bytes of ${info.mtime?.toISOString()}`;
  }
  return facts;
}

async function missing(name: string, folder: string): Promise<Error> {
  const why = await exists(folder) ? "it is not there" : "there is no such folder";
  return new Error(
    `Cannot copy "${name}" from the mirror "${folder}": ${why}. Put it there, or remove ` +
      `the parameter "mirror" to use the authors' server.`,
  );
}

/** Returns the folder of a local mirror; undefined for one on the network. */
function localFolder(mirror: string | undefined): string | undefined {
  if (mirror === undefined || /^https?:\/\//i.test(mirror)) return undefined;
  if (/^file:\/\//i.test(mirror)) return fileURLToPath(mirror);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(mirror)) {
    throw new Error(`Cannot use the mirror "${mirror}": it is neither a folder nor an HTTP URL.`);
  }
  return mirror;
}

export async function exists(path: string): Promise<boolean> {
  return await readable(() => Deno.stat(path)) !== undefined;
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  return (await readable(() => Deno.stat(path)))?.size;
}

function readIfThere(path: string): Promise<string | undefined> {
  return readable(() => Deno.readTextFile(path));
}

async function readable<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
