/** Inference in the browser, with the server's own modules. */
/// <reference no-default-lib="true" />
/// <reference lib="webworker" />
/// <reference lib="esnext" />
import { ImageError } from "../../../images/decode_image.ts";
import type { Analysis } from "../../api.ts";
import { type AnalyzeOptions, openInferenceSession } from "../../inference_session.ts";
import { bytesOf, Undecodable } from "./sharp.ts";

/** A request of the page: a photo's bytes, or a decoded frame. */
export interface ToWorker {
  readonly id: number;
  readonly image: Uint8Array<ArrayBuffer> | ImageBitmap;
  readonly options: AnalyzeOptions;
}
/** Its answer; `id` 0 reports the start. */
export type FromWorker = { readonly id: number } & ({ result?: Analysis } | { error: string });

const answer = (message: FromWorker) => self.postMessage(message);
const session = fetch("/setup.json")
  .then(async (response) => openInferenceSession(await response.json()));
session.then(
  () => answer({ id: 0 }),
  ({ message }) => answer({ id: 0, error: `Cannot load the networks: ${message}` }),
);

self.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const { id, image, options } = data;
  try {
    const bytes = image instanceof ImageBitmap ? bytesOf(image) : image;
    answer({ id, result: await (await session)(bytes, options) });
  } catch (error) {
    const { message, cause } = error as Error;
    const known = cause instanceof Undecodable ? cause.message : message;
    answer({ id, error: error instanceof ImageError ? known : `Analysis failed: ${message}` });
  } finally {
    if (image instanceof ImageBitmap) image.close();
  }
});
