/** Parts of a stage's work, as jobs. */
import { join, sep } from "node:path";
import type { FinishedUnit, Progress, WorkUnit } from "../stage.ts";
import { type CodeVersion, toRelative } from "./compatibility.ts";
import { dispatchJobs, type DispatchOptions, type States } from "./coordinator.ts";
import {
  firstProblem,
  JOB_FORMAT,
  type PartData,
  type PartResult,
  partResultSchema,
} from "./job_schemas.ts";

/** What the parts are parts of. */
export interface PartsOf extends Omit<DispatchOptions, "run"> {
  readonly use: string;
  readonly code: CodeVersion;
  readonly compute?: string;
  /** Input → its folder. All folders lie in `artifacts`, which the machines share. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  readonly artifacts: string;
  readonly progress: Progress;
}

/** Has the parts done; each is told when it is, in any order, and exactly once. */
export async function* dispatchShards(
  of: PartsOf,
  parts: readonly WorkUnit[],
): AsyncGenerator<FinishedUnit> {
  const { artifacts, use, code, compute } = of;
  const run = crypto.randomUUID();
  // Each attempt at a part writes in a folder of its own below this one.
  const folder = join(of.scratch, "parts");
  await Deno.mkdir(folder, { recursive: true });
  const shared = (path: string) => toRelative(path, artifacts)!;
  const inputs = Object.fromEntries(
    Object.entries(of.inputs).map(([key, at]) => [key, shared(at)]),
  );
  const about: Omit<PartData, "data"> = {
    ...{ version: JOB_FORMAT, kind: "part", run, use, code, folder: shared(folder), inputs },
    ...(compute === undefined ? {} : { compute }),
  };
  const tasks = parts.map(({ key, data }) => ({ key, data: { ...about, data } }));
  const bar = new AggregateProgress(of.progress);
  for await (const news of dispatchJobs({ ...of, run }, tasks)) {
    if ("states" in news) {
      bar.show(news.states);
      continue;
    }
    const { outcome } = news;
    const { key, items } = parts.find((part) => part.key === outcome.key)!;
    if ("failed" in outcome) throw new Error(`Cannot finish part ${key}: ${outcome.failed}`);
    const { result, at } = collected(outcome.result, folder, artifacts);
    bar.finish(items);
    yield { key, folder: at, result: result.result };
    await Deno.remove(at, { recursive: true });
  }
}

/** Checks what a worker says: that its files lie where its files may lie. */
function collected(
  value: unknown,
  folder: string,
  artifacts: string,
): { result: PartResult; at: string } {
  const { success, data, error } = partResultSchema.safeParse(value);
  if (!success) throw new Error(`Cannot use what a worker sent: ${firstProblem(error)}.`);
  const at = join(artifacts, data.folder);
  if (!at.startsWith(folder + sep)) {
    throw new Error(`Cannot use what a worker sent: "${data.folder}" is not a part's folder.`);
  }
  return { result: data, at };
}

/** The progress of all workers as one. */
class AggregateProgress {
  #finished = 0;
  #shown = 0;

  constructor(readonly progress: Progress) {}

  finish(items: number): void {
    this.#finished += items;
    this.#advance(this.#finished);
  }

  show(states: States): void {
    const active = [...states.values()].filter(({ state }) => state === "active");
    const under = active.reduce(
      (sum, state) => sum + ("standing" in state ? state.standing?.items ?? 0 : 0),
      0,
    );
    const note = `${active.length} ${active.length === 1 ? "part" : "parts"} under way`;
    this.#advance(this.#finished + under, active.length > 0 ? note : "");
  }

  /** What a lost worker had done is done again; the bar waits meanwhile. */
  #advance(to: number, note?: string): void {
    const now = Math.max(this.#shown, to);
    this.progress.advance(now - this.#shown, note);
    this.#shown = now;
  }
}
