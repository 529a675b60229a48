/** Paths: of the project, of a person's terminal, in messages. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { isAbsolute, relative, resolve } from "node:path";

export const fromFileUrl = (url: string | URL): string => fileURLToPath(url);
export const toFileUrl = (path: string): string => pathToFileURL(path).href;

/** Whether a value names something on the network (or any URL) rather than a path. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** Makes a path absolute from a folder; URLs stay as they are. */
export function resolveFrom(path: string, folder: string): string {
  return isUrl(path) ? path : resolve(folder, path);
}

/** A path as short as it can be said from a folder, with forward slashes. */
export function displayPath(path: string, folder: string): string {
  const seen = relative(folder, path).replaceAll("\\", "/");
  return seen === "" ? "." : seen.startsWith("../../") || isAbsolute(seen) ? path : seen;
}

/**
 * Where the person stands. `deno task` changes to the project's folder and keeps the
 * person's in INIT_CWD.
 */
export function invocationDir(): string {
  return Deno.env.get("INIT_CWD") ?? Deno.cwd();
}

/** The text of a file, or undefined when there is no such file. */
export async function readTextIfExists(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** For `.catch()`: what is not there is no error. */
export function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
