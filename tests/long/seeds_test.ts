/** The default pipeline with other seeds. */
import { checkLearning } from "../project_run.ts";

Deno.test("pipeline.yaml on drawn faces, over seeds", async (t) => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    // tests/end_to_end/pipeline_test.ts has seed 42.
    for (const [seed, ...faces] of [[1], [2, "--set", "download.sampleFaces=400"]] as const) {
      await t.step(`learns gender and age, seed ${seed}`, async () => {
        await checkLearning(artifacts, seed, ...faces);
      });
    }
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
