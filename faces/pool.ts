/** Cuts out faces on several cores. What comes out does not depend on how many there are. */
import { type Job, openCutter, type Outcome, type Setup } from "./cutter.ts";

/** Cuts out faces, several at a time. */
export interface Pool {
  /** How many jobs keep it busy. */
  readonly parallel: number;
  cut(job: Job): Promise<Outcome>;
  close(): void;
}

/** What a worker is told. */
export type ToWorker = { id: number } & ({ setup: Setup } | { job: Job });
/** What it answers. */
export type FromWorker = { id: number; outcome?: Outcome; error?: unknown };

/**
 * Opens `workers` web workers, each with a detector of its own. Where they would not help, the work
 * stays in this thread: decoding alone runs on sharp's threads, and the backends that are not
 * JavaScript's have threads of their own.
 */
export async function openPool(setup: Setup, workers: number): Promise<Pool> {
  const threaded = setup.backend === "wasm" || setup.backend === "cpu";
  if (!threaded || workers < 2) {
    const cutter = await openCutter(setup);
    return {
      parallel: 2 * workers,
      cut: (job) => cutter.cut(job),
      close: () => cutter.close(),
    };
  }
  const opened = Array.from({ length: workers }, () => openWorker());
  const close = () => opened.forEach((worker) => worker.close());
  try {
    await Promise.all(opened.map((worker) => worker.ask({ setup })));
  } catch (error) {
    close();
    throw error;
  }
  return {
    parallel: 2 * workers, // so that a worker decodes one photo while it searches another
    async cut(job) {
      const idlest = opened.reduce((a, b) => b.pending() < a.pending() ? b : a);
      return (await idlest.ask({ job }))!;
    },
    close,
  };
}

function openWorker() {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const waiting = new Map<number, PromiseWithResolvers<Outcome | undefined>>();
  let id = 0;
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    const { resolve, reject } = waiting.get(data.id)!;
    waiting.delete(data.id);
    if ("error" in data) reject(data.error);
    else resolve(data.outcome);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new Error(`Cannot cut out faces: a worker failed (${event.message}).`, {
      cause: event.error,
    });
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  return {
    pending: () => waiting.size,
    ask(message: { setup: Setup } | { job: Job }): Promise<Outcome | undefined> {
      const answer = Promise.withResolvers<Outcome | undefined>();
      waiting.set(++id, answer);
      worker.postMessage({ id, ...message });
      return answer.promise;
    },
    close: () => worker.terminate(),
  };
}
