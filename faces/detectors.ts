/** Which detectors there are, and how they may be set up. What they do is opened by `detect.ts`. */

/** The detectors' names. */
export const detectorNames = ["ssdMobilenetv1", "tinyFaceDetector", "dlibCnn", "metadata"] as const;
export type DetectorName = typeof detectorNames[number];

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
  /** Only dlibCnn: path of a file of weights in place of the project's. */
  readonly weights?: string;
}

/** Sizes for portraits first, then for photos in which the faces are small. */
export const defaultInputSizes: Readonly<Record<DetectorName, readonly number[]>> = {
  ssdMobilenetv1: [256, 192, 512],
  tinyFaceDetector: [224, 96, 416],
  dlibCnn: [],
  metadata: [],
};

/**
 * Scores mean other things in each: face-api's are probabilities; dlib's a distance from the border
 * between face and none, mostly -1 to 1, which lies at 0.
 */
export const defaultMinConfidence: Readonly<Record<DetectorName, number>> = {
  ssdMobilenetv1: 0.4,
  tinyFaceDetector: 0.4,
  dlibCnn: 0,
  metadata: 0.4,
};

/** Detectors that are networks. */
export type NetworkName = Exclude<DetectorName, "metadata">;

/** Detectors that compute with TensorFlow.js; the others bring kernels of their own, or need none. */
export function usesTensorFlow(name: DetectorName): boolean {
  return name === "ssdMobilenetv1" || name === "tinyFaceDetector";
}
