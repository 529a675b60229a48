/** Runs a detector's network on several cores. What it finds does not depend on how many. */
import type { Backend } from "../compute/resolve.ts";
import type { Detection, Network, NetworkOptions } from "./detect.ts";
import type { NetworkName } from "./detectors.ts";
import type { Image } from "./image.ts";

/** What a worker is to open; without a backend, what does without TensorFlow.js. */
export interface Opening {
  readonly backend?: Backend;
  readonly name: NetworkName;
  readonly options: NetworkOptions;
}

/** What a worker is told: first what to open, then one search after another. */
export type Question = { readonly id: number } & (Opening | { readonly image: Image });

/** What it answers. */
export type Answer =
  & { readonly id: number }
  & ({ readonly found: Detection[] } | { readonly error: unknown });

/** `Omit` of each member of a union. */
type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

/**
 * Opens a network in each of `workers` web workers, which share the searches. On TensorFlow or a GPU
 * it is opened in this thread: they have threads of their own.
 */
export async function openNetworks(
  opening: Opening,
  workers: number,
): Promise<Network> {
  const { backend, name, options } = opening;
  if (workers < 2 || backend && !["wasm", "cpu"].includes(backend)) {
    if (backend) await (await import("../compute/mod.ts")).openBackend(backend);
    return await (await import("./detect.ts")).openNetwork(name, options);
  }
  const opened = Array.from({ length: workers }, openWorker);
  const close = () => opened.forEach((worker) => worker.close());
  try {
    await Promise.all(opened.map((worker) => worker.ask(opening)));
  } catch (error) {
    close();
    throw error;
  }
  return {
    search(image) {
      const idlest = opened.reduce((a, b) => b.waiting() < a.waiting() ? b : a);
      return idlest.ask({ image });
    },
    close,
  };
}

function openWorker() {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const waiting = new Map<number, PromiseWithResolvers<Detection[]>>();
  let id = 0;
  worker.onmessage = ({ data: answer }: MessageEvent<Answer>) => {
    const { resolve, reject } = waiting.get(answer.id)!;
    waiting.delete(answer.id);
    if ("error" in answer) reject(answer.error);
    else resolve(answer.found);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const message = `Cannot find faces: a worker failed (${event.message}).`;
    for (const { reject } of waiting.values()) reject(new Error(message, { cause: event.error }));
    waiting.clear();
  };
  return {
    /** How many questions it has not answered yet. */
    waiting: () => waiting.size,
    ask(question: Unnumbered<Question>): Promise<Detection[]> {
      const answer = Promise.withResolvers<Detection[]>();
      waiting.set(++id, answer);
      worker.postMessage({ id, ...question });
      return answer.promise;
    },
    close: () => worker.terminate(),
  };
}
