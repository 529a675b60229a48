/**
 * A web worker that holds a detector's network. Only plain JavaScript and WebAssembly run in it:
 * sharp, which is native code, does not survive the end of a worker that it is at work in.
 */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { type Detection, type Network, openNetwork } from "./detect.ts";
import type { Answer, Opening, Question } from "./pool.ts";

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
  if ("image" in question) return (await network).search(question.image);
  await (network = open(question));
  return [];
}

async function open({ backend, name, options }: Opening): Promise<Network> {
  if (backend) await (await import("../compute/mod.ts")).openBackend(backend);
  return await openNetwork(name, options);
}
