/** One photo of a data set to its labelled face, as it is kept on disk. */
import { encodePng } from "../../packages/formats/png.ts";
import type { CropOptions } from "../images/crop.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Detector } from "./detector.ts";
import { type ExpectedFace, findLabelledFace } from "./find_faces.ts";
import type { Box } from "../images/image.ts";

/** A face that was cut out. */
export interface CroppedFace {
  readonly png: Uint8Array;
  readonly box: Box;
  readonly score: number;
  /** How many faces were found in the photo. */
  readonly found: number;
}

/** Why there is none. */
export interface CropProblem {
  readonly problem: "no_face" | "unreadable";
  readonly detail: string;
}

/** What became of a photo. */
export type CropResult = CroppedFace | CropProblem;

/**
 * Cuts out the labelled face of a photo. A photo that cannot be decoded is a problem, not an error.
 * @param known where the data set says that the face is
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
  if (found > 0) return `${found} found, none where the data set says that the labelled face is`;
  return detector === "metadata"
    ? "the data set does not say where the face is, or says a place outside the photo"
    : "the detector found none";
}
