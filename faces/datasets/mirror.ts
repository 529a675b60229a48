/** Downloads files from the authors' server, or copies them from a mirror, and verifies their MD5s. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { counted } from "../../packages/pipeline/causes.ts";
import { contentDigest } from "../../packages/pipeline/content_digest.ts";
import { type ExternalPlace, hideUrl, type StageContext } from "../../packages/pipeline/stage.ts";
import { fetchFile, fetchText, fetchVersion } from "../../packages/download/http.ts";
import { type Origin, readOrigin } from "../../packages/download/partial_file.ts";
import { isAsRecorded } from "../../packages/pipeline/digest.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { keepDigest, takeWhole, writeState } from "../../packages/pipeline/state.ts";
import type { ArchivesDescription } from "./archives.ts";
import type { DownloadParams } from "./download_datasets.ts";
import { copyFile, gunzipFile, md5Of } from "./local_files.ts";
import { address, addressOf, parseMd5Sums, type SourceFile } from "./sources.ts";

type Context =
  & Pick<StageContext, "scratch" | "signal" | "progress" | "info" | "warn">
  & Partial<Pick<StageContext, "earlierResults">>;

export type Mirror = Awaited<ReturnType<typeof openMirror>>;

/** Opens the authors' server or a mirror, and reads its MD5SUMS. */
export async function openMirror(
  { mirror, checksums }: Pick<DownloadParams, "mirror" | "checksums">,
  context: Context,
) {
  const folder = localFolder(mirror);
  const base = mirror ?? address;
  const sums = mirror === undefined || checksums === false
    ? undefined
    : folder === undefined
    ? await fetchText(addressOf(base, "MD5SUMS"), {
      signal: context.signal, // not the whole context: undeclared reads throw
      folder: context.scratch,
    })
    : await Deno.readTextFile(join(folder, "MD5SUMS")).catch(ignoreNotFound);
  const odd: string[] = [];
  const known = parseMd5Sums(sums ?? "", (line) => odd.push(line));
  if (odd.length > 0) {
    context.warn(
      `MD5SUMS: ${counted(odd.length, "line")} not understood or in conflict with another, the ` +
        `first ${JSON.stringify(odd[0].slice(0, 100))}. Expected is an MD5 and a file name, as ` +
        "md5sum and md5 write them.",
    );
  }
  const given = typeof checksums === "object" ? checksums : {};
  const expectedMd5 = ({ name, md5 }: SourceFile) =>
    checksums === false ? undefined : given[name]?.toLowerCase() ?? known.get(name) ?? md5;
  /** MD5s of files that were taken from earlier results. */
  const reused = new Map<string, string>();
  const origins: Record<string, Origin> = {};

  const isCurrent = async (name: string, origin?: Origin) => {
    const url = addressOf(base, name);
    if (folder !== undefined || !origin?.validator || origin.url !== hideUrl(url)) return false;
    const { validator, size } = await fetchVersion(url, context.signal);
    return validator === origin.validator && size === origin.size;
  };

  return {
    /** Address and version of each downloaded file without a published MD5, by name. */
    origins: origins as Readonly<typeof origins>,
    /**
     * Takes files of the stage's earlier results: those with the expected MD5 or, without one, those
     * of which the server still has the same version.
     */
    async reuse(files: readonly SourceFile[]): Promise<void> {
      for (const result of await context.earlierResults?.() ?? []) {
        const from = join(result.path, "archives");
        const { datasets = [] }: Partial<ArchivesDescription> = JSON.parse(
          await Deno.readTextFile(join(from, "archives.json")).catch(() => "{}"),
        );
        const downloads = result.observed.downloads as Record<string, Origin> | undefined;
        for (const { file, source, md5 } of datasets.flatMap(({ tars }) => tars)) {
          const wanted = files.find(({ name }) => name === source);
          if (!wanted || md5 === null || reused.has(source)) continue;
          const origin = downloads?.[source];
          const expected = expectedMd5(wanted);
          if (expected === undefined ? !await isCurrent(source, origin) : md5 !== expected) {
            continue;
          }
          if (!await isAsRecorded(result, "archives", file, context)) continue;
          const to = join(context.scratch, file);
          await Deno.remove(to).catch(() => {});
          await Deno.link(join(from, file), to).catch(() => Deno.copyFile(join(from, file), to));
          await writeState(`${to}.digest`, result.outputs.archives.files[file]);
          if (expected === undefined) origins[source] = origin!;
          reused.set(source, md5);
        }
      }
      if (reused.size === 0) return;
      context.info(`reuses ${[...reused.keys()].join(", ")} of an earlier result: same checksums`);
    },
    /** Returns the bytes still to be written, and the number of files of unknown size. */
    async lacking(files: readonly SourceFile[]) {
      let bytes = 0, unknownSizes = 0;
      for (const { name } of files) {
        if (reused.has(name)) continue;
        const path = join(context.scratch, name);
        // Photos hardly compress: a .gz takes about the same space again when decompressed.
        const unpacks = name.endsWith(".gz") && !await exists(path.slice(0, -".gz".length));
        const have = await sizeIfThere(path);
        const size = have ??
          (folder === undefined
            ? (await fetchVersion(addressOf(base, name), context.signal)).size
            : await sizeIfThere(join(folder, name)));
        if (typeof size !== "number") unknownSizes++;
        else {
          const part = have ?? (folder === undefined ? await sizeIfThere(`${path}.part`) : 0) ?? 0;
          bytes += Math.max(0, size - part) + (unpacks ? size : 0);
        }
      }
      return { bytes, unknownSizes };
    },
    /**
     * Downloads or copies a file to `scratch`.
     * @returns its MD5; `verified` if the expected one is known, from which it does not differ
     */
    async obtain(source: SourceFile) {
      const { name } = source;
      const expected = expectedMd5(source);
      const path = join(context.scratch, name);
      const options = {
        path,
        md5: expected,
        signal: context.signal,
        onStart: (size: number | undefined, have = 0) =>
          context.progress.start(size ?? 0, "bytes", have),
        onBytes: (bytes: number) => context.progress.advance(bytes, name),
      };
      let lengthKnown = true;
      let md5 = reused.get(name);
      const info = (message: string) => context.info(message);
      // From an earlier attempt, complete if it exists.
      if (
        md5 === undefined &&
        (expected === undefined ? await takeWhole(path, info) : await exists(path))
      ) {
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
        md5 = await copyFile(from, path, options);
        if (expected === undefined) await keepDigest(path);
      } else if (md5 === undefined) {
        const url = addressOf(base, name);
        const onTrouble = (message: string) => context.info(`${name}: ${message}.`);
        ({ md5, lengthKnown } = await fetchFile(url, { ...options, onTrouble }));
        if (expected === undefined) await keepDigest(path);
      }
      if (expected === undefined) {
        const origin = await readOrigin(path);
        if (origin) origins[name] = origin;
        const why = checksums === false ? "checksums are off" : "no MD5 is known";
        const checked = lengthKnown ? "only its length was checked" : "it could not be checked";
        context.warn(`${name}: ${why}, so ${checked}. Its MD5 is ${md5}.`);
      } else if (expected !== source.md5 && known.get(name) === expected) {
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

/** Describes a mirror's files for the cache key: by their content, or the URL. */
export async function describeMirror(
  mirror: string | undefined,
  files: readonly string[],
  { artifacts, ...watch }: ExternalPlace,
): Promise<Record<string, string>> {
  if (mirror === undefined || files.length === 0) return {};
  const folder = localFolder(mirror);
  if (folder === undefined) return { mirror: hideUrl(mirror) };
  const facts: Record<string, string> = {};
  for (const name of [...files, "MD5SUMS"]) {
    const path = join(folder, name), there = await exists(path);
    // A dry run fails where a run would.
    if (!there && name !== "MD5SUMS") throw await missing(name, folder);
    if (there) facts[`mirror's ${name}`] = await contentDigest([path], artifacts, watch);
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

async function exists(path: string): Promise<boolean> {
  return await sizeIfThere(path) !== undefined;
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  return (await Deno.stat(path).catch(ignoreNotFound))?.size;
}
