/** Predictions for the photos of a folder, printed to standard output. */
import { join } from "node:path";
import { type CommandContext, EXIT } from "../../../packages/pipeline/app.ts";
import { counted } from "../../../packages/pipeline/causes.ts";
import { printable } from "../../../packages/pipeline/errors.ts";
import { mapOrdered } from "../../../packages/workers/ordered_map.ts";
import { FORMATS, ImageError, UNKNOWN_FORMAT } from "../../images/decode_image.ts";
import type { InferencePool } from "../../serving/inference_pool.ts";
import type { Lines } from "./format_predictions.ts";
import { listPhotos } from "./list_photos.ts";

/** Maximum size of a file: a photo of 64 megapixels, the most that is decoded, is smaller. */
const MAX_BYTES = 400e6;

interface Options {
  readonly recursive: boolean;
  /** Maximum number of photos in memory. */
  readonly parallel: number;
  readonly lines: Lines;
  readonly pool: Pick<InferencePool, "analyze">;
  readonly signal: AbortSignal;
  readonly reporter: CommandContext["reporter"];
}

/** Prints the predictions of a folder and returns the exit code. */
export async function predictFolder(
  folder: string,
  { recursive, parallel, lines, pool, signal, reporter }: Options,
): Promise<number> {
  let total = 0, others = 0;
  for (const listed of listPhotos(folder, recursive)) {
    if ("other" in listed) others++;
    else total++;
    if ((total + others) % 2000 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (signal.aborted) return EXIT.interrupted;
  }
  const photos = listPhotos(folder, recursive)
    .flatMap<{ path: string; reason?: string }>((listed) => {
      if ("other" in listed) return [];
      if ("photo" in listed) return [{ path: listed.photo }];
      return [{ path: listed.unreadable, reason: listed.reason }];
    });
  const progress = reporter.startProgress("predict");
  const counts = { read: 0, faces: 0, faceless: 0, unreadable: 0 };
  try {
    progress.start(total, "photos");
    print(lines.head);
    const analyzed = mapOrdered(photos, parallel, async ({ path, reason }) => ({
      path,
      result: reason ?? await predictPhoto(join(folder, path), pool, signal),
    }));
    for await (const { path, result } of analyzed) {
      signal.throwIfAborted();
      if (typeof result === "string") {
        counts.unreadable++;
        const message = printable(`cannot read ${path}: ${result}`).replaceAll("\n", "\\n");
        reporter.log(`  ${reporter.paint.yellow(message)}`);
        print(lines.unreadable(path, result));
      } else {
        counts.read++;
        counts.faces += result.faces.length;
        if (result.faces.length === 0) counts.faceless++;
        print(lines.photo(path, result));
      }
      progress.advance(1, path);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    reporter.log(
      `interrupted after ${counts.read + counts.unreadable} of ${counted(total, "photo")}`,
    );
    return EXIT.interrupted;
  } finally {
    progress.end();
  }
  const parts = [
    `${counted(counts.faces, "face")} in ${counted(counts.read, "photo")}`,
    counts.faceless > 0 && `${counted(counts.faceless, "photo")} without a face`,
    counts.unreadable > 0 && `${counted(counts.unreadable, "file")} could not be read`,
    others > 0 && counted(others, "file is no photo", "files are no photos"),
  ];
  reporter.log(parts.filter(Boolean).join("; "));
  return counts.unreadable === 0 ? EXIT.ok : EXIT.failed;
}

/**
 * Predicts the faces of a photo. Retries once after a timeout or a crash, as the machine may have
 * slept, or the worker have crashed for another reason.
 * @returns the reason if the photo cannot be read
 */
export async function predictPhoto(
  path: string,
  pool: Options["pool"],
  signal: AbortSignal,
): Promise<Awaited<ReturnType<InferencePool["analyze"]>> | string> {
  for (let tries = 2;;) {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      const { isFile, size } = await Deno.stat(path);
      if (!isFile) return "it is not a regular file"; // a pipe may have no end
      if (size > MAX_BYTES) return `it is larger than ${MAX_BYTES / 1e6} MB`;
      bytes = await Deno.readFile(path);
    } catch (error) {
      return (error as Error).message;
    }
    try {
      return await pool.analyze(bytes, { view: "photo", crops: false }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof ImageError) {
        return error.reason === UNKNOWN_FORMAT ? `it is none of ${FORMATS}` : error.reason;
      }
      // An error of the program, not of the photo.
      if (/^(Type|Range)Error$/.test((error as Error).name)) throw error;
      if (--tries === 0) return (error as Error).message;
    }
  }
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}
