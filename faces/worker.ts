/**
 * A web worker that holds a detector's network. Only plain JavaScript and WebAssembly run in it:
 * sharp, which is native code, does not survive the end of a worker that it is at work in.
 */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { openBackend } from "../compute/mod.ts";
import { type Detection, type Network, openNetwork } from "./detect.ts";
import type { Answer, Question } from "./pool.ts";

let network: Promise<Network>;

self.onmessage = async ({ data: question }: MessageEvent<Question>) => {
  let answer: Answer;
  try {
    answer = { id: question.id, found: await reply(question) };
  } catch (error) {
    answer = { id: question.id, error };
  }
  self.postMessage(answer);
};

async function reply(question: Question): Promise<Detection[]> {
  if ("pixels" in question) return (await network).search(question.pixels, question.size);
  const { backend, name, minConfidence } = question;
  await (network = openBackend(backend).then(() => openNetwork(name, minConfidence)));
  return [];
}
