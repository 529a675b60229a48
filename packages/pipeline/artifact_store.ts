/**
 * Artifacts on disk.
 *
 *     artifacts/<stage>/<fingerprint>/record.json and a folder for each output
 *     artifacts/.work/<stage>-<fingerprint>/   an attempt under way: outputs and scratch
 *     artifacts/.latest/<pipeline>.json        which results a pipeline used last; see fileNameOf()
 *     artifacts/runs/                          a record of each run
 *
 * A result is written aside and renamed when it is complete, so a published result is complete even
 * after a crash.
 */
import { dirname, join } from "node:path";
import { z } from "zod";
import {
  type Attempt,
  BEING_MADE,
  hasLeftovers,
  hasScratch,
  openAttempt,
  removeLeftovers,
} from "./cache/attempt.ts";
import { ensureFolder } from "./durable.ts";
import { type CacheKey, canonicalJson, differences } from "./fingerprint.ts";
import { isHeld, lockFile, takeLock, withFreeLocks } from "./cache/file_lock.ts";
import { entries, ignoreNotFound, remove } from "./paths.ts";
import { type OutputRecord, readRecord, type StageRecord } from "./stage_record.ts";
import type { Artifact, EarlierResult } from "./stage.ts";
import { readState, type State, writeState } from "./state.ts";

/** Stage id → a result, named by its stage and fingerprint. */
export type Used = Record<
  string,
  { readonly use: string; readonly fingerprint: string; readonly pulled?: boolean }
>;

const usedSchema = z.record(
  z.string(),
  z.looseObject({
    use: z.string(),
    fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
    pulled: z.boolean().optional(),
  }),
);
const latestSchema = z.object({ version: z.literal(1), used: usedSchema });

export interface StoredResult {
  readonly use: string;
  /** The first 16 digits of its fingerprint. */
  readonly fingerprint: string;
  readonly path: string;
}

export class ArtifactStore {
  /** @param options.patience ms without a heartbeat after which an attempt is no longer waited for */
  constructor(readonly folder: string, readonly options: { readonly patience?: number } = {}) {}

  /** Returns the folder of a result, existing or not. */
  pathOf(use: string, fingerprint: string): string {
    return join(this.folder, use, fingerprint.slice(0, 16));
  }

  /**
   * Reads the record of a result.
   * @param outputs names of the outputs that it must have
   * @returns nothing when there is none; `damage` is the reason to make an existing one again
   */
  async find(
    use: string,
    fingerprint: string,
    outputs: readonly string[] = [],
  ): Promise<{ record?: StageRecord; damage?: string }> {
    const place = this.pathOf(use, fingerprint);
    const { value: record, problem } = await readRecord(place);
    if (problem !== undefined) return { damage: problem };
    if (!record || record.fingerprint !== fingerprint) return {};
    if (record.damage !== undefined) return { damage: record.damage };
    const lacking = outputs.find((output) => !Object.hasOwn(record.outputs, output));
    if (lacking !== undefined) return { damage: `record.json lacks the output ${lacking}` };
    for (const [output, { files }] of Object.entries(record.outputs)) {
      for (const [name, { size }] of Object.entries(files)) {
        const info = await Deno.stat(join(place, output, name)).catch(() => undefined);
        if (!info) return { damage: `${output}/${name} is missing` };
        if (info.size !== size) return { damage: `${output}/${name} has another size` };
      }
    }
    return { record };
  }

  artifact(record: StageRecord, output: string, stage: string): Artifact {
    const { kind, digest } = record.outputs[output]!;
    const path = join(this.pathOf(record.dependencies.use, record.fingerprint), output);
    return { kind, stage, path, digest };
  }

  /**
   * Returns the result that a pipeline used last for a stage.
   * @param former see `currentOf`
   * @returns undefined when it used none; no record when that result is gone; `pulled`: whether a
   * pull brought it
   */
  async latest(
    pipeline: string,
    id: string,
    former?: string,
  ): Promise<{ record?: StageRecord; pulled?: boolean } | undefined> {
    const current = await this.currentOf(pipeline, former);
    if (!Object.hasOwn(current, id)) return undefined; // a stage may be called constructor
    const used = current[id]!;
    const { value: record } = await readRecord(this.pathOf(used.use, used.fingerprint));
    return { record, ...used.pulled && { pulled: true } };
  }

