/** What the models say of a picture on disk, or why it cannot be read. */
import { ImageError } from "../../images/decode_image.ts";
import type { InferencePool } from "../../serving/inference_pool.ts";

/** Larger files are not read; a picture of 64 megapixels, the largest that is decoded, is smaller. */
const LARGEST = 400e6;

/**
 * Asks about a picture. One that took too long, or whose worker died, gets a second chance: the machine
 * may have slept meanwhile, or the worker have died of something else.
 * @returns a reason, if the picture cannot be read
 */
export async function predictImage(
  path: string,
  pool: Pick<InferencePool, "analyze">,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<InferencePool["analyze"]>> | string> {
  for (let chances = 2;;) {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      const { isFile, size } = await Deno.stat(path);
      if (!isFile) return "it is not a regular file"; // a pipe may have no end
      if (size > LARGEST) return `it is larger than ${LARGEST / 1e6} MB`;
      bytes = await Deno.readFile(path);
    } catch (error) {
      return (error as Error).message;
    }
    try {
      return await pool.analyze(bytes, { view: "photo", crops: false }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof ImageError) return error.reason;
      // A mistake in our code is no picture's trouble.
      if (/^(Type|Range)Error$/.test((error as Error).name)) throw error;
      if (--chances === 0) return (error as Error).message;
    }
  }
}
