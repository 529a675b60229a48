/**
 * Results that are shared. A record names the result by the hash of all that it is made of, and its
 * files by their content, in parts:
 *
 *     v1/results/<stage>/<fingerprint>.json   the record; the first complete one wins
 *     v1/objects/<sha256>.<n>                 part n of a file
 *     v1/runs/<name>.json                     a run's record
 */
import { join } from "node:path";
import { mapOrdered } from "@reproducible/workers/ordered_map";
import type { ArtifactStore } from "../artifact_store.ts";
import type { RemoteSettings } from "../config/pipeline_schema.ts";
import { digestFile } from "../digest.ts";
import { ensureFolder } from "../durable.ts";
import { canonicalJson, fingerprint } from "../fingerprint.ts";
import { remove } from "../paths.ts";
import { describeMachine } from "../run/lineage.ts";
import type { Progress } from "../stage.ts";
import { bytesOf, digestsOf, parseRecord, type StageRecord } from "../stage_record.ts";
import { jsonText, withChecksum } from "../state.ts";
import { openPlace, type Patience, type Place, RemoteError } from "./place.ts";

export { RemoteError };

const RESULTS = "v1/results/", OBJECTS = "v1/objects/";
export const RUNS = "v1/runs/";

/** Bytes of a part. Another size takes another version of the keys. */
export const PART = 1 << 23;
const PARALLEL = 6;
export const MAX_RECORD = 1 << 26;

/** A part of a result's file, here and there. */
interface Part {
  readonly key: string;
  readonly path: string;
  readonly at: number;
  readonly length: number;
}

interface ResultFile {
  readonly output: string;
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

export class RemoteResults {
  readonly place: Place;

  constructor(
    settings: RemoteSettings,
    readonly signal: AbortSignal,
    patience?: Partial<Patience>,
  ) {
    this.place = openPlace(settings, signal, patience);
  }

  /** Returns the record of a result, if it is there. @throws {RemoteError} if it is another one */
  async find(use: string, hash: string): Promise<StageRecord | undefined> {
    const key = keyOf(use, hash);
    const bytes = await this.place.get(key, MAX_RECORD);
    if (!bytes) return undefined;
    const { value, problem } = parseRecord(bytes);
    const wrong = problem ?? problemOf(value!, use, hash);
    if (wrong !== undefined) {
      const wayOut = "Remove it there, and push the result again";
      throw new RemoteError(`${key} there is no record (${wrong}). ${wayOut}`, false);
    }
    return value;
  }

  /** Reads the files of a result, compares them with their digests and publishes it in the store. */
  async pull(
    record: StageRecord,
    store: ArtifactStore,
    info: (line: string) => void,
    progress: Progress,
  ): Promise<StageRecord> {
    const fill = async (folders: Readonly<Record<string, string>>, scratch: string) => {
      const onBytes = this.#counter(progress, record);
      await ensureFolder(scratch);
      const files = await Array.fromAsync(filesOf(record), async (file, i) => {
        const path = join(scratch, `${i}-${file.sha256}`);
        using open = await Deno.open(path, { create: true, write: true });
        // Resumes after the last whole part.
        const { size } = await open.stat();
        const have = size === file.size ? size : size < file.size ? size - size % PART : 0;
        await open.truncate(have);
        onBytes(have);
        return { ...file, path, have };
      });
      const parts = files.values().flatMap((file) => partsOf(file, file.path, file.have));
      const read = async (part: Part) => {
        this.signal.throwIfAborted();
        const bytes = await this.place.get(part.key, part.length);
        if (bytes?.length === part.length) return { part, bytes };
        const what = bytes ? `has ${bytes.length} of ${part.length} bytes` : "is missing";
        throw new RemoteError(`the result there is incomplete: ${part.key} ${what}`, false);
      };
      for await (const { part, bytes } of mapOrdered(parts, PARALLEL, read)) {
        await Deno.writeFile(part.path, bytes, { append: true });
        onBytes(bytes.length);
      }
      const onRead = this.#counter(progress, record);
      for (const { output, name, sha256, path } of files) {
        const to = join(folders[output], name);
        if ((await digestFile(path, onRead)).sha256 !== sha256) {
          await remove(path);
          throw new RemoteError(
            `${output}/${name} has other bytes there than were recorded. Remove ` +
              `${OBJECTS}${sha256}.* there, and push it again`,
            false,
          );
        }
        await ensureFolder(join(to, ".."));
        await Deno.rename(path, to);
      }
    };
    return await store.adopt(record, fill, info, this.signal);
  }

