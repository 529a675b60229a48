/**
 * From a photo's bytes to faces, for training and serving alike. Serving goes all the way to tensors
 * with `findFaces`; the stages stop in between, to keep the crops on disk as lossless PNG.
 */
import { crop, type CropOptions } from "../images/crop.ts";
import { decode, type Decoded, turnUpright } from "../images/decode_image.ts";
import { type Detection, type Detector, openDetector } from "./detector.ts";
import { defaultInputSizes } from "./detectors.ts";
import { type Box, clip, hasCenterIn, type Image, iou } from "../images/image.ts";
import type { CropPreprocessing, Preprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/fit_image.ts";

/** A face in a photo, as a network will see it. */
export interface Face {
  /** In pixels of the upright photo. */
  readonly box: Box;
  readonly score: number;
  readonly crop: Image;
  /** RGB, [size, size, 3], 0 to 255. */
  readonly tensor: Uint8Array;
}

/**
 * Opens the detector that a network's faces were cut out with. Where the data set said it
 * (`metadata`), nobody says it of a new photo, and `ssdMobilenetv1` takes its place; the detector's
 * `name` tells.
 */
export function openTrainingDetector({ detector }: CropPreprocessing): Promise<Detector> {
  if (detector.name !== "metadata") return openDetector(detector.name, detector);
  const name = "ssdMobilenetv1";
  return openDetector(name, { ...detector, inputSizes: defaultInputSizes[name] });
}

/**
 * All faces in a photo, the surest first.
 * @throws {PictureError} if the photo cannot be decoded
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

/** Where a data set says that the labelled face is. */
export type ExpectedFace =
  /** The middle of the picture: this share of its width and height. */
  | { readonly middle: number }
  /** A box in pixels as they are stored, before EXIF turned them. */
  | { readonly stored: Box };

/** The labelled face of a photo. */
export interface LabelledFace extends Detection {
  readonly crop: Image;
  /** How many faces were found in the photo. */
  readonly found: number;
}

/**
 * The face of a photo that the data set's labels speak of: of those that were found, the one that
 * agrees best with where it must be. One that is centred outside of that place is somebody else's.
 * @returns undefined, and how many faces were found, if none is the labelled one
 * @throws {PictureError} if the photo cannot be decoded
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

/** The detection that overlaps a place most; of equal ones the surest. */
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
