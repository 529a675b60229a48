/** What a person sees of a sweep: one bar over its runs, and a line for each that ended. */
import { INTERRUPTED } from "../report.ts";
import { clock, type Reporter } from "../reporter.ts";
import { scores } from "../scores.ts";
import type { ChildReport } from "./child.ts";
import { labelOf, type Point } from "./grid.ts";

/** What a run of a sweep tells, to a program. */
export interface SweptRun extends ChildReport {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
}

export class Board {
  readonly #points: readonly Point[];
  readonly #reporter: Reporter;
  readonly #progress: ReturnType<Reporter["begin"]>;
  readonly #began = new Map<number, number>();
  readonly #runs: (SweptRun | undefined)[];
  /** Printed already. */
  readonly #cautions = new Set<string>();

  constructor(points: readonly Point[], reporter: Reporter) {
    this.#points = points;
    this.#reporter = reporter;
    this.#runs = points.map(() => undefined);
    this.#progress = reporter.begin("sweep");
    this.#progress.start(points.length, "runs");
  }

  /** Those that have ended, in the order of the grid. */
  get runs(): SweptRun[] {
    return this.#runs.filter((run) => run !== undefined);
  }

  begins(index: number): void {
    this.#began.set(index, performance.now());
  }

  /** Those that were begun, and have not ended. */
  get underWay(): readonly number[] {
    return [...this.#began.keys()].filter((index) => this.#runs[index] === undefined);
  }

  /** @param text what a run is at */
  says(index: number, text: string): void {
    this.#progress.advance(0, `${labelOf(this.#points[index]!.values)}: ${text.trim()}`);
  }

  /** @param interrupted whether it was the sweep that ended it */
  ends(index: number, report: ChildReport, interrupted: boolean): void {
    const { line, paint } = this.#reporter;
    const { values } = this.#points[index]!;
    this.#progress.advance(1, "");
    this.#runs[index] = { values, ...report };
    const head = `${index + 1}/${this.#points.length}  ${labelOf(values)}`;
    const id = report.run === undefined ? "" : `  ${paint.faint(`run ${report.run}`)}`;
    if (report.ok) {
      for (const caution of report.cautions ?? []) {
        if (!this.#cautions.has(caution)) line(paint.warning(caution));
        this.#cautions.add(caution);
      }
      const time = clock((performance.now() - this.#began.get(index)!) / 1000);
      line(`${paint.good("✓")} ${head}  ${time}  ${scores(report.metrics)}${id}`);
    } else if (interrupted) {
      line(`${paint.warning("!")} ${head}  interrupted; the next sweep goes on from here`);
    } else {
      line(`${paint.bad("✗")} ${head}  failed: ${failure(report)}${id}`);
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
