/**
 * `artifacts/.live/RUN.jsonl`: the progress of a run at work, for programs that show it.
 *
 * A line is written at most twice a second, in the background: a run never waits for it, and a log
 * that cannot be written is given up. It is removed when the run is recorded.
 */
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { entries, ignoreNotFound } from "./paths.ts";
import type { Reporter } from "./reporter.ts";
import { hideSecrets } from "./secrets.ts";
import type { Status } from "./run/run_report.ts";

export type LiveEvent =
  | {
    readonly type: "run";
    readonly pipeline: string;
    readonly startedAt: string;
    readonly stages: readonly { id: string; use: string; after: readonly string[] }[];
  }
  | {
    readonly type: "stage";
    readonly id: string;
    readonly status: Status | "running";
    readonly why: string;
    readonly seconds?: number;
  }
  | {
    readonly type: "progress";
    readonly id: string;
    readonly done: number;
    readonly total: number;
    readonly unit: string;
    readonly note?: string;
  }
  /** An epoch of a training, from a line "epoch 3/20 loss 0.3 val_loss 0.4". */
  | {
    readonly type: "epoch";
    readonly id: string;
    readonly epoch: number;
    readonly epochs: number;
    readonly numbers: Readonly<Record<string, number>>;
    /** The line as it was printed. */
    readonly text: string;
  }
  | { readonly type: "log"; readonly text: string };

export interface LiveLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly events: readonly LiveEvent[];
}

/** Minimum time between lines in ms, and maximum number of events in one. */
const INTERVAL_MS = 500;
const MAX_EVENTS = 400;

export const liveFolder = (artifacts: string) => join(artifacts, ".live");

export class LiveLog {
  #path: string | undefined;
  #events: LiveEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(readonly artifacts: string) {}

  /** Begins to write the log of a run. Earlier events come first. */
  open(id: string): void {
    this.#path = join(liveFolder(this.artifacts), `${id}.jsonl`);
    this.#schedule();
  }

  add(event: LiveEvent): void {
    if (this.#failed) return;
    // Only the newest progress of a stage counts.
    const old = event.type !== "progress"
      ? -1
      : this.#events.findLastIndex((one) => one.type === "progress" && one.id === event.id);
    if (old >= 0) this.#events.splice(old, 1);
    if (this.#events.length >= MAX_EVENTS) {
      const first = this.#events.findIndex(({ type }) => type === "log" || type === "progress");
      this.#events.splice(Math.max(0, first), 1);
    }
    this.#events.push(event);
    if (this.#path !== undefined) this.#schedule();
  }

  /** Returns a reporter that logs to this log as well. */
  reporter(base: Reporter): Reporter {
    return {
      ...base,
      log: (line) => {
        base.log(line);
        const text = hideSecrets(stripVTControlCharacters(line));
        const [, id, epoch, epochs, rest] = text.match(/^ {2}(\S+): epoch (\d+)\/(\d+) (.*)$/) ??
          [];
        if (id === undefined) return this.add({ type: "log", text });
        // The column of a head may have spaces in its name.
        const pairs = [...rest!.matchAll(/(\S.*?) (-?\d[\d.e+-]*|NaN)(?= |$)/g)];
        const numbers = Object.fromEntries(
          pairs.flatMap(([, name, value]) => value === "NaN" ? [] : [[name, Number(value)]]),
        );
        const at = { epoch: Number(epoch), epochs: Number(epochs) };
        this.add({ type: "epoch", id, ...at, numbers, text });
      },
      startProgress: (id) => {
        const progress = base.startProgress(id);
        let state = { done: 0, total: 0, unit: "" };
        return {
          start: (total, unit, done = 0) => {
            progress.start(total, unit, done);
            state = { done, total, unit };
            this.add({ type: "progress", id, ...state });
          },
          advance: (items = 1, note) => {
            progress.advance(items, note);
            state = { ...state, done: Math.min(state.done + items, state.total) };
            this.add({ type: "progress", id, ...state, ...(note && { note: hideSecrets(note) }) });
          },
          [Symbol.dispose]: () => progress[Symbol.dispose](),
        };
      },
    };
  }

  /** Ends the log, and removes it. */
  async close(): Promise<void> {
    this.#failed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    if (this.#path === undefined) return;
    await Deno.remove(this.#path).catch(() => {});
    await Deno.remove(liveFolder(this.artifacts)).catch(() => {}); // unless others are in it
  }

  #schedule(): void {
    if (this.#failed) return;
    this.#timer ??= setTimeout(() => this.#writing = this.#write(), INTERVAL_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #write(): Promise<void> {
    const line: LiveLine = { at: Date.now(), events: this.#events };
    this.#events = [];
    try {
      await Deno.mkdir(liveFolder(this.artifacts), { recursive: true });
      // Opened for each line: machines that share the folder see it then.
      await Deno.writeTextFile(this.#path!, JSON.stringify(line) + "\n", { append: true });
    } catch {
      this.#failed = true;
    }
    this.#timer = undefined;
    if (this.#events.length > 0) this.#schedule();
  }
}

/** Removes the logs of runs that were killed, and returns their number. @param alive ids of runs */
export async function removeStaleLogs(
  artifacts: string,
  alive: ReadonlySet<string>,
): Promise<number> {
  const names = await entries(liveFolder(artifacts));
  const stale = names.filter((name) => !alive.has(name.replace(/\.jsonl$/, "")));
  for (const name of stale) {
    await Deno.remove(join(liveFolder(artifacts), name)).catch(ignoreNotFound);
  }
  return stale.length;
}
