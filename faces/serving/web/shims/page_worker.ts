/** Finds faces and predicts in the browser, with the server's own modules. */
/// <reference no-default-lib="true" />
/// <reference lib="webworker" />
/// <reference lib="esnext" />
import { ImageError } from "../../../images/decode_image.ts";
import type { Result } from "../../analyze_photo.ts";
import { type AnalyzeOptions, openInferenceSession, type Setup } from "../../inference_session.ts";
import { bytesOf } from "./sharp.ts";

/** What the page asks: a picture's bytes, or a frame that is decoded already. */
export type ToCompute = {
  readonly id: number;
  readonly picture: Uint8Array<ArrayBuffer> | ImageBitmap;
  readonly wishes: AnalyzeOptions;
};
/** What it is answered; `id` 0 is about the start. */
export type FromCompute = { readonly id: number } & ({ result?: Result } | { trouble: string });

const analyser = fetch("/setup.json")
  .then(async (response) => openInferenceSession(await response.json() as Setup));
analyser.then(
  () => answer({ id: 0 }),
  (error) => answer({ id: 0, trouble: `The networks do not load: ${error.message}` }),
);

self.addEventListener("message", async ({ data }: MessageEvent<ToCompute>) => {
  const { id, picture, wishes } = data;
  try {
    const bytes = picture instanceof ImageBitmap ? bytesOf(picture) : picture;
    answer({ id, result: await (await analyser).analyse(bytes, wishes) });
  } catch (error) {
    const { message } = error as Error;
    const ours = !(error instanceof ImageError);
    answer({ id, trouble: ours ? `The analysis failed: ${message}` : message });
  } finally {
    if (picture instanceof ImageBitmap) picture.close();
  }
});

function answer(message: FromCompute): void {
  self.postMessage(message);
}
