/** `deno task predict`: what a run's models say about every face of a folder of pictures. */
import { join, resolve } from "node:path";
import { cores } from "../../packages/workers/cores.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import type { Command, CommandContext } from "../../packages/pipeline/app.ts";
import { didYouMean, joinWords, printable, UsageError } from "../../packages/pipeline/errors.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";
import type { InferencePool } from "../serving/inference_pool.ts";
import type { Lines } from "./predict/format_predictions.ts";
import { counted } from "../../packages/pipeline/causes.ts";

const EXIT = { ok: 0, failed: 1, interrupted: 130 } as const;

/** Longest time for one picture, in seconds. */
const SECONDS = 120;

const command: Command = {
  help: `Ask a run's models about every face in every picture of a folder.

  deno task predict FOLDER --model RUN [OPTIONS] > predictions.csv

  --model RUN        a pipeline, whose newest models are taken ("pipeline", "experiments/gender");
                     a run's id, or the beginning of one; or the folder of a model
  --detector NAME    what finds the faces: ssdMobilenetv1, tinyFaceDetector or dlibCnn; unless given,
                     what found them for training
  --json             a JSON object for each picture, also for those without a face, in place of CSV
  --no-recursive     leave the folders in the folder out
  --workers N        pictures analysed at the same time; one a core, up to 4, unless given
  --artifacts DIR    where runs are recorded, if not in the project's artifacts/
  --help

A row for each face: path, face (its number in the picture, the surest first), x, y, width, height
(of its box, in pixels of the upright picture), score (of the detector), gender and
gender_probability, age (in years, or age_from, age_to and age_probability). Faces are cut and scaled
as for training. Progress, and the files that cannot be read, go to standard error.

Exit codes: 0 all pictures were read, 1 some were not, 2 the command line is wrong, 130 interrupted.`,
  async run(args, tools) {
    const { values, positionals } = parseOptions("predict", args, {
      model: { type: "string" },
      detector: { type: "string" },
      json: { type: "boolean" },
      recursive: { type: "boolean" },
      "no-recursive": { type: "boolean" },
      workers: { type: "string" },
      artifacts: { type: "string" },
      help: { type: "boolean", short: "h" },
    });
    const folder = await folderOf(positionals, tools.cwd);
    if (values.model === undefined) {
      throw new UsageError("which models? --model pipeline takes the newest of pipeline.yaml");
    }
    const { networkNames: networks } = await import("../detection/detectors.ts");
    if (
      values.detector !== undefined && !(networks as readonly string[]).includes(values.detector)
    ) {
      throw new UsageError(
        `--detector ${values.detector}: there is no such detector.` +
          `${didYouMean(values.detector, networks)} Take ${joinWords(networks, "or")}.`,
      );
    }
    const workers = Number(values.workers ?? Math.min(4, cores()));
    if (!Number.isInteger(workers) || workers < 1 || workers > 64) {
      throw new UsageError(`--workers ${values.workers}: expected a whole number from 1 to 64`);
    }
    const artifacts = values.artifacts === undefined
      ? join(tools.project, "artifacts")
      : resolve(tools.cwd, values.artifacts);

    const { findModels } = await import("./predict/find_models.ts");
    const { origin, models, cautions, compute } = await findModels(values.model, artifacts, tools);
    const { readSources } = await import("../serving/model_sources.ts");
    const { photoDetector } = await import("../serving/service.ts");
    const { InferencePool } = await import("../serving/inference_pool.ts");
    const { csvLines, jsonLines } = await import("./predict/format_predictions.ts");
    const sources = await readSources(models, {});
    const { reporter } = tools;
    const warn = (message: string) => reporter.log(reporter.paint.yellow(message));
    cautions.forEach(warn);
    for (const { id, description: { steps } } of sources) {
      if (steps.length === 0) continue;
      warn(
        `"${id}" was trained on faces after ${
          joinWords(steps)
        }, which predict does not apply: it will ` +
          "be worse than its test says",
      );
    }
    const photo = photoDetector(sources[0].preprocessing, values.detector);
    reporter.log(`${joinWords(sources.map(({ id }) => id))} of ${origin}; faces by ${photo.name}`);
    using interrupt = abortOnSignal(reporter, EXIT.interrupted);
    const open = (backend: Backend) =>
      InferencePool.open(
        { backend, detectors: { photo, live: photo }, models: sources },
        { workers, queue: 4 * workers, timeout: SECONDS, warn },
      );
    let pool: InferencePool | undefined;
    if (compute !== "wasm") {
      try {
        // Without measuring: it needs rights, and time, that a prediction is not worth.
        const { backend } = await tools.resolveCompute(compute, false);
        if (backend !== "wasm") pool = await open(backend as Backend);
      } catch (error) {
        warn(`${(error as Error).message} Predicting on wasm instead.`);
      }
    }
    pool ??= await open("wasm");
    try {
      const lines = values.json ? jsonLines() : csvLines(sources);
      return await predictFolder(folder, {
        recursive: !values["no-recursive"],
        parallel: 2 * workers,
        lines,
        pool,
        signal: interrupt.signal,
        reporter,
      });
    } finally {
      await pool.close();
    }
  },
};
export default command;

