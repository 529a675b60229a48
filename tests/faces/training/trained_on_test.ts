/** Images that a model was trained on, among those of another dataset. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { NpyFile } from "../../../packages/formats/npy.ts";
import { findAmong } from "../../../faces/training/trained_on.ts";
import { writeDataset } from "../../stages/training_data.ts";
import { temporaryFolder } from "../../temporary_folder.ts";

Deno.test("Ctrl-C ends the comparison of pixels, where no photo is read", async () => {
  const faces = [{ age: 20, gender: 0 }, { age: 30, gender: 1 }];
  const { path } = await writeDataset(join(temporaryFolder("trained-"), "dataset"), faces);
  using images = new NpyFile(join(path, "images.npy"), "uint8");
  const people = { dataset: ["a", "a"], path: ["1.jpg", "2.jpg"] };
  const find = (signal: AbortSignal) =>
    findAmong([], Int32Array.of(0, 1), { images, people, archives: [] }, { signal });
  assert.deepEqual([...(await find(new AbortController().signal)).found], []);
  await assert.rejects(find(AbortSignal.abort(new Error("stopped"))), /stopped/);
});
