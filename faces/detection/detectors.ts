/** Names, options and defaults of the detectors. `detector.ts` opens them. */

/** Names of the built-in detectors. */
export const detectorNames = ["ssdMobilenetv1", "tinyFaceDetector", "dlibCnn", "metadata"] as const;
type BuiltIn = typeof detectorNames[number];
/** Name of a built-in detector or of a plugin's, which comes with its module. */
export type DetectorName = string;

/** Options of a detector. */
export interface DetectorOptions {
  /** Detections with a lower score are dropped. */
  readonly minConfidence: number;
  /**
   * Sides in pixels, multiples of 32, of the square input to which an image is letterboxed; tried in
   * order until a face is detected. face-api's networks detect faces of about 20 to 150 pixels: a
   * small input detects close-ups that a large one misses, and takes less time; a large input detects
   * small faces. Empty: the model receives the image at its own size.
   */
  readonly inputSizes: readonly number[];
  /** Only dlibCnn: number of times the image is upsampled by 2. Default: 0. */
  readonly upsample?: number;
  /**
   * Only dlibCnn: minimum face size as a share of the image's shorter side. Smaller faces are searched
   * only if no larger one is detected. Default: 0.
   */
  readonly minFace?: number;
  /** Only dlibCnn: path of the weights. Default: the file in the project. */
  readonly weights?: string;
  /** Only plugins: path of the module, relative to the project, or its package. */
  readonly module?: string;
}

/** Input sizes for portraits first, then for photos with small faces. */
export const defaultInputSizes: Readonly<Record<BuiltIn, readonly number[]>> = {
  ssdMobilenetv1: [256, 192, 512],
  tinyFaceDetector: [224, 96, 416],
  dlibCnn: [],
  metadata: [],
};

/**
 * Scores are not comparable: face-api's are probabilities; dlib's are distances from the decision
 * boundary at 0, mostly -1 to 1.
 */
export const defaultMinConfidence: Readonly<Record<BuiltIn, number>> = {
  ssdMobilenetv1: 0.4,
  tinyFaceDetector: 0.4,
  dlibCnn: 0,
  metadata: 0.4,
};

/** Names of the built-in detectors that are networks. */
export const networkNames = ["ssdMobilenetv1", "tinyFaceDetector", "dlibCnn"] as const;
/** Name of one of these, or of a plugin's detector. */
export type DetectorModelName = string;

/** Returns the default options of a detector; a plugin's receives images at their own size. */
export function defaultsOf(name: DetectorName): DetectorOptions {
  if (!isBuiltIn(name)) return { minConfidence: 0, inputSizes: [] };
  return { minConfidence: defaultMinConfidence[name], inputSizes: defaultInputSizes[name] };
}

function isBuiltIn(name: DetectorName): name is BuiltIn {
  return (detectorNames as readonly string[]).includes(name);
}

/** Reports whether a detector computes with TensorFlow.js. */
export function usesTensorFlow(name: DetectorName): boolean {
  return name === "ssdMobilenetv1" || name === "tinyFaceDetector";
}

/** Returns the options that a detector does not use, each with the reason. */
export function unusedOptions(name: DetectorName): Record<string, string> {
  const uses = (users: string) => `with detector: ${name}, because ${users}`;
  const needsModel = uses("it has neither a score nor a network");
  const onlyDlib = uses("only dlibCnn uses it");
  return {
    ...name === "metadata" ? { minConfidence: needsModel, inputSizes: needsModel } : {},
    ...name === "dlibCnn"
      ? { inputSizes: uses("it takes photos at their own size") }
      : { upsample: onlyDlib, minFace: onlyDlib, weights: onlyDlib },
  };
}
