/**
 * Finds faces in a picture. Each detector is a file in `detectors/`; all are opened here, so that
 * TensorFlow.js loads only for those that need it.
 */
import type { DetectorName, DetectorOptions, NetworkName } from "./detectors.ts";
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
