/** What travels to a worker: data, validated when it arrives, and never code. */
import { z } from "zod";

/** A path below the artifact folder, written with slashes: another machine may have it elsewhere. */
const below = z.string().refine(
  (path) => path !== "" && !/^([/\\]|[a-z]:)/i.test(path) && !path.split(/[/\\]/).includes(".."),
  "expected a path below the artifact folder",
);

/** What code makes a result, and on what. */
export const codeSchema = z.strictObject({
  /** Path from the project → hash of what a module does. */
  modules: z.record(z.string(), z.string()),
  /** Package → version. */
  packages: z.record(z.string(), z.string()),
  deno: z.string(),
  platform: z.string(),
});

export const partSchema = z.strictObject({
  version: z.literal(1),
  /** The run that waits for it. */
  run: z.string(),
  /** The stage, by the name of its module. */
  use: z.string(),
  code: codeSchema,
  compute: z.string().optional(),
  /** Where the result is put, each attempt in a folder of its own. */
  folder: below,
  /** Input → its folder. */
  inputs: z.record(z.string(), below),
  /** The stage's own; it validates it. */
  data: z.unknown(),
});

export const resultSchema = z.strictObject({
  /** Where the part's files lie. */
  folder: below,
  /** Who made it. */
  worker: z.string(),
  /** The stage's own. */
  result: z.unknown(),
});

export type Code = z.output<typeof codeSchema>;
export type PartData = z.output<typeof partSchema>;
export type PartResult = z.output<typeof resultSchema>;

/** How a worker's code differs from the run's; undefined: it does not. */
export function codeDifference(run: Code, worker: Code): string | undefined {
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
