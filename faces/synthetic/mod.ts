/** The embedded sample: faces that the project draws itself, so that a first run needs nothing. */
export { drawSample, drawSvg, sampleArchive, type SampleOptions } from "./sample_archive.ts";
export { faceSvg } from "./drawn_face.ts";
export { drawTraits, type Gender, type Traits } from "./traits.ts";
