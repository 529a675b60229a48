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
  summary: "Serve the models: a web page for webcam and photos, and an HTTP API",
  inputs: { models: all(model), reports: all(report, { orNone: true }) },
  outputs: {},
  params: z.strictObject({
    host: z.string().min(1).default("127.0.0.1").describe(
      "Address to listen on. 127.0.0.1 accepts requests from this machine only; 0.0.0.0 " +
        "accepts requests from the whole network, without authentication. Browsers then allow" +
        " the camera only with tls",
    ),
    port: z.int().min(0).max(65535).default(8000).describe(
      "Port to listen on; 0 picks a free port",
    ),
    names: z.array(z.string().regex(/^[^\s/:@]+$/, "expected a host name, without a port")).default(
      [],
    )
      .describe(
        "Additional host names accepted in requests if host is another address. IP addresses " +
          "are always accepted; other names are refused, as protection against DNS rebinding",
      ),
    tls: z.strictObject({
      cert: pathParam().describe(
        "Path of the certificate (PEM)",
      ),
      key: pathParam().describe(
        "Path of its private key (PEM)",
      ),
    }).optional().describe(
      "Serve over HTTPS. Browsers allow the camera on secure pages only",
    ),
    detector: choice("detector", networkNames).optional().describe(
      "Face detector for photos. Default: the detector of the training data, or " +
        "ssdMobilenetv1 where that is metadata",
    ),
    liveDetector: choice("detector", networkNames).default("tinyFaceDetector").describe(
      "Face detector of the live view, where speed matters. tinyFaceDetector takes a fifth " +
        "of ssdMobilenetv1's time and misses more faces; dlibCnn is as fast on images of 256 " +
        "pixels and slower on larger ones",
    ),
    mode: z.enum(["server", "browser"]).default("server").describe(
      "Where inference runs. server: photos are sent to the server. browser: the page loads" +
        " the networks (about 4 MB, 10 MB with ssdMobilenetv1) and no photo leaves the " +
        "browser; /predict still answers",
    ),
    maxBodyMegabytes: z.number().gt(0).max(200).default(20).describe(
      "Maximum size of an upload in megabytes (10^6 bytes)",
    ),
    workers: z.int().min(0).max(32).default(0).describe(
      "Photos analyzed concurrently. 0: one per core, at most 4",
    ),
    queue: z.int().min(1).max(1000).default(16).describe(
      "Maximum number of waiting requests. Further requests are refused with a Retry-After " +
        "header",
    ),
    viewers: z.int().min(0).max(1000).default(8).describe(
      "Maximum number of concurrent live views",
    ),
    timeoutSeconds: z.number().min(1).max(600).default(30).describe(
      "Timeout in seconds for an upload, and again for its analysis",
    ),
  }),
  ignoreInCacheKey: [
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
          "serving does not apply: expect worse predictions than on the test set",
      );
    }
    const { host, tls } = params;
    const local = isLocal(host);
    if (!local && !tls) {
      context.warn(
        `${host} accepts requests from the whole network, without authentication. Browsers allow ` +
          "the camera on secure pages only: from other machines, photos work and the camera does " +
          "not. Set webcamServe.tls.cert and .key; for a test, run openssl req -x509 " +
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

/** Returns the modules of those detectors that come from a plugin. */
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
      `Cannot serve over HTTPS: cannot read ${JSON.stringify(path)} ` +
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
