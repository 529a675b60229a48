import assert from "node:assert/strict";
import { join } from "node:path";
import { shardName } from "../../../faces/detection/faces_artifact.ts";
import { cropShards, type ShardWork } from "../../../faces/detection/crop_faces.ts";

const context = {
  signal: new AbortController().signal,
  progress: { start: () => {}, advance: () => {} },
};

/** Seven photos in shards of three. */
const work = (folder: string, workers: number): ShardWork => ({
  folder,
  shardSize: 3,
  photos: 7,
  photo: (row) => row === 4 ? undefined : { file: "photos.tar", offset: row, size: 1 },
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
    const made = await Array.fromAsync(cropShards(all, [0, 1, 2], context));
    assert.deepEqual(made.map(({ shard }) => shard.faces.map(({ row }) => row)), [[0, 1], [3, 5], [
      6,
    ]]);
    const problems = made.flatMap(({ shard }) => shard.problems);
    assert.deepEqual(problems.map(({ row, problem }) => [row, problem]), [
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
    photo: (row) => ({ file: "photos.tar", offset: row === 1 ? 9 : 0, size: 1 }),
    opening: { ...all.opening, photoSeconds: 3 },
  };
  const [{ shard }] = await Array.fromAsync(cropShards(slow, [0], context));
  assert.deepEqual(shard.faces.map(({ row }) => row), [0, 2]);
  const detail = "two workers crashed on it (no answer within 3 s)";
  assert.deepEqual(shard.problems, [{ row: 1, problem: "crashed", detail }]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("cutShards() makes the shards that are asked for, and no others", async () => {
  const folder = await Deno.makeTempDir();
  const made = await Array.fromAsync(cropShards(work(folder, 1), [2], context));
  assert.deepEqual(made.map(({ index, shard }) => [index, shard.faces.length]), [[2, 1]]);
  const there = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  assert.deepEqual(there, ["faces-00002.json", "faces-00002.tar"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("cutShards() resumes within a shard, at the last save that is whole", async () => {
  const all = (folder: string): ShardWork => ({
    ...work(folder, 1),
    shardSize: 120,
    photos: 120,
    photo: (row) => row % 7 === 0 ? undefined : { file: "photos.tar", offset: 0, size: 1 },
  });
  const folders = await Promise.all([1, 2, 3].map(() => Deno.makeTempDir()));
  const [whole] = await Array.fromAsync(cropShards(all(folders[0]), [0], context));
  for (const folder of folders.slice(1)) {
    const stop = new AbortController();
    let done = 0;
    const advance = () => ++done === 113 && stop.abort();
    const stopped = { signal: stop.signal, progress: { start: () => {}, advance } };
    await assert.rejects(Array.fromAsync(cropShards(all(folder), [0], stopped)));
    const path = join(folder, `${shardName(0)}.part`);
    if (folder === folders[2]) {
      const bytes = await Deno.readFile(path);
      bytes[700] ^= 1;
      await Deno.writeFile(path, bytes);
    }
    const counts: number[] = [];
    const counting = { start: () => {}, advance: (items = 1) => counts.push(items) };
    const [made] = await Array.fromAsync(
      cropShards(all(folder), [0], { ...context, progress: counting }),
    );
    assert.deepEqual(made, whole);
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
