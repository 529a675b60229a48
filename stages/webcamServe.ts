import { z } from "zod";
import type { Backend } from "../compute/resolve.ts";
import { all, defineStage } from "../runner/stage.ts";
import { model, report } from "./artifacts.ts";

const detectors = ["ssdMobilenetv1", "tinyFaceDetector"] as const;

export default defineStage({
  name: "webcamServe",
  summary: "Serve the models: a page for the webcam and photos, and an HTTP API",
  inputs: { models: all(model), reports: all(report, { orNone: true }) },
  outputs: {},
  params: z.strictObject({
    host: z.string().min(1).default("127.0.0.1").describe(
      "Address to listen on. 127.0.0.1 is for this machine alone; 0.0.0.0 lets others in",
    ),
    port: z.int().min(0).max(65535).default(8000).describe(
      "Port to listen on; 0 takes one that is free",
    ),
    detector: z.enum(detectors).optional().describe(
      "What finds faces in photos. Unless given, what found them for training, or ssdMobilenetv1 " +
        "where the data set itself said where they are",
    ),
    liveDetector: z.enum(detectors).default("tinyFaceDetector").describe(
      "What finds faces in the live view, where speed counts: tinyFaceDetector takes a fifth of " +
        "ssdMobilenetv1's time and misses more",
    ),
    maxBodyMegabytes: z.number().gt(0).max(200).default(20).describe(
      "Largest picture that is taken, in millions of bytes",
    ),
    workers: z.int().min(0).max(32).default(0).describe(
      "Pictures analysed at the same time. 0 takes one a core, up to 4",
    ),
    queue: z.int().min(1).max(1000).default(16).describe(
      "Pictures that may wait; when there are more, clients are told to come back later",
    ),
    viewers: z.int().min(0).max(1000).default(8).describe(
      "Live views that may be open at the same time",
    ),
    timeoutSeconds: z.number().min(1).max(600).default(30).describe(
      "Longest time for a picture to arrive, and again to be analysed",
    ),
  }),
  unaffecting: [
    "host",
    "port",
    "detector",
    "liveDetector",
    "maxBodyMegabytes",
    "workers",
    "queue",
    "viewers",
    "timeoutSeconds",
  ],
  compute: true,
  service: true,
  async run({ models, reports }, params, context) {
    const { serve } = await import("../serving/serve.ts");
    const { readReports, readSources } = await import("../serving/served.ts");
    const judged = await readReports(reports.map(({ path }) => path));
    const sources = await readSources(models, judged.models);
    for (const { id, description: { steps } } of sources) {
      if (steps.length === 0) continue;
      context.warn(
        `"${id}" was trained on faces after ${
          steps.map((step) => `"${step}"`).join(", ")
        }, which ` +
          "serving does not apply: its predictions will be worse than its test says",
      );
    }
    const serving = await serve({
      ...params,
      sources,
      judged,
      backend: context.compute as Backend,
      maxBodyBytes: Math.round(params.maxBodyMegabytes * 1e6),
      workers: params.workers || Math.min(4, navigator.hardwareConcurrency),
      timeout: params.timeoutSeconds,
      warn: (message) => context.warn(message),
    });
    try {
      context.info(`${sources.map(({ id }) => id).join(", ")} at ${serving.url} (Ctrl-C stops)`);
      await aborted(context.signal);
    } finally {
      await serving.stop();
    }
  },
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
