/** The default pipeline with other seeds. */
import { checkLearning } from "../project_run.ts";

Deno.test("pipeline.yaml on drawn faces, over seeds", async (t) => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    // tests/end_to_end/pipeline_test.ts has seed 42.
    for (const seed of [1, 2]) {
      await t.step(`learns gender and age, seed ${seed}`, async () => {
        await checkLearning(artifacts, seed, "--set", "download.sampleFaces=400");
      });
    }
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
