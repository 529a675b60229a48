/** `artifacts/runs/`: a record of each run, alive or ended. */
import { join } from "node:path";
import { mapOrdered } from "@reproducible/workers/ordered_map";
import { z } from "zod";
import type { Directions } from "./app.ts";
import { ensureFolder } from "./durable.ts";
import { type CacheKey, cacheKeySchema, canonicalJson, sha256, type Shape } from "./fingerprint.ts";
import { fileNameOf, formerName } from "./pipeline_identity.ts";
import { isHeld, type Lock, takeLock, withFreeLocks } from "./cache/file_lock.ts";
import { entries, ignoreNotFound } from "./paths.ts";
import {
  INTERRUPTED,
  type RunReport,
  runReportShape,
  type StageReport,
  stageReportShape,
} from "./run/run_report.ts";
import { withoutSecrets } from "./secrets.ts";
import { parseState, readState, type State, writeState } from "./state.ts";

export interface RecordedStage extends Readonly<StageReport> {
  /** Set for a stage that has a result, like the next three. */
  readonly fingerprint?: string;
  readonly dependencies?: CacheKey;
  readonly warnings?: readonly string[];
}

export interface RunRecord extends Readonly<Omit<RunReport, "stages">> {
  /** Eight hexadecimal digits. */
  readonly id: string;
  /** Its end, or its start if it has not ended; ISO 8601. */
  readonly at: string;
  readonly startedAt?: string;
  /** Identity of its pipeline; runs of earlier versions have the name alone. */
  readonly file?: string;
  /** Set for a run that has not ended, by its process: alive or not. */
  readonly state?: "running" | "interrupted";
  readonly seed: number;
  /** Values in place of the YAML's, those of a sweep among them; see `Config`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** The varied values of a run of a sweep, key → value. */
  readonly point?: Readonly<Record<string, unknown>>;
  readonly compute?: { readonly backend: string; readonly why: string };
  /** Better values of metrics of plugins; runs of earlier versions have none. */
  readonly better?: Directions;
  readonly deno?: string;
  readonly platform?: string;
  readonly stages: readonly RecordedStage[];
}

const text = z.string();
/** Runs of earlier versions have no id. */
const runSchema = z.object<Shape<Omit<RunRecord, "id"> & { readonly id?: string }>>({
  id: text.optional(),
  at: text,
  startedAt: text.optional(),
  ...runReportShape,
  file: text.optional(),
  state: z.enum(["running", "interrupted"]).optional(),
  seed: z.number(),
  overrides: z.record(text, z.unknown()).optional(),
  point: z.record(text, z.unknown()).optional(),
  compute: z.object({ backend: text, why: text }).optional(),
  better: z.record(text, z.enum(["more", "less"])).optional(),
  deno: text.optional(),
  platform: text.optional(),
  stages: z.array(z.object<Shape<RecordedStage>>({
    ...stageReportShape,
    fingerprint: text.optional(),
    dependencies: cacheKeySchema.optional(),
    warnings: z.array(text).optional(),
  })),
});

/** Reads a run's record of this version from its bytes. */
export function parseRun(bytes: Uint8Array, name: string): State<RunRecord> {
  return parseState(bytes, name, { shape: runSchema });
}

async function readRun(path: string): Promise<State<RunRecord>> {
  return await readState(path, { shape: runSchema, unsealed: runSchema.strict() });
}

/** A run under way. */
export interface Begun {
  readonly id: string;
  readonly startedAt: string;
  /** Its file in the history, and the lock of its live process, if they could be made. */
  readonly path: string;
  readonly lock?: Lock;
}

/** Facts of a run that are known before it starts. */
export type Beginning = Pick<RunRecord, "pipeline" | "file" | "overrides" | "point" | "seed">;

/** Silence after which a lock without holder is removed, in ms: some shared folders lock nothing. */
const SILENT_MS = 600_000;

/** The runs of an artifact folder. */
export class History {
  readonly folder: string;

  /** @param artifacts the artifact folder */
  constructor(artifacts: string) {
    this.folder = join(artifacts, "runs");
  }

  /** Gives a run its id, and lists it as running where the folder is writable. */
  async begin(run: Beginning, startedAt: string = new Date().toISOString()): Promise<Begun> {
    // The process distinguishes runs that begin at the same time.
    const id = hash(`${startedAt} ${run.pipeline} ${Deno.pid} ${performance.now()}`);
    const time = startedAt.replaceAll(":", "-").replace(/\.\d+/, "");
    const path = join(this.folder, `${time}-${formerName(run.pipeline).slice(-100)}-${id}.json`);
    const begun = { id, startedAt, path };
    try {
      await ensureFolder(this.folder);
      const isSilent = async (path: string) =>
        Date.now() - Number((await Deno.stat(`${path}.lock`)).mtime ?? Infinity) > SILENT_MS;
      await withFreeLocks(this.folder, isSilent, (path) => Deno.remove(`${path}.lock`));
      // Another run that looks whether it is held may have it for a moment.
      const lock = await takeLock(lockOf(path), () => {}, AbortSignal.timeout(5000));
      const rest = { state: "running", ok: false, seconds: 0, stages: [], metrics: {} } as const;
      await this.#write(begun, { ...run, ...rest }, startedAt);
      return { ...begun, lock };
    } catch {
      return begun; // reported at its end, if there is something to record
    }
  }

