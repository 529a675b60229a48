import { createHash } from "node:crypto";
import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import type { CropInit } from "../faces/detection/crop_worker.ts";
import {
  defaultInputSizes,
  defaultsOf,
  detectorNames,
  unusedOptions,
  usesTensorFlow,
} from "../faces/detection/detectors.ts";
import type { CropPreprocessing } from "../faces/images/preprocessing.ts";
import type { Shard } from "../faces/detection/shards.ts";
import { choice, defineStage, pathParam, refuseUnused } from "../packages/pipeline/stage.ts";
import { causeLines, counted } from "../packages/pipeline/causes.ts";
import { archives, faces, table } from "./kinds.ts";
import {
  type CropJob,
  cropLocally,
  cropRemotely,
  photosIn,
  shardPart,
} from "../faces/detection/crop_faces.ts";

/** Descriptions of the problems of photos, for messages. */
const problemDescriptions = {
  missing: "missing from the archives",
  unreadable: "that cannot be decoded",
  crashed: "that crashed their worker or timed out",
  no_face: "without a face at the labelled position",
  several_faces: "with several faces, of which the best match with the label is used",
};

export default defineStage({
  name: "faceCrop",
  summary: "Detect the labelled face of each photo and crop it",
  inputs: { archives, table },
  outputs: { faces },
  params: refuseUnused(
    z.strictObject({
      detector: choice("detector", detectorNames).default("ssdMobilenetv1").describe(
        "Face detector. dlibCnn (dlib's, also face_recognition's) detects most faces; " +
          "ssdMobilenetv1 and tinyFaceDetector are face-api's, faster on large photos; metadata" +
          " uses the position in the data set: face_location, or the middle 1/1.8 of the photos" +
          " of a _crop archive. Plugins may add more",
      ),
      minConfidence: z.number().min(0).max(1).optional().describe(
        "Detections with a lower score are dropped. Default: 0.4 for ssdMobilenetv1 and " +
          "tinyFaceDetector (0.3 detects a few percent more faces, and more false positives); 0" +
          " for dlibCnn, as in dlib. Not with metadata",
      ),
      inputSizes: z.array(z.int().min(64).max(1280).multipleOf(32)).min(1).max(4).optional()
        .describe(
          "Sides in pixels of the square network input to which photos are letterboxed, tried in " +
            "order until a face is detected. Small inputs detect close-ups; large inputs detect " +
            "small faces and take longer. " +
            `Default: ${defaultInputSizes.ssdMobilenetv1.join(", ")} for ssdMobilenetv1, ` +
            `${defaultInputSizes.tinyFaceDetector.join(", ")} for tinyFaceDetector. ` +
            "Not with dlibCnn and metadata",
        ),
      upsample: z.int().min(0).max(2).default(0).describe(
        "Only dlibCnn: number of times the photo is upsampled by 2 before detection. The " +
          "smallest detectable face is 80 pixels, with 1 it is 40, with 2 it is 20; each step " +
          "takes four times as long. Photos above 3 million pixels are halved first and not " +
          "upsampled beyond. 0 is dlib's default and enough for large faces, as in the _crop " +
          "archives; face_recognition uses 1",
      ),
      minFace: z.number().min(0).max(1).default(0).describe(
        "Only dlibCnn: minimum face size as a share of the photo's shorter side. Smaller " +
          "faces are searched only if no larger one is detected, which saves time. Faces in the" +
          " _crop archives are at 0.55; 0.45 saves nearly half the time",
      ),
      weights: pathParam().optional().describe(
        "Only dlibCnn: path of a mmod_human_face_detector.dat. Default: the weights in the " +
          "project",
      ),
      margin: z.number().min(0).max(1).default(0.2).describe(
        "Margin added on every side, as a share of the face box. Boxes extend from brows to " +
          "chin and from ear to ear; 0.2 adds hair and the outline of the chin, which are " +
          "informative for age and gender. 0: the box alone; 0.4: the whole photo of a _crop " +
          "archive",
      ),
      maxSize: z.int().min(0).default(128).describe(
        "Maximum side of a crop in pixels; larger crops are downscaled, to keep the artifact " +
          "small. 0: no limit. Choose at least the input size of the networks",
      ),
      shardSize: z.int().min(1).default(1000).describe(
        "Photos per shard. An interrupted run repeats at most one shard",
      ),
      photoSeconds: z.number().min(1).max(86_400).default(300).describe(
        "Timeout per photo in seconds. The worker is then killed and replaced, and the photo " +
          "is retried once; the second time it is listed as crashed, with the reason. Raise it " +
          "for a slow detector of a plugin",
      ),
      workers: z.int().min(0).default(0).describe(
        "Number of worker processes. 0: one per core, limited by memory, and a single one on " +
          "a multi-threaded backend. Does not affect the result",
      ),
    }),
    ({ detector }) => unusedOptions(detector),
  ),
  ignoreInCacheKey: ["workers"],
  compute: ({ detector }) => usesTensorFlow(detector),
  external: async ({ detector, weights }): Promise<Record<string, string>> =>
    detector === "dlibCnn" && weights ? { [weights]: await digestOf(weights) } : {},
  part: shardPart,
  async run({ archives, table }, params, context) {
    const { readTable } = await import("../faces/detection/faces_artifact.ts");
    const { writeFaces } = await import("../faces/detection/write_faces.ts");
    const { readShard } = await import("../faces/detection/shards.ts");
    const { shardCount } = await import("../faces/detection/crop_shards.ts");
    const { detector: name, upsample, minFace, weights, margin, maxSize, shardSize } = params;
    const defaults = defaultsOf(name);
    const module = context.extension("detector", name);
    const preprocessing: CropPreprocessing = {
      detector: {
        name,
        ...(module === undefined ? {} : { module }),
        minConfidence: params.minConfidence ?? defaults.minConfidence,
        inputSizes: [...params.inputSizes ?? defaults.inputSizes],
        ...(name === "dlibCnn" ? { upsample, minFace, weights } : {}),
      },
      crop: { margin, maxSize },
      background: "#ffffff",
      steps: [],
    };
    const rows = await readTable(table.path);

    // An earlier attempt may have finished some of the shards.
    const shards: (Shard | undefined)[] = [];
    const count = shardCount({ photos: rows.length, shardSize });
    const info = (message: string) => context.info(message);
    while (shards.length < count) {
      shards.push(await readShard(context.scratch, shards.length, info));
    }
    const opening: CropInit = {
      detector: preprocessing.detector,
      crop: preprocessing.crop,
      photoSeconds: params.photoSeconds,
      ...usesTensorFlow(name) ? { backend: context.compute as Backend } : {},
    };
    const missing = [...shards.keys()].filter((index) => shards[index] === undefined);
    const work: CropJob = { archives: archives.path, rows, opening, shardSize };
    const left = missing.reduce((sum, index) => sum + photosIn(work, index), 0);
    context.progress.start(rows.length, "photos", rows.length - left);
    const made = context.remoteWorkers
      ? cropRemotely(work, missing, context.remoteWorkers, context.scratch)
      : cropLocally(work, missing, params.workers, context);
    for await (const { index, shard } of made) shards[index] = shard;

    const output = context.outputs.faces;
    const complete = shards as Shard[]; // complete from here on
    const counts = await writeFaces(context.scratch, output, rows, complete, preprocessing);
    const problems = (Object.keys(problemDescriptions) as (keyof typeof problemDescriptions)[])
      .filter((problem) => counts.problems[problem] > 0)
      .map((problem) => `Photos ${problemDescriptions[problem]}: ${counts.problems[problem]}`);
    if (counts.faces === 0) {
      const all = complete.flatMap(({ problems }) => problems);
      const cause = (problem: keyof typeof problemDescriptions, wayOut: string) => {
        const first = all.find((one) => one.problem === problem);
        const example = first ? ` ("${rows[first.row].full_path}": ${first.detail})` : "";
        const words = problemDescriptions[problem].replace(/^that /, "");
        return { count: counts.problems[problem], cause: words + example, wayOut };
      };
      throw new Error(
        `Cannot crop faces: none of ${counted(counts.photos, "photo")} has one.` +
          causeLines(counts.photos, [
            cause("missing", "add them to the archive or folder"),
            cause("unreadable", "replace them, or convert them to JPEG or PNG"),
            cause("crashed", "raise faceCrop.photoSeconds or lower faceCrop.workers"),
            cause("no_face", suggestSettings(preprocessing.detector)),
          ]),
      );
    }
    context.info(`${counted(counts.faces, "face")} from ${counted(counts.photos, "photo")}`);
    for (const problem of problems) context.warn(`${problem}, see problems.csv`);
    return { show: problems.length > 0 ? ["faces/problems.csv"] : [] };
  },
});

/** Suggests settings that may detect more faces. */
function suggestSettings(
  { name, minConfidence, upsample = 0 }: CropPreprocessing["detector"],
): string {
  if (name === "metadata") {
    return "metadata needs a _crop archive or a face_location; set faceCrop.detector: " +
      "ssdMobilenetv1";
  }
  const ways = [
    minConfidence > 0 && `lower faceCrop.minConfidence (${minConfidence})`,
    name === "dlibCnn"
      ? upsample < 2 && `raise faceCrop.upsample (${upsample})`
      : "set faceCrop.detector: dlibCnn, which detects most faces",
  ];
  return ways.filter(Boolean).join(", or ") || "use photos with larger faces";
}

/** Returns the SHA-256 of a file, which is part of the cache key. */
async function digestOf(path: string): Promise<string> {
  try {
    return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  } catch (cause) {
    throw new Error(
      `Cannot read the detector's weights: ${JSON.stringify(path)} (${
        (cause as Error).message
      }). ` +
        "See faceCrop.weights. Default: the weights in the project.",
      { cause },
    );
  }
}
