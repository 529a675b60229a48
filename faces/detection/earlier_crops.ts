/** Takes crops of photos from earlier results of `faceCrop`, of any archives and tables. */
import { join } from "node:path";
import { RandomAccessFiles } from "../../packages/formats/random_access_file.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { isAsRecorded } from "../../packages/pipeline/digest.ts";
import { paced } from "../../packages/pipeline/interrupt.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import { TextLineStream } from "../../packages/pipeline/text_line_stream.ts";
import type { Photos } from "./crop_faces.ts";
import { shardName } from "./faces_artifact.ts";
import { MAX_PHOTO_BYTES } from "./find_faces.ts";
import { photoKey } from "./photo_key.ts";
import { type Outcome, outcomesOf, type Shard } from "./shards.ts";

/** File by which later runs take photos: a line per shard. */
export const PHOTOS = "photos.jsonl";

/**
 * Finds outcomes of photos in results of the same settings and code, whose inputs alone differ. Damaged
 * files are logged, and not used.
 */
export async function takeOutcomes(
  rows: readonly number[],
  photos: Photos,
  context: Pick<StageContext, "earlierResults" | "signal" | "progress" | "info">,
): Promise<Map<number, Outcome>> {
  const known = new Map<number, Outcome>();
  const results = rows.length > 0 ? await context.earlierResults() : [];
  const similar = results.filter(({ differences }) => `${differences}` === "inputs");
  if (similar.length === 0) return known;
  const wanted = new Map<string | undefined, number[]>();
  context.progress.start(rows.length, "photos");
  using files = new RandomAccessFiles();
  for await (const i of paced(rows.length, context.signal)) {
    context.progress.advance(1, "compared with earlier results");
    const photo = photos[rows[i]];
    if (!photo || photo.size > MAX_PHOTO_BYTES) continue;
    const key = photoKey(files.read(photo.file, photo.offset, photo.size), photo.known);
    wanted.getOrInsertComputed(key, () => []).push(rows[i]);
  }
  for (const result of similar) {
    const folder = join(result.path, "faces");
    if (!await isAsRecorded(result, "faces", PHOTOS, context)) continue;
    using file = await Deno.open(join(folder, PHOTOS));
    let index = 0;
    for await (const line of file.readable.pipeThrough(new TextLineStream())) {
      const shard: Shard = JSON.parse(line), name = shardName(index++);
      if (!shard.some(({ key }) => wanted.has(key))) continue;
      // A shard without a face has no tar.
      const hasFaces = shard.some(({ face }) => face);
      if (hasFaces && !await isAsRecorded(result, "faces", name, context)) continue;
      for (const [_, outcome] of outcomesOf(shard, join(folder, name))) {
        for (const row of wanted.get(outcome.key) ?? []) known.set(row, outcome);
        wanted.delete(outcome.key);
      }
    }
  }
  if (known.size > 0) {
    context.info(`takes ${known.size} of ${counted(rows.length, "photo")} from earlier results`);
  }
  return known;
}
