/** The built-in detectors; opens a detector by its name. */
import { z } from "zod";
import type { Choice } from "../../packages/pipeline/define.ts";
import { hasCenterIn, iou, scaleBox } from "../images/image.ts";
import type { DetectorConfig } from "../images/preprocessing.ts";
import {
  defineDetector,
  type Detection,
  type Detector,
  type DetectorDefinition,
  type DetectorModel,
  inputSizes,
  minConfidence,
  pluginOptions,
} from "./detector.ts";
import dlibCnn from "./detectors/dlib_cnn.ts";

const ssdMobilenetv1 = defineDetector({
  name: "ssdMobilenetv1",
  summary: "Detect faces with face-api's SSD on MobileNet v1",
  params: z.strictObject({
    minConfidence: minConfidence.default(0.4),
    // It detects faces of about 20 to 150 pixels: portraits first, then photos with small faces.
    inputSizes: inputSizes.default([256, 192, 512]),
  }),
  tensorFlow: true,
  open: async ({ minConfidence }) =>
    await (await import("./detectors/tfjs/ssd_network.ts")).open(minConfidence),
});

const tinyFaceDetector = defineDetector({
  name: "tinyFaceDetector",
  summary: "Detect faces with face-api's tiny face detector: faster, and misses more faces",
  params: z.strictObject({
    minConfidence: minConfidence.default(0.4),
    inputSizes: inputSizes.default([224, 96, 416]),
  }),
  tensorFlow: true,
  open: async ({ minConfidence }) =>
    await (await import("./detectors/tfjs/yolo_network.ts")).open(minConfidence),
});

const metadata = defineDetector({
  name: "metadata",
  summary: "Take the face position of the data set, without detection",
  params: z.strictObject({}),
  needsLabels: true,
  open: () =>
    Promise.resolve({
      detect: (_image, known) => Promise.resolve(known ? [{ box: known, score: 1 }] : []),
      close: () => {},
    }),
});

export const detectors: readonly DetectorDefinition[] = [
  ssdMobilenetv1,
  tinyFaceDetector,
  dlibCnn,
  metadata,
];

export const detectorNames = detectors.map(({ name }) => name);
/** The built-in detectors that work without labels. */
export const networks = detectors.filter((one) => !one.needsLabels);
export const networkNames = networks.map(({ name }) => name);

/** Returns the error of a page that is to compute with a detector that is not built in. */
export function notInPage(name: string): string {
  return `Cannot run inference in the browser: the detector "${name}" is from a plugin, which the page ` +
    "does not have. Set webcamServe.mode: server, or a detector and liveDetector of " +
    `${networkNames.join(", ")}.`;
}

const defaultsOf = {
  ssd: ssdMobilenetv1.params.parse({}),
  tiny: tinyFaceDetector.params.parse({}),
};
const { minConfidence: _, ...dlibParams } = dlibCnn.params.shape;

/** The options of all detectors, as parameters of a stage. */
export const detectorParams = {
  minConfidence: minConfidence.min(0).max(1).optional().describe(
    `Detections with a lower score are dropped. Default: ${defaultsOf.ssd.minConfidence} for ` +
      "ssdMobilenetv1 and tinyFaceDetector (0.3 detects a few percent more faces, and more false " +
      "positives); 0 for dlibCnn, as in dlib. Not with metadata",
  ),
  inputSizes: inputSizes.min(1).optional().describe(
    "Sides in pixels, at most four multiples of 32, of the square network input to which photos " +
      "are letterboxed, tried in order until a face is detected. Small ones detect close-ups, " +
      `large ones small faces, and take longer. Default: ${defaultsOf.ssd.inputSizes.join(", ")} ` +
      `for ssdMobilenetv1, ${defaultsOf.tiny.inputSizes.join(", ")} for tinyFaceDetector. ` +
      "Not with dlibCnn and metadata",
  ),
  ...dlibParams,
};

/** Returns the options that a detector does not have, each with the reason. */
export function unusedOptions(name: string): Record<string, string> {
  const own = Object.keys(optionsOf(name).shape);
  const reason = `with detector: ${name}, whose options are: ${own.join(", ") || "none"}`;
  return Object.fromEntries(
    Object.keys(detectorParams).filter((option) => !own.includes(option))
      .map((option) => [option, reason]),
  );
}

