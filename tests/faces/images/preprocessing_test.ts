import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type Preprocessing,
  readCropPreprocessing,
  readModelPreprocessing,
  readPreprocessing,
  writePreprocessing,
} from "../../../faces/images/preprocessing.ts";
import { temporaryFolder } from "../../temporary_folder.ts";

const value: Preprocessing = {
  detector: { name: "tinyFaceDetector", minConfidence: 0.4, inputSizes: [224, 96] },
  crop: { margin: 0.2, maxSize: 128 },
  background: "#ffffff",
  resize: { size: 32, kernel: "lanczos3", fit: "fill" },
  steps: ["blur sigma=1.5"],
};

Deno.test("readPreprocessing() gives back what was written", async () => {
  const folder = await Deno.makeTempDir();
  await writePreprocessing(folder, value);
  assert.deepEqual(await readPreprocessing(folder), value);
  const { resize: _, ...cropOnly } = value;
  assert.deepEqual(await readCropPreprocessing(folder), cropOnly);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("readPreprocessing() says which file it cannot read", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "preprocessing.json");
  await assert.rejects(readPreprocessing(folder), (error: Error) => {
    assert.ok(error.message.startsWith(`Cannot read "${path}": `));
    return true;
  });
  await Deno.remove(folder, { recursive: true });
});

/** Reads the steps of a model whose record has them. */
async function trainedOn(preprocessing: unknown): Promise<Preprocessing> {
  const model = temporaryFolder("preprocessing-");
  await Deno.writeTextFile(join(model, "training.json"), JSON.stringify({ preprocessing }));
  return await readModelPreprocessing(model);
}

Deno.test("readModelPreprocessing() says what is wrong and where it came from", async () => {
  await assert.rejects(
    trainedOn({ ...value, resize: { ...value.resize, kernel: "nearest" } }),
    /Cannot read ".*training\.json": it is damaged at "preprocessing\.resize\.kernel"\. .*--force faceCrop/,
  );
});

Deno.test("readModelPreprocessing() trusts modules of the project only", async () => {
  const moduleOf = async (module: string) =>
    (await trainedOn({ ...value, detector: { ...value.detector, module } })).detector.module;
  for (const own of ["plugins/skinColour.ts", "mine.js"]) assert.equal(await moduleOf(own), own);
  for (
    const other of [
      ...["npm:evil@1.0.0", "evil", "/tmp/evil.js", "../evil.js", "plugins/../../evil.js"],
      ...["data:text/javascript,evil.js", "https://evil.org/a.js", "artifacts/a/b/evil.js"],
      ...["plugins/%2e%2e/%2e%2e/evil.js", "node_modules/evil/evil.js", "a/node_modules/evil.js"],
      ...["out/stage/0123456789abcdef/text/evil.js"],
      ...[".work/evil.js", "results/.work/evil.js", "\\\\host\\evil.js", "C:\\evil.js"],
      // A URL leaves out tabs and line breaks, and spaces at its start.
      ...["\t../evil.js", "arti\tfacts/a/evil.js", "a\n/../../evil.js", " artifacts/a/evil.js"],
    ]
  ) assert.equal(await moduleOf(other), undefined, other);
});
