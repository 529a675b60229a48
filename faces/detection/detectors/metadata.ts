/** Trusts the data set: the face is where the data set says that it is. */
import type { Detector } from "../detector.ts";

/** Opens the detector, which needs neither a network nor the picture. */
export function open(): Detector {
  return {
    name: "metadata",
    detect: (_image, known) => Promise.resolve(known ? [{ box: known, score: 1 }] : []),
    close: () => {},
  };
}
