/** A web worker that analyses photos. It is told its setup first, then one photo after another. */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { PictureError } from "../faces/decode.ts";
import { type Analyser, openAnalyser } from "./analyser.ts";
import type { FromWorker, ToWorker } from "./analyst.ts";

let analyser: Analyser | undefined;

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  let answer: FromWorker;
  try {
    if ("setup" in data) {
      analyser = await openAnalyser(data.setup);
      answer = { ready: true };
    } else {
      answer = { result: await analyser!.analyse(data.photo, data.wishes) };
    }
  } catch (error) {
    answer = error instanceof PictureError
      ? { unreadable: error.reason }
      : { failed: error instanceof Error ? error : new Error(String(error)) };
  }
  self.postMessage(answer);
};
