/** A worker that cuts the labelled face out of one photo after the other: see `crew/crew.ts`. */
import type { Backend } from "../../packages/compute/backends.ts";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import type { CropOptions } from "../images/crop.ts";
import { serve } from "../../packages/workers/worker_main.ts";
import { openDetector } from "./detector.ts";
import type { DetectorName, DetectorOptions } from "./detectors.ts";
import type { ExpectedFace } from "./find_faces.ts";
import { cropLabelledFace, type CroppedFace, type CropProblem } from "./labelled_face.ts";

/** What it is opened with. */
export interface CropInit {
  readonly detector: DetectorOptions & { readonly name: DetectorName };
  readonly crop: CropOptions;
  /** Where the detector's network computes, if it has one. */
  readonly backend?: Backend;
  /** How long a photo may take. */
  readonly photoSeconds?: number;
}

/** A photo: bytes of an archive, and where the data set says that the face is. */
export interface CropTask {
  readonly file: string;
  readonly offset: number;
  readonly size: number;
  readonly known?: ExpectedFace;
}

/** What became of it; a face's PNG travels as bytes. */
export type CropAnswer = CropProblem | Omit<CroppedFace, "png">;

/** No photo's file is larger: memory stays bounded, whatever an archive claims. */
const MAX_BYTES = 2 ** 28;

await serve<CropInit, CropTask, CropAnswer>(async ({ detector: options, crop, backend }) => {
  const { default: sharp } = await import("sharp");
  // One photo at a time: the cores are for other workers, and nothing is asked for twice.
  sharp.concurrency(1);
  sharp.cache(false);
  if (backend) await (await import("../../packages/compute/open_backend.ts")).openBackend(backend);
  const detector = await openDetector(options.name, options);
  const archives = new Map<string, RandomAccessFile>();
  return async ({ file, offset, size, known }) => {
    if (size > MAX_BYTES) {
      const detail = `its file has ${size} bytes, more than the ${MAX_BYTES} that are taken`;
      return { answer: { problem: "unreadable", detail } };
    }
    if (!archives.has(file)) archives.set(file, new RandomAccessFile(file));
    const photo = archives.get(file)!.read(offset, size);
    const outcome = await cropLabelledFace(photo, known, detector, crop);
    if ("problem" in outcome) return { answer: outcome };
    const { png, ...answer } = outcome;
    return { answer, bytes: png };
  };
});
