/** Analyses in the page itself: no picture leaves the browser. */
import type { Analysis } from "../api.ts";
import type { AnalyzeOptions } from "../inference_session.ts";
import type { FromCompute, ToCompute } from "./shims/page_worker.ts";
import { grab, type Predictor } from "./page_predictor.ts";

type Picture = ToCompute["picture"];

/** Starts the worker, which loads the networks. */
export function openLocal(): Predictor {
  const worker = new Worker("/compute.js", { type: "module" });
  const waiting = new Map<number, PromiseWithResolvers<Analysis>>();
  const opened = Promise.withResolvers<void>();
  opened.promise.catch(() => {}); // told to whoever asks for something
  let last = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<FromCompute>) => {
    const { id } = data;
    const trouble = "trouble" in data ? new Error(data.trouble) : undefined;
    if (id === 0) return trouble ? opened.reject(trouble) : opened.resolve();
    const answer = waiting.get(id);
    waiting.delete(id);
    if (trouble) answer?.reject(trouble);
    else if ("result" in data && data.result) {
      const { timings } = data.result;
      answer?.resolve({ ...data.result, timings: { queue: 0, ...timings } });
    }
  });
  worker.addEventListener("error", (event) => {
    const error = new Error(`The networks do not run in this browser: ${event.message}.`);
    opened.reject(error);
    waiting.forEach(({ reject }) => reject(error));
    waiting.clear();
  });
  const ask = async (picture: Picture, wishes: AnalyzeOptions): Promise<Analysis> => {
    await opened.promise;
    const answer = Promise.withResolvers<Analysis>();
    waiting.set(++last, answer);
    const moved = picture instanceof ImageBitmap ? picture : picture.buffer;
    worker.postMessage({ id: last, picture, wishes } satisfies ToCompute, [moved]);
    return await answer.promise;
  };

  return {
    async photo(picture) {
      const bytes = new Uint8Array(await picture.arrayBuffer());
      return await ask(bytes, { view: "photo", crops: true });
    },
    live({ analysis, trouble }) {
      const canvas = document.createElement("canvas");
      let busy = true, closed = false;
      trouble("Loading the networks ...");
      opened.promise.then(() => {
        busy = false;
        trouble(undefined);
      }, (error: Error) => trouble(error.message));
      return {
        get free() {
          return !busy && !closed;
        },
        async offer(video) {
          if (busy || closed) return;
          busy = true;
          grab(video, canvas);
          try {
            const frame = await createImageBitmap(canvas);
            const answer = await ask(frame, { view: "live", crops: false });
            if (!closed) analysis(answer);
          } catch (error) {
            if (!closed) trouble((error as Error).message);
          } finally {
            busy = false;
          }
        },
        close: () => closed = true,
      };
    },
  };
}
