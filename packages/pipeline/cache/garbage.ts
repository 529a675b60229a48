/** Results that no listed run needs. */
import { join } from "node:path";
import { entries } from "./attempt_files.ts";
import { listFiles } from "../digest.ts";
import { noteOf, type RunRecord } from "../history.ts";
import { tryLock } from "./file_lock.ts";
import { ignoreNotFound } from "../paths.ts";
import { readRecord } from "../stage_record.ts";
import type { ArtifactStore, StoredResult } from "../artifact_store.ts";

/** Something that can be removed. */
export interface Removable {
  readonly place: StoredResult;
  readonly bytes: number;
}

/**
 * Finds all results but those that a listed run used, or that a pipeline used last.
 * @param forgotten runs that are about to be removed from the list
 * @param unread texts of run records that are damaged or of a newer version: results that they
 *   mention are kept
 * @param foreign called with the path of each folder that is not the store's
 */
export async function findUnreferenced(
  store: ArtifactStore,
  runs: readonly RunRecord[],
  forgotten: readonly RunRecord[] = [],
  unread: readonly string[] = [],
  foreign: (path: string) => void = () => {},
): Promise<Removable[]> {
  const needed = new Set<string>();
  let mentioned = unread.join("\n");
  const need = (use: string, fingerprint: string) => needed.add(store.pathOf(use, fingerprint));
  for (const { use, fingerprint } of runs.flatMap(({ stages }) => stages)) {
    if (fingerprint !== undefined) need(use, fingerprint);
  }
  for (const pipeline of await store.pipelines()) {
    const stages = forgotten.filter((run) => noteOf(run) === pipeline).flatMap((run) => run.stages);
    const dropped = new Set(stages.map(({ fingerprint }) => fingerprint));
    const { value = {}, text = "" } = await store.readUsed(pipeline);
    for (const { use, fingerprint } of Object.values(value)) {
      if (!dropped.has(fingerprint)) need(use, fingerprint);
    }
    mentioned += text;
  }
  const places = (await store.storedResults()).filter(({ path, fingerprint }) =>
    !needed.has(path) && !mentioned.includes(fingerprint)
  );
  const owned = await Promise.all(places.map((place) => isOwn(store, place)));
  places.filter((_, i) => !owned[i]).forEach(({ path }) => foreign(path));
  return await measure(places.filter((_, i) => owned[i]));
}

/** Checks that a folder is a result of the store, and not behind a link. */
async function isOwn({ folder }: ArtifactStore, { use, fingerprint, path }: StoredResult) {
  const real = await Deno.realPath(path);
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
    const lock = await tryLock(join(folder, `${name}.lock`), false).catch(ignoreNotFound);
    lock?.close();
    if (!(await Deno.lstat(join(folder, name))).isDirectory) continue;
    const atWork = !lock && await Deno.stat(join(folder, `${name}.lock`)).catch(ignoreNotFound);
    if (!atWork) places.push({ use, fingerprint, path: join(folder, name) });
  }
  return await measure(places);
}

async function measure(places: readonly StoredResult[]): Promise<Removable[]> {
  return await Promise.all(places.map(async (place) => {
    const files = await listFiles(place.path);
    const sizes = files.map(async (name) => (await Deno.lstat(join(place.path, name))).size);
    return { place, bytes: (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) };
  }));
}
