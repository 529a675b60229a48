/** Starts the service and stops it: detectors, cautions, inference processes, HTTP server. */
import type { z } from "zod";
import type { Backend } from "../../packages/compute/backends.ts";
import type { ForeignDetector } from "../detection/detector.ts";
import {
  configureDetector,
  detectorName,
  notInPage,
  usesTensorFlow,
} from "../detection/detectors.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import type { DetectorConfig, Preprocessing } from "../images/preprocessing.ts";
import { isUseful } from "../evaluation/score_model.ts";
import { stepsWarning } from "../training/trained_on.ts";
import type { Service } from "./api.ts";
import { buildAssets } from "./assets.ts";
import { InferencePool } from "./inference_pool.ts";
import type { Setup } from "./inference_session.ts";
import { createLiveViews } from "./live.ts";
import type { ReportedMetrics, Source } from "./model_sources.ts";
import { namesOf } from "./prediction.ts";
import { createApp } from "./routes.ts";
import { isLocal } from "./security.ts";
import { listen, type ListenOptions, type Server } from "./server.ts";
import { createServiceMetrics } from "./service_metrics.ts";

export interface ServeOptions extends Omit<ListenOptions, "connections"> {
  readonly sources: readonly Source[];
  readonly reported: ReportedMetrics;
  /** Sentences shown before all scores and predictions. */
  readonly cautions?: readonly string[];
  readonly backend: Backend;
  /** Accepted host names beside this machine's own and all addresses. */
  readonly names?: readonly string[];
  /** Default: the detector of the first model's training data. */
  readonly detector?: Choice;
  readonly liveDetector: Choice;
  readonly detectors?: PluginDetectors;
  /** Place of the page's inference. */
  readonly mode: Service["mode"];
  readonly maxBodyMegabytes: number;
  readonly workers: number;
  readonly queue: number;
  readonly viewers: number;
  readonly timeoutSeconds: number;
}

/** Name → detector of a plugin; `foreign` for one of a third party. */
type PluginDetectors = Readonly<
  Record<string, { module: string; params?: z.ZodObject; foreign?: ForeignDetector }>
>;

export interface Serving extends Server {
  readonly service: Service;
}

/** Connections beside those of live views and waiting requests. */
const SPARE_CONNECTIONS = 256;
/**
 * Maximum memory of an analysis in bytes. A JPEG of 64 megapixels takes 200 MB, a progressive one
 * 400 MB. An AVIF takes 18 bytes per pixel, though a flat one is 1.5 KB.
 */
const MAX_MEMORY = 600e6;

