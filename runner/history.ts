/** `artifacts/runs/`: a record of each run, from which runs are listed and compared. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { entries } from "./attemptFiles.ts";
import { makeFolder } from "./durable.ts";
import { didYouMean, list, UsageError } from "./errors.ts";
import { canonical, type Dependencies } from "./fingerprint.ts";
import { dependenciesShape, metricsShape } from "./record.ts";
import type { RunReport, StageReport } from "./report.ts";
import { readState, type State, writeState } from "./state.ts";

/** A stage of a run, and what its result was made of. */
export interface RecordedStage extends StageReport {
  /** Of a stage that was left out or failed, none is known. */
  readonly fingerprint?: string;
  readonly dependencies?: Dependencies;
  readonly warnings?: readonly string[];
}

export interface RunRecord extends Omit<RunReport, "stages"> {
  /** Eight hexadecimal digits. */
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  readonly seed: number;
  /** Of a run of a sweep: what was varied, key → value. */
  readonly point?: Readonly<Record<string, unknown>>;
  readonly compute?: { readonly backend: string; readonly why: string };
  readonly deno: string;
  readonly platform: string;
  readonly stages: readonly RecordedStage[];
}

const text = z.string();
const runShape = z.looseObject({
  id: text.optional(), // runs of earlier versions have none
  at: text,
  pipeline: text,
  ok: z.boolean(),
  seconds: z.number(),
  seed: z.number(),
  point: z.record(text, z.unknown()).optional(),
  compute: z.looseObject({ backend: text, why: text }).optional(),
  deno: text.optional(),
  platform: text.optional(),
  metrics: metricsShape,
  cautions: z.array(text).optional(),
  stages: z.array(z.looseObject({
    ...{ id: text, use: text, why: text, seconds: z.number() },
    status: z.enum(["ran", "cached", "skipped", "failed"]),
    outputs: z.record(text, text),
    fingerprint: text.optional(),
    dependencies: dependenciesShape.optional(),
    warnings: z.array(text).optional(),
  })),
});

/** Reads a run's record. */
async function readRun(path: string): Promise<State<RunRecord>> {
  return await readState(path, { shape: runShape, unsealed: runShape.strict() });
}

/** The runs of an artifact folder. */
export class History {
  readonly folder: string;

  /** @param artifacts the artifact folder */
  constructor(artifacts: string) {
    this.folder = join(artifacts, "runs");
  }

  /** Keeps a run's record and gives the run its id. */
  async add(run: Omit<RunRecord, "id" | "at" | "deno" | "platform">): Promise<RunRecord> {
    const at = new Date().toISOString();
    // The process tells apart runs that end at the same time.
    const id = hash(`${at} ${run.pipeline} ${Deno.pid} ${performance.now()}`);
    const versions = { deno: Deno.version.deno, platform: Deno.build.target };
    const record: RunRecord = { id, ...run, at, ...versions };
    await makeFolder(this.folder);
    const time = at.replaceAll(":", "-").replace(/\.\d+/, "");
    const name = `${time}-${run.pipeline}-${id}.json`;
    await writeState(join(this.folder, name), { version: 1, ...record });
    return record;
  }

  /**
   * All runs, the oldest first.
   * @param unreadable told the path of each file that holds no run, and what is wrong with it
   */
  async list(
    unreadable: (path: string, state: State<RunRecord>) => void = () => {},
  ): Promise<RunRecord[]> {
    const names = (await entries(this.folder)).filter((name) => name.endsWith(".json"));
    const runs = await Promise.all(names.map(async (name) => {
      const path = join(this.folder, name);
      const state = await readRun(path);
      const { value } = state;
      if (state.problem !== undefined) unreadable(path, state);
      // Runs of earlier versions had no id.
      return value ? [{ ...value, id: value.id ?? hash(name) }] : [];
    }));
    return runs.flat().sort(byTime);
  }