  /**
   * Writes a result's files, then its record if there is none.
   * @returns the record there, if it is of another content; whether something was written
   * @throws {RemoteError}
   */
  async push(
    record: StageRecord,
    folder: string,
    progress: Progress,
  ): Promise<{ other?: StageRecord; made: boolean }> {
    const { use } = record.dependencies;
    const other = async () => {
      const there = await this.find(use, record.fingerprint);
      return there && digestsOf(there) !== digestsOf(record) ? there : undefined;
    };
    const first = await other();
    if (first) return { other: first, made: false };
    let made = false;
    const parts: Part[] = [], onRead = this.#counter(progress, record);
    for (const file of filesOf(record)) {
      const path = join(folder, file.output, file.name);
      // Its name is the digest: nothing else may be there under it.
      if ((await digestFile(path, onRead)).sha256 !== file.sha256) {
        throw new RemoteError(`${path} is damaged. Run deno task verify`, false);
      }
      parts.push(...partsOf(file, path));
    }
    const onBytes = this.#counter(progress, record);
    const write = async ({ key, path, at, length }: Part) => {
      this.signal.throwIfAborted();
      // Left by an interrupted push, or of another result.
      if (await this.place.sizeOf(key) !== length) {
        using file = await Deno.open(path);
        await file.seek(at, Deno.SeekMode.Start);
        const bytes = new Uint8Array(length);
        for (let n = 0; n < length;) n += await file.read(bytes.subarray(n)) ?? length;
        await this.place.put(key, bytes, true);
        made = true;
      }
      onBytes(length);
    };
    for await (const _ of mapOrdered(parts, PARALLEL, write));
    const bytes = new TextEncoder().encode(jsonText(withChecksum(record)));
    if (await this.place.put(keyOf(use, record.fingerprint), bytes)) return { made: true };
    return { other: await other(), made };
  }

  /** Returns a function that counts bytes of a result, from the first, until the signal is aborted. */
  #counter(progress: Progress, record: StageRecord): (bytes: number) => void {
    progress.start(bytesOf(record), "bytes");
    return (bytes) => {
      this.signal.throwIfAborted();
      progress.advance(bytes);
    };
  }

  async count(results: readonly { use: string; fingerprint: string }[]): Promise<number> {
    const sizeOf = (result: typeof results[0]) =>
      this.place.sizeOf(keyOf(result.use, result.fingerprint));
    const sizes = await Array.fromAsync(mapOrdered(results, PARALLEL, sizeOf));
    return sizes.filter((size) => size !== undefined).length;
  }

  async total(): Promise<{ results: number; bytes: number }> {
    const [results, objects] = [await this.place.list(RESULTS), await this.place.list(OBJECTS)];
    return { results: results.length, bytes: objects.reduce((sum, { size }) => sum + size, 0) };
  }
}

function keyOf(use: string, hash: string): string {
  return `${RESULTS}${use}/${hash}.json`;
}

function filesOf({ outputs }: StageRecord): ResultFile[] {
  return Object.entries(outputs).flatMap(([output, { files }]) =>
    Object.entries(files).map(([name, file]) => ({ output, name, ...file }))
  );
}

/** Yields a file's parts one by one: a record can claim any size. @param from a multiple of `PART` */
function* partsOf({ size, sha256 }: ResultFile, path: string, from = 0): Generator<Part> {
  for (let at = from; at < size; at += PART) {
    yield { key: `${OBJECTS}${sha256}.${at / PART}`, path, at, length: Math.min(PART, size - at) };
  }
}

/** Returns the reason not to take a record: it names another result, or files outside of it. */
function problemOf(record: StageRecord, use: string, hash: string): string | undefined {
  const { dependencies, damage } = record;
  if (
    record.fingerprint !== hash || dependencies.use !== use || fingerprint(dependencies) !== hash
  ) {
    return "it is that of another result";
  }
  const files = filesOf(record);
  // An output without files is a folder, too.
  const paths = [
    ...Object.keys(record.outputs),
    ...files.map(({ output, name }) => `${output}/${name}`),
  ];
  const odd = paths.find((path) =>
    !/^[^\\:\0/]+(\/[^\\:\0/]+)*$/.test(path) || /(^|\/)\.\.?(\/|$)/.test(path)
  );
  if (odd !== undefined) return `it names the file ${JSON.stringify(odd)}`;
  return files.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))
    ? damage
    : "a digest of it is malformed";
}

/** Returns the machine that made a result, if it differs from this one. */
export function madeElsewhere({ deno, platform, machine }: StageRecord): string | undefined {
  const here = [Deno.version.deno, Deno.build.target, describeMachine().processor];
  const there = [deno, platform, machine?.processor ?? "an unknown processor"];
  if (canonicalJson(here) === canonicalJson(there)) return undefined;
  return `made by Deno ${deno} for ${platform} on ${there[2]}`;
}
