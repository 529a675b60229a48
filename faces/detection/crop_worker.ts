/** Worker that crops the labelled faces of photos, one at a time: see `process_pool.ts`. */
import type { Backend } from "../../packages/compute/backends.ts";
import { encodePng } from "../../packages/formats/png.ts";
import { RandomAccessFiles } from "../../packages/formats/random_access_file.ts";
import type { CropOptions } from "../images/crop.ts";
import { ImageError } from "../images/decode_image.ts";
import type { DetectorConfig } from "../images/preprocessing.ts";
import { serve } from "../../packages/workers/worker_main.ts";
import { openCropper } from "./cropper.ts";
import { openDetector, type openModel } from "./detectors.ts";
import type { ForeignDetector } from "./detector.ts";
import { type ExpectedFace, findLabelledFace, MAX_PHOTO_BYTES } from "./find_faces.ts";
import { photoKey } from "./photo_key.ts";
import type { Outcome } from "./shards.ts";

export interface CropInit {
  readonly detector: DetectorConfig;
  readonly crop: CropOptions;
  /** Backend of the detector and of the alignment, if one uses TensorFlow.js. */
  readonly backend?: Backend;
  /** Timeout per photo in seconds. */
  readonly photoSeconds?: number;
  /** Set for the detector of a third-party plugin, which detects in a process of its own. */
  readonly plugin?: ForeignDetector;
}

/** A photo: a byte range of an archive, and the expected position of the labelled face. */
export interface CropTask {
  readonly file: string;
  readonly offset: number;
  readonly size: number;
  readonly known?: ExpectedFace;
}

/** Outcome of a photo; the PNG of the crop is sent as bytes. */
export type CropAnswer = Omit<Outcome, "png">;

await serve<CropInit, CropTask, CropAnswer>(
  async ({ detector: options, crop, backend, plugin }) => {
    const { default: sharp } = await import("sharp");
    // The other workers use the other cores, and no photo is decoded twice.
    sharp.concurrency(1);
    sharp.cache(false);
    if (backend) {
      await (await import("../../packages/compute/open_backend.ts")).openBackend(backend);
    }
    const foreign = plugin && await import("./foreign_detector.ts");
    const open: typeof openModel | undefined = foreign &&
      ((name, given) => foreign.openForeign(name, plugin, given));
    const detector = await openDetector(options.name, options, open);
    const cropper = await openCropper(crop);
    const archives = new RandomAccessFiles();
    return async ({ file, offset, size, known }) => {
      if (size > MAX_PHOTO_BYTES) {
        const detail = `its file has ${size} bytes, the maximum is ${MAX_PHOTO_BYTES}`;
        return { answer: { problem: { kind: "unreadable", detail } } };
      }
      const photo = archives.read(file, offset, size);
      try {
        const { found, ...face } = await findLabelledFace(photo, known, detector, cropper);
        const key = photoKey(photo, known);
        if (!face.crop) {
          const problem = { kind: "no_face", detail: noFace(detector.name, found) } as const;
          return { answer: { key, problem } };
        }
        const { crop, box, score } = face;
        const detail = `${found} detected; the best match with the label is used`;
        const problem = found > 1 ? { kind: "several_faces", detail } as const : undefined;
        return { answer: { key, face: { box, score }, problem }, bytes: encodePng(crop) };
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        return { answer: { problem: { kind: "unreadable", detail: error.reason } } };
      }
    };
  },
);

function noFace(detector: string, found: number): string {
  if (found > 0) return `${found} detected, none at the labelled position`;
  return detector === "metadata"
    ? "the data set has no face position, or one outside the photo"
    : "the detector found none";
}