  /**
   * Stores which results a pipeline uses.
   * @param former see `currentOf`
   * @param pulled true if a pull brought them
   * @returns true if they differ from those that it used last
   */
  async setCurrent(
    pipeline: string,
    records: ReadonlyMap<string, StageRecord>,
    former?: string,
    pulled = false,
  ): Promise<boolean> {
    const before = await this.currentOf(pipeline, former);
    const now = { ...before };
    for (const [id, { dependencies, fingerprint }] of records) {
      if (before[id]?.fingerprint === fingerprint && before[id].use === dependencies.use) continue;
      now[id] = { use: dependencies.use, fingerprint, ...pulled && { pulled } };
    }
    if (canonicalJson(before) === canonicalJson(now)) return false;
    await this.#noteUsed(pipeline, now);
    if (former !== undefined) await remove(this.#latest(former));
    return true;
  }

  async #noteUsed(pipeline: string, used: Used): Promise<void> {
    const path = this.#latest(pipeline);
    await ensureFolder(dirname(path));
    await writeState(path, { version: 1, used });
  }

  #latest(pipeline: string): string {
    return join(this.folder, ".latest", `${pipeline}.json`);
  }

  /**
   * Returns stage id → the result that a pipeline used last for it.
   * @param former its name in earlier versions, read if there is no file of its present name
   */
  async currentOf(pipeline: string, former?: string): Promise<Used> {
    const { value, problem } = await this.readUsed(pipeline);
    if (value || problem !== undefined || former === undefined) return value ?? {};
    return await this.currentOf(former);
  }

  /** Reads the same from its file, with the problem of a damaged one. */
  async readUsed(pipeline: string): Promise<State<Used>> {
    // Files of earlier versions are the map alone.
    const form = { shape: latestSchema, unsealed: usedSchema };
    const path = this.#latest(pipeline);
    const { value, ...rest } = await readState<Record<string, unknown>>(path, form);
    const used = value && "checksum" in value ? value.used : value;
    return { ...rest, value: used as Used | undefined };
  }

  /** Lists the pipelines whose last results are stored. */
  async pipelines(): Promise<string[]> {
    const names = await entries(join(this.folder, ".latest"));
    return names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)).sort();
  }

  /** Removes results from those that a pipeline uses: the next run that takes them is listed. */
  async forget(pipeline: string, prints: ReadonlySet<string>): Promise<void> {
    const used = Object.entries(await this.currentOf(pipeline));
    const left = used.filter(([, { fingerprint }]) => !prints.has(fingerprint));
    if (left.length < used.length) await this.#noteUsed(pipeline, Object.fromEntries(left));
  }

  /** Returns the state of an attempt at a result: made by a live run, or left to resume from. */
  async attempt(use: string, fingerprint: string): Promise<"at work" | "interrupted" | undefined> {
    const work = this.workOf(use, fingerprint);
    if (await isHeld(`${work}.lock`)) return "at work";
    return await hasScratch(work) ? "interrupted" : undefined;
  }

  /** Returns the folder of attempts at a result; their lock is beside it. */
  workOf(use: string, fingerprint: string): string {
    return join(this.#work, `${use}-${fingerprint.slice(0, 16)}`);
  }

  /** Returns the folder of what an interrupted pull of a result left. */
  pulledOf(use: string, fingerprint: string): string {
    return this.workOf(`pulled-${use}`, fingerprint);
  }

  get #work(): string {
    return join(this.folder, ".work");
  }

  /**
   * Publishes a result that was made elsewhere, unless another run makes it meanwhile.
   * @param fill writes its files; its `scratch` is for what an interrupted pull resumes from
   */
  async adopt(
    record: StageRecord,
    fill: (outputs: Attempt["outputs"], scratch: string) => Promise<void>,
    info: (line: string) => void,
    signal: AbortSignal,
  ): Promise<StageRecord> {
    const { fingerprint, dependencies, dependencies: { use: name } } = record;
    const kindOf = ({ kind }: OutputRecord) => ({ kind, summary: "", files: {} });
    const outputs = Object.fromEntries(
      Object.entries(record.outputs).map(([output, recorded]) => [output, kindOf(recorded)]),
    );
    const stage = { name, outputs };
    await using attempt = await openAttempt(this, stage, dependencies, info, signal);
    const there = await this.find(name, fingerprint, Object.keys(outputs));
    if (there.record) return there.record;
    await fill(attempt.outputs, this.pulledOf(name, fingerprint));
    return await attempt.adopt(record);
  }

  /**
   * Prevents the removal of results until it is closed. Waits while another process removes some, and
   * logs that.
   * @returns undefined where nothing can be locked, as in a read-only folder
   */
  async lockShared(
    log: (line: string) => void,
    signal: AbortSignal,
  ): Promise<Deno.FsFile | undefined> {
    await Deno.mkdir(this.folder, { recursive: true }).catch(() => {});
    // That of another user, or in a read-only folder, can be locked as well.
    const file = await Deno.open(this.#lock, { create: true, write: true })
      .catch(() => Deno.open(this.#lock)).catch(() => undefined);
    if (!file) return undefined;
    using opening = new DisposableStack();
    opening.use(file);
    for (let logged = false; !await lockFile(file, this.#lock, false); logged = true) {
      signal.throwIfAborted();
      if (!logged) log("results are being removed; waiting for the end of it");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    opening.move();
    return file;
  }

  /** Locks the store to remove results; undefined while another process uses it. */
  async lockExclusive(): Promise<Deno.FsFile | undefined> {
    const file = await Deno.open(this.#lock, { create: true, write: true });
    if (!await lockFile(file, this.#lock, true)) {
      file.close();
      return undefined;
    }
    // Left by a killed removal.
    const left = (await entries(this.#work)).filter((name) => name.startsWith("removed-"));
    for (const name of left) await remove(join(this.#work, name));
    return file;
  }

  get #lock(): string {
    return join(this.folder, ".lock");
  }

  async storedResults(): Promise<StoredResult[]> {
    const places: StoredResult[] = [];
    for (const use of (await entries(this.folder)).sort()) {
      if (use.startsWith(".") || use === "runs") continue;
      const names = await entries(join(this.folder, use)).catch(() => []);
      for (const fingerprint of names.filter((name) => /^[0-9a-f]{16}$/.test(name)).sort()) {
        places.push({ use, fingerprint, path: this.pathOf(use, fingerprint) });
      }
    }
    return places;
  }

  /** Returns the results of a stage whose records can be read, beside its present cache key. */
  async resultsOf(now: CacheKey): Promise<EarlierResult[]> {
    const results: EarlierResult[] = [];
    for (const { path } of (await this.storedResults()).filter(({ use }) => use === now.use)) {
      const { value } = await readRecord(path);
      if (!value) continue;
      const { outputs, observed = {}, dependencies } = value;
      results.push({ path, outputs, observed, differences: differences(dependencies, now) });
    }
    return results;
  }

  /**
   * Marks a result as damaged, so that the next run makes it again with this reason.
   * @param record as it was when the damage was found
   * @param info logs that it waits for a run that makes the result
   */
  async markDamaged(
    { use, fingerprint, path }: StoredResult,
    record: StageRecord,
    why: readonly string[],
    info: (line: string) => void,
    signal: AbortSignal,
  ) {
    await Deno.mkdir(this.#work, { recursive: true });
    const name = `${this.workOf(use, fingerprint)}.lock`;
    using _lock = await takeLock(name, () => info(BEING_MADE), signal);
    const { value } = await readRecord(path);
    // Another run may have made it again meanwhile.
    if (value && value.damage === undefined && canonicalJson(value) === canonicalJson(record)) {
      await writeState(join(path, "record.json"), { ...value, damage: why.join(", ") });
    }
    await Deno.remove(name).catch(ignoreNotFound);
  }

  /** Removes a result: first its folder by a rename, then its files. */
  async remove({ use, fingerprint, path }: StoredResult): Promise<void> {
    const aside = this.workOf(`removed-${use}`, fingerprint);
    await Deno.mkdir(this.#work, { recursive: true });
    await remove(aside);
    await Deno.rename(path, aside).catch(ignoreNotFound);
    await remove(aside);
    await Deno.remove(join(path, "..")).catch(() => {});
  }

  /** Removes leftovers of killed runs, and nothing that a live run works on. */
  async cleanUp(): Promise<void> {
    await withFreeLocks(this.#work, hasLeftovers, removeLeftovers);
  }
}
