/** The whole, as a stranger runs it. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { checkLearning, metricsOf, type Outcome, project, run, statuses } from "../project_run.ts";
import { LONG } from "../rounds.ts";

/** So few faces that drawing them, which takes longest, is soon done. */
const fewer = ["download.sampleFaces=300", "trainGender.epochs=16", "trainAge.epochs=12"];
const faces = LONG ? [] : fewer.map((set) => `--set=${set}`);

Deno.test("pipeline.yaml on drawn faces", async (t) => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    await t.step("learns gender and age", () => checkLearning(artifacts, 42, ...faces));

    let second: Outcome;
    await t.step("is cached the second time", async () => {
      const report = second = await run(artifacts, "pipeline", ...faces);
      const { webcamServe, ...others } = statuses(report);
      assert.equal(webcamServe, "skipped");
      assert.deepEqual(new Set(Object.values(others)), new Set(["cached"]));
      assert.equal(typeof report.metrics.trainGender!.validation!.loss, "number");
    });

    await t.step("is cached for the configuration that the report tells, too", async () => {
      const { report } = second.stages.find(({ id }) => id === "evaluate")!.outputs;
      const html = await Deno.readTextFile(resolve(project, report!, "report.html"));
      const again = join(artifacts, "again.yaml");
      const yaml = /<pre>([^<]*)<\/pre>/.exec(html)![1]!.replaceAll("&quot;", '"');
      await Deno.writeTextFile(again, yaml);
      const { webcamServe: _, evaluate, ...others } = statuses(await run(artifacts, again));
      // The page tells the pipeline's file, which is another one.
      assert.equal(evaluate, "ran");
      assert.deepEqual(new Set(Object.values(others)), new Set(["cached"]));
    });

    await t.step("runs what a parameter changes, and says why", async () => {
      const report = await run(
        artifacts,
        "pipeline",
        ...faces,
        "--set",
        "split.test=0.3",
        "--dry-run",
      );
      assert.equal(report.code, 0);
      assert.match(report.text, /split +runs: split.test changed from 0.2 to 0.3\n/);
      assert.match(report.text, /resize32 +cached\n/);
    });

    await t.step("shares its faces with a pipeline of the same parameters", async () => {
      const { text } = await run(artifacts, "tests/pipelines/shuffled", ...faces, "--dry-run");
      assert.match(text, /resize32 +cached\n/);
      assert.match(text, /shuffleLabels +runs/);
    });

    if (!LONG) return;
    await t.step("learns nothing from labels that were dealt out anew", async () => {
      const report = await run(artifacts, "tests/pipelines/shuffled");
      assert.equal(report.code, 0, report.text);
      const { trainGender, trainAge } = await metricsOf(report);
      assert.ok(trainGender!.interval!.low <= trainGender!.baseline.test.accuracy!);
      assert.ok(trainAge!.interval!.high >= trainAge!.baseline.test.mae!);
    });
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
