/** Detects the faces of photos and predicts for each, with open networks. Shared by server and page. */
import sharp from "sharp";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { type Cropper, openCropper } from "../detection/cropper.ts";
import type { Detection, Detector } from "../detection/detector.ts";
import { middleOf } from "../detection/find_faces.ts";
import { isSameFace, openDetector, openModel } from "../detection/detectors.ts";
import { decode } from "../images/decode_image.ts";
import { type Box, type Image, iou } from "../images/image.ts";
import type { DetectorConfig, Preprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/resize.ts";
import { imagesInMemory } from "../training/image_source.ts";
import { loadModel } from "../training/model_files.ts";
import { rowsOf } from "../training/prediction_interval.ts";
import { openPredictor, type Predictor } from "../training/predictor.ts";
import type { TrainingRecord } from "../training/training_record.ts";
import { withDistribution } from "../training/with_distribution.ts";
import type { Analysis, Prediction } from "./api.ts";
import { namesOf, type OutputSpec, readOutputs, summarize } from "./prediction.ts";

/** Use of an analysis: accurate for photos, fast for frames of the live view. */
export type View = "photo" | "live";

/** Everything that a session opens, as JSON. */
export interface Setup {
  readonly backend: Backend;
  /** Share of each photo's width and height that is the face, in its middle, for `metadata`. */
  readonly middle?: number;
  readonly models: readonly (Pick<OutputSpec, "id" | "error" | "useless"> & {
    readonly path: string;
    readonly preprocessing: Preprocessing;
    readonly detectors: Readonly<Record<View, DetectorConfig>>;
  })[];
}

export interface AnalyzeOptions {
  readonly view: View;
  /** Returns the crops as the networks receive them. */
  readonly crops: boolean;
}

/**
 * Opens the detectors and models of a setup; returns the function that analyzes a photo.
 * @param openDetectorModel opens a detector's model. Default: in this thread
 */
export async function openInferenceSession(
  { backend, models, middle }: Setup,
  openDetectorModel = openModel,
) {
  await openBackend(backend);
  const shared = once(openDetectorModel);
  const detectorOf = once((config: DetectorConfig, everySize: boolean) =>
    openDetector(config.name, config, shared, everySize)
  );
  const cropperOf = once(openCropper);
  const ready: Model[] = [];
  for (const model of models) {
    const { model: network, record } = await loadModel(model.path);
    const whole = record.interval?.of === "distribution" ? withDistribution(network) : network;
    const predictor = await openPredictor(whole, { batch: 8, threads: 0 }); // a few faces at once
    const cropper = await cropperOf(model.preprocessing.crop);
    const detectors = {
      photo: await detectorOf(model.detectors.photo, true), // small faces beside large ones
      live: await detectorOf(model.detectors.live, false),
    };
    ready.push({ ...record, ...model, predictor, cropper, detectors });
  }
  /** @throws {ImageError} if the photo cannot be decoded */
  return (photo: Uint8Array, options: AnalyzeOptions): Promise<Analysis> =>
    analyzePhoto(photo, ready, options, middle);
}

/** Returns a function that opens a network once for equal options: models share it. */
function once<Options extends unknown[], Opened>(
  open: (...options: Options) => Promise<Opened>,
): (...options: Options) => Promise<Opened> {
  const opened = new Map<string, Opened>();
  return async (...options) => {
    const key = JSON.stringify(options);
    const one = opened.get(key) ?? await open(...options);
    opened.set(key, one);
    return one;
  };
}

interface Model extends OutputSpec {
  readonly predictor: Predictor;
  readonly input: TrainingRecord["input"];
  readonly preprocessing: Preprocessing;
  /** Crops as its preprocessing does. */
  readonly cropper: Cropper;
  readonly detectors: Readonly<Record<View, Detector>>;
}

/** A face, by each detector that found it; the first one's detection is shown. */
type DetectedFace = ReadonlyMap<Detector, Detection>;

/**
 * Detects the faces of an image by each detector. A face of two has its boxes matched one to one, the
 * largest overlap first.
 * @returns the faces, highest score first
 */
export async function detectFaces(
  detectors: Iterable<Detector>,
  image: Image,
  known?: Box,
): Promise<DetectedFace[]> {
  const faces: Map<Detector, Detection>[] = [];
  for (const detector of detectors) {
    const left = new Set(await detector.detect(image, known));
    const pairs = faces.flatMap((face) =>
      [...left].filter((detection) => isSameFace(shownOf(face), detection))
        .map((detection) => ({ face, detection, overlap: iou(shownOf(face).box, detection.box) }))
    );
    for (const { face, detection } of pairs.sort((a, b) => b.overlap - a.overlap)) {
      if (!face.has(detector) && left.delete(detection)) face.set(detector, detection);
    }
    for (const detection of left) faces.push(new Map([[detector, detection]]));
  }
  return faces.sort((a, b) => shownOf(b).score - shownOf(a).score);
}

function shownOf(face: DetectedFace): Detection {
  const [first] = face.values();
  return first;
}

/**
 * Detects the faces of a photo and predicts with every model, on crops made as in its training. A face
 * that a model's detector does not find has no prediction of it.
 */
async function analyzePhoto(
  photo: Uint8Array,
  models: readonly Model[],
  { view, crops: withCrops }: AnalyzeOptions,
  middle?: number,
): Promise<Analysis> {
  const began = performance.now();
  const image = await decode(photo);
  const decoded = performance.now();
  const detectors = [...new Set(models.map((model) => model.detectors[view]))];
  const known = middle === undefined ? undefined : middleOf(image, middle);
  const found = await detectFaces(detectors, image, known);
  const detected = performance.now();
  const predictions = new Map<DetectedFace, Prediction[]>(found.map((face) => [face, []]));
  const crops = new Map<DetectedFace, string>(), inputs = new Map<string, Uint8Array[]>();
  let crop = 0, predict = 0;
  for (const model of models) {
    const { cropper, detectors: { [view]: detector }, preprocessing } = model;
    const { size } = preprocessing.resize, seen = found.filter((face) => face.has(detector));
    const key = JSON.stringify([detectors.indexOf(detector), preprocessing.crop, size]);
    const started = performance.now();
    const tensors = inputs.get(key) ?? await Array.fromAsync(seen, async (face) => {
      const { box } = face.get(detector)!;
      return await toNetworkInput(await cropper.crop(image, box, middle === 1), size);
    });
    inputs.set(key, tensors);
    const cropped = performance.now();
    const outputs = await predictAll(model, tensors);
    seen.forEach((face, i) => predictions.get(face)!.push(readOutputs(model, outputs[i])));
    crop += cropped - started;
    predict += performance.now() - cropped;
    await Promise.all(seen.map(async (face, i) => {
      if (withCrops && !crops.has(face)) crops.set(face, await dataUrl(tensors[i], size));
    }));
  }

  const faces = [...predictions].map(([face, predictions]): Analysis["faces"][number] => {
    const seeing = models.filter((model) => face.has(model.detectors[view]));
    const crop = withCrops && { crop: crops.get(face) };
    return { ...shownOf(face), ...summarize(seeing, predictions), predictions, ...crop };
  });
  const { width, height } = image;
  const [decoding, detect] = [decoded - began, detected - decoded];
  const times = { queue: 0, decode: decoding, detect, crop, predict };
  const timings = { ...times, total: performance.now() - began };
  return { width, height, detector: namesOf(detectors), faces, timings };
}

async function predictAll(
  { predictor, input: { mirror }, preprocessing: { resize } }: Model,
  tensors: readonly Uint8Array[],
): Promise<Float32Array[]> {
  if (tensors.length === 0) return [];
  const images = new Uint8Array(tensors.length * tensors[0].length);
  tensors.forEach((tensor, i) => images.set(tensor, i * tensor.length));
  const source = imagesInMemory(images, resize.size);
  const outputs = await predictor.predict(source, Int32Array.from(tensors.keys()), { mirror });
  return rowsOf(outputs, tensors.length);
}

async function dataUrl(tensor: Uint8Array, size: number): Promise<string> {
  const raw = { width: size, height: size, channels: 3 } as const;
  const png = await sharp(tensor, { raw }).png().toBuffer();
  return `data:image/png;base64,${new Uint8Array(png).toBase64()}`;
}
