import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import { cropRunner } from "../faces/detection/crop_runner.ts";
import {
  configureDetector,
  DEFAULT_DETECTOR,
  detectorAliases,
  detectorName,
  detectorParams,
  detectors,
  unusedOptions,
  usesTensorFlow,
} from "../faces/detection/detectors.ts";
import { foreignOf } from "../faces/detection/detector.ts";
import type { CropPreprocessing } from "../faces/images/preprocessing.ts";
import { chosen, definedChoice, withAliases } from "../packages/pipeline/define.ts";
import { problemsOf } from "../packages/pipeline/errors.ts";
import { sha256 } from "../packages/pipeline/fingerprint.ts";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import { archives, faces, table } from "./kinds.ts";

/** Margin of each coverage. */
const COVERAGE = { face: 0, head: 0.3, shoulders: 0.6 };

export default defineStage({
  name: "faceCrop",
  summary: "Detect the labelled face of each photo and crop it",
  inputs: { archives, table },
  outputs: { faces },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        detector: definedChoice("detector", detectors, DEFAULT_DETECTOR).default(DEFAULT_DETECTOR)
          .describe(
            "Face detector. dlibCnn (dlib's, also face_recognition's) detects most faces; " +
              "ssdMobilenetv1 and tinyFaceDetector are face-api's, faster on large photos; metadata" +
              " uses the position in the data set: face_location, or the middle 1/1.8 of the photos" +
              " of a _crop archive. Plugins may add more",
          ),
        ...detectorParams,
        margin: z.number().min(0).max(1).default(0.2).describe(
          "Margin added on every side, as a share of the face box's longer side. The crop is a " +
            "square around the box's center; beyond the photo, pixels of its border are repeated. " +
            "Boxes extend from brows to chin and from ear to ear; 0.2 adds hair and the outline " +
            "of the chin, which are informative for age and gender. 0: the box's square alone; " +
            "0.4: the whole photo of a _crop archive",
        ),
        coverage: z.enum(["face", "head", "shoulders"]).optional().describe(
          "Named margin, in place of margin. face: brows to chin (0); head: hair and chin (0.3); shoulders: the head " +
            "and its background (0.6). docs/guide/training.md shows each",
        ),
        align: z.enum(["none", "eyes", "template"]).default("none").describe(
          "Alignment by face-api's 68 landmarks, in training and serving. eyes: turns the box until" +
            " the eyes are level; template: turns, moves and scales the crop so eyes, nose and " +
            "mouth are where ArcFace's template has them, independent of the detector's box. Photos" +
            " of a data set with layout: aligned are taken as they are; align and margin then state" +
            " how to crop a new photo so that it looks like them",
        ),
        maxSize: z.int().min(0).default(128).describe(
          "Maximum side of a crop in pixels; larger crops are downscaled, to keep the artifact " +
            "small. 0: no limit. Choose at least the input size of the networks",
        ),
        shardSize: z.int().min(1).default(1000).describe(
          "Photos per shard: a tar, and a job of a worker on another machine",
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
      ({ detector, coverage }) => ({
        ...unusedOptions(detectorName(detector)),
        ...(coverage && { margin: `with coverage: ${coverage}, which sets it` }),
      }),
    ),
    detectorAliases,
  ),
  ignoreInCacheKey: ["workers"],
  compute: ({ detector, align }) => usesTensorFlow(detectorName(detector)) || align !== "none",
  external: async ({ detector, weights }): Promise<Record<string, string>> =>
    detectorName(detector) === "dlibCnn" && weights
      ? { weights: sha256(await Deno.readFile(weights)) }
      : {},
  check({ weights }) {
    const read = () => weights && Deno.readFile(weights);
    return problemsOf([[["weights"], read]], "Cannot read the detector's weights: ");
  },
  part: cropRunner,
  callsPlugins: true,
  async run({ archives, table }, params, context) {
    const { readTable } = await import("../faces/detection/faces_artifact.ts");
    const { cropFaces, findPhotos } = await import("../faces/detection/crop_faces.ts");
    const { writeFaces } = await import("../faces/detection/write_faces.ts");
    const all = [...detectors, ...context.definitions("detector")];
    const { definition, options } = chosen(params.detector, all, DEFAULT_DETECTOR);
    const { name } = definition, given = { ...options, ...params };
    const { align, coverage, maxSize, shardSize, photoSeconds, workers } = params;
    const margin = coverage ? COVERAGE[coverage] : params.margin;
    const rows = await readTable(table.path);
    const photos = await findPhotos(archives.path, rows);
    const withoutDetector = Object.fromEntries(photos.flatMap((photo, row) => {
      const place = photo?.known;
      return place && "given" in place ? [[rows[row].dataset, place.middle]] : [];
    }));
    const preprocessing: CropPreprocessing = {
      detector: configureDetector(
        name,
        given,
        context.extension("detector", name),
        definition.params,
      ),
      ...Object.keys(withoutDetector).length > 0 && { withoutDetector },
      crop: { margin, maxSize, ...(align !== "none" && { align }) },
      background: "#ffffff",
      steps: [],
    };
    const { detector, crop } = preprocessing;
    const backend = usesTensorFlow(name) || align !== "none"
      ? { backend: context.compute as Backend }
      : {};
    const plugin = foreignOf(definition);
    const opening = { detector, crop, photoSeconds, plugin, ...backend };
    const shards = await cropFaces(photos, { opening, shardSize, workers }, context);
    return await writeFaces(rows, shards, preprocessing, context);
  },
});
