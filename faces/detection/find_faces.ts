/**
 * Detects and crops the faces of a photo, identically for training and serving. `findFaces` (serving)
 * returns tensors; the stages store the crops as lossless PNG.
 */
import { decode } from "../images/decode_image.ts";
import type { Cropper } from "./cropper.ts";
import type { Detector } from "./detector.ts";
import type { Box, Image } from "../images/image.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
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
  const faces: Face[] = [];
  for (const { box, score } of await detector.detect(image)) {
    const cut = await cropper.crop(image, box);
    faces.push({ box, score, crop: cut, tensor: await toNetworkInput(cut, resize.size) });
  }
  return faces;
}
