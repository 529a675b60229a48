/** The embedded sample: faces that the project draws itself, so that a first run needs nothing. */
export { drawSample, drawSvg, sampleArchive, type SampleOptions } from "./archive.ts";
export { faceSvg } from "./face.ts";
export { drawTraits, type Gender, type Traits } from "./traits.ts";
