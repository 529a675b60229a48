/**
 * Finds faces in a picture. Each detector is a file in `detectors/`; all are opened here, so that
 * TensorFlow.js loads only for those that need it.
 */
import {
  type DetectorModelName,
  type DetectorName,
  type DetectorOptions,
  networkNames,
} from "./detectors.ts";
import type { Box, Image } from "../images/image.ts";

/** A face that was found. */
export interface Detection {
  /** In pixels of the picture that was searched. */
  readonly box: Box;
  /** How sure the detector is: a probability, or dlibCnn's own score, which may be above 1. */
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
export interface DetectorModel {
  /**
   * Finds faces in a picture; face-api's networks take only squares with sides of a multiple of 32.
   * @returns boxes in pixels of the picture, the surest first
   */
  search(image: Image): Promise<Detection[]>;
  close(): void;
}

/** What a network is opened with. */
export type NetworkOptions = Omit<DetectorOptions, "inputSizes">;

/** What the author of a detector writes. */
export interface DetectorDefinition {
  /** Used in YAML, in camelCase. */
  readonly name: string;
  /** One line: what it does, as an order. */
  readonly summary: string;
  /** Opens it; several may be open at the same time, each in a thread of its own. */
  open(options: NetworkOptions): Promise<DetectorModel>;
}

/**
 * Declares a detector of a plugin, whose module has it as its default export. A pipeline that lists
 * the module under `plugins` may name it: `faceCrop: { detector: name }`.
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
 * Opens a detector's network in this thread. face-api's run on the TensorFlow.js backend that is
 * current, which the caller has opened (`packages/compute/open_backend.ts`).
 */
export async function openNetwork(
  name: DetectorModelName,
  options: NetworkOptions,
): Promise<DetectorModel> {
  const { open } = options.module === undefined
    ? await ours(name)
    : await (await import("./import_detector.ts")).importDetector(name, options.module);
  return await open(options);
}

async function ours(name: DetectorModelName): Promise<Pick<DetectorDefinition, "open">> {
  if (!Object.hasOwn(networks, name)) {
    throw new Error(
      `Cannot open the detector "${name}": the project has ${
        networkNames.join(", ")
      }, and it is not ` +
        "told which plugin has this one. List it under plugins.",
    );
  }
  return await networks[name as keyof typeof networks]();
}

/** Opens a detector. `open` opens its network, if it has one: in this thread unless given. */
export async function openDetector(
  name: DetectorName,
  { inputSizes, ...options }: DetectorOptions,
  open = openNetwork,
): Promise<Detector> {
  if (name === "metadata") return (await import("./detectors/metadata.ts")).open();
  const network = await open(name, options);
  const close = () => network.close();
  if (inputSizes.length === 0) return { name, detect: (image) => network.search(image), close };
  const { letterbox } = await import("../images/letterbox.ts");
  return {
    name,
    async detect(image) {
      for (const size of inputSizes) {
        const seen = { data: await letterbox(image, size), width: size, height: size };
        const found = await network.search(seen);
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
