/** Detects and crops the faces of a photo, identically for training and serving. */
import { decode, type Decoded, turnUpright } from "../images/decode_image.ts";
import { type Box, clip, hasCenterIn, type Image, iou } from "../images/image.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/resize.ts";
import type { Cropper } from "./cropper.ts";
import type { Detection, Detector } from "./detector.ts";

/** A face in a photo, with the network's input. */
export interface Face extends Detection {
  readonly crop: Image;
  /** RGB, [size, size, 3], 0 to 255. */
  readonly tensor: Uint8Array;
}

/**
 * Detects all faces in a photo, highest score first.
 * @param cropper of the preprocessing's `crop`
 * @throws {ImageError} if the photo cannot be decoded
 */
export async function findFaces(
  photo: Uint8Array,
  { resize }: Preprocessing,
  detector: Detector,
  cropper: Cropper,
): Promise<Face[]> {
  const image = await decode(photo);
  return await Array.fromAsync(await detector.detect(image), async ({ box, score }) => {
    const crop = await cropper.crop(image, box);
    return { box, score, crop, tensor: await toNetworkInput(crop, resize.size) };
  });
}

/** Expected position of the labelled face, from the data set. */
export type ExpectedFace =
  /**
   * The middle of the photo: this share of its width and height. `given`: no detector is asked; where
   * the share is 1, the crop has no margin.
   */
  | { readonly middle: number; readonly given?: true }
  /** A box in stored pixels, before EXIF rotation. */
  | { readonly stored: Box };

export interface LabelledFace extends Detection {
  readonly crop: Image;
  /** Number of faces detected in the photo. */
  readonly found: number;
}

/**
 * Detects the labelled face of a photo: the detection with the highest IoU with the expected box, of
 * equal ones that with the highest score. A face whose center is outside of that box belongs to another
 * person.
 * @returns no crop, and the number of detected faces, if none is the labelled one
 * @throws {ImageError} if the photo cannot be decoded
 */
export async function findLabelledFace(
  photo: Uint8Array,
  known: ExpectedFace | undefined,
  detector: Detector,
  cropper: Cropper,
): Promise<LabelledFace | { crop: undefined; found: number }> {
  const image = await decode(photo);
  // A box outside of the photo has no face.
  const full = known && placeOf(known, image), place = full && clip(full, image);
  const given = place && known && "given" in known;
  const found = given ? [{ box: place, score: 1 }] : await detector.detect(image, place && full);
  const [face] = full
    ? found.filter(({ box }) => place && hasCenterIn(box, full))
      .toSorted((a, b) => iou(b.box, place!) - iou(a.box, place!))
    : found;
  if (!face) return { crop: undefined, found: found.length };
  // With layout: aligned, the picture is the face; margin and align frame the photos of serving.
  const whole = given && known.middle === 1;
  return { ...face, crop: await cropper.crop(image, face.box, whole), found: found.length };
}

function placeOf(known: ExpectedFace, image: Decoded): Box {
  if ("stored" in known) return turnUpright(known.stored, image);
  const width = image.width * known.middle, height = image.height * known.middle;
  return { x: (image.width - width) / 2, y: (image.height - height) / 2, width, height };
}
