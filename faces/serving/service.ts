/** Puts the service together, and keeps it until it is stopped. */
import type { Backend } from "../../packages/compute/backends.ts";
import {
  defaultsOf,
  type DetectorModelName,
  networkNames,
  usesTensorFlow,
} from "../detection/detectors.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import type { DetectorConfig, Setup } from "./inference_session.ts";
import type { Service } from "./api.ts";
import { createApp } from "./routes.ts";
import { buildAssets } from "./assets.ts";
import { isLocal } from "./security.ts";
import { openPool, type Pool } from "./inference_pool.ts";
import { createLive } from "./live.ts";
import { createServiceMetrics } from "./service_metrics.ts";
import { MemoryBudget } from "./memory_budget.ts";
import type { ReportedMetrics, Source } from "./model_sources.ts";
import { type Address, listen, type Server } from "./server.ts";

export interface ServeOptions extends Address {
  readonly sources: readonly Source[];
  /** What is shown before all scores and predictions. */
  readonly cautions?: readonly string[];
  readonly judged: ReportedMetrics;
  readonly backend: Backend;
  /** Unless given, the one that the first model's faces were found with. */
  readonly detector?: DetectorModelName;
  readonly liveDetector: DetectorModelName;
  /** Where those of the two are that a plugin brought: name → module. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Where the page computes. */
  readonly mode: Service["mode"];
  readonly maxBodyBytes: number;
  readonly workers: number;
  readonly queue: number;
  /** Live views that may be open at once. */
  readonly viewers: number;
  /** Names by which others may ask, beside this machine's own and all addresses. */
  readonly names?: readonly string[];
  /** Longest time for one picture, in seconds. */
  readonly timeout: number;
  /** Longest time for a request's head, in ms. */
  readonly headMs?: number;
  warn(message: string): void;
}

export interface Serving {
  /** Where it can be opened; the first one from this machine. */
  readonly urls: Server["urls"];
  readonly service: Service;
  stop(): Promise<void>;
}

/** So many pictures of the largest size may be in memory; of the usual size, some hundred. */
const pictures = 8;

/** Connections beside those of live views and of pictures that wait. */
const SPARE = 256;

/** Starts the service. When it returns, it answers. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { sources, judged, backend, maxBodyBytes, timeout, viewers, warn } = options;
  const [{ preprocessing }] = sources;
  const detectors = {
    photo: photoDetector(
      preprocessing,
      options.detector,
      options.modules?.[options.detector ?? ""],
    ),
    live: choice(options.liveDetector, preprocessing, options.modules?.[options.liveDetector]),
  };
  const foreign = Object.values(detectors).find(({ module }) => module !== undefined);
  if (options.mode === "browser" && foreign) {
    throw new Error(
      `Cannot compute in the browser: the detector "${foreign.name}" comes from the plugin ` +
        `"${foreign.module}", which the page does not have. Take webcamServe.mode: server, or a ` +
        `detector and liveDetector of ${networkNames.join(", ")}.`,
    );
  }
  const service: Service = {
    models: sources.map(({ description }) => description),
    detectors: { photo: detectors.photo.name, live: detectors.live.name },
    mode: options.mode,
    cautions: [...options.cautions ?? []],
    report: judged.page !== undefined,
    maxBodyBytes,
  };
  const setup: Setup = {
    backend,
    detectors,
    models: sources.map(({ id, task, classes, error, path, preprocessing }) => ({
      id,
      task,
      classes,
      error,
      path,
      preprocessing,
    })),
  };
  const local = isLocal(options.host);
  let opened: Pool | undefined;
  const pool = () => opened;
  const measures = createServiceMetrics(pool);
  const live = createLive({ pool, measures, viewers, warn });
  const app = createApp({
    pool,
    service,
    assets: await buildAssets({
      service,
      local,
      setup,
      preprocessing,
      judged: judged.models,
      report: judged.page,
    }),
    live,
    measures,
    limits: { bytes: maxBodyBytes, seconds: timeout },
    memory: new MemoryBudget(pictures * maxBodyBytes),
    names: local ? undefined : [...ownNames(options.host), ...options.names ?? []],
    warn,
  });
  // It listens at once: /health says that it is starting.
  const server: Server = listen(app, options, {
    connections: SPARE + viewers + options.queue,
    headMs: options.headMs,
    warn,
  });
  const stop = async () => {
    const closing = opened?.close();
    live.close();
    await Promise.all([closing, server.stop()]);
  };
  try {
    opened = await openPool(setup, { ...options, processes: true });
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls: server.urls, service, stop };
}

/** By which this machine is known to others. */
function ownNames(host: string): string[] {
  const name = Deno.hostname();
  return [host, name, `${name}.local`];
}

/** As the faces of training were found, or where their data set said so, the best of ours. */
export function photoDetector(
  preprocessing: Preprocessing,
  wanted?: DetectorModelName,
  module?: string,
): DetectorConfig {
  const { detector } = preprocessing;
  if (detector.name !== "metadata" && (wanted ?? detector.name) === detector.name) {
    // Of a photo all faces are wanted, the small ones beside a large one, too.
    return { ...detector, name: detector.name, minFace: 0 };
  }
  return choice(wanted ?? "ssdMobilenetv1", preprocessing, module);
}

function choice(
  name: DetectorModelName,
  { detector }: Preprocessing,
  module?: string,
): DetectorConfig {
  // A threshold means the same to detectors whose scores are probabilities.
  const alike = usesTensorFlow(name) && usesTensorFlow(detector.name);
  const defaults = defaultsOf(name);
  return {
    ...{ name, module, inputSizes: defaults.inputSizes },
    minConfidence: alike ? detector.minConfidence : defaults.minConfidence,
  };
}
