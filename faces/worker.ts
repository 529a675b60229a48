/** A web worker that cuts out faces. It is told its setup first, then one job after another. */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { openCutter } from "./cutter.ts";
import type { FromWorker, ToWorker } from "./pool.ts";

let cutter: ReturnType<typeof openCutter> | undefined;

self.onmessage = async ({ data: { id, ...message } }: MessageEvent<ToWorker>) => {
  let answer: FromWorker;
  try {
    if ("setup" in message) await (cutter = openCutter(message.setup));
    const outcome = "job" in message ? await (await cutter!).cut(message.job) : undefined;
    answer = { id, outcome };
  } catch (error) {
    answer = { id, error };
  }
  self.postMessage(answer);
};
