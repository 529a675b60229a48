import assert from "node:assert/strict";
import { join } from "node:path";
import { shardName } from "../../../faces/detection/faces_artifact.ts";
import type { Shard } from "../../../faces/detection/shards.ts";
import { cropShards, type ShardWork } from "../../../faces/detection/crop_faces.ts";

const context = {
  signal: new AbortController().signal,
  progress: { start: () => {}, advance: () => {} },
};

/** Rows with a face. */
const facesOf = (shard: Shard) => shard.filter(({ face }) => face).map(({ row }) => row);

const problemsOf = (shard: Shard) =>
  shard.flatMap(({ row, problem }) => problem ? { row, ...problem } : []);

/** 120 photos, by their offsets. */
function photos(offsetOf: (row: number) => number | undefined): ShardWork["photos"] {
  return Array.from({ length: 120 }, (_, row) => {
    const offset = offsetOf(row);
    return offset === undefined ? undefined : { file: "photos.tar", offset, size: 1 };
  });
}

/** Seven photos in shards of three. */
const SHARDS = [[0, 1, 2], [3, 4, 5], [6]].map((rows, index) => ({ index, rows }));

const work = (folder: string, workers: number): ShardWork => ({
  folder,
  photos: photos((row) => row === 4 ? undefined : row),
  known: new Map(),
  opening: {
    detector: { name: "metadata", minConfidence: 0, inputSizes: [] },
    crop: { margin: 0, maxSize: 128 },
  },
  workers,
  module: new URL("./toy_crop_worker.ts", import.meta.url),
});

Deno.test("cutShards() lists a photo that workers die of, and makes the same bytes with any number of them", async () => {
  const tars: Uint8Array[][] = [];
  for (const workers of [1, 2, 3]) {
    const folder = await Deno.makeTempDir();
    const all = work(folder, workers);
    const made = await Array.fromAsync(cropShards(all, SHARDS, context));
    assert.deepEqual(made.map(({ shard }) => facesOf(shard)), [[0, 1], [3, 5], [6]]);
    const problems = made.flatMap(({ shard }) => problemsOf(shard));
    assert.deepEqual(problems.map(({ row, kind }) => [row, kind]), [
      [2, "crashed"],
      [4, "missing"],
    ]);
    assert.match(
      problems[0].detail,
      /^two workers crashed on it \(SIGSEGV/,
    );
    tars.push(made.map(({ index }) => Deno.readFileSync(join(folder, shardName(index)))));
    await Deno.remove(folder, { recursive: true });
  }
  assert.deepEqual(tars[1], tars[0]);
  assert.deepEqual(tars[2], tars[0]);
});

Deno.test("cutShards() lists a photo that workers never return from", async () => {
  const folder = await Deno.makeTempDir();
  const all = work(folder, 2);
  const slow: ShardWork = {
    ...all,
    photos: photos((row) => row === 1 ? 9 : 0),
    opening: { ...all.opening, photoSeconds: 3 },
  };
  const [{ shard }] = await Array.fromAsync(cropShards(slow, [SHARDS[0]], context));
  assert.deepEqual(facesOf(shard), [0, 2]);
  const detail = "two workers crashed on it (no answer within 3 s)";
  assert.deepEqual(problemsOf(shard), [{ row: 1, kind: "crashed", detail }]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("cutShards() makes the shards that are asked for, and no others", async () => {
  const folder = await Deno.makeTempDir();
  const made = await Array.fromAsync(cropShards(work(folder, 1), [SHARDS[2]], context));
  assert.deepEqual(made.map(({ index, shard }) => [index, facesOf(shard)]), [[2, [6]]]);
  const there = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  assert.deepEqual(there, ["faces-00002.json", "faces-00002.tar"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("cutShards() resumes within a shard, at the last save that is whole", async () => {
  const all = (folder: string): ShardWork => ({
    ...work(folder, 1),
    photos: photos((row) => row % 7 === 0 ? undefined : 0),
  });
  const shard = [{ index: 0, rows: Array.from({ length: 120 }, (_, row) => row) }];
  const folders = await Promise.all([1, 2, 3].map(() => Deno.makeTempDir()));
  const [whole] = await Array.fromAsync(cropShards(all(folders[0]), shard, context));
  for (const folder of folders.slice(1)) {
    const stop = new AbortController();
    let done = 0;
    const advance = () => ++done === 113 && stop.abort();
    const stopped = { signal: stop.signal, progress: { start: () => {}, advance } };
    await assert.rejects(Array.fromAsync(cropShards(all(folder), shard, stopped)));
    const path = join(folder, `${shardName(0)}.part`);
    if (folder === folders[2]) {
      const bytes = await Deno.readFile(path);
      bytes[700] ^= 1;
      await Deno.writeFile(path, bytes);
    }
    const counts: number[] = [];
    const counting = { start: () => {}, advance: (items = 1) => counts.push(items) };
    const [made] = await Array.fromAsync(
      cropShards(all(folder), shard, { ...context, progress: counting }),
    );
    assert.equal(JSON.stringify(made), JSON.stringify(whole));
    assert.deepEqual([counts[0], counts.length], folder === folders[2] ? [1, 120] : [100, 21]);
    const there = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(there, ["faces-00000.json", "faces-00000.tar"]);
    for (const name of there) {
      assert.deepEqual(
        Deno.readFileSync(join(folder, name)),
        Deno.readFileSync(join(folders[0], name)),
      );
    }
  }
  for (const folder of folders) await Deno.remove(folder, { recursive: true });
});
