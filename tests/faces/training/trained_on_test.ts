/** Images that a model was trained on, among those of another dataset. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { NpyFile } from "../../../packages/formats/npy.ts";
import { writeParquet } from "../../../packages/formats/parquet.ts";
import { findAmong, readTrainedOn, recordsBehind } from "../../../faces/training/trained_on.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { sha256 } from "../../../packages/pipeline/fingerprint.ts";
import { History } from "../../../packages/pipeline/history.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { OUTCOME } from "../../outcome.ts";
import { writeDataset } from "../../stages/training_data.ts";
import { temporaryFolder } from "../../temporary_folder.ts";

Deno.test("Ctrl-C ends the comparison of pixels, where no photo is read", async () => {
  const faces = [{ age: 20, gender: 0 }, { age: 30, gender: 1 }];
  const { path } = await writeDataset(join(temporaryFolder("trained-"), "dataset"), faces);
  using images = new NpyFile(join(path, "images.npy"), "uint8");
  const people = { dataset: ["a", "a"], path: ["1.jpg", "2.jpg"], identity: [null, null] };
  const find = (signal: AbortSignal) =>
    findAmong([], Int32Array.of(0, 1), { images, people, archives: [] }, { signal });
  assert.deepEqual([...(await find(new AbortController().signal)).found], []);
  await assert.rejects(find(AbortSignal.abort(new Error("stopped"))), /stopped/);
});

Deno.test("other photos of the same people are found, by identities in any Unicode form", async () => {
  const folder = temporaryFolder("people-"),
    faces = [20, 30, 40, 50].map((age) => ({ age, gender: 0 }));
  const { path } = await writeDataset(join(folder, "dataset"), faces);
  using images = new NpyFile(join(path, "images.npy"), "uint8");
  const digest = (content: string | Uint8Array) => sha256(content).slice(0, 32);
  const columns = {
    photos: { type: "string", values: [null, null], nullable: true },
    dataset: { type: "string", values: ["a", "a"] },
    path: { type: "string", values: ["1.jpg", "0.jpg"] },
    image: { type: "string", values: [digest(images.read(0, 1)), digest("another")] },
  } as const;
  const values = [digest("a:Jos\u00e9"), null];
  await writeParquet(join(folder, "trained_on.parquet"), {
    ...columns,
    person: { type: "string", values, nullable: true },
  });
  const people = {
    dataset: ["a", "a", "a", "a"],
    path: ["2.jpg", "3.jpg", "4.jpg", "5.jpg"],
    identity: ["a:Jos\u00e9", "a:Jose\u0301", "a:Ana", null],
  };
  const find = async () => {
    const seen = (await readTrainedOn(folder))!, rows = Int32Array.of(0, 1, 2, 3);
    const { signal } = new AbortController();
    return await findAmong(seen, rows, { images, people, archives: [] }, { signal });
  };
  const { found, related } = await find();
  assert.deepEqual([[...found], [...related]], [[0], [1]]);
  // A file of an earlier version.
  await writeParquet(join(folder, "trained_on.parquet"), columns);
  assert.deepEqual([...(await find()).related], []);
});

Deno.test("of stages that made the same bytes, those of the model's first run are behind it", async () => {
  const artifacts = temporaryFolder("behind-"), store = new ArtifactStore(artifacts);
  const keep = async (use: string, fingerprint: string, output: string, inputs = {}) => {
    const dependencies = { use, params: {}, inputs, modules: {}, packages: {}, external: {} };
    const digest = `the ${output}`, outputs = { [output]: { kind: output, digest, files: {} } };
    const record = { version: 1, id: use, fingerprint, dependencies, outputs, ...OUTCOME };
    const place = store.pathOf(use, fingerprint);
    await Deno.mkdir(place, { recursive: true });
    await writeState(join(place, "record.json"), record);
    return { id: use, use, status: "ran", why: "", seconds: 1, outputs: {}, fingerprint } as const;
  };
  const print = (digit: string) => digit.repeat(16), digits = ["1", "2", "3"];
  const made = await Promise.all(digits.map((one) => keep("faceCrop", print(one), "dataset")));
  const model = await keep("trainAge", print("a"), "model", { dataset: "the dataset" });
  const behind = async () => {
    const records = await recordsBehind(join(store.pathOf("trainAge", print("a")), "model"));
    return records.map(({ fingerprint }) => fingerprint);
  };
  assert.deepEqual(await behind(), [print("a"), print("3")]);
  const run = { pipeline: "p", seed: 1, ok: true, seconds: 1, metrics: {} };
  const add = async (...stages: typeof made) => {
    const record = await new History(artifacts).add({ ...run, stages });
    await new Promise((resolve) => setTimeout(resolve, 5)); // runs are ordered by their ends
    return record;
  };
  await add(made[0]);
  await add(made[1], model);
  await add(made[2], model);
  assert.deepEqual(await behind(), [print("a"), print("2")]);
});
