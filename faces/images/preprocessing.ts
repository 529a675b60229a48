/** Parameters of the steps from photo to network input, which serving repeats. */
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";

/** A detector and its options, which the detector's own schema validates when it is opened. */
export const detectorConfig = z.looseObject({
  name: z.string().min(1),
  minConfidence: z.number().optional(),
  inputSizes: z.array(z.int().positive()),
  /** A plugin's path, relative to the project, or its package. */
  module: z.string().min(1).optional(),
});

/** A detector and its options. */
export type DetectorConfig = z.output<typeof detectorConfig> & { readonly weights?: string };

export const cropConfig = z.object({
  margin: z.number().min(0),
  maxSize: z.int().min(0),
  align: z.enum(["eyes", "template"]).optional(),
});

const cropPreprocessing = z.object({
  detector: detectorConfig,
  /**
   * Data set → share of its photos' width and height that was taken as the face, where no detector was
   * asked. 1: the photo as it is, without crop.
   */
  withoutDetector: z.record(z.string(), z.number()).optional(),
  crop: cropConfig,
  background: z.literal("#ffffff"),
  /** Steps of other stages on the crops, in order, such as "blur sigma=1.5". */
  steps: z.array(z.string()),
});

export const preprocessing = cropPreprocessing.extend({
  resize: z.object({
    size: z.int().positive(),
    kernel: z.literal("lanczos3"),
    fit: z.literal("fill"),
  }),
});

/** Steps from photo to crop: `preprocessing.json` of faces. */
export type CropPreprocessing = z.output<typeof cropPreprocessing>;

/** Steps from photo to tensor: `preprocessing.json` of a dataset. */
export type Preprocessing = z.output<typeof preprocessing>;

/**
 * Returns what differs from the framing of a training, such as "detector ssdMobilenetv1, here
 * tinyFaceDetector". Options of detectors are compared if both are the same one.
 */
export function framingDifferences(trained: Preprocessing, here: Preprocessing): string[] {
  const same = trained.detector.name === here.detector.name;
  const settings = (
    { detector: { name, ...options }, crop, resize }: Preprocessing,
  ): Record<string, unknown> => ({ detector: name, ...same && options, ...crop, ...resize });
  const [own, other] = [settings(trained), settings(here)];
  const shown = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value);
  return Object.keys({ ...own, ...other })
    .map((name) => [name, shown(own[name] ?? "none"), shown(other[name] ?? "none")])
    // Earlier versions recorded one of plugins' detectors that have none.
    .filter(([name, ...both]) => name !== "minConfidence" || !both.includes("none"))
    .filter(([, before, now]) => before !== now)
    .map(([name, before, now]) => `${name} ${before}, here ${now}`);
}

const FILE = "preprocessing.json";
const WAY_OUT = "It may be of another version; recreate it with --force faceCrop";

export async function readCropPreprocessing(folder: string): Promise<CropPreprocessing> {
  return await readJson(join(folder, FILE), cropPreprocessing, WAY_OUT);
}

export async function readPreprocessing(folder: string): Promise<Preprocessing> {
  return await readJson(join(folder, FILE), preprocessing, WAY_OUT);
}

/**
 * Paths of the project's code: relative, not hidden, without escapes and what a URL leaves out, no
 * package and no result.
 */
const OWN_MODULE =
  /^(?![ /]|artifacts\/)(?!.*(?:^|\/)(?:\.|node_modules\/|[0-9a-f]{16}\/))[^:\\%\p{Cc}\p{Zl}\p{Zp}]+\.[cm]?[jt]sx?$/u;

/** A third-party stage can have written a preprocessing, and its modules must not run with all rights. */
export function hasForeignModule({ detector: { module } }: CropPreprocessing): boolean {
  return module !== undefined && !OWN_MODULE.test(module);
}

/**
 * Drops the detector's module if it lies with the model in a folder of the project, such as that of an
 * archive: who made the model made the module, which would run with all rights.
 * @returns the module, if it was dropped
 */
export function dropModuleBeside(model: string, { detector }: Preprocessing): string | undefined {
  const { module = "" } = detector, project = join(import.meta.dirname!, "../../");
  const path = join(project, module), [top, ...inner] = path.slice(project.length).split(/[\\/]/);
  // A module outside of the project is third-party code, and has few rights.
  if (inner.length === 0 || !path.startsWith(project)) return undefined;
  if (!join(model, "/").startsWith(join(project, top, "/"))) return undefined;
  delete detector.module;
  return module;
}

/** Drops the module of a model's detector unless it is the project's. */
export function dropForeignModule(model: string, preprocessing: Preprocessing): void {
  if (hasForeignModule(preprocessing)) delete preprocessing.detector.module;
  dropModuleBeside(model, preprocessing);
}

export async function writePreprocessing(folder: string, value: CropPreprocessing | Preprocessing) {
  await Deno.writeTextFile(join(folder, FILE), JSON.stringify(value, null, 2) + "\n");
}
