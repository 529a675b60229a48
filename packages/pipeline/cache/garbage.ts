/** Results that no listed run needs. */
import { join } from "node:path";
import { listFiles } from "../digest.ts";
import { noteOf, type RunRecord } from "../history.ts";
import { isHeld } from "./file_lock.ts";
import { entries, ignoreNotFound } from "../paths.ts";
import { RunError } from "../errors.ts";
import { readRecord } from "../stage_record.ts";
import type { State } from "../state.ts";
import type { ArtifactStore, StoredResult } from "../artifact_store.ts";

/** Something that can be removed. */
export interface Removable {
  readonly place: StoredResult;
  readonly bytes: number;
}

/**
 * Finds all results but those that a listed run used, or that a pipeline used last.
 * @param forgotten runs that are about to be removed from the list
 * @param unread run records that are damaged or of a newer version: results that they mention are kept
 * @param foreign called with the path of each folder that is not the store's
 * @throws {RunError} if the text of one cannot be read, such as that of another user
 */
export async function findUnreferenced(
  store: ArtifactStore,
  runs: readonly RunRecord[],
  forgotten: readonly RunRecord[] = [],
  unread: readonly State<unknown>[] = [],
  foreign: (path: string) => void = () => {},
): Promise<Removable[]> {
  const needed = new Set<string>();
  let mentioned = unread.map(textOf).join("\n");
  const need = (use: string, fingerprint: string) => needed.add(store.pathOf(use, fingerprint));
  for (const { use, fingerprint } of runs.flatMap(({ stages }) => stages)) {
    if (fingerprint !== undefined) need(use, fingerprint);
  }
  for (const pipeline of await store.pipelines()) {
    const stages = forgotten.filter((run) => noteOf(run) === pipeline).flatMap((run) => run.stages);
    const dropped = new Set(stages.map(({ fingerprint }) => fingerprint));
    const state = await store.readUsed(pipeline);
    for (const { use, fingerprint } of Object.values(state.value ?? {})) {
      if (!dropped.has(fingerprint)) need(use, fingerprint);
    }
    mentioned += textOf(state);
  }
  const places = (await store.storedResults()).filter(({ path, fingerprint }) =>
    !needed.has(path) && !mentioned.includes(fingerprint)
  );
  const owned = await Promise.all(places.map((place) => isOwn(store, place)));
  places.filter((_, i) => !owned[i]).forEach(({ path }) => foreign(path));
  return await measure(places.filter((_, i) => owned[i]));
}

/** Returns the text of a damaged state, which may name results. */
function textOf({ problem, text }: State<unknown>): string {
  if (problem === undefined || text !== undefined) return text ?? "";
  throw new RunError(
    `Cannot find what is needed: ${problem}. Make it readable, or remove it where it is not needed.`,
  );
}

/** Checks that a folder is a result of the store, and not behind a link. */
async function isOwn({ folder }: ArtifactStore, { use, fingerprint, path }: StoredResult) {
  const real = await Deno.realPath(path).catch(ignoreNotFound);
  if (real !== join(await Deno.realPath(folder), use, fingerprint)) return false;
  const { value } = await readRecord(path);
  return value?.dependencies.use === use && value.fingerprint.startsWith(fingerprint);
}

/** Finds the scratch folders of interrupted attempts, without those under way. */
export async function interrupted(store: ArtifactStore): Promise<Removable[]> {
  const folder = join(store.folder, ".work");
  const places: StoredResult[] = [];
  for (const name of await entries(folder)) {
    const [, use, fingerprint] = name.match(/^(.+)-([0-9a-f]{16})(?:\+\d+)?$/) ?? [];
    if (use === undefined || fingerprint === undefined) continue;
    const path = join(folder, name);
    if (await isHeld(`${path}.lock`)) continue;
    const info = await Deno.lstat(path).catch(ignoreNotFound);
    if (info?.isDirectory) places.push({ use, fingerprint, path });
  }
  return await measure(places);
}

/** Returns the sizes of those that do not vanish meanwhile. */
async function measure(places: readonly StoredResult[]): Promise<Removable[]> {
  const measured = places.map(async (place) => {
    const files = await listFiles(place.path);
    const sizes = files.map(async (name) => (await Deno.lstat(join(place.path, name))).size);
    return { place, bytes: (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) };
  });
  const there = await Promise.all(measured.map((one) => one.catch(ignoreNotFound)));
  return there.filter((one) => one !== undefined);
}
