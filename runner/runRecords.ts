/** What earlier runs left in `artifacts/runs/`, and which one a person means. */
import { join } from "node:path";
import { didYouMean, list, UsageError } from "./errors.ts";
import { ignoreMissing } from "./paths.ts";
import type { RunReport, StageReport } from "./run.ts";

/** A run as it was recorded. */
export interface RunRecord extends RunReport {
  /** A stage that has a result has its fingerprint, too. */
  readonly stages: (StageReport & { fingerprint?: string })[];
  /** The record's file name without its ending, which begins with the date. */
  readonly id: string;
  /** When it ended, in ISO 8601. */
  readonly at: string;
  readonly seed: number;
}

/** All runs that were recorded in an artifact folder, the latest last. Damaged records are left out. */
export async function readRuns(artifacts: string): Promise<RunRecord[]> {
  const folder = join(artifacts, "runs");
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".json")) names.push(name);
  } catch (error) {
    ignoreMissing(error);
  }
  const runs: RunRecord[] = [];
  for (const name of names.sort()) {
    const record = await Deno.readTextFile(join(folder, name)).then(JSON.parse).catch(() => {});
    if (!Array.isArray(record?.stages)) continue;
    runs.push({ ...record, id: name.slice(0, -".json".length) });
  }
  return runs;
}

/**
 * The run that an id, or the beginning of one that no other shares, names; undefined if none begins so.
 * @throws {UsageError} if several do
 */
export function pickRun(runs: readonly RunRecord[], wanted: string): RunRecord | undefined {
  const exact = runs.find(({ id }) => id === wanted);
  if (exact) return exact;
  const found = runs.filter(({ id }) => id.startsWith(wanted));
  if (found.length < 2) return found[0];
  const some = found.slice(-5).map(({ id }) => id);
  throw new UsageError(
    `"${wanted}" begins the ids of ${found.length} runs; write more of it: ${list(some, "or")}` +
      `${found.length > some.length ? " (the latest)" : ""}.`,
  );
}

/** Words for a message about a run that is not there. */
export function knownRuns(runs: readonly RunRecord[], wanted: string): string {
  const hint = didYouMean(wanted, runs.map(({ id }) => id));
  const latest = runs.slice(-3).map(({ id }) => id);
  return latest.length === 0
    ? "No run is recorded."
    : `${hint.trim()} The latest runs are ${list(latest)}.`.trim();
}
