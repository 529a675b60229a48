/** Validation of what travels between machines: paths, plugins, versions of code. */
import { isAbsolute, join, relative, sep } from "node:path";
import { z } from "zod";
import type { App } from "../app.ts";
import { pipelineSchema } from "../config/pipeline_schema.ts";

/** Path below a folder, with forward slashes; machines may have the folder in different places. */
export const relativePathSchema = z.string().refine(
  (path) => path !== "" && !/^([/\\]|[a-z]:)/i.test(path) && !path.split(/[/\\]/).includes(".."),
  "expected a path below its folder",
);

/** Returns the path relative to the folder as `relativePathSchema` has it; undefined if outside. */
export function toRelative(path: string, folder: string): string | undefined {
  const found = relative(folder, path).split(sep).join("/");
  return found === "" || found.split("/")[0] === ".." || isAbsolute(found) ? undefined : found;
}

/** This worker cannot run the job; others may. */
export class IncompatibleWorkerError extends Error {
  override readonly name = "IncompatibleWorkerError";

  /** The artifact folder of this worker lacks a path of the run's. */
  static otherFolder(artifacts: string, path: string): IncompatibleWorkerError {
    return new IncompatibleWorkerError(
      `its artifact folder "${artifacts}" has no "${path}", so it is not the run's. Pass the run's ` +
        "with --artifacts",
    );
  }
}

/**
 * Checks before anything is imported that plugins are code of the project. They must lie neither in an
 * artifact folder, which other machines write to, nor behind a link that leads there or out of the
 * project.
 */
export async function assertPluginsInProject(
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

/** @throws {IncompatibleWorkerError} if this machine cannot compute on a backend */
export async function assertBackend(
  backend: string,
  { resolveCompute }: Pick<App, "resolveCompute">,
): Promise<void> {
  try {
    await resolveCompute(pipelineSchema.shape.compute.parse(backend));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? "there is no such backend" : (cause as Error).message;
    throw new IncompatibleWorkerError(`it cannot compute on "${backend}": ${why}`, { cause });
  }
}

/** Code and platform that produce a result. */
export const codeSchema = z.strictObject({
  /** Path from the project → hash of a module's behavior. */
  modules: z.record(z.string(), z.string()),
  /** Package → version. */
  packages: z.record(z.string(), z.string()),
  deno: z.string(),
  platform: z.string(),
});

export type CodeVersion = Readonly<z.output<typeof codeSchema>>;

export function localCodeVersion(
  { modules, packages }: Pick<CodeVersion, "modules" | "packages">,
): CodeVersion {
  return { modules, packages, deno: Deno.version.deno, platform: Deno.build.target };
}

/** @throws {IncompatibleWorkerError} if this worker's code is not the run's */
export function assertSameCode(run: CodeVersion, worker: CodeVersion): void {
  const refuse = (difference: string) => {
    throw new IncompatibleWorkerError(
      `its version is another one: ${difference}. Update it to the run's version`,
    );
  };
  if (run.deno !== worker.deno) refuse(`the run uses Deno ${run.deno}, the worker ${worker.deno}`);
  if (run.platform !== worker.platform) {
    refuse(
      `the run is on ${run.platform}, the worker on ${worker.platform}, ` +
        "whose results may differ in their last digits",
    );
  }
  for (const kind of ["packages", "modules"] as const) {
    const names = new Set([...Object.keys(run[kind]), ...Object.keys(worker[kind])]);
    const other = [...names].filter((name) => run[kind][name] !== worker[kind][name]).sort();
    if (other.length > 0) {
      const more = other.length > 3 ? ` and ${other.length - 3} more` : "";
      const differ = other.length > 1 ? "differ" : "differs";
      refuse(`${other.slice(0, 3).join(", ")}${more} ${differ} from the run's`);
    }
  }
}
