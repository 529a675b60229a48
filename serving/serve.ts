/** Puts the service together, and keeps it until it is stopped. */
import type { Backend } from "../compute/resolve.ts";
import { defaultInputSizes, type NetworkName } from "../faces/detect.ts";
import type { Preprocessing } from "../faces/preprocessing.ts";
import type { Choice, Setup } from "./analyser.ts";
import type { Service } from "./api.ts";
import { createApp } from "./app.ts";
import { buildAssets } from "./assets.ts";
import { isLocal } from "./guard.ts";
import { openPool, type Pool } from "./pool.ts";
import type { Source } from "./served.ts";
import { type Address, listen, type Server } from "./server.ts";

export interface ServeOptions extends Address {
  readonly sources: readonly Source[];
  readonly backend: Backend;
  /** Unless given, the one that the first model's faces were found with. */
  readonly detector?: NetworkName;
  readonly liveDetector: NetworkName;
  readonly maxBodyBytes: number;
  readonly workers: number;
  readonly queue: number;
  /** Longest time for one picture, in seconds. */
  readonly timeout: number;
  warn(message: string): void;
}

export interface Serving {
  readonly url: string;
  readonly service: Service;
  stop(): Promise<void>;
}

/** Starts the service. When it returns, it answers. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { sources, backend, maxBodyBytes, timeout, warn } = options;
  const detectors = {
    photo: photoDetector(sources[0].preprocessing, options.detector),
    live: { ...choice(options.liveDetector, sources[0].preprocessing), inputSizes: [224, 416] },
  };
  const service: Service = {
    models: sources.map(({ description }) => description),
    detectors: { photo: detectors.photo.name, live: detectors.live.name },
    mode: "server",
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
  let pool: Pool | undefined;
  const app = createApp({
    pool: () => pool,
    service,
    assets: await buildAssets(service),
    limits: { bytes: maxBodyBytes, seconds: timeout },
    local: isLocal(options.host),
    warn,
  });
  // It listens at once: /health says that it is starting.
  const server: Server = listen(app, options, warn);
  const stop = async () => {
    pool?.close();
    await server.stop();
  };
  try {
    pool = await openPool(setup, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: server.url, service, stop };
}

/** As the faces of training were found, or where their data set said so, the best of ours. */
function photoDetector(preprocessing: Preprocessing, wanted?: NetworkName): Choice {
  const { detector } = preprocessing;
  if (detector.name !== "metadata" && (wanted ?? detector.name) === detector.name) {
    return { ...detector, name: detector.name };
  }
  return choice(wanted ?? "ssdMobilenetv1", preprocessing);
}

function choice(name: NetworkName, { detector: { minConfidence } }: Preprocessing): Choice {
  return { name, minConfidence, inputSizes: defaultInputSizes[name] };
}
