/** Gets files from the authors' server or from a mirror, and holds them against their MD5s. */
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
  /** Whether an MD5 was known; a wrong one is an error. */
  verified: boolean;
}

/** A place that files come from. */
export interface Mirror {
  /** How much of some files is still to be written, and of how many that is not told. */
  lacking(files: readonly SourceFile[]): Promise<{ bytes: number; unknownSizes: number }>;
  /** Leaves a file in `scratch`, whole. */
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
      signal: context.signal, // and no more of the context: what a stage did not declare throws
      folder: context.scratch,
    })
    : await readIfThere(join(folder, "MD5SUMS"));
  const odd: string[] = [];
  const known = parseMd5Sums(sums ?? "", (line) => odd.push(line));
  if (odd.length > 0) {
    context.warn(
      `MD5SUMS: ${odd.length} ${odd.length === 1 ? "line" : "lines"} not understood, or at odds ` +
        `with another, the first ${JSON.stringify(odd[0].slice(0, 100))}. A line is an MD5 and a ` +
        `file's name, as md5sum and md5 write them.`,
    );
  }
  const given = typeof checksums === "object" ? checksums : {};

  return {
    async lacking(files) {
      let bytes = 0, unknownSizes = 0;
      for (const { name } of files) {
        const path = join(context.scratch, name);
        // Photos hardly compress: unpacked, a .gz takes about as much once more.
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
      // From an earlier attempt, which left it only if it was whole.
      if (expected === undefined ? await takeWhole(path, info) : await exists(path)) {
        md5 = await md5Of(path, context.signal);
        if (expected !== undefined && md5 !== expected) {
          await Deno.remove(path);
          await Deno.remove(path.replace(/\.gz$/, "")).catch(() => {}); // what was unpacked of it
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
        const why = checksums === false ? "checksums are off" : "no MD5 of it is known";
        const checked = lengthKnown ? "only its length was checked" : "it could not be checked";
        context.warn(`${name}: ${why}, so ${checked}. Its MD5 is ${md5}.`);
      } else if (expected !== published && known.get(name) === expected) {
        context.info(`${name}: agrees with the mirror's MD5SUMS; it is not the authors' file.`);
      }
      return { md5, verified: expected !== undefined };
    },
  };
}

/** Unpacks `x.tar.gz` beside itself, once; any other file stays. Gives the archive's name. */
export async function unpacked(name: string, context: Context): Promise<string> {
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

/** What tells a mirror's files apart without reading them: sizes and dates, or the address. */
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
    // A dry run refuses what a run would.
    if (!info && name !== "MD5SUMS") throw await missing(name, folder);
    if (info) facts[`mirror's ${name}`] = `${info.size} bytes of ${info.mtime?.toISOString()}`;
  }
  return facts;
}

async function missing(name: string, folder: string): Promise<Error> {
  const why = await exists(folder) ? "it is not there" : "there is no such folder";
  return new Error(
    `Cannot take "${name}" from the mirror "${folder}": ${why}. Put it there, or leave ` +
      `the parameter "mirror" out, to take the authors' server.`,
  );
}

/** The folder that a mirror is; undefined for one on the network. */
function localFolder(mirror: string | undefined): string | undefined {
  if (mirror === undefined || /^https?:\/\//i.test(mirror)) return undefined;
  if (/^file:\/\//i.test(mirror)) return fileURLToPath(mirror);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(mirror)) {
    throw new Error(`Cannot use the mirror "${mirror}": it is no folder and no http address.`);
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
