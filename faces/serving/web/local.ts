/** Inference in a worker of the page: no photo leaves the browser. */
import type { Analysis } from "../api.ts";
import type { AnalyzeOptions } from "../inference_session.ts";
import { drawFrame, type Predictor } from "./page_predictor.ts";
import type { FromWorker, ToWorker } from "./shims/page_worker.ts";

/** Starts the worker, which loads the networks. */
export function openLocal(): Predictor {
  const worker = new Worker("/compute.js", { type: "module" });
  const opened = Promise.withResolvers<Analysis | undefined>();
  opened.promise.catch(() => {}); // reported by `analyze` and `openLive`
  const pending = new Map<number, typeof opened>([[0, opened]]);
  let last = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    const answer = pending.get(data.id);
    pending.delete(data.id);
    if ("error" in data) answer?.reject(new Error(data.error));
    else answer?.resolve(data.result);
  });
  // Code that is not loaded has no message.
  worker.addEventListener("error", ({ message = "their code was not loaded. Reload the page" }) => {
    const error = new Error(`The networks do not run in this browser: ${message}.`);
    pending.forEach(({ reject }) => reject(error));
    pending.clear();
  });
  const analyze = async (image: ToWorker["image"], options: AnalyzeOptions): Promise<Analysis> => {
    await opened.promise;
    const answer: typeof opened = Promise.withResolvers();
    pending.set(++last, answer);
    const moved = image instanceof ImageBitmap ? image : image.buffer;
    worker.postMessage({ id: last, image, options } satisfies ToWorker, [moved]);
    return (await answer.promise)!;
  };

  return {
    async photo(photo) {
      const bytes = new Uint8Array(await photo.arrayBuffer());
      return await analyze(bytes, { view: "photo", crops: true });
    },
    openLive(listener) {
      const canvas = document.createElement("canvas");
      let busy = true, closed = false;
      listener.error("Loading the networks ...");
      opened.promise.then(() => {
        busy = false;
        if (!closed) listener.error(undefined);
      }, ({ message }: Error) => closed || listener.error(message));
      return {
        async offer(video) {
          if (busy || closed) return;
          busy = true;
          try {
            drawFrame(video, canvas);
            const frame = await createImageBitmap(canvas);
            const analysis = await analyze(frame, { view: "live", crops: false });
            if (!closed) listener.analysis(analysis);
          } catch (error) {
            if (!closed) listener.error((error as Error).message);
          } finally {
            busy = false;
          }
        },
        close: () => closed = true,
      };
    },
  };
}
