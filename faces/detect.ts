/**
 * Finds faces in a picture. Each detector is a file in `detectors/`; all are opened here, so that
 * TensorFlow.js loads only for those that need it.
 */
import type { Box, Image } from "./image.ts";

/** A face that was found. */
export interface Detection {
  /** In pixels of the picture that was searched. */
  readonly box: Box;
  /** How sure the detector is, 0 to 1. */
  readonly score: number;
}

/** Something that finds faces. */
export interface Detector {
  readonly name: string;
  /**
   * The faces in a picture, the surest first. `known` is where the data set says that a face is;
   * only the `metadata` detector looks at it.
   */
  detect(image: Image, known?: Box): Promise<Detection[]>;
  /** Frees what the detector holds. */
  close(): void;
}

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

/** A detector's network. */
export interface Network {
  /**
   * Finds faces in a square of pixels.
   * @param pixels RGB, [size, size, 3]
   * @returns boxes in pixels of the square, the surest first
   */
  search(pixels: Uint8Array, size: number): Promise<Detection[]>;
  close(): void;
}

/** Detectors that are networks. */
export type NetworkName = Exclude<DetectorName, "metadata">;

/**
 * Opens a detector's network in this thread, on the TensorFlow.js backend that is current, which the
 * caller has opened (`compute/mod.ts`).
 */
export async function openNetwork(name: NetworkName, minConfidence: number): Promise<Network> {
  const { open } = name === "ssdMobilenetv1"
    ? await import("./detectors/ssdMobilenetv1.ts")
    : await import("./detectors/tinyFaceDetector.ts");
  return await open(minConfidence);
}

/** Opens a detector. `open` opens its network, if it has one: in this thread unless given. */
export async function openDetector(
  name: DetectorName,
  { minConfidence, inputSizes }: DetectorOptions,
  open = openNetwork,
): Promise<Detector> {
  if (name === "metadata") return (await import("./detectors/metadata.ts")).open();
  const { square } = await import("./square.ts");
  const network = await open(name, minConfidence);
  return {
    name,
    async detect(image) {
      for (const size of inputSizes) {
        const found = await network.search(await square(image, size), size);
        if (found.length === 0) continue;
        const unit = Math.max(image.width, image.height) / size;
        return found.map(({ box, score }) => ({ box: scale(box, unit), score }));
      }
      return [];
    },
    close: () => network.close(),
  };
}

function scale({ x, y, width, height }: Box, by: number): Box {
  return { x: x * by, y: y * by, width: width * by, height: height * by };
}
