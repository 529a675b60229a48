/**
 * Artifacts on disk.
 *
 *     artifacts/<stage>/<fingerprint>/record.json and a folder for each output
 *     artifacts/.work/<stage>-<fingerprint>/   an attempt under way: outputs and scratch
 *     artifacts/.latest/<pipeline>.json        which results a pipeline used last
 *     artifacts/runs/                          a record of each run
 *
 * A result is written aside and renamed when it is whole, so that what is in its place is complete,
 * whatever killed whom when.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonical, type Dependencies, fingerprint } from "./fingerprint.ts";
import { takeLock, tryLock } from "./lock.ts";
import { ignoreMissing, readTextIfThere, writeWhole } from "./paths.ts";
import type { Artifact, Machine, Metrics, Stage } from "./stage.ts";

/** An output as it was recorded. */
export interface OutputRecord {
  readonly kind: string;
  readonly digest: string;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
}

/** What is known of a result: all that it was made of, and what came out. */
export interface StageRecord {
  readonly version: 1;
  readonly id: string;
  readonly fingerprint: string;
  readonly dependencies: Dependencies;
  readonly outputs: Readonly<Record<string, OutputRecord>>;
  readonly metrics?: Metrics;
  readonly show?: readonly string[];
  readonly warnings: readonly string[];
  readonly pipeline: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly deno: string;
  readonly platform: string;
  readonly machine?: Machine;
  readonly observed?: Readonly<Record<string, unknown>>;
}

/** What a stage leaves besides its outputs. */
export type Outcome = Omit<StageRecord, "version" | "fingerprint" | "dependencies" | "outputs">;

/** A place where one attempt writes. Nobody else writes there while it is open. */
export interface Attempt {
  /** Output → its empty folder. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  /** Whether an earlier attempt was interrupted and left something. */
  readonly resumed: boolean;
  /** Makes the outputs artifacts, all at once. */
  commit(outcome: Outcome): Promise<StageRecord>;
  /** Lets go. What is in `scratch` stays for the next attempt unless the attempt was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

export class Store {
  constructor(readonly folder: string) {}

  /** Where a result is, or would be. */
  place(use: string, print: string): string {
    return join(this.folder, use, print.slice(0, 16));
  }

  /**
   * The record of a result.
   * @returns undefined when there is none; `damage` says what is missing from one that was there
   */
  async find(use: string, print: string): Promise<{ record?: StageRecord; damage?: string }> {
    const place = this.place(use, print);
    const record = await readRecord(place);
    if (!record || record.fingerprint !== print) return {};
    for (const [output, { files }] of Object.entries(record.outputs)) {
      for (const [name, { size }] of Object.entries(files)) {
        const info = await Deno.stat(join(place, output, name)).catch(() => undefined);
        if (!info) return { damage: `${output}/${name} is missing` };
        if (info.size !== size) return { damage: `${output}/${name} has another size` };
      }
    }
    return { record };
  }

  /** The artifact that a record's output is. */
  artifact(record: StageRecord, output: string, stage: string): Artifact {
    const { kind, digest } = record.outputs[output]!;
    const path = join(this.place(record.dependencies.use, record.fingerprint), output);
    return { kind, stage, path, digest };
  }

  /**
   * The result that a pipeline used last for a stage.
   * @returns undefined when it used none; without a record when that result is gone
   */
  async latest(pipeline: string, id: string): Promise<{ record?: StageRecord } | undefined> {
    const used = (await this.#latestOf(pipeline))[id];
    return used && { record: await readRecord(this.place(used.use, used.fingerprint)) };
  }

  /** Notes which results a pipeline uses. */
  async use(pipeline: string, records: ReadonlyMap<string, StageRecord>): Promise<void> {
    const before = await this.#latestOf(pipeline);
    const now = { ...before };
    for (const [id, { dependencies, fingerprint }] of records) {
      now[id] = { use: dependencies.use, fingerprint };
    }
    if (canonical(before) === canonical(now)) return;
    await Deno.mkdir(join(this.folder, ".latest"), { recursive: true });
    await writeWhole(join(this.folder, ".latest", `${pipeline}.json`), JSON.stringify(now));
  }

  async #latestOf(pipeline: string): Promise<Record<string, { use: string; fingerprint: string }>> {
    const text = await readTextIfThere(join(this.folder, ".latest", `${pipeline}.json`));
    // It serves to tell what changed; a damaged one tells nothing.
    return parseObject(text) as Record<string, { use: string; fingerprint: string }> ?? {};
  }

  /** Whether an interrupted attempt left something to go on from. */
  async interrupted(use: string, print: string): Promise<boolean> {
    return await hasScratch(this.#work(use, print));
  }

  #work(use: string, print: string): string {
    return join(this.folder, ".work", `${use}-${print.slice(0, 16)}`);
  }

