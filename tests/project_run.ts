/** Runs a pipeline of the project in a process of its own, as a user does. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunReport } from "../packages/pipeline/run/run_report.ts";
import type { MetricsFile } from "../faces/evaluation/score_model.ts";

export const project = fileURLToPath(new URL("../", import.meta.url));
const flags = ["read", "write", "env", "net", "sys", "ffi", "run"].map((name) => `--allow-${name}`);

export interface Outcome extends RunReport {
  code: number;
  text: string;
}

/** `deno task run PIPELINE --json ...` with an artifact folder of its own. */
export async function run(
  artifacts: string,
  pipeline: string,
  ...args: string[]
): Promise<Outcome> {
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

export async function metricsOf({ stages }: RunReport): Promise<MetricsFile["models"]> {
  const { report } = stages.find(({ id }) => id === "evaluate")!.outputs;
  return JSON.parse(await Deno.readTextFile(resolve(project, report!, "metrics.json"))).models;
}

export const statuses = ({ stages }: RunReport) =>
  Object.fromEntries(stages.map(({ id, status }) => [id, status]));

/** Runs the default pipeline and checks that both networks learn, and what it prints. */
export async function checkLearning(
  artifacts: string,
  seed: number,
  ...args: string[]
): Promise<void> {
  const report = await run(artifacts, "pipeline", "--seed", String(seed), ...args);
  assert.equal(report.code, 0, report.text);
  const { trainGender, trainAge } = report.metrics;
  const guess = (await metricsOf(report)).trainAge!.baseline.test.mae!;
  assert.ok(
    trainGender!.test!.accuracy! >= (args.length > 0 ? 0.7 : 0.8),
    `accuracy ${trainGender!.test!.accuracy}`,
  );
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
}
