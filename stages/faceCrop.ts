import { createHash } from "node:crypto";
import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import type { CropInit } from "../faces/detection/crop_worker.ts";
import {
  defaultInputSizes,
  defaultsOf,
  detectorNames,
  usesTensorFlow,
} from "../faces/detection/detectors.ts";
import type { CropPreprocessing } from "../faces/images/preprocessing.ts";
import type { Shard } from "../faces/detection/shards.ts";
import { choice, defineStage, pathParam } from "../packages/pipeline/stage.ts";
import { causeLines, counted } from "../packages/pipeline/causes.ts";
import { archives, faces, table } from "./kinds.ts";
import {
  cropLocally,
  cropRemotely,
  photosIn,
  shardPart,
  type ShardsOf,
} from "../faces/detection/crop_faces.ts";

/** What a photo's problem means. */
const meaning = {
  missing: "that are not in the archives",
  unreadable: "that cannot be decoded",
  crashed: "that crashed the processes which read them, or held them up",
  no_face: "without a face where the labelled one should be",
  several_faces: "with several faces, of which the one that agrees best with the data set is used",
};

export default defineStage({
  name: "faceCrop",
  summary: "Find the labelled face of each photo and cut it out",
  inputs: { archives, table },
  outputs: { faces },
  params: z.strictObject({
    detector: choice("detector", detectorNames).default("ssdMobilenetv1").describe(
      "What finds the faces. dlibCnn, dlib's and face_recognition's, finds most; ssdMobilenetv1 and " +
        "tinyFaceDetector are face-api's, faster on large photos; metadata trusts the data set: " +
        "face_location, or the middle 1/1.8 of the photos of the _crop archives, which were cut " +
        "around it. A plugin may add more",
    ),
    minConfidence: z.number().min(0).max(1).optional().describe(
      "Faces that the detector is less sure of are left out. Unless given, 0.4 for " +
        "ssdMobilenetv1 and tinyFaceDetector, of which 0.3 finds a few percent more, and more that " +
        "are none; 0 for dlibCnn, as dlib itself. metadata is always sure",
    ),
    inputSizes: z.array(z.int().min(64).max(1280).multipleOf(32)).min(1).max(4).optional().describe(
      "Sides in pixels of the square that the detector sees the photo in, tried in turn until a " +
        "face is found. Small ones find close-ups, large ones small faces, in more time. " +
        `Unless given, ${defaultInputSizes.ssdMobilenetv1.join(", ")} for ssdMobilenetv1 and ` +
        `${defaultInputSizes.tinyFaceDetector.join(", ")} for tinyFaceDetector. Not for dlibCnn, ` +
        "which sees the photo as it is",
    ),
    upsample: z.int().min(0).max(2).default(0).describe(
      "Only dlibCnn: how many times the photo is doubled before the search. Its smallest face has " +
        "80 pixels, 40 with 1 and 20 with 2, in four times the time each; photos above 3 million " +
        "pixels are halved first, and none is doubled beyond. 0 is dlib's default, and enough " +
        "where faces are large, as in the _crop archives; face_recognition doubles once",
    ),
    minFace: z.number().min(0).max(1).default(0).describe(
      "Only dlibCnn: smaller faces, as a share of the photo's shorter side, are looked for only in " +
        "photos where no larger one is found, which saves time. In the _crop archives the face is " +
        "0.55 of it, and 0.45 saves nearly half the time",
    ),
    weights: pathParam().optional().describe(
      "Only dlibCnn: a mmod_human_face_detector.dat in place of the project's",
    ),
    margin: z.number().min(0).max(1).default(0.2).describe(
      "How much of the face's box is added on every side. Boxes go from the brows to chin and from " +
        "ear to ear; 0.2 adds the hair and the chin's outline, which tell of age and gender, and " +
        "leaves the face most of the pixels. 0 is the box alone, 0.4 shows the whole photo of a " +
        "_crop archive",
    ),
    maxSize: z.int().min(0).default(128).describe(
      "Largest side of a crop in pixels; larger ones are reduced, to keep the artifact small. " +
        "0 keeps all. A network's input should not be larger than this",
    ),
    shardSize: z.int().min(1).default(1000).describe(
      "Photos in a shard. A run that was interrupted does at most one shard again",
    ),
    photoSeconds: z.number().min(1).max(86_400).default(300).describe(
      "Longest time for one photo. A process that takes longer is ended and replaced, and the photo " +
        "tried once more; the second time it is listed as one that crashed what read it, with the " +
        "reason. Raise it for a slow detector of a plugin",
    ),
    workers: z.int().min(0).default(0).describe(
      "Processes that find faces at the same time. 0 takes one a core, as far as memory allows, " +
        "and a single one on a backend with threads of its own. Does not change the result",
    ),
  }),
  unaffecting: ["workers"],
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
    if (name === "metadata" && params.minConfidence !== undefined) {
      context.warn(
        "faceCrop.minConfidence has no effect with detector: metadata, whose boxes have " +
          "no score",
      );
    }
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

    // Shards that an earlier attempt finished, then the others.
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
    const work: ShardsOf = { archives: archives.path, rows, opening, shardSize };
    const left = missing.reduce((sum, index) => sum + photosIn(work, index), 0);
    context.progress.start(rows.length, "photos", rows.length - left);
    const made = context.fleet
      ? cropRemotely(work, missing, context.fleet, context.scratch)
      : cropLocally(work, missing, params.workers, context);
    for await (const { index, shard } of made) shards[index] = shard;

    const output = context.outputs.faces;
    const whole = shards as Shard[]; // all are there now
    const counts = await writeFaces(context.scratch, output, rows, whole, preprocessing);
    const problems = (Object.keys(meaning) as (keyof typeof meaning)[])
      .filter((problem) => counts.problems[problem] > 0)
      .map((problem) => `Photos ${meaning[problem]}: ${counts.problems[problem]}`);
    if (counts.faces === 0) {
      const all = whole.flatMap(({ problems }) => problems);
      const cause = (problem: keyof typeof meaning, wayOut: string) => {
        const first = all.find((one) => one.problem === problem);
        const example = first ? ` ("${rows[first.row].full_path}": ${first.detail})` : "";
        const words = meaning[problem].replace(/^that /, "");
        return { count: counts.problems[problem], cause: words + example, wayOut };
      };
      throw new Error(
        `Cannot cut out faces: none of ${counted(counts.photos, "photo")} has one.` +
          causeLines(counts.photos, [
            cause("missing", "add them to the archive or folder"),
            cause("unreadable", "replace them, or convert them to JPEG or PNG"),
            cause("crashed", "raise faceCrop.photoSeconds or lower faceCrop.workers"),
            cause("no_face", wayToFaces(preprocessing.detector)),
          ]),
      );
    }
    context.info(`${counted(counts.faces, "face")} from ${counted(counts.photos, "photo")}`);
    for (const problem of problems) context.warn(`${problem}, see problems.csv`);
    return { show: problems.length > 0 ? ["faces/problems.csv"] : [] };
  },
});

/** Which settings of a detector, or which other detector, may find more faces. */
function wayToFaces({ name, minConfidence, upsample = 0 }: CropPreprocessing["detector"]): string {
  if (name === "metadata") {
    return "metadata knows those of the _crop archives and with a face_location; set " +
      "faceCrop.detector: ssdMobilenetv1, which searches";
  }
  const ways = [
    minConfidence > 0 && `lower faceCrop.minConfidence (${minConfidence})`,
    name === "dlibCnn"
      ? upsample < 2 && `raise faceCrop.upsample (${upsample})`
      : "set faceCrop.detector: dlibCnn, which finds most",
  ];
  return ways.filter(Boolean).join(", or ") || "use photos with larger faces";
}

/** SHA-256 of a file, so that a result is made anew when it changes. */
async function digestOf(path: string): Promise<string> {
  try {
    return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  } catch (cause) {
    throw new Error(
      `Cannot read the detector's weights: ${JSON.stringify(path)} (${
        (cause as Error).message
      }). ` +
        "See faceCrop.weights; without it, the project's own are taken.",
      { cause },
    );
  }
}