  /**
   * Opens the place where a result is made. Waits while another run makes the same one.
   * @param waiting called once when there is another
   */
  async attempt(
    stage: Stage,
    dependencies: Dependencies,
    waiting: () => void,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const print = fingerprint(dependencies);
    const work = this.#work(stage.name, print);
    await Deno.mkdir(join(this.folder, ".work"), { recursive: true });
    const lock = await takeLock(`${work}.lock`, waiting, signal);
    const [scratch, result] = [join(work, "scratch"), join(work, "result")];
    const place = this.place(stage.name, print);
    const release = async () => {
      try {
        await sweep(work);
      } finally {
        lock.close();
      }
    };
    try {
      const resumed = await this.interrupted(stage.name, print);
      // Outputs of an interrupted attempt are half of something; scratch is what is meant to last.
      await remove(result);
      await Deno.mkdir(scratch, { recursive: true });
      await Deno.mkdir(result);
      const outputs: Record<string, string> = {};
      for (const name of Object.keys(stage.outputs)) {
        outputs[name] = join(result, name);
        await Deno.mkdir(outputs[name]);
      }
      return {
        outputs,
        scratch,
        resumed,
        commit: async (outcome) => {
          const recorded: Record<string, OutputRecord> = {};
          for (const [name, { kind, volatile }] of Object.entries(stage.outputs)) {
            recorded[name] = { kind, ...await digestFolder(outputs[name]!, volatile) };
          }
          const record = await this.#keep(
            {
              version: 1,
              ...outcome,
              fingerprint: print,
              dependencies,
              outputs: recorded,
            },
            result,
            place,
            `${work}.old`,
          );
          await remove(scratch);
          return record;
        },
        [Symbol.asyncDispose]: release,
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Sweeps up after runs that were killed. What others are at work on is theirs. */
  async tidy(): Promise<void> {
    for (const name of await entries(join(this.folder, ".work")).catch(() => [])) {
      if (!name.endsWith(".lock")) continue;
      const path = join(this.folder, ".work", name);
      try {
        const lock = await tryLock(path, false);
        if (lock) await sweep(path.slice(0, -".lock".length)).finally(() => lock.close());
      } catch {
        // Gone meanwhile; or nothing can be written here, which whoever has to write will tell.
      }
    }
  }

  /** Puts a whole result in its place, and returns the record of what is there then. */
  async #keep(
    record: StageRecord,
    result: string,
    place: string,
    old: string,
  ): Promise<StageRecord> {
    const text = (record: StageRecord) => JSON.stringify(record, null, 2) + "\n";
    const { record: there } = await this.find(record.dependencies.use, record.fingerprint);
    if (there && canonical(digests(there)) === canonical(digests(record))) {
      // The same once more. Another run may be reading it, so it stays where it is, and what is
      // volatile in it as well.
      const kept = { ...record, outputs: there.outputs };
      await writeWhole(join(place, "record.json"), text(kept));
      return kept;
    }
    await writeWhole(join(result, "record.json"), text(record));
    await Deno.mkdir(join(place, ".."), { recursive: true });
    // A damaged result, or one that came out differently, makes room.
    await remove(old);
    await Deno.rename(place, old).catch(ignoreMissing);
    await Deno.rename(result, place);
    await remove(old);
    return record;
  }
}

function digests({ outputs }: StageRecord): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
}

async function readRecord(place: string): Promise<StageRecord | undefined> {
  // A record that cannot be read is no record: the stage runs again.
  const record = parseObject(await readTextIfThere(join(place, "record.json")));
  return record?.version === 1 ? record as unknown as StageRecord : undefined;
}

/** A JSON object, or undefined when the text is none (cut short by a power failure, say). */
function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Names, sizes and contents of a folder's files, and one digest of all of them.
 * @param volatile files that are listed, and are no part of the digest
 */
export async function digestFolder(
  folder: string,
  volatile: readonly string[] = [],
): Promise<Omit<OutputRecord, "kind">> {
  const files: Record<string, { size: number; sha256: string }> = {};
  const walk = async (path: string, prefix: string) => {
    for await (const entry of Deno.readDir(path)) {
      if (entry.isDirectory) await walk(join(path, entry.name), `${prefix}${entry.name}/`);
      else files[prefix + entry.name] = await digestFile(join(path, entry.name));
    }
  };
  await walk(folder, "");
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1));
  const lasting = Object.fromEntries(
    Object.entries(sorted).filter(([name]) => !volatile.includes(name)),
  );
  return {
    digest: createHash("sha256").update(canonical(lasting)).digest("hex"),
    files: sorted,
  };
}

async function digestFile(path: string): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    hash.update(buffer.subarray(0, n));
    size += n;
  }
  return { size, sha256: hash.digest("hex") };
}

/** Leaves nothing of an attempt but what the next one can go on from. Its lock has to be held. */
async function sweep(work: string): Promise<void> {
  await remove(`${work}.old`);
  await remove(join(work, "result"));
  if (await hasScratch(work)) return;
  await remove(work);
  await Deno.remove(`${work}.lock`).catch(ignoreMissing);
}

async function hasScratch(work: string): Promise<boolean> {
  return (await entries(join(work, "scratch"))).length > 0;
}

/** Names in a folder; none if it is not there. */
async function entries(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) names.push(name);
  } catch (error) {
    ignoreMissing(error);
  }
  return names;
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreMissing);
}