  async add(
    run: Omit<RunRecord, "id" | "at" | "deno" | "platform" | "state">,
    begun?: Begun,
  ): Promise<RunRecord> {
    const { lock, ...first } = begun ?? await this.begin(run);
    await ensureFolder(this.folder);
    const record = await this.#write(first, run, new Date().toISOString());
    await unlock(first.path, lock);
    return record;
  }

  /** Removes a running run from the list. */
  async drop({ path, lock }: Begun): Promise<void> {
    if (!lock) return;
    await Deno.remove(path).catch(ignoreNotFound);
    await unlock(path, lock);
  }

  async #write(
    { id, startedAt, path }: Begun,
    run: Omit<RunRecord, "id" | "at" | "startedAt" | "deno" | "platform">,
    at: string,
  ): Promise<RunRecord> {
    const versions = { deno: Deno.version.deno, platform: Deno.build.target };
    const record = withoutSecrets<RunRecord>({ id, ...run, startedAt, at, ...versions });
    await writeState(path, { version: 1, ...record });
    return record;
  }

  async names(): Promise<string[]> {
    return (await entries(this.folder)).filter((name) => name.endsWith(".json"));
  }

  /** Reads the record in a file. A run whose process does not live is interrupted. */
  async read(name: string): Promise<State<RunRecord>> {
    const path = join(this.folder, name);
    let state = await readRun(path);
    if (state.value?.state === "running" && !await isHeld(lockOf(path))) {
      // It may have ended meanwhile.
      state = await readRun(path);
      const { value } = state;
      if (value?.state === "running") state = { value: { ...value, state: "interrupted" } };
    }
    const { value } = state;
    // Runs of earlier versions had no id.
    return value ? { ...state, value: { ...value, id: value.id ?? hash(name) } } : state;
  }

  /**
   * Lists all runs, the oldest first.
   * @param unreadable called with the path of each file that is not a valid run
   */
  async list(
    unreadable: (path: string, state: State<RunRecord>) => void = () => {},
  ): Promise<RunRecord[]> {
    const runs = await Array.fromAsync(mapOrdered(await this.names(), 16, async (name) => {
      const state = await this.read(name);
      if (state.problem !== undefined) unreadable(join(this.folder, name), state);
      return state.value ?? [];
    }));
    return runs.flat().sort(byTime);
  }

  /** Finds the last run with the same varied values and the same results. */
  async find(
    { file, point, stages }: Pick<RunRecord, "file" | "point" | "stages">,
  ): Promise<RunRecord | undefined> {
    const prints = (all: RunRecord["stages"]) =>
      all.map(({ id, fingerprint }) => [id, fingerprint]);
    // Most runs of a sweep have other results: a text is searched faster than it is parsed.
    const { fingerprint = "" } = stages.findLast(({ fingerprint }) => fingerprint) ?? {};
    const runs = await Array.fromAsync(mapOrdered(await this.names(), 16, async (name) => {
      const text = await Deno.readTextFile(join(this.folder, name)).catch(() => ""); // not readable
      return text.includes(fingerprint) ? (await this.read(name)).value ?? [] : [];
    }));
    return runs.flat().sort(byTime).findLast((run) =>
      run.file === file && canonicalJson(run.point ?? null) === canonicalJson(point) &&
      canonicalJson(prints(run.stages)) === canonicalJson(prints(stages))
    );
  }

  async remove(ids: ReadonlySet<string>): Promise<void> {
    for (const name of await this.names()) {
      const path = join(this.folder, name);
      const { value } = await readRun(path);
      if (!value || !ids.has(value.id ?? hash(name))) continue;
      await Deno.remove(path);
      await Deno.remove(lockOf(path)).catch(ignoreNotFound);
    }
  }
}

function lockOf(path: string): string {
  return path.replace(/\.json$/, ".lock");
}

async function unlock(path: string, lock: Lock | undefined): Promise<void> {
  lock?.[Symbol.dispose]();
  await Deno.remove(lockOf(path)).catch(ignoreNotFound);
}

/** Compares by date, the oldest first. */
export function byTime(a: RunRecord, b: RunRecord): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

function hash(text: string): string {
  return sha256(text).slice(0, 8);
}

/** Returns true for a stage that Ctrl-C ended. */
export function isInterrupted({ status, cause, why }: Readonly<StageReport>): boolean {
  return status === "failed" && (cause ?? why) === INTERRUPTED;
}

/** Returns the name of the file in which the store has the last results of a run's pipeline. */
export function noteOf({ file, pipeline }: Pick<RunRecord, "file" | "pipeline">): string {
  return file === undefined ? pipeline : fileNameOf(file);
}

export type UsedResult = Required<Pick<RecordedStage, "id" | "use" | "fingerprint">>;

export function resultsOf({ stages }: Pick<RunRecord, "stages">): UsedResult[] {
  return stages.flatMap(({ id, use, fingerprint }) =>
    fingerprint === undefined ? [] : [{ id, use, fingerprint }]
  );
}
