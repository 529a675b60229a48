/**
 * An example of a stage of a plugin: blurs the crops, which the networks receive.
 *
 * ```yaml
 * plugins: [./plugins/blur.ts]
 * stages:
 *   faceCrop:
 *   blur: { sigma: 2, replaces: faceCrop }
 *   resize32:
 * ```
 *
 * blur takes faceCrop's faces; resize32 takes those of blur.
 */
import { z } from "zod";
import { defineStage } from "../packages/pipeline/stage.ts";
import { faces } from "../stages/kinds.ts";

export default defineStage({
  name: "blur",
  summary: "Blur the faces, to measure how much detail the networks need",
  inputs: { faces },
  outputs: { faces },
  params: z.strictObject({
    sigma: z.number().min(0.3).max(100).default(1.5).describe(
      "Standard deviation of the Gaussian filter, in pixels of the crop",
    ),
  }),
  async run({ faces }, { sigma }, context) {
    // Heavy modules load here, so a run of cache hits does not load them.
    const { default: sharp } = await import("sharp");
    const { mapFaces } = await import("../faces/detection/faces_artifact.ts");
    await mapFaces(
      faces.path,
      context.outputs.faces,
      context,
      `blur sigma=${sigma}`, // recorded in preprocessing.json
      async (png) => await sharp(png).blur(sigma).png().toBuffer(),
    );
  },
});
