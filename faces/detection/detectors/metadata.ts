/** Returns the face position from the data set, without detection. */
import type { Detector } from "../detector.ts";

/** Opens the detector, which uses neither a network nor the pixels. */
export function open(): Detector {
  return {
    name: "metadata",
    detect: (_image, known) => Promise.resolve(known ? [{ box: known, score: 1 }] : []),
    close: () => {},
  };
}
