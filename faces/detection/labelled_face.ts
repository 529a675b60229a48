/** Crops the labelled face of a photo to a PNG. */
import { encodePng } from "../../packages/formats/png.ts";
import type { CropOptions } from "../images/crop.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Detector } from "./detector.ts";
import { type ExpectedFace, findLabelledFace } from "./find_faces.ts";
import type { Box } from "../images/image.ts";

/** A cropped face. */
export interface CroppedFace {
  readonly png: Uint8Array;
  readonly box: Box;
  readonly score: number;
  /** Number of faces detected in the photo. */
  readonly found: number;
}

/** Reason why a photo has no crop. */
export interface CropProblem {
  readonly problem: "no_face" | "unreadable";
  readonly detail: string;
}

/** Result for a photo. */
export type CropResult = CroppedFace | CropProblem;

/**
 * Crops the labelled face of a photo. A photo that cannot be decoded is a problem, not an error.
 * @param known expected position of the face
 */
export async function cropLabelledFace(
  photo: Uint8Array,
  known: ExpectedFace | undefined,
  detector: Detector,
  crop: CropOptions,
): Promise<CropResult> {
  try {
    const face = await findLabelledFace(photo, known, detector, crop);
    if (!face.crop) return { problem: "no_face", detail: noFace(detector.name, face.found) };
    return { png: encodePng(face.crop), box: face.box, score: face.score, found: face.found };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { problem: "unreadable", detail: error.reason };
  }
}

function noFace(detector: string, found: number): string {
  if (found > 0) return `${found} detected, none at the labelled position`;
  return detector === "metadata"
    ? "the data set has no face position, or one outside the photo"
    : "the detector found none";
}