export const DEFAULT_DETECTOR = "ssdMobilenetv1";

/** Options of detectors as parameters → places in the choice. */
export const detectorAliases = Object.fromEntries(
  Object.keys(detectorParams).map((option) => [option, `detector.${option}`]),
);

export function detectorName(choice: Choice | undefined): string {
  return (typeof choice === "object" ? choice.use : choice) ?? DEFAULT_DETECTOR;
}

/** Recorded of metadata, which has no such option, too. */
const RECORDED_CONFIDENCE = defaultsOf.ssd.minConfidence;

/**
 * Returns a detector's configuration; its defaults where `options` has no value.
 * @param params its options, of a detector that is not built in
 */
export function configureDetector(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
  module?: string,
  params = optionsOf(name),
): DetectorConfig {
  // A plugin that is data can have options of these names; the module would be imported.
  const { name: _, module: __, ...own } = params.parse(
    ownOptions(Object.keys(params.shape), options),
  );
  const scored = find(name) !== undefined || "minConfidence" in own;
  return {
    name,
    ...(module === undefined ? {} : { module }),
    ...scored && { minConfidence: RECORDED_CONFIDENCE },
    inputSizes: [],
    ...own,
  };
}

/** Returns a recorded detector as `faceCrop` takes it, without options that it lacks. */
export function detectorChoice({ name, module, ...options }: DetectorConfig): Choice {
  const { minConfidence, inputSizes, ...others } = options;
  // Earlier versions recorded that value of plugins that lack the option.
  const lacks = minConfidence === undefined ||
    module !== undefined && minConfidence === RECORDED_CONFIDENCE;
  return {
    use: name,
    ...others,
    ...!lacks && { minConfidence },
    ...inputSizes.length > 0 && { inputSizes },
  };
}

export function ownOptions(own: readonly string[], options: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    own.flatMap((name) => options[name] === undefined ? [] : [[name, options[name]]]),
  );
}

/** Returns whether a detector computes with TensorFlow.js. */
export function usesTensorFlow(name: string): boolean {
  return find(name)?.tensorFlow ?? false;
}

function find(name: string): DetectorDefinition | undefined {
  return detectors.find((one) => one.name === name);
}

/** Returns the options of a built-in detector or, of another, those of a plugin's. */
function optionsOf(name: string): z.ZodObject {
  return find(name)?.params ?? pluginOptions;
}

export interface DetectorOptions {
  /** Path of a plugin's module, relative to the project, or its package. */
  readonly module?: string;
  readonly inputSizes?: readonly number[];
  readonly [option: string]: unknown;
}

/**
 * Opens a detector's model in this thread. face-api's networks run on the current TensorFlow.js
 * backend, which the caller must open first (`packages/compute/open_backend.ts`).
 */
export async function openModel(name: string, options: DetectorOptions): Promise<DetectorModel> {
  const definition = options.module === undefined
    ? find(name)
    : await importDetector(name, options.module);
  if (!definition) {
    throw new Error(
      `Cannot open the detector "${name}": it is neither built in (${networkNames.join(", ")}) ` +
        "nor from a known plugin. List its plugin under plugins and name it as " +
        "webcamServe.detector, or choose another one (predict: --detector).",
    );
  }
  const { params = pluginOptions } = definition;
  const parsed = params.safeParse(ownOptions(Object.keys(params.shape), options));
  if (parsed.success) return await definition.open(parsed.data);
  const [{ path, message }] = parsed.error.issues;
  throw new Error(`Cannot open the detector "${name}": ${path.join(".")}: ${message}.`, {
    cause: parsed.error,
  });
}

/** IoU above which boxes of two input sizes or detectors are the same face. */
const SAME_FACE = 0.3;

export function isSameFace({ box: a }: Detection, { box: b }: Detection): boolean {
  return iou(a, b) > SAME_FACE || hasCenterIn(a, b) || hasCenterIn(b, a);
}

/**
 * Opens a detector.
 * @param open opens its model. Default: in this thread
 * @param everySize detects at all input sizes, to find small faces beside large ones. Training needs one
 *   face per photo and stops at the first size that finds one: a face found at several sizes keeps the
 *   box of the first, so its crop is the same as in training. Default: false
 */
