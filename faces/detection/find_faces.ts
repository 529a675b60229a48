/**
 * Detects and crops the faces of a photo, identically for training and serving. `findFaces` (serving)
 * returns tensors; the stages store the crops as lossless PNG.
 */
import { crop, type CropOptions } from "../images/crop.ts";
import { decode, type Decoded, turnUpright } from "../images/decode_image.ts";
import type { Detection, Detector } from "./detector.ts";
import { configureDetector, openDetector } from "./detectors.ts";
import { type Box, clip, hasCenterIn, type Image, iou } from "../images/image.ts";
import type { CropPreprocessing, Preprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/resize.ts";

/** A face in a photo, with the network's input. */
export interface Face {
  /** In pixels of the upright photo. */
  readonly box: Box;
  readonly score: number;
  readonly crop: Image;
  /** RGB, [size, size, 3], 0 to 255. */
  readonly tensor: Uint8Array;
}

/**
 * Opens the detector of a network's training data. `ssdMobilenetv1` replaces `metadata`, which new
 * photos do not have; the detector's `name` is the one in use.
 */
export function openTrainingDetector({ detector }: CropPreprocessing): Promise<Detector> {
  if (detector.name !== "metadata") return openDetector(detector.name, detector);
  const { name, inputSizes } = configureDetector("ssdMobilenetv1");
  return openDetector(name, { ...detector, inputSizes });
}

/**
 * Detects all faces in a photo, highest score first.
 * @throws {ImageError} if the photo cannot be decoded
 */
export async function findFaces(
  photo: Uint8Array,
  { crop: options, resize }: Preprocessing,
  detector: Detector,
): Promise<Face[]> {
  const image = await decode(photo);
  const faces: Face[] = [];
  for (const { box, score } of await detector.detect(image)) {
    const cut = await crop(image, box, options);
    faces.push({ box, score, crop: cut, tensor: await toNetworkInput(cut, resize.size) });
  }
  return faces;
}

/** Expected position of the labelled face, from the data set. */
export type ExpectedFace =
  /** The middle of the photo: this share of its width and height. */
  | { readonly middle: number }
  /** A box in stored pixels, before EXIF rotation. */
  | { readonly stored: Box };

/** The labelled face of a photo. */
export interface LabelledFace extends Detection {
  readonly crop: Image;
  /** Number of faces detected in the photo. */
  readonly found: number;
}

/**
 * Detects the labelled face of a photo: the detection with the highest IoU with the expected box.
 * A face whose center is outside of that box belongs to another person.
 * @returns no crop, and the number of detected faces, if none is the labelled one
 * @throws {ImageError} if the photo cannot be decoded
 */
export async function findLabelledFace(
  photo: Uint8Array,
  known: ExpectedFace | undefined,
  detector: Detector,
  options: CropOptions,
): Promise<LabelledFace | { crop: undefined; found: number }> {
  const image = await decode(photo);
  const place = known && clip(placeOf(known, image), image);
  const found = await detector.detect(image, place);
  const face = place ? closest(found, place) : found[0];
  if (!face) return { crop: undefined, found: found.length };
  return { ...face, crop: await crop(image, face.box, options), found: found.length };
}

/** Returns the detection with the highest IoU; of equal ones that with the highest score. */
function closest(found: readonly Detection[], place: Box): Detection | undefined {
  return found
    .filter(({ box }) => hasCenterIn(box, place))
    .toSorted((a, b) => iou(b.box, place) - iou(a.box, place))
    .at(0);
}

function placeOf(known: ExpectedFace, image: Decoded): Box {
  if ("stored" in known) return turnUpright(known.stored, image);
  const width = image.width * known.middle, height = image.height * known.middle;
  return { x: (image.width - width) / 2, y: (image.height - height) / 2, width, height };
}
