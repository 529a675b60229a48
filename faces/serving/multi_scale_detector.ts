/**
 * Finds all faces of a photo. In training one face a photo is enough, and the first size of the
 * detector's input that shows one ends the search; in a group the others may be too small for it.
 */
import type { Detection, Detector } from "../detection/detector.ts";
import { hasCenterIn, type Image, iou } from "../images/image.ts";

/** Boxes of two sizes of the input that share more than this of their area are the same face. */
const sameFace = 0.3;

/**
 * Searches with every detector, which differ in the size of their input, and puts together what they
 * find. A face that several find is the first one's, as it is in training: the box is the very same.
 */
export function multiScale(detectors: readonly Detector[]): Detector {
  return {
    name: detectors[0].name,
    async detect(image: Image) {
      const faces: Detection[] = [];
      for (const detector of detectors) {
        const found = await detector.detect(image);
        faces.push(...found.filter((face) => !faces.some((other) => same(face, other))));
      }
      return faces.sort((a, b) => b.score - a.score);
    },
    close: () => detectors.forEach((detector) => detector.close()),
  };
}

function same({ box: a }: Detection, { box: b }: Detection): boolean {
  return iou(a, b) > sameFace || hasCenterIn(a, b) || hasCenterIn(b, a);
}
