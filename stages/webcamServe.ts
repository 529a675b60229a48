import { once } from "node:events";
import { z } from "zod";
import { cores } from "../packages/workers/cores.ts";
import type { Backend } from "../packages/compute/backends.ts";
import { type Choice, definedChoice } from "../packages/pipeline/define.ts";
import { problemsOf } from "../packages/pipeline/errors.ts";
import { all, cautionsOf, defineStage, pathParam } from "../packages/pipeline/stage.ts";
import { foreignOf } from "../faces/detection/detector.ts";
import { detectorName, detectorNames, networks, notInPage } from "../faces/detection/detectors.ts";
import { lineageOf } from "./input_checks.ts";
import { archives, model, report } from "./kinds.ts";

const params = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe(
    "Address to listen on. 127.0.0.1 accepts requests from this machine only; 0.0.0.0 " +
      "accepts requests from the whole network, without authentication. Browsers then allow" +
      " the camera only with tls",
  ),
  port: z.int().min(0).max(65535).default(8000).describe("Port to listen on; 0 picks a free port"),
  names: z.array(z.string().regex(/^[^\s/:@*]+$/, "expected a host name, without a port"))
    .default([]).describe(
      "Additional host names accepted in requests, such as that of a proxy. If host is another " +
        "address, all IP addresses are accepted; other names are refused, as protection against DNS " +
        "rebinding",
    ),
  tls: z.strictObject({
    cert: pathParam().describe("Path of the certificate (PEM)"),
    key: pathParam().describe("Path of its private key (PEM)"),
  }).optional().describe("Serve over HTTPS. Browsers allow the camera on secure pages only"),
  detector: definedChoice("detector", networks).optional().describe(
    "Face detector for photos. Its name alone takes minConfidence from the training data. Default: " +
      "that of each model's training data, or ssdMobilenetv1 where that is metadata",
  ),
  liveDetector: definedChoice("detector", networks).default("tinyFaceDetector").describe(
    "Face detector of the live view, where speed matters. tinyFaceDetector takes a fifth " +
      "of ssdMobilenetv1's time and misses more faces; dlibCnn is nearly as fast on images of " +
      "256 pixels and slower on larger ones",
  ),
  mode: z.enum(["server", "browser"]).default("server").describe(
    "Where inference runs. server: photos are sent to the server. browser: the page loads" +
      " the networks (about 5 MB, 10 MB with ssdMobilenetv1) and no photo leaves the " +
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
  viewers: z.int().min(0).max(1000).default(8).describe("Maximum number of concurrent live views"),
  timeoutSeconds: z.number().min(1).max(600).default(30).describe(
    "Timeout in seconds for an upload, and again for its analysis",
  ),
});

export default defineStage({
  name: "webcamServe",
  summary: "Serve the models: a web page for webcam and photos, and an HTTP API",
  inputs: {
    models: all(model),
    reports: all(report, { orNone: true }),
    archives: all(archives, { orNone: true }),
  },
  outputs: {},
  params,
  ignoreInCacheKey: params.keyof().options,
  async check({ host, port, tls, mode, detector, liveDetector }, { inputs }) {
    const { openPort } = await import("../faces/serving/server.ts");
    const files = Object.entries(tls ?? {}).map(([name, path]) =>
      [["tls", name], () => Deno.readFile(path)] as const
    );
    const problems = await problemsOf(files, "Cannot serve over HTTPS: ");
    const readable = problems.length === 0 ? tls : undefined;
    // Before the stages that it needs run.
    const opens = () => openPort({ host, port, tls: readable }).close();
    problems.push(...await problemsOf([[["port"], opens]]));
    const trained = lineageOf(inputs.models).filter(({ use }) => use === "faceCrop")
      .map(({ params }) => params.detector as Choice | undefined);
    const plugin = [...detector === undefined ? trained : [detector], liveDetector]
      .map(detectorName).find((name) => !detectorNames.includes(name));
    if (mode !== "browser" || plugin === undefined) return problems;
    return [...problems, { path: ["mode"], message: notInPage(plugin) }];
  },
  compute: true,
  service: true,
  lineage: true,
  callsPlugins: true,
  async run({ models, reports, archives }, params, context) {
    const { serve } = await import("../faces/serving/service.ts");
    const { readReports, readSources } = await import("../faces/serving/model_sources.ts");
    const { describeDatasets } = await import("../faces/evaluation/data_facts.ts");
    const { earlierData } = await import("../faces/evaluation/model_card.ts");
    const reported = {
      ...await readReports(reports.map(({ path }) => path)),
      ...await describeDatasets(archives),
    };
    const sources = await readSources(models, reported.models, context.lineage);
    const { urls, stop } = await serve({
      ...params,
      sources,
      reported: { ...reported, ...earlierData(sources, reported.terms) },
      cautions: cautionsOf(context.lineage.stages),
      backend: context.compute as Backend,
      workers: params.workers || Math.min(4, cores()),
      detectors: Object.fromEntries(
        context.definitions("detector").map((one) => {
          const module = context.extension("detector", one.name)!;
          return [one.name, { module, params: one.params, foreign: foreignOf(one) }];
        }),
      ),
      warn: (message) => context.warn(message),
    });
    try {
      const names = sources.map(({ id }) => id).join(", ");
      context.info(`open ${urls.join(" or ")} in a browser (${names}; Ctrl-C stops)`);
      if (!context.signal.aborted) await once(context.signal, "abort");
    } finally {
      await stop();
    }
  },
});
