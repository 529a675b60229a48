/**
 * Detects faces in an image. Each detector is a file in `detectors/`, imported on demand:
 * TensorFlow.js loads only for detectors that use it.
 */
import {
  type DetectorModelName,
  type DetectorName,
  type DetectorOptions,
  networkNames,
} from "./detectors.ts";
import type { Box, Image } from "../images/image.ts";

/** A detected face. */
export interface Detection {
  /** In pixels of the image. */
  readonly box: Box;
  /** Confidence: a probability, or dlibCnn's own score, which may be above 1. */
  readonly score: number;
}

/** A face detector. */
export interface Detector {
  readonly name: string;
  /**
   * Detects the faces in an image, highest score first.
   * @param known position of the labelled face; only the `metadata` detector uses it
   */
  detect(image: Image, known?: Box): Promise<Detection[]>;
  /** Frees the detector's memory. */
  close(): void;
}

/** Model of a detector. */
export interface DetectorModel {
  /**
   * Detects faces in an image; face-api's networks require squares with sides divisible by 32.
   * @returns boxes in pixels of the image, highest score first
   */
  detect(image: Image): Promise<Detection[]>;
  close(): void;
}

/** Options of a detector's model. */
export type NetworkOptions = Omit<DetectorOptions, "inputSizes">;

/** Definition of a detector, as its author writes it. */
export interface DetectorDefinition {
  /** Name in YAML, in camelCase. */
  readonly name: string;
  /** One line in the imperative. */
  readonly summary: string;
  /** Opens the model; several may be open at the same time, each in a thread of its own. */
  open(options: NetworkOptions): Promise<DetectorModel>;
}

/**
 * Defines a detector of a plugin, the default export of the plugin's module. A pipeline that lists
 * the module under `plugins` selects it with `faceCrop: { detector: name }`.
 */
export function defineDetector(
  definition: DetectorDefinition,
): DetectorDefinition & { readonly extends: "detector" } {
  return Object.freeze({ extends: "detector", ...definition });
}

const networks = {
  ssdMobilenetv1: () => import("./detectors/ssd_mobilenetv1.ts"),
  tinyFaceDetector: () => import("./detectors/tiny_face_detector.ts"),
  dlibCnn: () => import("./detectors/dlib_cnn.ts"),
} satisfies Record<typeof networkNames[number], () => Promise<Pick<DetectorDefinition, "open">>>;

/**
 * Opens a detector's model in this thread. face-api's networks run on the current TensorFlow.js
 * backend, which the caller must open first (`packages/compute/open_backend.ts`).
 */
export async function openNetwork(
  name: DetectorModelName,
  options: NetworkOptions,
): Promise<DetectorModel> {
  const { open } = options.module === undefined
    ? await builtIn(name)
    : await (await import("./import_detector.ts")).importDetector(name, options.module);
  return await open(options);
}

async function builtIn(name: DetectorModelName): Promise<Pick<DetectorDefinition, "open">> {
  if (!Object.hasOwn(networks, name)) {
    throw new Error(
      `Cannot open the detector "${name}": it is neither built in (${networkNames.join(", ")}) ` +
        "nor from a known plugin. List its plugin under plugins.",
    );
  }
  return await networks[name as keyof typeof networks]();
}

/**
 * Opens a detector.
 * @param open opens its model, if it has one. Default: in this thread
 */
export async function openDetector(
  name: DetectorName,
  { inputSizes, ...options }: DetectorOptions,
  open = openNetwork,
): Promise<Detector> {
  if (name === "metadata") return (await import("./detectors/metadata.ts")).open();
  const network = await open(name, options);
  const close = () => network.close();
  if (inputSizes.length === 0) return { name, detect: (image) => network.detect(image), close };
  const { letterbox } = await import("../images/letterbox.ts");
  return {
    name,
    async detect(image) {
      for (const size of inputSizes) {
        const input = { data: await letterbox(image, size), width: size, height: size };
        const found = await network.detect(input);
        if (found.length === 0) continue;
        const unit = Math.max(image.width, image.height) / size;
        return found.map(({ box, score }) => ({ box: scale(box, unit), score }));
      }
      return [];
    },
    close,
  };
}

function scale({ x, y, width, height }: Box, by: number): Box {
  return { x: x * by, y: y * by, width: width * by, height: height * by };
}