  /** The last listed run of a sweep that varied the same and has the same results. */
  async find(
    { pipeline, stages }: Pick<RunRecord, "pipeline" | "stages">,
    point: RunRecord["point"],
  ): Promise<RunRecord | undefined> {
    const prints = (all: RunRecord["stages"]) =>
      all.map(({ id, fingerprint }) => [id, fingerprint]);
    return (await this.list()).findLast((run) =>
      run.pipeline === pipeline && canonical(run.point ?? null) === canonical(point) &&
      canonical(prints(run.stages)) === canonical(prints(stages))
    );
  }

  /** Takes runs off the list. */
  async remove(ids: ReadonlySet<string>): Promise<void> {
    for (const name of (await entries(this.folder)).filter((name) => name.endsWith(".json"))) {
      const path = join(this.folder, name);
      const { value } = await readRun(path);
      if (value && ids.has(value.id ?? hash(name))) await Deno.remove(path);
    }
  }
}

/** The oldest first. */
export function byTime(a: RunRecord, b: RunRecord): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/**
 * The run that a name means: its id, the pipeline's name (its newest run), or the beginning of one id.
 * @param runs the oldest first
 */
export function findRun(name: string, runs: readonly RunRecord[]): RunRecord {
  const found = runs.find(({ id }) => id === name) ?? byPipeline(name, runs).at(-1) ??
    pickRun(name, runs);
  if (found) return found;
  const known = [...new Set(runs.map(({ pipeline }) => pipeline))];
  throw new UsageError(
    `there is no run "${name}".${didYouMean(name, known)} A run is named by its id, the ` +
      "beginning of it, or its pipeline's name; deno task runs lists them.",
  );
}

/**
 * The run that an id, or the beginning of one that no other shares, names; undefined if none begins so.
 * @throws {UsageError} if several do
 */
export function pickRun(name: string, runs: readonly RunRecord[]): RunRecord | undefined {
  const exact = runs.find(({ id }) => id === name);
  const begun = runs.filter(({ id }) => id.startsWith(name));
  if (exact || begun.length < 2) return exact ?? begun[0];
  const some = begun.slice(-5).map(({ id, pipeline }) => `${id} (${pipeline})`);
  throw new UsageError(
    `"${name}" begins the ids of ${begun.length} runs; write more of it: ${list(some, "or")}` +
      `${begun.length > some.length ? " (the latest)" : ""}.`,
  );
}

/** The runs of a pipeline, by its name or the path of its YAML. */
export function runsOf(name: string, runs: readonly RunRecord[]): RunRecord[] {
  const found = byPipeline(name, runs);
  if (found.length > 0) return found;
  const known = [...new Set(runs.map(({ pipeline }) => pipeline))];
  throw new UsageError(
    `no run of a pipeline "${name}" is listed.${didYouMean(name, known)} ` +
      (known.length > 0 ? `There are runs of ${list(known)}.` : "There are none at all."),
  );
}

/** experiments/gender.yaml is called gender if it says so, else experiments-gender. */
function byPipeline(name: string, runs: readonly RunRecord[]): RunRecord[] {
  const path = name.replace(/\.ya?ml$/, "");
  const names = [name, path, path.replace(/^.*[\\/]/, ""), path.replace(/[^\w.-]+/g, "-")];
  return names.map((name) => runs.filter(({ pipeline }) => pipeline === name))
    .find(({ length }) => length > 0) ?? [];
}

/** Returns a line for each caution about runs' scores, with the runs that it is about. */
export function cautionLines(runs: readonly Pick<RunRecord, "id" | "cautions">[]): string[] {
  const about = Map.groupBy(
    runs.flatMap(({ id, cautions = [] }) => cautions.map((caution) => ({ id, caution }))),
    ({ caution }) => caution,
  );
  return [...about].map(([caution, ids]) =>
    `${
      ids.length === runs.length ? "All of these runs" : list(ids.map(({ id }) => id))
    }: ${caution}`
  );
}
