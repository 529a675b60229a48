/** What travels between machines is data, validated where it arrives: paths, and what code is meant. */
import { isAbsolute, join, relative, sep } from "node:path";
import { z } from "zod";

/** A path below a folder, written with slashes: another machine may have the folder elsewhere. */
export const relativePathSchema = z.string().refine(
  (path) => path !== "" && !/^([/\\]|[a-z]:)/i.test(path) && !path.split(/[/\\]/).includes(".."),
  "expected a path below the folder that is meant",
);

/** A path as `below` has it; undefined: it is not below the folder. */
export function toRelative(path: string, folder: string): string | undefined {
  const found = relative(folder, path).split(sep).join("/");
  return found === "" || found.split("/")[0] === ".." || isAbsolute(found) ? undefined : found;
}

/**
 * Checks before anything is imported that plugins are code of the project: neither below a folder of
 * results, which other machines write to, nor reached by a link that leads there or out of the project.
 */
export async function demandPlugins(
  plugins: readonly string[],
  { project, artifacts }: { readonly project: string; readonly artifacts: string },
): Promise<void> {
  const real = (path: string) => Deno.realPath(path).catch(() => undefined);
  const root = await Deno.realPath(project);
  const results = await Promise.all([artifacts, join(project, "artifacts")].map(real));
  for (const plugin of plugins) {
    const path = await real(join(project, plugin));
    if (path === undefined) throw new IncompatibleWorkerError(`it has no plugin "${plugin}"`);
    const outside = toRelative(path, root) === undefined;
    if (outside || results.some((folder) => folder && toRelative(path, folder) !== undefined)) {
      throw new Error(
        `Cannot load the plugin "${plugin}": it lies ${
          outside ? "outside of the project" : "among results"
        }, and code does not travel. Move it to plugins/.`,
      );
    }
  }
}

/** Code and platform that produce a result. */
export const codeSchema = z.strictObject({
  /** Path from the project → hash of what a module does. */
  modules: z.record(z.string(), z.string()),
  /** Package → version. */
  packages: z.record(z.string(), z.string()),
  deno: z.string(),
  platform: z.string(),
});

export type CodeVersion = z.output<typeof codeSchema>;

/** What code makes results here. */
export function localCodeVersion(
  { modules, packages }: Pick<CodeVersion, "modules" | "packages">,
): CodeVersion {
  return { modules, packages, deno: Deno.version.deno, platform: Deno.build.target };
}

/** How a worker's code differs from the run's; undefined: it does not. */
export function codeDifference(run: CodeVersion, worker: CodeVersion): string | undefined {
  if (run.deno !== worker.deno) {
    return `the run is on Deno ${run.deno}, the worker on ${worker.deno}`;
  }
  if (run.platform !== worker.platform) {
    return `the run is on ${run.platform}, the worker on ${worker.platform}, ` +
      "whose results may differ in their last digits";
  }
  for (const what of ["packages", "modules"] as const) {
    const names = new Set([...Object.keys(run[what]), ...Object.keys(worker[what])]);
    const other = [...names].filter((name) => run[what][name] !== worker[what][name]).sort();
    if (other.length > 0) {
      const more = other.length > 3 ? ` and ${other.length - 3} more` : "";
      return `${other.slice(0, 3).join(", ")}${more} differ${
        other.length > 1 ? "" : "s"
      } from the run's`;
    }
  }
  return undefined;
}

/** A worker does not do what it was given, and will not do it later. */
export class IncompatibleWorkerError extends Error {
  override readonly name = "Refusal";
}

/** @throws {IncompatibleWorkerError} if this code is not the run's */
export function assertSameCode(run: CodeVersion, here: CodeVersion): void {
  const difference = codeDifference(run, here);
  if (difference === undefined) return;
  throw new IncompatibleWorkerError(
    `its version is another one: ${difference}. Bring it to the run's version`,
  );
}
