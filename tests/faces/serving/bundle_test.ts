/** The page's inference: a module of the server that it imports may need nothing that browsers lack. */
import assert from "node:assert/strict";
import { bundleCompute } from "../../../faces/serving/bundle.ts";

Deno.test("bundleCompute() bundles the page's inference", async () => {
  const source = new TextDecoder().decode(await bundleCompute());
  assert.match(source, /softmax/i);
  assert.doesNotMatch(source, /from"node:/);
});
