import assert from "node:assert/strict";
import { createReporter } from "../../../../packages/pipeline/reporter.ts";
import type { StageReport } from "../../../../packages/pipeline/run/run_report.ts";
import type { SweepPoint } from "../../../../packages/pipeline/sweep/sweep_points.ts";
import { SweepProgress } from "../../../../packages/pipeline/sweep/sweep_progress.ts";

Deno.test("the time left of a sweep does not count cached runs before those that compute", () => {
  let now = 0, shown = "";
  const output = { terminal: false, color: false, columns: () => 200 };
  const reporter = createReporter({ ...output, write: (text) => shown += text }, () => now);
  const points = [1, 2, 3, 4].map((seed) => ({ values: { seed } }) as unknown as SweepPoint);
  const progress = new SweepProgress(points, reporter, []);
  const finish = (index: number, status: string, seconds: number) => {
    progress.started(index);
    now += seconds * 1000;
    const stages = [{ id: "train", status, why: "", seconds: 0 }] as unknown as StageReport[];
    progress.finished(index, { pipeline: "p", ok: true, seconds, stages, metrics: {} }, false);
  };
  finish(0, "cached", 1);
  finish(1, "cached", 1);
  finish(2, "ran", 100);
  progress.updated(3, "train");
  assert.match(shown, /sweep: 3\/4 runs {2}1:40 left/);
});
