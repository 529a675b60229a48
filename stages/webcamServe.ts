import { z } from "zod";
import { cores } from "../packages/workers/cores.ts";
import type { Backend } from "../packages/compute/backends.ts";
import {
  all,
  cautionsOf,
  choice,
  defineStage,
  pathParam,
  type StageContext,
} from "../packages/pipeline/stage.ts";
import { networkNames } from "../faces/detection/detectors.ts";
import { model, report } from "./kinds.ts";

export default defineStage({
  name: "webcamServe",
  summary: "Serve the models: a page for the webcam and photos, and an HTTP API",
  inputs: { models: all(model), reports: all(report, { orNone: true }) },
  outputs: {},
  params: z.strictObject({
    host: z.string().min(1).default("127.0.0.1").describe(
      "Address to listen on. 127.0.0.1 is for this machine alone; 0.0.0.0 lets in all who can reach " +
        "it, without asking who they are. Browsers then give the camera only with tls",
    ),
    port: z.int().min(0).max(65535).default(8000).describe(
      "Port to listen on; 0 takes one that is free",
    ),
    names: z.array(z.string().regex(/^[^\s/:@]+$/, "expected a host name, without a port")).default(
      [],
    )
      .describe(
        "With another host: names by which others may ask for it, beside this machine's own. Any " +
          "address is allowed, other names are refused: a page from elsewhere could point one here " +
          "(DNS rebinding)",
      ),
    tls: z.strictObject({
      cert: pathParam().describe("Certificate, a PEM file"),
      key: pathParam().describe("Its private key, a PEM file"),
    }).optional().describe("Serve by https: browsers give the camera to secure pages only"),
    detector: choice("detector", networkNames).optional().describe(
      "What finds faces in photos. Unless given, what found them for training, or ssdMobilenetv1 " +
        "where the data set itself said where they are",
    ),
    liveDetector: choice("detector", networkNames).default("tinyFaceDetector").describe(
      "What finds faces in the live view, where speed counts: tinyFaceDetector takes a fifth of " +
        "ssdMobilenetv1's time and misses more; dlibCnn is as fast on pictures of 256 pixels and " +
        "slower on larger ones",
    ),
    mode: z.enum(["server", "browser"]).default("server").describe(
      "Where the page computes. server: pictures are sent to the server. browser: the page loads " +
        "the networks (some 4 MB, with ssdMobilenetv1 10) and no picture leaves it; /predict answers " +
        "all the same",
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
    "names",
    "tls",
    "detector",
    "liveDetector",
    "mode",
    "maxBodyMegabytes",
    "workers",
    "queue",
    "viewers",
    "timeoutSeconds",
  ],
  compute: true,
  service: true,
  lineage: true,
  async run({ models, reports }, params, context) {
    const { serve } = await import("../faces/serving/service.ts");
    const { isLocal } = await import("../faces/serving/security.ts");
    const { readReports, readSources } = await import("../faces/serving/model_sources.ts");
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
    const { host, tls } = params;
    const local = isLocal(host);
    if (!local && !tls) {
      context.warn(
        `${host} lets in all who can reach it. Browsers give the camera to secure pages only: for ` +
          "others than this machine, photos work and the camera does not. With a certificate it " +
          "does: webcamServe.tls.cert and .key; for a try, make one with openssl req -x509 " +
          "-newkey rsa:2048 -nodes -days 30 -subj /CN=faces -keyout key.pem -out cert.pem",
      );
    }
    const cautions = cautionsOf(context.lineage.stages);
    cautions.forEach((caution) => context.warn(caution));
    const serving = await serve({
      ...params,
      cautions,
      modules: modulesOf([params.detector, params.liveDetector], context),
      tls: tls && { cert: await pem(tls.cert), key: await pem(tls.key) },
      sources,
      judged,
      backend: context.compute as Backend,
      maxBodyBytes: Math.round(params.maxBodyMegabytes * 1e6),
      workers: params.workers || Math.min(4, cores()),
      timeout: params.timeoutSeconds,
      warn: (message) => context.warn(message),
    });
    try {
      const names = sources.map(({ id }) => id).join(", ");
      context.info(`${names} at ${serving.urls.join(" and ")} (Ctrl-C stops)`);
      await aborted(context.signal);
    } finally {
      await serving.stop();
    }
  },
});

/** Of the detectors those that a plugin brought, with their modules. */
function modulesOf(names: readonly (string | undefined)[], context: StageContext) {
  return Object.fromEntries(
    names.flatMap((name) => {
      const module = name && context.extension("detector", name);
      return module ? [[name, module]] : [];
    }),
  );
}

async function pem(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new Error(
      `Cannot serve by https: ${JSON.stringify(path)} cannot be read ` +
        `(${(cause as Error).message}). See webcamServe.tls.`,
      { cause },
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
