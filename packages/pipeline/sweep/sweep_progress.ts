/** What a person sees of a sweep: one bar over its runs, and a line for each that ended. */
import { INTERRUPTED } from "../run/run_report.ts";
import { formatDuration, type Reporter } from "../reporter.ts";
import { formatMetrics } from "../cli/format_metrics.ts";
import type { ChildReport } from "./child_process.ts";
import { formatValues, type SweepPoint } from "./grid.ts";

/** What a run of a sweep tells, to a program. */
export interface SweepRunResult extends ChildReport {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
}

export class SweepProgress {
  readonly #points: readonly SweepPoint[];
  readonly #reporter: Reporter;
  readonly #progress: ReturnType<Reporter["startProgress"]>;
  readonly #began = new Map<number, number>();
  readonly #runs: (SweepRunResult | undefined)[];
  /** Printed already. */
  readonly #cautions: Set<string>;

  /** @param cautions those that are printed already */
  constructor(points: readonly SweepPoint[], reporter: Reporter, cautions: readonly string[]) {
    this.#cautions = new Set(cautions);
    this.#points = points;
    this.#reporter = reporter;
    this.#runs = points.map(() => undefined);
    this.#progress = reporter.startProgress("sweep");
    this.#progress.start(points.length, "runs");
  }

  /** Those that have ended, in the order of the grid. */
  get runs(): SweepRunResult[] {
    return this.#runs.filter((run) => run !== undefined);
  }

  started(index: number): void {
    this.#began.set(index, performance.now());
  }

  /** Those that were begun, and have not ended. */
  get underWay(): readonly number[] {
    return [...this.#began.keys()].filter((index) => this.#runs[index] === undefined);
  }

  /** @param text what a run is at */
  updated(index: number, text: string): void {
    this.#progress.advance(0, `${formatValues(this.#points[index]!.values)}: ${text.trim()}`);
  }

  /** @param interrupted whether it was the sweep that ended it */
  finished(index: number, report: ChildReport, interrupted: boolean): void {
    const { log: line, paint } = this.#reporter;
    const { values } = this.#points[index]!;
    this.#progress.advance(1, "");
    this.#runs[index] = { values, ...report };
    const head = `${index + 1}/${this.#points.length}  ${formatValues(values)}`;
    const id = report.run === undefined ? "" : `  ${paint.dim(`run ${report.run}`)}`;
    if (report.ok) {
      for (const caution of report.cautions ?? []) {
        if (!this.#cautions.has(caution)) line(paint.yellow(caution));
        this.#cautions.add(caution);
      }
      const time = formatDuration((performance.now() - this.#began.get(index)!) / 1000);
      line(`${paint.green("✓")} ${head}  ${time}  ${formatMetrics(report.metrics)}${id}`);
    } else if (interrupted) {
      line(`${paint.yellow("!")} ${head}  interrupted; the next sweep resumes here`);
    } else {
      line(`${paint.red("✗")} ${head}  failed: ${failure(report)}${id}`);
    }
  }

  close(): void {
    this.#progress.end();
  }
}

function failure({ error, stages }: ChildReport): string {
  const failed = stages.filter(({ status, why }) => status === "failed" && why !== INTERRUPTED);
  return error ?? (failed.map(({ id, why }) => `${id}: ${why}`).join("; ") || "interrupted");
}
