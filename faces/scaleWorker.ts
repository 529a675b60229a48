/** A worker that scales faces to what a network sees: see `crew/crew.ts`. */
import { join } from "node:path";
import { decodePng } from "../formats/png.ts";
import { RandomAccess } from "../formats/randomAccess.ts";
import { serve } from "./crew/serve.ts";
import type { Image } from "./image.ts";
import { toTensor } from "./resize.ts";

/** What it is opened with. */
export interface ScaleOpening {
  /** Of an artifact `faces`. */
  readonly folder: string;
  /** Width and height of the tensors. */
  readonly size: number;
}

/** Faces, by where their PNGs lie. */
export type ScaleTask = readonly {
  readonly shard: string;
  readonly offset: number;
  readonly size: number;
}[];

// Answers are bytes alone: a tensor [size, size, 3] a face.
await serve<ScaleOpening, ScaleTask, null>(({ folder, size }) => {
  const shards = new Map<string, RandomAccess>();
  return Promise.resolve(async (places) => {
    const bytes = new Uint8Array(places.length * size * size * 3);
    for (const [i, { shard, offset, size: length }] of places.entries()) {
      if (!shards.has(shard)) shards.set(shard, new RandomAccess(join(folder, shard)));
      try {
        const png = shards.get(shard)!.read(offset, length);
        const face = decodePng(png) ?? await decodeOther(png);
        bytes.set(await toTensor(face, size), i * size * size * 3);
      } catch (cause) {
        throw new Error(
          `Cannot scale the face at byte ${offset} of "${join(folder, shard)}": ` +
            `${(cause as Error).message} Make the faces again.`,
          { cause },
        );
      }
    }
    return { answer: null, bytes };
  });
});

/** A picture of a kind that faceCrop does not write, such as a plugin's. */
async function decodeOther(bytes: Uint8Array): Promise<Image> {
  const [{ default: sharp }, { decode }] = await Promise.all([
    import("sharp"),
    import("./decode.ts"),
  ]);
  sharp.concurrency(1);
  sharp.cache(false);
  return await decode(bytes);
}
