/** Progress of a sweep: one bar over its runs, and a line for each finished run. */
import { INTERRUPTED } from "../run/run_report.ts";
import { isInterrupted } from "../history.ts";
import type { MetricNames } from "../app.ts";
import type { Reporter } from "../reporter.ts";
import { formatDuration, formatMetrics, formatValues } from "../format.ts";
import type { ChildReport } from "./child_process.ts";
import type { SweepPoint } from "./sweep_points.ts";

export interface SweepRunResult extends ChildReport {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
}

export class SweepProgress implements Disposable {
  readonly #progress: ReturnType<Reporter["startProgress"]>;
  readonly #began = new Map<number, number>();
  readonly #runs: (SweepRunResult | undefined)[];
  readonly #cautions: Set<string>;

  /** @param cautions those that are printed already */
  constructor(
    readonly points: readonly SweepPoint[],
    readonly reporter: Reporter,
    cautions: readonly string[],
    readonly metricNames?: MetricNames,
  ) {
    this.#cautions = new Set(cautions);
    this.#runs = points.map(() => undefined);
    this.#progress = reporter.startProgress("sweep");
    this.#progress.start(points.length, "runs");
  }

  /** Results of the finished runs, in the order of the grid. */
  get runs(): SweepRunResult[] {
    return this.#runs.filter((run) => run !== undefined);
  }

  /** Indices of the runs that started and have not finished. */
  get unfinished(): readonly number[] {
    return [...this.#began.keys()].filter((index) => this.#runs[index] === undefined);
  }

  started(index: number): void {
    this.#began.set(index, performance.now());
  }

  /** @param text current step of a run */
  updated(index: number, text: string): void {
    this.#progress.advance(0, `${formatValues(this.points[index]!.values)}: ${text.trim()}`);
  }

  /** @param interrupted true if the sweep ended the run */
  finished(index: number, report: ChildReport, interrupted: boolean): void {
    const { log, paint } = this.reporter;
    const { values } = this.points[index]!;
    this.#runs[index] = { values, ...report };
    const { runs } = this;
    // Time left is that of runs which compute: cached ones before them take none.
    if (runs.every(({ ok, stages }) => ok && stages.every(({ status }) => status === "cached"))) {
      this.#progress.start(this.points.length, "runs", runs.length);
    } else this.#progress.advance(1, "");
    const head = `${index + 1}/${this.points.length}  ${formatValues(values)}`;
    const id = report.run === undefined ? "" : `  ${paint.dim(`run ${report.run}`)}`;
    if (report.ok) {
      for (const caution of report.cautions ?? []) {
        if (!this.#cautions.has(caution)) log(paint.yellow(caution));
        this.#cautions.add(caution);
      }
      const time = formatDuration((performance.now() - this.#began.get(index)!) / 1000);
      const metrics = formatMetrics(report.metrics, this.metricNames);
      log(`${paint.green("✓")} ${head}  ${time}  ${metrics}${id}`);
    } else if (interrupted) {
      log(`${paint.yellow("!")} ${head}  interrupted; the next sweep resumes here`);
    } else {
      const failed = report.stages.filter((one) => one.status === "failed" && !isInterrupted(one));
      const reasons = failed.map(({ id, why }) => `${id}: ${why}`).join("; ");
      log(`${paint.red("✗")} ${head}  failed: ${report.error ?? (reasons || INTERRUPTED)}${id}`);
    }
  }

  [Symbol.dispose](): void {
    this.#progress[Symbol.dispose]();
  }
}
