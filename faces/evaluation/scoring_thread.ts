/** Scores with intervals, which take minutes for many predictions: then in a thread of their own. */
import type { StageContext } from "../../packages/pipeline/stage.ts";
import { ageGate } from "./age_gate.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import { chooseMetrics, type ChosenMetric } from "../training/further_metrics.ts";
import { modelFairness, type Tested, type Watch } from "./fairness.ts";
import { scoreModel } from "./score_model.ts";
import { scoreIntervals } from "./uncertainty.ts";

/** Functions of arguments that can be sent: built-in metrics by their names. */
const scores = {
  ageGate,
  scoreIntervals,
  scoreModel,
  furtherInterval: (choice: Choice, ...args: Parameters<ChosenMetric["interval"]>) =>
    chooseMetrics([choice], [])[0].interval(...args),
  modelFairness: (tested: Tested, choices: readonly Choice[], watch?: Watch) =>
    modelFairness({ ...tested, further: chooseMetrics(choices, []) }, watch),
};
type Scores = typeof scores;
type Score<Name extends keyof Scores> = Awaited<ReturnType<Scores[Name]>>;

/** Images from which on scores take longer than the start of a thread. */
const MANY = 5000;
/** Ms between two signs of life. */
const TICK_MS = 1000;

/**
 * Returns a function that computes scores. Those of many images run in a thread: signals arrive
 * meanwhile, and end it.
 * @param images number of the predictions
 * @param id the model, beside the bar
 */
export function scoring(
  images: number,
  id: string,
  { signal, progress }: Pick<StageContext, "signal" | "progress">,
) {
  return async <Name extends keyof Scores>(
    name: Name,
    ...args: Parameters<Scores[Name]>
  ): Promise<Score<Name>> => {
    signal.throwIfAborted();
    if (images < MANY) return await compute(name, args) as Score<Name>;
    const { promise, resolve, reject } = Promise.withResolvers<Score<Name>>();
    const thread = new Worker(new URL("./scoring_thread.ts", import.meta.url), { type: "module" });
    let note = "intervals";
    thread.onmessage = ({ data }) => {
      if ("note" in data) note = data.note;
      else if ("error" in data) reject(data.error);
      else resolve(data.score);
    };
    thread.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot compute scores: ${event.message}`));
    };
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    const timer = setInterval(() => progress.advance(0, `${id}: ${note}`), TICK_MS);
    try {
      thread.postMessage({ name, args });
      return await promise;
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", stop);
      thread.terminate();
    }
  };
}

function compute(name: keyof Scores, args: readonly unknown[]): unknown {
  return (scores[name] as (...args: readonly unknown[]) => unknown)(...args);
}

if (import.meta.main) { // in the thread
  /** The used part of a worker's global scope. */
  const scope = globalThis as unknown as Pick<Worker, "onmessage" | "postMessage">;
  const note = (text: string) => scope.postMessage({ note: text });
  scope.onmessage = async ({ data: { name, args } }) => {
    try {
      const all = name === "modelFairness" ? [...args, { note }] : args;
      scope.postMessage({ score: await compute(name, all) });
    } catch (error) {
      scope.postMessage({ error });
    }
  };
}
