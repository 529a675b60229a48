/** Predictions for a photo or the photos of a folder, printed to standard output. */
import { basename, dirname, join } from "node:path";
import { csvLine } from "../../../packages/formats/csv_write.ts";
import { HEAD_BYTES, identifyImage } from "../../../packages/formats/image_format.ts";
import { type CommandContext, EXIT } from "../../../packages/pipeline/app.ts";
import { counted } from "../../../packages/pipeline/causes.ts";
import { printable } from "../../../packages/pipeline/errors.ts";
import { pause } from "../../../packages/pipeline/interrupt.ts";
import { standardOutput } from "../../../packages/pipeline/reporter.ts";
import { mapOrdered } from "../../../packages/workers/ordered_map.ts";
import { PHOTO } from "../../datasets/sources.ts";
import { ImageError } from "../../images/decode_image.ts";
import { shownReason } from "../../images/image.ts";
import type { Analysis, ClassPrediction, Face, Prediction } from "../../serving/api.ts";
import type { InferencePool } from "../../serving/inference_pool.ts";
import type { OutputSpec } from "../../serving/prediction.ts";

/** Maximum size of a file: a photo of 64 megapixels, the most that is decoded, is smaller. */
const MAX_BYTES = 400e6;

/** @param place a photo or a folder */
export async function predictPhotos(
  place: string,
  { recursive, parallel, hint, lines, pool, signal, reporter }: {
    recursive: boolean;
    parallel: number;
    /** True if a line names --layout where most photos have no face. */
    hint: boolean;
    lines: Lines;
    pool: Pick<InferencePool, "analyze">;
    signal: AbortSignal;
    reporter: CommandContext["reporter"];
  },
): Promise<number> {
  const alone = !(await Deno.stat(place)).isDirectory, folder = alone ? dirname(place) : place;
  const list = () => alone ? [{ photo: basename(place) }] : listPhotos(folder, recursive);
  let total = 0, others = 0;
  for (const listed of list()) {
    if ("other" in listed) others++;
    else total++;
    if ((total + others) % 2000 === 0) await pause(signal);
  }
  const photos = Iterator.from<Listed>(list())
    .flatMap((listed) => "other" in listed ? [] : [listed]);
  const output = standardOutput("stdout");
  using progress = reporter.startProgress("predict");
  const counts = { read: 0, faces: 0, faceless: 0, unreadable: 0 };
  try {
    progress.start(total, "photos");
    output.write(lines.head);
    const analyzed = mapOrdered(photos, parallel, async (listed) => {
      if ("reason" in listed) return { path: listed.unreadable, result: listed.reason };
      const path = listed.photo;
      return { path, result: await predictPhoto(join(folder, path), pool, signal) };
    });
    for await (const { path, result } of analyzed) {
      signal.throwIfAborted();
      const read = typeof result === "string" ? undefined : result.faces.length;
      counts[read === undefined ? "unreadable" : "read"]++;
      counts.faces += read ?? 0;
      if (read === 0) counts.faceless++;
      if (!read) {
        const problem = read === 0 ? `no face in ${path}` : `cannot read ${path}: ${result}`;
        reporter.log(`  ${reporter.paint.yellow(printable(problem).replaceAll("\n", "\\n"))}`);
      }
      output.write(lines.photo(path, result));
      progress.advance(1, path);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const done = counts.read + counts.unreadable;
    reporter.log(`interrupted after ${done} of ${counted(total, "photo")}`);
    return EXIT.interrupted;
  }
  const parts = [
    `${counted(counts.faces, "face")} in ${counted(counts.read, "photo")}`,
    counts.faceless > 0 && `${counted(counts.faceless, "photo")} without a face`,
    counts.unreadable > 0 && `${counted(counts.unreadable, "file")} could not be read`,
    others > 0 && counted(others, "file is no photo", "files are no photos"),
  ];
  reporter.log(parts.filter(Boolean).join("; "));
  if (hint && 2 * counts.faceless > counts.read) {
    reporter.log("  If the photos are cut around a face already, add --layout crop, or aligned.");
  }
  return counts.unreadable === 0 ? EXIT.ok : EXIT.failed;
}

/**
 * Predicts the faces of a photo. Retries once after a timeout or a crash, as the machine may have
 * slept, or the worker have crashed for another reason.
 * @returns the reason if the photo cannot be read
 */
export async function predictPhoto(
  path: string,
  pool: Pick<InferencePool, "analyze">,
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
      if (error instanceof ImageError) return shownReason(error.reason);
      // An error of the program, not of the photo.
      if (/^(Type|Range)Error$/.test((error as Error).name)) throw error;
      if (--tries === 0) return (error as Error).message;
    }
  }
}

export type Listed =
  | { readonly photo: string }
  /** A file of another kind. */
  | { readonly other: string }
  | { readonly unreadable: string; readonly reason: string };