async function folderOf(words: readonly string[], user: string): Promise<string> {
  if (words.length !== 1) {
    throw new UsageError(
      words.length === 0
        ? "which folder? deno task predict FOLDER --model RUN"
        : `one folder at a time; got ${joinWords(words)}`,
    );
  }
  const folder = resolve(user, words[0]);
  const info = await Deno.stat(folder).catch((error: Error) => error);
  if (info instanceof Error || !info.isDirectory) {
    const why = info instanceof Deno.errors.NotFound
      ? "there is no such folder"
      : info instanceof Error
      ? info.message
      : "it is a file; name the folder that it is in";
    throw new UsageError(`cannot read "${words[0]}": ${why}`);
  }
  return folder;
}

interface Work {
  readonly recursive: boolean;
  /** Pictures in memory at the same time. */
  readonly parallel: number;
  readonly lines: Lines;
  readonly pool: InferencePool;
  readonly signal: AbortSignal;
  readonly reporter: CommandContext["reporter"];
}

/** Writes the predictions of a folder to standard output, and returns the exit code. */
async function predictFolder(
  folder: string,
  { recursive, parallel, lines, pool, signal, reporter }: Work,
): Promise<number> {
  const { listPictures } = await import("./predict/list_photos.ts");
  const { mapOrdered } = await import("../../packages/workers/ordered_map.ts");
  const { predictImage } = await import("./predict/predict_image.ts");
  let total = 0, others = 0;
  for (const listed of listPictures(folder, recursive)) {
    if ("other" in listed) others++;
    else total++;
    if ((total + others) % 2000 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (signal.aborted) return EXIT.interrupted;
  }
  const progress = reporter.startProgress("predict");
  const counts = { read: 0, faces: 0, faceless: 0, unreadable: 0 };
  try {
    progress.start(total, "pictures");
    write(lines.head);
    const analysed = mapOrdered(pictures(folder, recursive), parallel, async (listed) => {
      if ("unreadable" in listed) return { path: listed.unreadable, error: listed.reason } as const;
      const path = listed.picture;
      const result = await predictImage(join(folder, path), pool, signal);
      return typeof result === "string"
        ? { path, error: result }
        : { path, result, error: undefined };
    });
    for await (const { path, result, error } of analysed) {
      signal.throwIfAborted();
      if (error !== undefined) {
        counts.unreadable++;
        const shown = printable(`cannot read ${path}: ${error}`).replaceAll("\n", "\\n");
        reporter.log(`  ${reporter.paint.yellow(shown)}`);
        write(lines.unreadable(path, error));
      } else {
        counts.read++;
        counts.faces += result.faces.length;
        if (result.faces.length === 0) counts.faceless++;
        write(lines.picture(path, result));
      }
      progress.advance(1, path);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    reporter.log(
      `interrupted after ${counts.read + counts.unreadable} of ${counted(total, "picture")}`,
    );
    return EXIT.interrupted;
  } finally {
    progress.end();
  }
  const parts = [
    `${counted(counts.faces, "face")} in ${counted(counts.read, "picture")}`,
    counts.faceless > 0 && `${number(counts.faceless)} without a face`,
    counts.unreadable > 0 && `${number(counts.unreadable)} could not be read`,
    others > 0 && counted(others, "file is no picture", "files are no pictures"),
  ];
  reporter.log(parts.filter(Boolean).join("; "));
  return counts.unreadable === 0 ? EXIT.ok : EXIT.failed;

  function* pictures(...place: Parameters<typeof listPictures>) {
    for (const listed of listPictures(...place)) {
      if (signal.aborted) return;
      if (!("other" in listed)) yield listed;
    }
  }
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

function number(n: number): string {
  return n.toLocaleString("en");
}
