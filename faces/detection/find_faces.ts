/** Detects and crops the labelled face of a photo. */
import { decode, type Decoded, turnUpright } from "../images/decode_image.ts";
import { type Box, clip, hasCenterIn, type Image, iou } from "../images/image.ts";
import type { Cropper } from "./cropper.ts";
import type { Detection, Detector } from "./detector.ts";

/** Expected position of the labelled face, from the data set. */
export type ExpectedFace =
  /**
   * The middle of the photo: this share of its width and height. `given`: no detector is asked; where
   * the share is 1, the crop has no margin.
   */
  | { readonly middle: number; readonly given?: true }
  /** A box in stored pixels, before EXIF rotation. */
  | { readonly stored: Box };

/** Maximum size of a photo's file; bounds the memory if an archive's index is damaged. */
export const MAX_PHOTO_BYTES = 2 ** 28;

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
  return "stored" in known ? turnUpright(known.stored, image) : middleOf(image, known.middle);
}

/** Returns the box in the middle of an image. @param share of its width and height */
export function middleOf(image: Image, share: number): Box {
  const width = image.width * share, height = image.height * share;
  return { x: (image.width - width) / 2, y: (image.height - height) / 2, width, height };
}
