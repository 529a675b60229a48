/** Results that no listed run needs. */
import { join } from "node:path";
import { entries } from "./attemptFiles.ts";
import { filesBelow } from "./digest.ts";
import { noteOf, type RunRecord } from "./history.ts";
import { tryLock } from "./lock.ts";
import { ignoreMissing } from "./paths.ts";
import type { Place, Store } from "./store.ts";

/** Something that can be removed. */
export interface Garbage {
  readonly place: Place;
  readonly bytes: number;
}

/**
 * Every result but those that a listed run used or a pipeline used last, as one does that was killed
 * before it could be listed.
 * @param forgotten runs that are about to be listed no longer
 */
export async function unneeded(
  store: Store,
  runs: readonly RunRecord[],
  forgotten: readonly RunRecord[] = [],
): Promise<Garbage[]> {
  const needed = new Set<string>();
  const need = (use: string, print: string) => needed.add(store.place(use, print));
  for (const { use, fingerprint } of runs.flatMap(({ stages }) => stages)) {
    if (fingerprint !== undefined) need(use, fingerprint);
  }
  for (const pipeline of await store.pipelines()) {
    const stages = forgotten.filter((run) => noteOf(run) === pipeline).flatMap((run) => run.stages);
    const dropped = new Set(stages.map(({ fingerprint }) => fingerprint));
    for (const { use, fingerprint } of Object.values(await store.usedBy(pipeline))) {
      if (!dropped.has(fingerprint)) need(use, fingerprint);
    }
  }
  return await measure((await store.places()).filter(({ path }) => !needed.has(path)));
}

/** What interrupted attempts left to go on from, but of those that are under way. */
export async function interrupted(store: Store): Promise<Garbage[]> {
  const folder = join(store.folder, ".work");
  const places: Place[] = [];
  for (const name of await entries(folder)) {
    const [, use, print] = name.match(/^(.+)-([0-9a-f]{16})(?:\+\d+)?$/) ?? [];
    if (use === undefined || print === undefined) continue;
    const lock = await tryLock(join(folder, `${name}.lock`), false).catch(ignoreMissing);
    lock?.close();
    const atWork = !lock && await Deno.stat(join(folder, `${name}.lock`)).catch(ignoreMissing);
    if (!atWork) places.push({ use, print, path: join(folder, name) });
  }
  return await measure(places);
}

async function measure(places: readonly Place[]): Promise<Garbage[]> {
  return await Promise.all(places.map(async (place) => {
    const files = await filesBelow(place.path);
    const sizes = files.map(async (name) => (await Deno.stat(join(place.path, name))).size);
    return { place, bytes: (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) };
  }));
}
