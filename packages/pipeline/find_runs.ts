/** Names on the command line → recorded runs: an id, the beginning of one, or a pipeline. */
import { didYouMean, joinWords, UsageError } from "./errors.ts";
import { canonicalJson } from "./fingerprint.ts";
import type { RunRecord } from "./history.ts";
import { formerName, typed } from "./pipeline_identity.ts";

/** Returns a run's pipeline as commands take it. */
export function nameOf({ file, pipeline }: Pick<RunRecord, "file" | "pipeline">): string {
  return file === undefined ? pipeline : typed(file);
}

/** Requirements of a run that a pipeline's name means. */
interface Wanted {
  /** Identity of the pipeline, if the name is its file. */
  readonly identity?: string;
  /** Required property of a run, and its words: "has evaluated a model". */
  readonly has?: (run: RunRecord) => boolean;
  readonly what?: string;
  /** Command that lists the runs. Default: deno task runs. */
  readonly listedBy?: string;
}

/**
 * Returns the run of a name: its id, a unique prefix of it, or a pipeline's name (its newest run that
 * meets the requirements).
 * @param runs the oldest first
 * @throws {UsageError} if there is none
 */
export function findRun(
  name: string,
  runs: readonly RunRecord[],
  { identity, has = () => true, what = "is listed", listedBy = "deno task runs" }: Wanted = {},
): RunRecord {
  const found = runs.find(({ id }) => id === name);
  if (found) return found;
  const own = byPipeline(name, runs, identity);
  const newest = own.findLast(has);
  if (newest) return newest;
  const last = own.at(-1);
  if (last) {
    const state = last.state === undefined ? last.ok ? "has not" : "failed" : `is ${last.state}`;
    throw new UsageError(
      `no run of the pipeline "${name}" ${what}; the last, ${last.id}, ${state}. ` +
        `Run it: deno task run ${nameOf(last)}.`,
    );
  }
  const begun = findByIdPrefix(name, runs);
  if (begun) return begun;
  if (identity !== undefined) throw notRun(name);
  throw new UsageError(
    `there is no run "${name}".${didYouMean(name, namesOf(runs.filter(has)))} A run is named by ` +
      `its id, the beginning of it, or its pipeline's name; ${listedBy} lists them.`,
  );
}

/** The error where a pipeline has no run. */
function notRun(name: string): UsageError {
  return new UsageError(
    `no run of the pipeline "${name}" is listed. Run it: deno task run ${name}. If its YAML has ` +
      "artifacts: DIR, add --artifacts DIR.",
  );
}

/**
 * Returns the run of an id or a prefix of one; undefined if there is none.
 * @throws {UsageError} if several have the prefix
 */
export function findByIdPrefix(name: string, runs: readonly RunRecord[]): RunRecord | undefined {
  const exact = runs.find(({ id }) => id === name);
  const begun = runs.filter(({ id }) => id.startsWith(name));
  if (exact || begun.length < 2) return exact ?? begun[0];
  const ok = begun.filter(({ ok }) => ok);
  const some = (ok.length > 0 ? ok : begun).slice(-5).map((run) => `${run.id} (${nameOf(run)})`);
  throw new UsageError(
    `"${name}" begins the ids of ${begun.length} runs; write more of it: ${joinWords(some, "or")}` +
      `${begun.length > some.length ? " (the latest)" : ""}.`,
  );
}

/** Returns the runs of a pipeline, by its name or its YAML. @throws {UsageError} if there are none */
export function runsOfPipeline(
  name: string,
  runs: readonly RunRecord[],
  identity?: string,
): RunRecord[] {
  const found = byPipeline(name, runs, identity);
  if (found.length > 0) return found;
  if (identity !== undefined) throw notRun(name);
  const known = namesOf(runs), near = didYouMean(name, known), some = known.slice(-5);
  const others = some.length > 0 ? `, or take ${joinWords(some, "or")}` : "";
  const wayOut = near === "" ? ` Run it first${others}.` : near;
  const list = known.length > some.length ? " deno task runs lists all." : "";
  throw new UsageError(`no run of a pipeline "${name}" is listed.${wayOut}${list}`);
}

/** Returns the runs of a pipeline. @throws {UsageError} if several pipelines bear a label */
export function byPipeline(
  name: string,
  runs: readonly RunRecord[],
  identity?: string,
): RunRecord[] {
  const path = name.replace(/\.ya?ml$/, "");
  const pipelineOf = pipelinesOf(runs);
  const files = (some: typeof runs) => [...new Set(some.flatMap(({ file }) => file ?? []))];
  const known = files(runs);
  const labelled = files(runs.filter(({ pipeline }) => pipeline === name));
  const is = (file: string) => file === identity || file === name || typed(file) === path;
  const [file, ...others] = known.some(is) ? known.filter(is) : labelled;
  if (others.length > 0) {
    const all = [file!, ...others].map((one) => `"${typed(one)}"`);
    throw new UsageError(`${joinWords(all)} are both called "${name}"; write which is meant.`);
  }
  if (file !== undefined) return runs.filter((run) => pipelineOf(run) === file);
  // Earlier versions called experiments/a.yaml by its own name, or else experiments-a.
  const names = [name, path, path.replace(/^.*[\\/]/, ""), formerName(path)];
  return names.map((name) => runs.filter((run) => !run.file && run.pipeline === name))
    .find(({ length }) => length > 0) ?? [];
}

/**
 * Returns a function from a run to its pipeline: the file; for a run of an earlier version the file
 * of the only pipeline with its name, else the name.
 */
export function pipelinesOf(runs: readonly RunRecord[]): (run: RunRecord) => string {
  const files = new Map<string, Set<string>>();
  for (const { file, pipeline } of runs) {
    if (file === undefined) continue;
    for (const name of [pipeline, formerName(file)]) {
      files.set(name, (files.get(name) ?? new Set()).add(file));
    }
  }
  return ({ file, pipeline }) => {
    const [only, ...others] = files.get(pipeline) ?? [];
    return file ?? (only !== undefined && others.length === 0 ? only : pipeline);
  };
}

/**
 * Groups runs of a pipeline by sweep: those with values of the same keys, of equal values the newest. Any
 * other is one of its own. The newest are first.
 */
export function bySweep(runs: readonly RunRecord[]): RunRecord[][] {
  const points = new Map<string, number>();
  const groups = Map.groupBy(runs.toReversed(), ({ id, point }) => {
    if (point === undefined) return id;
    const text = canonicalJson(point), newer = points.get(text) ?? 0;
    points.set(text, newer + 1);
    return canonicalJson([Object.keys(point).sort(), newer]);
  });
  return [...groups.values()];
}

function namesOf(runs: readonly RunRecord[]): string[] {
  return [...new Set(runs.map(nameOf))];
}
