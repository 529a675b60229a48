import assert from "node:assert/strict";
import { join } from "node:path";
import {
  dropForeignModule,
  type Preprocessing,
  readCropPreprocessing,
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

Deno.test("dropForeignModule() keeps modules of the project only", () => {
  const moduleOf = (module: string) => {
    const given: Preprocessing = { ...value, detector: { ...value.detector, module } };
    dropForeignModule(temporaryFolder("preprocessing-"), given);
    return given.detector.module;
  };
  for (const own of ["plugins/skinColour.ts", "mine.js"]) assert.equal(moduleOf(own), own);
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
  ) assert.equal(moduleOf(other), undefined, other);
});