/** Starts the service; it answers when this returns. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { sources, reported, mode, host, names = [], viewers, warn } = options;
  const local = isLocal(host);
  const [{ preprocessing }] = sources;
  const liveDetector = detectorConfig(preprocessing, options.liveDetector, options.detectors);
  const useless = sources.filter(({ id, constantBaseline }) =>
    reported.models[id] ? !isUseful(reported.models[id]) : constantBaseline !== undefined
  );
  const models = withDetectors(sources, options.detector, options.detectors, liveDetector)
    .map((model, i) => ({ ...model, useless: useless.includes(sources[i]) }));
  const photo = models.map(({ detectors }) => detectors.photo);
  const plugin = [...photo, liveDetector].find(({ module }) => module !== undefined);
  if (mode === "browser" && plugin) throw new Error(notInPage(plugin.name));
  const maxBodyBytes = Math.round(options.maxBodyMegabytes * 1e6);
  const service: Service = {
    models: sources.map(({ description }) => description),
    detectors: { photo: namesOf(photo), live: liveDetector.name },
    mode,
    cautions: [
      ...options.cautions ?? [],
      ...baselineCautions(useless, reported),
      ...sources.flatMap(({ id, description: { steps } }) =>
        stepsWarning(id, steps, "the service")
      ),
    ],
    report: reported.page !== undefined,
    maxBodyBytes,
  };
  if (!local && options.tls === undefined) {
    warn(
      `${host} accepts requests from the whole network, without authentication. Browsers allow ` +
        "the camera on secure pages only: from other machines, photos work and the camera does " +
        "not. Set webcamServe.tls.cert and .key; for a test, run openssl req -x509 " +
        "-newkey rsa:2048 -nodes -days 30 -subj /CN=faces -keyout key.pem -out cert.pem",
    );
  }
  service.cautions.forEach(warn);
  const setup: Setup = { backend: options.backend, models };
  const name = Deno.hostname();
  const plugins = Object.fromEntries(
    Object.entries(options.detectors ?? {})
      .flatMap(([name, { foreign }]) => foreign ? [[name, foreign]] : []),
  );
  const opening = { ...setup, plugins, maxMemory: MAX_MEMORY };
  const pool = new InferencePool(opening, { ...options, timeout: options.timeoutSeconds });
  const metrics = createServiceMetrics(pool);
  const live = createLiveViews({ pool, metrics, viewers, warn });
  const app = createApp({
    pool,
    service,
    assets: await buildAssets(service, setup, reported, local && names.length === 0),
    live,
    metrics,
    limits: { bytes: maxBodyBytes, seconds: options.timeoutSeconds },
    hosts: { names: local ? names : [host, name, `${name}.local`, ...names], local },
    warn,
  });
  const connections = SPARE_CONNECTIONS + viewers + options.queue;
  // Listens before the models are open: /health answers "starting".
  const server = listen(app, { ...options, connections });
  const stop = async () => {
    live.close();
    await Promise.all([pool.close(), server.stop()]);
  };
  try {
    await pool.open();
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls: server.urls, service, stop };
}

/** Returns cautions on the models that are no better than the constant baseline. */
function baselineCautions(bad: readonly Source[], { models }: ReportedMetrics): string[] {
  return [...Map.groupBy(bad, ({ id }) => models[id] ? "test" : "validation")].map(([set, all]) => {
    const ids = joinWords(all.map(({ id }) => `"${id}"`));
    const networks = all.length > 1 ? "these networks are" : "this network is";
    return `The predictions of ${ids} are of no use: on the ${set} set, ${networks} not better than ` +
      "the same answer for every face.";
  });
}

/**
 * Returns models with their detectors: for photos the chosen one, else that of each model's training, or
 * ssdMobilenetv1 where its data set has boxes.
 * @param live detector of the live view. Default: that of photos
 */
export function withDetectors(
  sources: readonly Pick<Source, "id" | "error" | "path" | "preprocessing">[],
  chosen?: Choice,
  plugins?: PluginDetectors,
  live?: DetectorConfig,
): Setup["models"] {
  return sources.map(({ id, error, path, preprocessing }) => {
    const own = chosen === undefined ? preprocessing : sources[0].preprocessing, { detector } = own;
    // Small faces beside a large one are wanted, unlike in training.
    const trained = "minFace" in detector ? { ...detector, minFace: 0 } : detector;
    const photo = detector.name !== "metadata" && (chosen ?? detector.name) === detector.name
      ? trained
      : detectorConfig(own, chosen, plugins);
    return { id, error, path, preprocessing, detectors: { photo, live: live ?? photo } };
  });
}

function detectorConfig(
  { detector }: Preprocessing,
  choice: Choice | undefined,
  plugins: PluginDetectors = {},
): DetectorConfig {
  const name = detectorName(choice), { module, params } = plugins[name] ?? {};
  const options = typeof choice === "object" ? choice : {};
  // Thresholds are comparable between detectors whose scores are probabilities.
  const comparable = usesTensorFlow(name) && usesTensorFlow(detector.name);
  const minConfidence = comparable ? detector.minConfidence : undefined;
  return configureDetector(name, { minConfidence, ...options }, module, params);
}
