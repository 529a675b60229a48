import assert from "node:assert/strict";
import { join } from "node:path";
import { shardName } from "../../../faces/detection/faces_artifact.ts";
import { publishShard, readShard, ShardWriter } from "../../../faces/detection/shards.ts";

const box = { x: 1, y: 2, width: 3, height: 4 };

Deno.test("readShard() believes a finished shard and nothing less", async () => {
  const folder = await Deno.makeTempDir();
  assert.equal(await readShard(folder, 0), undefined);

  using writer = new ShardWriter(folder, 0);
  const png = () => new Uint8Array([1, 2, 3]);
  writer.add(12, { key: "a", face: { box, score: 0.5 }, png });
  writer.add(13, { key: "b", problem: { kind: "no_face", detail: "none" } });
  assert.equal(await readShard(folder, 0), undefined);
  const shard = await writer.finish();
  assert.deepEqual(await readShard(folder, 0), JSON.parse(JSON.stringify(shard)));
  const [{ row, key, face }, other] = shard;
  const problem = { kind: "no_face", detail: "none" };
  assert.deepEqual(other, { row: 13, key: "b", face: undefined, problem });
  const { offset, size, ...found } = face!;
  assert.deepEqual([row, key, found], [12, "a", { box, score: 0.5 }]);
  const bytes = await Deno.readFile(join(folder, shardName(0)));
  assert.deepEqual([...bytes.subarray(offset, offset + size)], [1, 2, 3]);

  await Deno.truncate(join(folder, shardName(0)), 600); // a disk that was full
  assert.equal(await readShard(folder, 0), undefined);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("publishShard() leaves the shard where it was as well", async () => {
  const folder = await Deno.makeTempDir(), output = await Deno.makeTempDir();
  using writer = new ShardWriter(folder, 3);
  await writer.finish();
  await publishShard(folder, 3, output);
  assert.deepEqual(
    await Deno.readFile(join(output, shardName(3))),
    await Deno.readFile(join(folder, shardName(3))),
  );
  assert.ok(await readShard(folder, 3));
  await Deno.remove(folder, { recursive: true });
  await Deno.remove(output, { recursive: true });
});
