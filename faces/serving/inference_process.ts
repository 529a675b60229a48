/**
 * A process that analyses photos; `worker.ts` is the same as a thread. What a photo takes is bounded:
 * the server ends the process when the time is over, and when it reports too much memory.
 */
import sharp from "sharp";
import { serve } from "../../packages/workers/worker_main.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Outcome } from "./inference_worker.ts";
import {
  type AnalyzeOptions,
  type InferenceSession,
  openInferenceSession,
  type Setup,
} from "./inference_session.ts";

/**
 * Most memory that a photo may take, in bytes. A JPEG of 64 megapixels takes 200 MB, a progressive one
 * 400 MB; an AVIF takes 18 bytes a pixel, though a flat one has but 1.5 KB.
 */
const ROOM = 600e6;
/** How often it looks, in ms. */
const INTERVAL = 20;

await serve<Setup, AnalyzeOptions, Outcome>(async (setup) => {
  sharp.cache(false); // no photo comes twice
  const analyser = await openInferenceSession(setup);
  return async (wishes, photo) => {
    const before = Deno.memoryUsage().rss;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const timer = setInterval(() => {
      if (Deno.memoryUsage().rss - before < ROOM) return;
      resolve({ tooMuch: `it takes more than ${ROOM / 1e6} MB of memory; send a smaller one` });
    }, INTERVAL);
    try {
      return { answer: await Promise.race([promise, analysed(analyser, photo, wishes)]) };
    } finally {
      clearInterval(timer);
    }
  };
});

async function analysed(
  analyser: InferenceSession,
  photo: Uint8Array,
  wishes: AnalyzeOptions,
): Promise<Outcome> {
  try {
    return { result: await analyser.analyse(photo, wishes) };
  } catch (error) {
    if (error instanceof ImageError) return { unreadable: error.reason };
    throw error;
  }
}
