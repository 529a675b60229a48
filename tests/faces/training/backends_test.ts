/** The engine against TensorFlow.js's plain JavaScript; tests/long/backends_test.ts has all backends. */
import assert from "node:assert/strict";
import { account, cases, checkAccount, kept, within } from "./one_truth.ts";

Deno.test("the reference is what cpu gives, and covers each network", async () => {
  assert.deepEqual([...Object.keys(kept), "best"], Object.keys(cases));
  const name = "age regression"; // the one with fewest operations
  const actual = await account("cpu", cases[name], 1);
  within(1e-6, actual.outputs, kept[name].outputs, "outputs");
  within(1e-6, actual.losses, kept[name].losses.slice(0, 1), "loss");
});

Deno.test("wasm agrees with cpu on the networks of 2021", async () => {
  for (const [name, expected] of Object.entries(kept)) {
    checkAccount(name, await account("wasm", cases[name]), expected);
  }
});
