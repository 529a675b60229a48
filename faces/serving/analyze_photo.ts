/** Detects the faces of a photo and predicts for each. Shared by server and page. */
import type { Cropper } from "../detection/cropper.ts";
import type { Detection, Detector } from "../detection/detector.ts";
import { findFaces } from "../detection/find_faces.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { imagesInMemory } from "../training/image_source.ts";
import type { Predictor } from "../training/predictor.ts";
import type { Analysis } from "./api.ts";
import { type OutputSpec, readOutputs, summarize } from "./prediction.ts";

/** An open model. */
export interface Model extends OutputSpec {
  readonly predictor: Predictor;
  /** Averages predictions over the image and its mirror image (test-time augmentation). */
  readonly mirror?: boolean;
  readonly preprocessing: Preprocessing;
  /** Crops as its preprocessing does. */
  readonly cropper: Cropper;
}

/** An analysis without its time in the queue. */
export type Result = Omit<Analysis, "timings"> & { timings: Omit<Analysis["timings"], "queue"> };

/**
 * Detects the faces of a photo and predicts with every model, on crops made as in its training.
 * @param encode encodes the first model's input, [size, size, 3], as a data URL. Default: no crops
 * @throws {ImageError} if the photo cannot be decoded
 */
export async function analyzePhoto(
  photo: Uint8Array,
  detector: Detector,
  models: readonly Model[],
  encode?: (tensor: Uint8Array, size: number) => Promise<string>,
): Promise<Result> {
  const began = performance.now();
  let detecting: Promise<Detection[]> | undefined;
  const seen = { width: 0, height: 0, decode: 0, detect: 0 };
  // Every preprocessing decodes the photo, but the faces are detected once.
  const once: Detector = {
    ...detector,
    detect: (image) =>
      detecting ??= (async () => {
        const started = performance.now();
        const found = await detector.detect(image);
        const { width, height } = image;
        const detect = performance.now() - started;
        Object.assign(seen, { width, height, decode: started - began, detect });
        return found;
      })(),
  };
  const groups = Map.groupBy(
    models,
    ({ preprocessing: { crop, resize } }) => JSON.stringify([crop, resize]),
  );
  /** Outputs of each model, by face. */
  const outputs = new Map<Model, Float32Array[]>();
  let crops: string[] | undefined;
  let predict = 0, encoding = 0;
  for (const group of groups.values()) {
    const { preprocessing, cropper } = group[0];
    const tensors = (await findFaces(photo, preprocessing, once, cropper)).map(({ tensor }) =>
      tensor
    );
    const started = performance.now();
    for (const model of group) outputs.set(model, await predictAll(model, tensors));
    const predicted = performance.now();
    predict += predicted - started;
    if (encode && !crops) {
      const { size } = preprocessing.resize;
      crops = await Promise.all(tensors.map((tensor) => encode(tensor, size)));
    }
    encoding += performance.now() - predicted;
  }

  const faces = (await detecting ?? []).map((detection, i): Analysis["faces"][number] => {
    const predictions = models.map((model) => readOutputs(model, outputs.get(model)![i]));
    const crop = crops && { crop: crops[i] };
    return { ...detection, ...summarize(models, predictions), predictions, ...crop };
  });
  const total = performance.now() - began;
  const { width, height, decode, detect } = seen;
  const crop = Math.max(0, total - decode - detect - predict - encoding);
  const timings = { decode, detect, crop, predict, total };
  return { width, height, detector: detector.name, faces, timings };
}

/** Returns a model's outputs for each face. */
async function predictAll(
  { predictor, mirror, preprocessing: { resize } }: Model,
  tensors: readonly Uint8Array[],
): Promise<Float32Array[]> {
  if (tensors.length === 0) return [];
  const images = new Uint8Array(tensors.length * tensors[0].length);
  tensors.forEach((tensor, i) => images.set(tensor, i * tensor.length));
  const source = imagesInMemory(images, resize.size);
  const outputs = await predictor.predict(source, Int32Array.from(tensors.keys()), { mirror });
  const each = outputs.length / tensors.length;
  return tensors.map((_, i) => outputs.subarray(i * each, (i + 1) * each));
}
