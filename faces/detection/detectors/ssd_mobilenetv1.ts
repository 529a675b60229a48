import { z } from "zod";
import { defineDetector, inputSizes, minConfidence } from "../detector.ts";

export default defineDetector({
  name: "ssdMobilenetv1",
  summary: "Detect faces with face-api's SSD on MobileNet v1",
  params: z.strictObject({
    minConfidence: minConfidence.default(0.4),
    // It detects faces of about 20 to 150 pixels: portraits first, then photos with small faces.
    inputSizes: inputSizes.default([256, 192, 512]),
  }),
  tensorFlow: true,
  open: async ({ minConfidence }) =>
    await (await import("./tfjs/ssd_network.ts")).open(minConfidence),
});
