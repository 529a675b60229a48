/** Which detectors there are, and how they may be set up. What they do is opened by `detect.ts`. */

/** The detectors' names. */
export const detectorNames = ["ssdMobilenetv1", "tinyFaceDetector", "dlibCnn", "metadata"] as const;
type BuiltIn = typeof detectorNames[number];
/** One of these, or a plugin's, which comes with its module. */
export type DetectorName = string;

/** What a detector is opened with. */
export interface DetectorOptions {
  /** Faces with a lower score are left out. */
  readonly minConfidence: number;
  /**
   * Sides in pixels, multiples of 32, of the square that a network sees the picture in; tried in
   * turn until a face is found. face-api's networks know faces of some 20 to 150 pixels: a small
   * square finds close-ups that a large one misses, in less time, and a large one finds small faces.
   * None: the network sees the picture as it is.
   */
  readonly inputSizes: readonly number[];
  /** Only dlibCnn: how many times the picture is doubled in width and height; 0 unless given. */
  readonly upsample?: number;
  /**
   * Only dlibCnn: as a share of the picture's shorter side. Smaller faces are looked for only if no
   * larger one is found; 0 unless given.
   */
  readonly minFace?: number;
  /** Only dlibCnn: path of a file of weights in place of the project's. */
  readonly weights?: string;
  /** Only a plugin's: its module's path from the project, or its package. */
  readonly module?: string;
}

/** Sizes for portraits first, then for photos in which the faces are small. */
export const defaultInputSizes: Readonly<Record<BuiltIn, readonly number[]>> = {
  ssdMobilenetv1: [256, 192, 512],
  tinyFaceDetector: [224, 96, 416],
  dlibCnn: [],
  metadata: [],
};

/**
 * Scores mean other things in each: face-api's are probabilities; dlib's a distance from the border
 * between face and none, mostly -1 to 1, which lies at 0.
 */
export const defaultMinConfidence: Readonly<Record<BuiltIn, number>> = {
  ssdMobilenetv1: 0.4,
  tinyFaceDetector: 0.4,
  dlibCnn: 0,
  metadata: 0.4,
};

/** Detectors of the project that are networks. */
export const networkNames = ["ssdMobilenetv1", "tinyFaceDetector", "dlibCnn"] as const;
/** One of these, or a plugin's. */
export type DetectorModelName = string;

/** What a detector is opened with unless told otherwise; a plugin's sees whole pictures. */
export function defaultsOf(name: DetectorName): DetectorOptions {
  if (!isBuiltIn(name)) return { minConfidence: 0, inputSizes: [] };
  return { minConfidence: defaultMinConfidence[name], inputSizes: defaultInputSizes[name] };
}

function isBuiltIn(name: DetectorName): name is BuiltIn {
  return (detectorNames as readonly string[]).includes(name);
}

/** Detectors that compute with TensorFlow.js; the others bring kernels of their own, or need none. */
export function usesTensorFlow(name: DetectorName): boolean {
  return name === "ssdMobilenetv1" || name === "tinyFaceDetector";
}
