/** Detects the faces of photos and predicts for each, with open networks. Shared by server and page. */
import sharp from "sharp";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { type Cropper, openCropper } from "../detection/cropper.ts";
import type { Detection, Detector, DetectorModel } from "../detection/detector.ts";
import { openDetector, openModel } from "../detection/detectors.ts";
import { decode } from "../images/decode_image.ts";
import { hasCenterIn, iou } from "../images/image.ts";
import type { DetectorConfig, Preprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/resize.ts";
import { imagesInMemory } from "../training/image_source.ts";
import { loadModel } from "../training/model_files.ts";
import { rowsOf } from "../training/prediction_interval.ts";
import { openPredictor, type Predictor } from "../training/predictor.ts";
import type { TrainingRecord } from "../training/training_record.ts";
import { withDistribution } from "../training/with_distribution.ts";
import type { Analysis } from "./api.ts";
import { type OutputSpec, readOutputs, summarize } from "./prediction.ts";

/** Use of an analysis: accurate for photos, fast for frames of the live view. */
export type View = "photo" | "live";

/** Everything that a session opens, as JSON. */
export interface Setup {
  readonly backend: Backend;
  readonly detectors: Readonly<Record<View, DetectorConfig>>;
  readonly models: readonly (Pick<OutputSpec, "id" | "error"> & {
    readonly path: string;
    readonly preprocessing: Preprocessing;
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
  { backend, detectors, models }: Setup,
  openDetectorModel = openModel,
) {
  await openBackend(backend);
  const opened = await openDetectors(detectors, openDetectorModel);
  const ready: Model[] = [];
  /** By their options: models with equal crops share the landmark network. */
  const croppers = new Map<string, Cropper>();
  for (const model of models) {
    const { model: network, record } = await loadModel(model.path);
    const whole = record.interval?.of === "distribution" ? withDistribution(network) : network;
    const predictor = await openPredictor(whole, { batch: 8, threads: 0 }); // a few faces at once
    const { crop } = model.preprocessing, key = JSON.stringify(crop);
    const cropper = croppers.get(key) ?? await openCropper(crop);
    croppers.set(key, cropper);
    ready.push({ ...record, ...model, predictor, cropper });
  }
  /** @throws {ImageError} if the photo cannot be decoded */
  return (photo: Uint8Array, { view, crops }: AnalyzeOptions): Promise<Result> =>
    analyzePhoto(photo, opened[view], ready, crops);
}

/** Opens both detectors; equal networks at several input sizes share their weights. */
async function openDetectors({ photo, live }: Setup["detectors"], open: typeof openModel) {
  const networks = new Map<string, DetectorModel>();
  const shared: typeof openModel = async (name, options) => {
    const key = JSON.stringify([name, options]);
    const network = networks.get(key) ?? await open(name, options);
    networks.set(key, network);
    return network;
  };
  const each = photo.inputSizes.length > 0 ? photo.inputSizes.map((size) => [size]) : [[]];
  const sizes = await Array.fromAsync(
    each,
    (inputSizes) => openDetector(photo.name, { ...photo, inputSizes }, shared),
  );
  return { photo: multiScale(sizes), live: await openDetector(live.name, live, shared) };
}

/** IoU above which boxes found at two input sizes are the same face. */
const SAME_FACE = 0.3;

/**
 * Combines detectors that differ in their input size, to find small faces beside large ones.
 * Training needs one face per photo and stops at the first size that finds one: a face found at
 * several sizes keeps the box of the first, so its crop is the same as in training.
 */
export function multiScale(detectors: readonly Detector[]): Detector {
  const same = ({ box: a }: Detection, { box: b }: Detection) =>
    iou(a, b) > SAME_FACE || hasCenterIn(a, b) || hasCenterIn(b, a);
  return {
    name: detectors[0].name,
    async detect(image) {
      const faces: Detection[] = [];
      for (const detector of detectors) {
        const found = await detector.detect(image);
        faces.push(...found.filter((face) => !faces.some((other) => same(face, other))));
      }
      return faces.sort((a, b) => b.score - a.score);
    },
    close: () => detectors.forEach((detector) => detector.close()),
  };
}

interface Model extends OutputSpec {
  readonly predictor: Predictor;
  readonly input: TrainingRecord["input"];
  readonly preprocessing: Preprocessing;
  /** Crops as its preprocessing does. */
  readonly cropper: Cropper;
}

/** An analysis without its time in the queue. */
export type Result = Omit<Analysis, "timings"> & { timings: Omit<Analysis["timings"], "queue"> };

/**
 * Detects the faces of a photo and predicts with every model, on crops made as in its training.
 * @param withCrops returns the inputs of the first model
 */
async function analyzePhoto(
  photo: Uint8Array,
  detector: Detector,
  models: readonly Model[],
  withCrops: boolean,
): Promise<Result> {
  const began = performance.now();
  const image = await decode(photo);
  const decoded = performance.now();
  const found = await detector.detect(image);
  const detected = performance.now();
  const groups = Map.groupBy(
    models,
    ({ preprocessing: { crop, resize } }) => JSON.stringify([crop, resize]),
  );
  /** Outputs of each model, by face. */
  const outputs = new Map<Model, Float32Array[]>();
  let crops: string[] | undefined;
  let crop = 0, predict = 0;
  for (const group of groups.values()) {
    const { preprocessing: { resize: { size } }, cropper } = group[0];
    const started = performance.now();
    const tensors = await Array.fromAsync(
      found,
      async ({ box }) => await toNetworkInput(await cropper.crop(image, box), size),
    );
    const cropped = performance.now();
    for (const model of group) outputs.set(model, await predictAll(model, tensors));
    crop += cropped - started;
    predict += performance.now() - cropped;
    if (withCrops) crops ??= await Promise.all(tensors.map((tensor) => dataUrl(tensor, size)));
  }

  const faces = found.map((detection, i): Analysis["faces"][number] => {
    const predictions = models.map((model) => readOutputs(model, outputs.get(model)![i]));
    const crop = crops && { crop: crops[i] };
    return { ...detection, ...summarize(models, predictions), predictions, ...crop };
  });
  const { width, height } = image;
  const [decoding, detect] = [decoded - began, detected - decoded];
  const timings = { decode: decoding, detect, crop, predict, total: performance.now() - began };
  return { width, height, detector: detector.name, faces, timings };
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
