/** The default pipeline with other seeds, and with labels that mean nothing. */
import assert from "node:assert/strict";
import { checkLearning, metricsOf, run } from "../project_run.ts";

Deno.test("pipeline.yaml on drawn faces, over seeds", async (t) => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    // tests/end_to_end/pipeline_test.ts has seed 42.
    for (const [seed, ...faces] of [[1], [2, "--set", "download.sampleFaces=400"]] as const) {
      await t.step(`learns gender and age, seed ${seed}`, async () => {
        await checkLearning(artifacts, seed, ...faces);
      });
    }

    await t.step("learns nothing from labels that were dealt out anew", async () => {
      const report = await run(artifacts, "tests/pipelines/shuffled");
      assert.equal(report.code, 0, report.text);
      const { trainGender, trainAge } = await metricsOf(report);
      assert.ok(trainGender!.interval.low <= trainGender!.baseline.test.accuracy!);
      assert.ok(trainAge!.interval.high >= trainAge!.baseline.test.mae!);
    });
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
