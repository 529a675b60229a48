/** The whole, as a stranger runs it: the default pipeline in processes of its own. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunReport } from "../packages/pipeline/run/run_report.ts";
import type { MetricsFile } from "../faces/evaluation/score_model.ts";

const project = fileURLToPath(new URL("../", import.meta.url));
const flags = ["read", "write", "env", "net", "sys", "ffi", "run"].map((name) => `--allow-${name}`);

interface Outcome extends RunReport {
  code: number;
  text: string;
}

/** `deno task run PIPELINE --json ...` with an artifact folder of its own. */
async function run(artifacts: string, pipeline: string, ...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", ...flags, "main.ts", "run", pipeline, "--json"],
      ...["--set", `artifacts=${artifacts}`, ...args],
    ],
    cwd: project,
    env: { INIT_CWD: project },
  }).output();
  const [out, text] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.notEqual(out, "", text);
  return { ...JSON.parse(out!), code, text: text! };
}

async function metricsOf({ stages }: RunReport): Promise<MetricsFile["models"]> {
  const { report } = stages.find(({ id }) => id === "evaluate")!.outputs;
  return JSON.parse(await Deno.readTextFile(resolve(project, report!, "metrics.json"))).models;
}

const statuses = ({ stages }: RunReport) =>
  Object.fromEntries(stages.map(({ id, status }) => [id, status]));

Deno.test("pipeline.yaml on drawn faces", async (t) => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    for (const seed of [42, 1, 2]) {
      await t.step(`learns gender and age, seed ${seed}`, async () => {
        const report = await run(artifacts, "pipeline", "--seed", String(seed));
        assert.equal(report.code, 0, report.text);
        const { trainGender, trainAge } = report.metrics;
        const guess = (await metricsOf(report)).trainAge!.baseline.test.mae!;
        assert.ok(trainGender!.test!.accuracy! >= 0.8, `accuracy ${trainGender!.test!.accuracy}`);
        assert.ok(trainAge!.test!.mae! <= 0.7 * guess, `${trainAge!.test!.mae} of ${guess} years`);
        const [first] = report.text.split(/ on test \(/);
        assert.match(
          first!,
          /\nThe faces are synthetic: scores and predictions do not carry over to real people/,
        );
        assert.match(
          report.text,
          /\nnext: deno task serve pipeline --set '?artifacts=.+ --seed \d+\n +deno task predict FOLDER --model [0-9a-f]{8} --artifacts .+\n +deno task compare [0-9a-f]{8} RUN --artifacts .+\n$/,
        );
      });
    }

    await t.step("is cached the second time", async () => {
      const report = await run(artifacts, "pipeline");
      const { webcamServe, ...others } = statuses(report);
      assert.equal(webcamServe, "skipped");
      assert.deepEqual(new Set(Object.values(others)), new Set(["cached"]));
      assert.equal(typeof report.metrics.trainGender!.validation!.loss, "number");
    });

    await t.step("is cached for the configuration that the report tells, too", async () => {
      const { stages } = await run(artifacts, "pipeline");
      const { report } = stages.find(({ id }) => id === "evaluate")!.outputs;
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
      const report = await run(artifacts, "pipeline", "--set", "split.test=0.3", "--dry-run");
      assert.equal(report.code, 0);
      assert.match(report.text, /split +runs: split.test changed from 0.2 to 0.3\n/);
      assert.match(report.text, /resize32 +cached\n/);
    });

    await t.step("learns nothing from labels that were dealt out anew", async () => {
      const report = await run(artifacts, "tests/pipelines/shuffled");
      assert.equal(report.code, 0, report.text);
      assert.equal(statuses(report).resize32, "cached");
      const { trainGender, trainAge } = await metricsOf(report);
      assert.ok(trainGender!.interval.low <= trainGender!.baseline.test.accuracy!);
      assert.ok(trainAge!.interval.high >= trainAge!.baseline.test.mae!);
    });
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
