/** A web worker that analyses photos. It is told its setup first, then one photo after another. */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { ImageError } from "../images/decode_image.ts";
import { type InferenceSession, openInferenceSession } from "./inference_session.ts";
import type { FromWorker, ToWorker } from "./inference_worker.ts";

let analyser: InferenceSession | undefined;

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  let answer: FromWorker;
  try {
    if ("setup" in data) {
      analyser = await openInferenceSession(data.setup);
      answer = { ready: true };
    } else {
      answer = { result: await analyser!.analyse(data.photo, data.wishes) };
    }
  } catch (error) {
    answer = error instanceof ImageError
      ? { unreadable: error.reason }
      : { failed: error instanceof Error ? error : new Error(String(error)) };
  }
  self.postMessage(answer);
};
