/** A photo's bytes to what the models say of its faces. Server and page share it. */
import type { Detection, Detector } from "../detection/detector.ts";
import { findFaces } from "../detection/find_faces.ts";
import type { Image } from "../images/image.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { imagesInMemory } from "../training/image_source.ts";
import type { Predictor } from "../training/predictor.ts";
import type { Analysis } from "./api.ts";
import { type OutputSpec, readOutputs, summarise } from "./prediction.ts";

/** A model that is open. */
export interface Model extends OutputSpec {
  readonly predictor: Predictor;
  /** Whether it is asked about the mirror image, too. */
  readonly mirror?: boolean;
  readonly preprocessing: Preprocessing;
}

/** An analysis before it is known how long it waited. */
export type Result = Omit<Analysis, "timings"> & { timings: Omit<Analysis["timings"], "queue"> };

/**
 * Finds the faces in a photo and asks every model about each of them. Every model sees faces that
 * were cut and scaled as in its training.
 * @param encode turns what the first model saw, [size, size, 3], into a PNG's data URL, if wished
 * @throws {PictureError} if the photo cannot be decoded
 */
export async function analyzePhoto(
  photo: Uint8Array,
  detector: Detector,
  models: readonly Model[],
  encode?: (tensor: Uint8Array, size: number) => Promise<string>,
): Promise<Result> {
  const began = performance.now();
  const watched = watch(detector);
  const views = Map.groupBy(
    models,
    ({ preprocessing: { crop, resize } }) => JSON.stringify([crop, resize]),
  );
  /** For each face what each model says. */
  const said = new Map<Detection, Map<Model, Float32Array>>();
  const crops = new Map<Detection, string>();
  let predicting = 0, encoding = 0;
  for (const same of views.values()) {
    const { preprocessing } = same[0];
    const faces = await findFaces(photo, preprocessing, watched);
    const found = watched.found();
    const started = performance.now();
    for (const model of same) {
      const outputs = await predictAll(model, faces.map(({ tensor }) => tensor));
      for (const [i, output] of outputs.entries()) {
        if (!said.has(found[i])) said.set(found[i], new Map());
        said.get(found[i])!.set(model, output);
      }
    }
    const predicted = performance.now();
    predicting += predicted - started;
    for (const [i, { tensor }] of faces.entries()) {
      if (!encode || crops.has(found[i])) continue;
      crops.set(found[i], await encode(tensor, preprocessing.resize.size));
    }
    encoding += performance.now() - predicted;
  }

  const faces = watched.found().map((detection): Analysis["faces"][number] => {
    const predictions = models.map((model) => readOutputs(model, said.get(detection)!.get(model)!));
    const crop = crops.get(detection);
    return {
      ...detection,
      ...summarise(models, predictions),
      predictions,
      ...(crop === undefined ? {} : { crop }),
    };
  });
  const { width, height, startedAt, detecting } = watched.seen();
  const total = performance.now() - began;
  const decode = startedAt - began;
  return {
    width,
    height,
    detector: detector.name,
    faces,
    timings: {
      decode,
      detect: detecting,
      crop: Math.max(0, total - decode - detecting - predicting - encoding),
      predict: predicting,
      total,
    },
  };
}

/** A detector that searches one picture, once, and remembers when and what it found. */
function watch(detector: Detector) {
  let found: Promise<Detection[]> | undefined;
  let faces: Detection[] = [];
  const seen = { width: 0, height: 0, startedAt: 0, detecting: 0 };
  return {
    name: detector.name,
    detect({ width, height, ...rest }: Image): Promise<Detection[]> {
      return found ??= (async () => {
        const startedAt = performance.now();
        faces = await detector.detect({ width, height, ...rest });
        Object.assign(seen, { width, height, startedAt });
        seen.detecting = performance.now() - startedAt;
        return faces;
      })();
    },
    close: () => {},
    found: () => faces,
    seen: () => seen,
  };
}

/** One model's outputs for each of the faces. */
async function predictAll(
  { predictor, mirror, preprocessing: { resize } }: Model,
  tensors: Uint8Array[],
): Promise<Float32Array[]> {
  if (tensors.length === 0) return [];
  const images = new Uint8Array(tensors.length * tensors[0].length);
  tensors.forEach((tensor, i) => images.set(tensor, i * tensor.length));
  const source = imagesInMemory(images, resize.size);
  const outputs = await predictor.predict(source, Int32Array.from(tensors.keys()), { mirror });
  const each = outputs.length / tensors.length;
  return tensors.map((_, i) => outputs.subarray(i * each, (i + 1) * each));
}
