/** Paths, file URLs, and files that may be missing. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { isAbsolute, relative, resolve } from "node:path";

export const fromFileUrl = (url: string | URL): string => fileURLToPath(url);
export const toFileUrl = (path: string): string => pathToFileURL(path).href;

/** Returns true for a URL, false for a path. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** Returns a plugin's path or package. */
export function pluginName(specifier: string): string {
  return specifier.startsWith("file:") ? fromFileUrl(specifier) : specifier;
}

/** Makes a path absolute from a folder, `~/` from the home folder; URLs stay as they are. */
export function resolveFrom(path: string, folder: string): string {
  if (isUrl(path)) return path;
  const home = () => Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? "~";
  return resolve(folder, path.replace(/^~(?=[\\/]|$)/, home));
}

/** Returns the shortest path from a folder, with forward slashes. */
export function displayPath(path: string, folder: string): string {
  const seen = relative(folder, path).replaceAll("\\", "/");
  return seen === "" ? "." : seen.startsWith("../../") || isAbsolute(seen) ? path : seen;
}

/** Returns the user's current folder, which `deno task` leaves for the project's and keeps in INIT_CWD. */
export function invocationDir(): string {
  return Deno.env.get("INIT_CWD") ?? Deno.cwd();
}

/** Reads a text file; undefined if there is none. */
export async function readTextIfExists(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(ignoreNotFound);
}

/** For `.catch()`: a missing file is no error, nor is one below a file. */
export function ignoreNotFound(error: unknown): undefined {
  const { NotFound, NotADirectory } = Deno.errors;
  if (!(error instanceof NotFound || error instanceof NotADirectory)) throw error;
}

/** Lists the names in a folder; none if it is missing. */
export async function entries(path: string): Promise<string[]> {
  const names = Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return await names.catch(ignoreNotFound) ?? [];
}

/** Removes a file or a folder; there may be none. */
export async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreNotFound);
}

/** Makes a folder that is the caller's to remove. @throws naming TMPDIR if there is no place for it */
export async function makeTemporaryFolder(prefix = ""): Promise<string> {
  return await Deno.makeTempDir({ prefix }).catch(({ message }: Error) => {
    const place = Deno.env.get("TMPDIR"), where = place ? ` in TMPDIR, "${place}"` : "";
    const why = message.replace(/: tmpdir$/, "");
    throw new Error(
      `Cannot make a temporary folder${where}: ${why}. Set TMPDIR to a folder that you may write to.`,
    );
  });
}
