/** Worker that resizes crops to network inputs: see `process_pool.ts`. */
import { join } from "node:path";
import { decodePng } from "../../packages/formats/png.ts";
import { RandomAccessFiles } from "../../packages/formats/random_access_file.ts";
import { serve } from "../../packages/workers/worker_main.ts";
import type { ImageError } from "./decode_image.ts";
import type { Image } from "./image.ts";
import { toNetworkInput } from "./resize.ts";

export interface ResizeInit {
  readonly folder: string;
  readonly size: number;
}

/** Byte ranges of crops (PNG). */
export type ResizeTask = readonly {
  readonly shard: string;
  readonly offset: number;
  readonly size: number;
}[];

// Answers consist of bytes only: a tensor [size, size, 3] per face.
await serve<ResizeInit, ResizeTask, null>(({ folder, size }) => {
  const shards = new RandomAccessFiles();
  return Promise.resolve(async (places) => {
    const bytes = new Uint8Array(places.length * size * size * 3);
    for (const [i, { shard, offset, size: length }] of places.entries()) {
      const path = join(folder, shard);
      try {
        const png = shards.read(path, offset, length);
        const face = decodePng(png) ?? await decodeOther(png);
        bytes.set(await toNetworkInput(face, size), i * size * size * 3);
      } catch (cause) {
        const { message, way = "" } = cause as Error & Pick<ImageError, "way">; // a photo's way
        throw new Error(
          `Cannot resize the crop at byte ${offset} of "${path}": ` +
            `${message.replace(way, "").trim()} Repeat the stage that wrote it.`,
          { cause },
        );
      }
    }
    return { answer: null, bytes };
  });
});

/** Decodes an image of a format that faceCrop does not write, such as a plugin's. */
async function decodeOther(bytes: Uint8Array): Promise<Image> {
  const [{ default: sharp }, { decode }] = await Promise.all([
    import("sharp"),
    import("./decode_image.ts"),
  ]);
  sharp.concurrency(1);
  sharp.cache(false);
  return await decode(bytes);
}
