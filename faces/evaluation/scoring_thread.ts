/** Scores of a model with intervals, which take minutes for many predictions: then in a thread. */
import type { Choice } from "../../packages/pipeline/define.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import { chooseMetrics, type ChosenMetric } from "../training/further_metrics.ts";
import type { PredictionInterval } from "../training/prediction_interval.ts";
import type { Person } from "../training/targets.ts";
import { ageGate } from "./age_gate.ts";
import { type ChosenGroups, type Fairness, modelFairness, type Watch } from "./fairness.ts";
import { type FurtherMetric, type ModelMetrics, scoreModel, usedSplits } from "./score_model.ts";
import { scoreIntervals } from "./uncertainty.ts";

/** Images from which on scores take longer than the start of a thread. */
export const MANY = 5000;
/** Ms between two redraws of the progress bar. */
const TICK_MS = 1000;

/** Predictions of a model, and what they are scored by: plain data, of which a thread gets a copy. */
export interface Scored {
  /** Arguments of `scoreModel()`. */
  model: Required<Parameters<typeof scoreModel>>;
  interval?: PredictionInterval;
  /** Arguments of `ageGate()`. */
  gated?: Parameters<typeof ageGate>;
  /** Labels of the test images. */
  persons: readonly Person[];
  groups?: ChosenGroups;
  /** Further metrics; undefined if one is of a plugin, whose functions a thread does not get. */
  choices?: readonly Choice[];
  facts?: Pick<ModelMetrics, "unlabelled" | "trainedOn" | "trainedPeople">;
}

/** Metrics of a model, and the comparison of groups of people. */
export interface ModelScores {
  metrics: ModelMetrics;
  /** Undefined without `choices`: `addFurther()` returns it. */
  fairness: Fairness | undefined;
}

/** Computes scores in this thread. */
export async function computeScores(scored: Scored, watch: Watch): Promise<ModelScores> {
  const { model, interval, gated, choices, facts } = scored, [, { test }, labelled] = model;
  const metrics: ModelMetrics = {
    ...scoreModel(...model),
    gate: gated && ageGate(...gated),
    coverage: interval && scoreIntervals(interval, test.bounds!, test.truth, labelled.test),
    ...facts,
  };
  const further = choices && chooseMetrics(choices, []);
  return { metrics, fairness: further && await addFurther(metrics, further, scored, watch) };
}

/** Adds further metrics and their intervals to those of each split, and compares groups by them too. */
export async function addFurther(
  metrics: ModelMetrics,
  further: readonly ChosenMetric[],
  { model: [, predictions, labelled], persons, groups }: Scored,
  watch: Watch,
): Promise<Fairness> {
  for (const { name, titleFor, unit, decimals, groupsOf, compute, interval } of further) {
    const intervals: FurtherMetric["intervals"] = {};
    let leftOut = 0;
    for (const split of usedSplits(metrics)) {
      await pause(watch.signal);
      const { gender, age, identity } = labelled[split];
      const scored = { ...predictions[split], classes: metrics.classes?.length, gender, age };
      Object.assign(metrics[split], { [name]: await compute(scored) });
      intervals[split] = await interval(scored, identity);
      const groups = Array.from(groupsOf(scored) ?? []);
      if (split === "test") leftOut = groups.filter((one) => one === undefined).length;
    }
    (metrics.further ??= []).push({
      name,
      title: titleFor(metrics.metric, metrics.classes),
      unit: metrics.metric === "error" && unit === "years" ? "" : unit,
      decimals,
      intervals,
      ...leftOut > 0 && { leftOut },
    });
  }
  const { test } = predictions, people = labelled.test.identity;
  return await modelFairness({ metrics, test, further, people, persons, groups }, watch);
}

/** Computes the same scores in another thread: signals arrive meanwhile, and end it. */
export async function computeInThread(
  scored: Scored,
  { signal, note }: Required<Watch>,
): Promise<ModelScores> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ModelScores>();
  const thread = new Worker(new URL("./scoring_thread.ts", import.meta.url), { type: "module" });
  let text = "intervals";
  thread.onmessage = ({ data }) => {
    if ("note" in data) text = data.note;
    else if ("error" in data) reject(data.error);
    else resolve(data.scores);
  };
  thread.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot compute scores: ${event.message}`));
  };
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop);
  const timer = setInterval(() => note(text), TICK_MS);
  try {
    thread.postMessage(scored);
    return await promise;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    thread.terminate();
  }
}

if (import.meta.main) { // in the thread
  /** The used part of a worker's global scope. */
  const scope = globalThis as unknown as Pick<Worker, "onmessage" | "postMessage">;
  const note = (text: string) => scope.postMessage({ note: text });
  scope.onmessage = async ({ data }) => {
    try {
      scope.postMessage({ scores: await computeScores(data, { note }) });
    } catch (error) {
      scope.postMessage({ error });
    }
  };
}
