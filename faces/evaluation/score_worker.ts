/** Worker that computes one score: see `scoring_thread.ts`. */
import { type ScoreAnswer, scores, type ScoreTask } from "./scoring_thread.ts";

/** The used part of a worker's global scope. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ScoreTask>) => void;
  postMessage(answer: ScoreAnswer): void;
};

scope.onmessage = async ({ data: { name, args } }) => {
  try {
    const compute = scores[name] as (...args: unknown[]) => unknown;
    scope.postMessage({ score: await compute(...args) });
  } catch (error) {
    scope.postMessage({ error });
  }
};
