/** Parameters of the steps from photo to network input, which serving repeats. */
import { join } from "node:path";
import { z } from "zod";

/** A detector and its options, which the detector's own schema validates when it is opened. */
export const detectorConfig = z.looseObject({
  name: z.string().min(1),
  minConfidence: z.number(),
  inputSizes: z.array(z.int().positive()),
  /** A plugin's path, relative to the project, or its package. */
  module: z.string().min(1).optional(),
});

/** A detector and its options. */
export type DetectorConfig = z.output<typeof detectorConfig> & { readonly weights?: string };

const cropPreprocessing = z.object({
  detector: detectorConfig,
  crop: z.object({ margin: z.number().min(0), maxSize: z.int().min(0) }),
  background: z.literal("#ffffff"),
  /** Steps of other stages on the crops, in order, such as "blur sigma=1.5". */
  steps: z.array(z.string()),
});

const preprocessing = cropPreprocessing.extend({
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

/** Reads the steps from photo to crop. */
export async function readCropPreprocessing(folder: string): Promise<CropPreprocessing> {
  return await read(folder, cropPreprocessing);
}

/** Reads the steps from photo to tensor. */
export async function readPreprocessing(folder: string): Promise<Preprocessing> {
  return await read(folder, preprocessing);
}

/** Validates the steps in a JSON value, such as of a model's training.json. */
export function parsePreprocessing(value: unknown, source: string): Preprocessing {
  return parse(value, preprocessing, source);
}

/** Writes `preprocessing.json` into an artifact's folder. */
export async function writePreprocessing(
  folder: string,
  value: CropPreprocessing | Preprocessing,
): Promise<void> {
  await Deno.writeTextFile(join(folder, file), JSON.stringify(value, null, 2) + "\n");
}

const file = "preprocessing.json";

async function read<T>(folder: string, schema: z.ZodType<T>): Promise<T> {
  const path = join(folder, file);
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    throw new Error(`Cannot read "${path}": ${(cause as Error).message}.`, { cause });
  }
  return parse(value, schema, path);
}

function parse<T>(value: unknown, schema: z.ZodType<T>, source: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(
    `Cannot use the preprocessing in "${source}": ${issue.path.join(".") || "it"}: ` +
      `${issue.message}. It may be of another version; recreate it with --force faceCrop.`,
    { cause: result.error },
  );
}
