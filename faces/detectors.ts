/** Which detectors there are, and how they may be set up. What they do is opened by `detect.ts`. */

/** The detectors' names. */
export const detectorNames = ["ssdMobilenetv1", "tinyFaceDetector", "metadata"] as const;
export type DetectorName = typeof detectorNames[number];

/** What a detector is opened with. */
export interface DetectorOptions {
  /** Faces with a lower score are left out. */
  readonly minConfidence: number;
  /**
   * Sides in pixels, multiples of 32, of the square that a network sees the picture in; tried in
   * turn until a face is found. Both networks know faces of some 20 to 150 pixels: a small square
   * finds close-ups that a large one misses, in less time, and a large one finds small faces.
   */
  readonly inputSizes: readonly number[];
}

/** Sizes for portraits first, then for photos in which the faces are small. */
export const defaultInputSizes: Readonly<Record<DetectorName, readonly number[]>> = {
  ssdMobilenetv1: [256, 192, 512],
  tinyFaceDetector: [224, 96, 416],
  metadata: [],
};

/** Detectors that are networks. */
export type NetworkName = Exclude<DetectorName, "metadata">;
