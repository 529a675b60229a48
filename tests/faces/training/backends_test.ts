/** The engine against TensorFlow.js's plain JavaScript; tests/long/backends_test.ts has all backends. */
import { account, cases, checkAccount, kept } from "./one_truth.ts";

Deno.test("wasm agrees with cpu on the networks of 2021", async () => {
  for (const [name, expected] of Object.entries(kept)) {
    checkAccount(name, await account("wasm", cases[name]), expected);
  }
});