export async function openDetector(
  name: string,
  { inputSizes = [], ...options }: DetectorOptions,
  open = openModel,
  everySize = false,
): Promise<Detector> {
  const model = await open(name, options);
  const close = () => model.close();
  const detect: Detector["detect"] = (image, known) => model.detect(image, known);
  if (inputSizes.length === 0) return { name, detect, close };
  const { letterbox } = await import("../images/resize.ts");
  return {
    name,
    async detect(image) {
      const faces: Detection[] = [];
      for (const size of inputSizes) {
        const unit = Math.max(image.width, image.height) / size;
        const found = (await model.detect(await letterbox(image, size)))
          .map(({ box, score }) => ({ box: scaleBox(box, unit), score }));
        faces.push(...found.filter((face) => !faces.some((other) => isSameFace(face, other))));
        if (faces.length > 0 && !everySize) break;
      }
      return faces.sort((a, b) => b.score - a.score);
    },
    close,
  };
}

const project = new URL("../../", import.meta.url);

/** Imports the detector of a plugin, such as in a worker or a service. */
async function importDetector(name: string, module: string): Promise<DetectorDefinition> {
  const isFile = /\.[cm]?[jt]sx?$/.test(module) && !module.startsWith("npm:");
  const cannot = `Cannot open the detector "${name}" of the plugin "${module}"`;
  let exported: unknown[];
  try {
    const { default: made } = await import(isFile ? new URL(module, project).href : module);
    // Rooms above this one have the whole API, so its place is computed.
    const api = () => import(new URL("plugins/faces_api.ts", project).href);
    exported = [typeof made === "function" ? await made(await api()) : made].flat();
  } catch (cause) {
    throw new Error(`${cannot}: it does not load (${(cause as Error).message}).`, { cause });
  }
  const found = exported.find((one): one is DetectorDefinition => {
    const { extends: kind, name: its } = (one ?? {}) as Partial<DetectorDefinition>;
    return kind === "detector" && its === name;
  });
  if (typeof found?.open === "function") {
    return checked(found, `the detector "${name}" of the plugin "${module}"`);
  }
  if (found) throw new Error(`${cannot}: it has no open().`);
  throw new Error(
    `${cannot}: no default export has that name. Write: export default defineDetector({ ` +
      `name: "${name}", ... }).`,
  );
}

/** Maximum number of faces that a plugin's detector may find in an image. */
const MAX_FACES = 1000;

/** Returns a detector whose model and detections are checked, as a plugin may lack types. */
export function checked(definition: DetectorDefinition, shown: string): DetectorDefinition {
  return {
    ...definition,
    async open(options): Promise<DetectorModel> {
      const rethrow = (error: unknown) => {
        throw error instanceof Error ? error : new Error(`Cannot use ${shown}: it threw ${error}`);
      };
      const model = await definition.open(options);
      if (typeof model?.detect !== "function" || typeof model.close !== "function") {
        throw new Error(`Cannot use ${shown}: open() returned no { detect, close }.`);
      }
      return {
        async detect(image, known) {
          const copy = { ...image, data: new Uint8Array(image.data) }; // crops need the original
          const found: unknown = await Promise.try(() => model.detect(copy, known)).catch(rethrow);
          const many = Array.isArray(found) && found.length > MAX_FACES;
          if (Array.isArray(found) && !many && found.every(isDetection)) {
            return found.toSorted((a, b) => b.score - a.score);
          }
          const got = many
            ? `${found.length} faces`
            : Deno.inspect(found, { breakLength: Infinity }).slice(0, 80);
          throw new Error(
            `Cannot use ${shown}: detect() returned ${got}. Return a list of at most ${MAX_FACES} ` +
              "{ box: { x, y, width, height }, score } with finite numbers, width and height above 0.",
          );
        },
        close: () => model.close(),
      };
    },
  };
}

function isDetection(value: unknown): value is Detection {
  const { box, score } = (value ?? {}) as Partial<Detection>;
  const { x, y, width, height } = box ?? {};
  return [x, y, width, height, score].every(Number.isFinite) && width! > 0 && height! > 0;
}