/**
 * Lists a folder: names in the order of their UTF-16 code units, folders among the files. Follows
 * links to files, but not to folders, which may be circular. Skips names with a leading dot.
 * @param prefix prefix of the listed paths
 */
export function* listPhotos(
  folder: string,
  recursive: boolean,
  prefix = "",
): Generator<Listed, void, undefined> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    yield { unreadable: prefix || ".", reason: (error as Error).message };
    return;
  }
  entries = entries.filter(({ name }) => !name.startsWith("."))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const path = prefix + name;
    if (isDirectory) {
      if (recursive) yield* listPhotos(join(folder, name), recursive, `${path}/`);
    } else if (PHOTO.test(name) || holdsPhoto(join(folder, name))) {
      yield { photo: path };
    } else yield { other: path };
  }
}

/** Returns true if a file begins like a photo, also of a format that is not decoded. */
function holdsPhoto(path: string): boolean {
  try {
    if (!Deno.statSync(path).isFile) return false; // opening a pipe waits for a writer
    using file = Deno.openSync(path);
    const head = new Uint8Array(HEAD_BYTES);
    const kind = identifyImage(head.subarray(0, file.readSync(head) ?? 0))?.kind;
    return kind === "decoded" || kind === "photo";
  } catch {
    return false; // reported only if its extension is a photo's
  }
}

type NumberPrediction = Exclude<Prediction, ClassPrediction>;

export interface Lines {
  /** First line, if any. */
  readonly head: string;
  /** @param result the reason of a file that cannot be read */
  photo(path: string, result: Pick<Analysis, "width" | "height" | "faces"> | string): string;
}

/** Returns a number with 4 decimals, or with 4 digits if it is that small. */
function numberText(value: number): string {
  return Math.abs(value) < 0.1 ? `${Number(value.toPrecision(4))}` : value.toFixed(4);
}

/**
 * Returns CSV with a row for each face: path, number in the photo (from 1, highest score first), box,
 * score, and each model's prediction. A column is named after the model's task or, if several models
 * have the same one, after its stage; x becomes x_, as x is of the box.
 */
export function csvLines(models: readonly OutputSpec[]): Lines {
  type Column = (face: Face) => string | number | undefined;
  const sides = ["x", "y", "width", "height"] as const;
  const columns = new Map<string, Column>(
    sides.map((side) => [side, ({ box }) => box[side].toFixed(1)]),
  );
  columns.set("score", ({ score }) => score.toFixed(4));
  for (const { id, task, classes, interval } of models) {
    const own = new Map<string, Column>();
    const add = <Kind extends Prediction>(
      ending: string,
      read: (prediction: Kind) => string | number | undefined,
    ): void => {
      own.set(ending, ({ predictions }) => {
        const found = predictions.find(({ model }) => model === id);
        return found && read(found as Kind); // none where the model's detector does not find the face
      });
    };
    if (classes === null) {
      const text = (value: number) => task === "age" ? value.toFixed(1) : numberText(value);
      add("", (one: NumberPrediction) => text("years" in one ? one.years : one.value));
      if (interval) {
        add("_low", ({ interval }: NumberPrediction) => text(interval!.low));
        add("_high", ({ interval }: NumberPrediction) => text(interval!.high));
      }
    } else {
      if (task !== "age") {
        add("", ({ uncertain, label }: ClassPrediction) => uncertain ? "uncertain" : label);
      } else {
        // Two numbers, because spreadsheets read "3-9" as a date; none, as columns of numbers stay such.
        const bound = (key: "minAge" | "maxAge") => (one: ClassPrediction) =>
          one.uncertain ? undefined : one[key];
        add("_from", bound("minAge"));
        add("_to", bound("maxAge"));
      }
      add("_probability", ({ probability }: ClassPrediction) => probability.toFixed(4));
    }
    let name = models.filter((other) => other.task === task).length === 1 ? task : id;
    const taken = ["path", "face", ...columns.keys()];
    // A column of the labels may be called x or score, or as the bound of another.
    while (taken.some((one) => one.startsWith(name) && own.has(one.slice(name.length)))) {
      name += "_";
    }
    own.forEach((column, ending) => columns.set(name + ending, column));
  }
  const read = [...columns.values()];
  return {
    head: csvLine(["path", "face", ...columns.keys()]),
    photo(path, result) {
      const faces = typeof result === "string" ? [] : result.faces; // logged to standard error
      return faces.map((face, i) => csvLine([path, i + 1, ...read.map((column) => column(face))]))
        .join("");
    },
  };
}

/** Returns a JSON object for each photo, also for those without a face or that cannot be read. */
export function jsonLines(): Lines {
  const line = (value: unknown) => JSON.stringify(value) + "\n";
  return {
    head: "",
    photo(path, result) {
      if (typeof result === "string") return line({ path, error: result });
      const { width, height, faces } = result;
      const numbered = faces.map(({ box, score, predictions }, i) => ({
        face: i + 1,
        box,
        score,
        predictions,
      }));
      return line({ path, width, height, faces: numbered });
    },
  };
}
