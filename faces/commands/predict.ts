/** `deno task predict`: predictions of a run's models for every face in a photo or a folder of photos. */
import { resolve } from "node:path";
import { cores } from "../../packages/workers/cores.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { artifactsOption, parseOptions, parseWhole } from "../../packages/pipeline/args.ts";
import type { Command } from "../../packages/pipeline/app.ts";
import { didYouMean, joinWords, UsageError } from "../../packages/pipeline/errors.ts";
import { abortOnSignal, pause } from "../../packages/pipeline/interrupt.ts";
import { layoutOption, shareOf } from "../datasets/sources.ts";
import { networkNames } from "../detection/detectors.ts";
import type { FoundModel } from "../training/trained_models.ts";

/** Timeout of one photo, seconds. */
const TIMEOUT = 120;

const command: Command = {
  help: `Predict gender and age for every face in a folder of photos, or in one photo.

  deno task predict FOLDER --model RUN [OPTIONS] > predictions.csv

  --model RUN        a pipeline, for its newest models ("pipeline", "experiments/gender"); the id of
                     a run, or the beginning of one; RUN/STAGE for one of its models; or the folder
                     of a model
  --detector NAME    face detector: ${joinWords(networkNames, "or")}.
                     Default: that of each model's training
  --layout NAME      full, crop or aligned: what the photos show, as a data set's. The last two take
                     the middle of each photo, or all of it, for its face. Default: full
  --json             print a JSON object per photo instead of CSV, also for photos without a face
  --no-recursive     skip subfolders
  --workers N        photos analyzed in parallel. Default: one per core, at most 4
  --artifacts DIR    folder of the runs. Default: the project's artifacts/
  --help

Prints a row per face: path, face (its number in the photo, highest score first), x, y, width,
height (box in pixels of the upright photo), score (of the detector), gender and
gender_probability, age (in years). Below the threshold of a model trained with abstain, the class
is "uncertain". A calibrated model adds age_low and age_high; one of age classes has age_from, age_to
(both empty where it is uncertain) and age_probability in place of age. Any other column of the
labels has its name, with _ where a column above has it, as in height_; where several models predict
the same one, the columns have the models' names. Faces are cropped and resized as for training.
Progress, photos without a face and files that cannot be read go to standard error.

Exit codes: 0 all photos were read, 1 some were not, 2 wrong command line, 130 interrupted.`,
  async run(args, tools) {
    const options = "model= detector= layout= json recursive no-recursive workers= artifacts= help";
    const { values, positionals } = parseOptions("predict", args, options);
    const place = await placeOf(positionals, tools.cwd);
    if (values.model === undefined) {
      throw new UsageError("missing --model: --model pipeline takes the newest of pipeline.yaml");
    }
    if (values.detector !== undefined && !networkNames.includes(values.detector)) {
      throw new UsageError(
        `--detector ${values.detector}: there is no such detector.` +
          `${didYouMean(values.detector, networkNames)} Take ${joinWords(networkNames, "or")}.`,
      );
    }
    const layout = layoutOption(values.layout);
    if (layout !== "full" && values.detector !== undefined) {
      throw new UsageError(
        `--detector has no effect with --layout ${layout}: no face is looked for`,
      );
    }
    const workers = parseWhole("workers", values, 1, 64) ?? Math.min(4, cores());
    const artifacts = artifactsOption(values, tools);

    const { findModels } = await import("./predict/find_models.ts");
    const given = values.artifacts !== undefined;
    const found = await findModels(values.model, artifacts, tools, given);
    const { origin, models, cautions, compute } = found;
    const { readSources } = await import("../serving/model_sources.ts");
    const { withDetectors } = await import("../serving/service.ts");
    const { namesOf } = await import("../serving/prediction.ts");
    const { InferencePool } = await import("../serving/inference_pool.ts");
    const { stepsWarning } = await import("../training/trained_on.ts");
    const { csvLines, jsonLines, predictPhotos } = await import("./predict/predict_photos.ts");
    const sources = await readSources(models, {});
    const { reporter } = tools;
    const warn = (message: string) => reporter.log(reporter.paint.yellow(message));
    cautions.forEach(warn);
    for (const { id, description: { steps } } of sources) {
      stepsWarning(id, steps, "these photos").forEach(warn);
    }
    const middle = layout === "crop"
      ? await middleOfCrops(models)
      : { full: undefined, aligned: 1 }[layout];
    const ready = withDetectors(sources, middle === undefined ? values.detector : "metadata");
    const by = namesOf(ready.map(({ detectors }) => detectors.photo));
    const faces = middle === undefined ? `faces by ${by}` : `layout ${layout}`;
    reporter.log(`${joinWords(sources.map(({ id }) => id))} of ${origin}; ${faces}`);
    using interrupt = abortOnSignal(reporter);
    const open = (backend: Backend) => {
      const pool = new InferencePool(
        { backend, models: ready, middle },
        { workers, queue: 4 * workers, timeout: TIMEOUT, warn },
      );
      return pool.open().catch(async (error) => {
        // Ctrl-C ends processes that do not listen yet.
        await pause(interrupt.signal);
        throw error;
      });
    };
    let pool: Awaited<ReturnType<typeof open>> | undefined;
    try {
      const { backend } = await tools.resolveCompute(compute);
      if (backend !== "wasm") pool = await open(backend as Backend);
    } catch (error) {
      interrupt.signal.throwIfAborted();
      warn(`${(error as Error).message} Predicting on wasm instead.`);
    }
    pool ??= await open("wasm");
    try {
      return await predictPhotos(place, {
        recursive: !values["no-recursive"],
        parallel: 2 * workers,
        pool,
        reporter,
        hint: middle === undefined,
        lines: values.json ? jsonLines() : csvLines(sources),
        signal: interrupt.signal,
      });
    } finally {
      await pool.close();
    }
  },
};
export default command;

/** Returns the share of a crop that is the face, as in the trainings of models. */
async function middleOfCrops(models: readonly FoundModel[]): Promise<number> {
  const { framingsBehind } = await import("../training/photo_framings.ts");
  const crops = (await framingsBehind(models)).filter(({ layout }) => layout === "crop");
  const [share = shareOf(), ...others] = new Set(crops.map(({ middle }) => middle));
  if (others.length === 0) return share;
  throw new UsageError(
    "--layout crop: the models were trained on crops of several margins. Predict with each alone: " +
      "--model RUN/STAGE",
  );
}

/** Returns the path of the photo or folder that is named. */
async function placeOf(names: readonly string[], cwd: string): Promise<string> {
  if (names.length === 0) {
    throw new UsageError("missing FOLDER: deno task predict FOLDER --model RUN");
  }
  if (names.length > 1) throw new UsageError(`expected one folder, got ${joinWords(names)}`);
  const place = resolve(cwd, names[0]);
  await Deno.stat(place).catch((error) => {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "there is no such folder or photo" : (error as Error).message;
    throw new UsageError(`cannot read "${names[0]}": ${why}`);
  });
  return place;
}
