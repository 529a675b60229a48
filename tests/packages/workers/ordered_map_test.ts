import assert from "node:assert/strict";
import { mapOrdered } from "../../../packages/workers/ordered_map.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("mapOrdered() yields in the items' order, in any order of completion", async () => {
  const results = [];
  const work = async (n: number) => (await pause(n % 3 * 5), n * n);
  for await (const result of mapOrdered([5, 1, 3, 2, 4], 3, work)) results.push(result);
  assert.deepEqual(results, [25, 1, 9, 4, 16]);
});

Deno.test("mapOrdered() has no more than `parallel` items running", async () => {
  let running = 0, most = 0;
  const work = async () => {
    most = Math.max(most, ++running);
    await pause(1);
    running--;
  };
  for await (const _ of mapOrdered(Array(20).fill(0), 4, work));
  assert.equal(most, 4);
});

Deno.test("mapOrdered() waits for what is under way when it is left early", async () => {
  let running = 0;
  const work = async () => {
    running++;
    await pause(5);
    running--;
  };
  for await (const _ of mapOrdered(Array(20).fill(0), 4, work)) break;
  assert.equal(running, 0);
});

Deno.test("mapOrdered() ends with the first error, and others do not escape", async () => {
  const results: number[] = [];
  const work = async (n: number) => {
    await pause(1);
    if (n >= 2) throw new Error(`item ${n}`);
    return n;
  };
  await assert.rejects(async () => {
    for await (const result of mapOrdered([0, 1, 2, 3, 4], 4, work)) results.push(result);
  }, /item 2/);
  assert.deepEqual(results, [0, 1]);
});
