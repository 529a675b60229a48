/** Scores with intervals, which take minutes for many predictions: then in a thread of their own. */
import type { StageContext } from "../../packages/pipeline/stage.ts";
import { ageGate } from "./age_gate.ts";
import { modelFairness } from "./fairness.ts";
import { scoreModel } from "./score_model.ts";
import { scoreIntervals } from "./uncertainty.ts";

export const scores = { ageGate, modelFairness, scoreIntervals, scoreModel };
type Scores = typeof scores;
type Returned<Name extends keyof Scores> = Awaited<ReturnType<Scores[Name]>>;

/** A call of one of them. */
export interface ScoreTask {
  readonly name: keyof Scores;
  readonly args: unknown[];
}

export type ScoreAnswer = { readonly score: unknown } | { readonly error: unknown };

/** Images from which on scores take longer than the start of a thread. */
const MANY = 5000;
/** Ms between two signs of life. */
const TICK_MS = 1000;

/**
 * Returns a function that computes scores. Those of many images run in a thread: signals arrive
 * meanwhile, and end it.
 * @param images number of the predictions
 * @param note beside the bar, such as the model
 */
export function scoring(
  images: number,
  note: string,
  { signal, progress }: Pick<StageContext, "signal" | "progress">,
) {
  return async <Name extends keyof Scores>(
    name: Name,
    ...args: Parameters<Scores[Name]>
  ): Promise<Returned<Name>> => {
    signal.throwIfAborted();
    if (images < MANY) {
      const score = scores[name] as (...all: unknown[]) => unknown;
      return await score(...args) as Returned<Name>;
    }
    const { promise, resolve, reject } = Promise.withResolvers<Returned<Name>>();
    const thread = new Worker(new URL("./score_worker.ts", import.meta.url), { type: "module" });
    thread.onmessage = ({ data }: MessageEvent<ScoreAnswer>) =>
      "error" in data ? reject(data.error) : resolve(data.score as Returned<Name>);
    thread.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot compute scores: ${event.message}`));
    };
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    const timer = setInterval(() => progress.advance(0, note), TICK_MS);
    try {
      thread.postMessage({ name, args } satisfies ScoreTask);
      return await promise;
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", stop);
      thread.terminate();
    }
  };
}
