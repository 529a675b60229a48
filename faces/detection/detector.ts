/** The contract of detectors. `detectors.ts` lists the built-in ones and opens them. */
import { z } from "zod";
import { define, defineMembers, type Definition, method } from "../../packages/pipeline/define.ts";
import type { Sandbox } from "../../packages/pipeline/sandbox.ts";
import type { Box, Image } from "../images/image.ts";

export interface Detection {
  /** In pixels of the image. */
  readonly box: Box;
  /** Confidence: a probability, or dlibCnn's own score, which may be above 1. */
  readonly score: number;
}

/** An open detector's model. */
export interface DetectorModel {
  /**
   * Detects the faces in an image; face-api's networks require squares with sides divisible by 32.
   * @param known box of the labelled face, which may reach beyond the image; only `metadata` uses it
   * @returns boxes in pixels of the image, highest score first
   */
  detect(image: Image, known?: Box): Promise<Detection[]>;
  /** Frees the detector's memory. */
  close(): void;
}

export interface Detector extends DetectorModel {
  readonly name: string;
}

export const minConfidence = z.number().describe("Detections with a lower score are dropped");

/**
 * Option: sides in pixels of the square input to which an image is letterboxed; tried in order until
 * a face is detected. Empty: the model receives the image at its own size.
 */
export const inputSizes = z.array(z.int().min(64).max(1280).multipleOf(32)).max(4).describe(
  "Sides in pixels, at most four multiples of 32, of the square network input to which photos are " +
    "letterboxed, tried in order until a face is detected; empty: the photo's own size",
);

/** Options of a plugin's detector that declares none. */
export const pluginOptions = z.strictObject({
  minConfidence: minConfidence.default(0),
  inputSizes: inputSizes.default([]),
});

/** The detector of a third-party plugin, as JSON. */
export interface ForeignDetector {
  readonly sandbox: Sandbox;
  /** Names of its own options. */
  readonly own: readonly string[];
}

/** Returns the detector of a third-party plugin; undefined of another one. */
export function foreignOf(
  { sandbox, params = pluginOptions }: Definition,
): ForeignDetector | undefined {
  return sandbox && { sandbox, own: Object.keys(params.shape) };
}

/** Definition of a detector, as its author writes it. */
export interface DetectorDefinition<Options extends z.ZodObject = z.ZodObject> extends Definition {
  /** Options and their defaults. Default: `minConfidence` (0) and `inputSizes` (empty). */
  readonly params?: Options;
  /** True if the caller must open a TensorFlow.js backend first. Default: false. */
  readonly tensorFlow?: boolean;
  /** True if it only returns the boxes of the data set. Default: false. */
  readonly needsLabels?: boolean;
  /** Opens the model; several may be open at the same time, each in a process of its own. */
  open(options: z.output<Options>): Promise<DetectorModel>;
}

defineMembers<DetectorDefinition>("detector", {
  tensorFlow: z.boolean().optional(),
  needsLabels: z.boolean().optional(),
  open: method,
});

/**
 * Defines a detector. A plugin's module has it as default export; a pipeline that lists the module
 * under `plugins` selects it with `faceCrop: { detector: name }`, or
 * `{ detector: { use: name, ...options } }`.
 *
 * @example
 * ```ts
 * const wholePhoto = defineDetector({
 *   name: "wholePhoto",
 *   summary: "Take the whole photo for a face",
 *   open: () =>
 *     Promise.resolve({
 *       detect: ({ width, height }) =>
 *         Promise.resolve([{ box: { x: 0, y: 0, width, height }, score: 1 }]),
 *       close() {},
 *     }),
 * });
 * ```
 */
export function defineDetector<Options extends z.ZodObject = typeof pluginOptions>(
  detector: Omit<DetectorDefinition<Options>, "extends">,
): DetectorDefinition & { readonly params: Options } {
  return define({ kind: "detector", params: pluginOptions, ...detector }) as never;
}
