/** Process that analyzes photos: see `inference_pool.ts`. */
import sharp from "sharp";
import { serve } from "../../packages/workers/worker_main.ts";
import type { ForeignDetector } from "../detection/detector.ts";
import { openModel } from "../detection/detectors.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Analysis } from "./api.ts";
import { type AnalyzeOptions, openInferenceSession, type Setup } from "./inference_session.ts";

export interface ProcessSetup extends Setup {
  /** Maximum memory of an analysis in bytes. Default: unlimited. */
  readonly maxMemory?: number;
  /** Name → detector of a third-party plugin. */
  readonly plugins?: Readonly<Record<string, ForeignDetector>>;
}

/** Outcome of an analysis. `fatal`: it still runs, so the process must be killed. */
export type Outcome = { result: Analysis } | { unreadable: string; way?: string; fatal?: true };

/** Interval in ms at which memory is read. */
const INTERVAL_MS = 20;

await serve<ProcessSetup, AnalyzeOptions, Outcome>(async (opening) => {
  const { maxMemory = Infinity, plugins = {}, ...setup } = opening;
  sharp.cache(false); // no photo comes twice
  sharp.block({ operation: ["VipsForeignLoadSvg"] }); // the other loaders: see decode_image.ts
  const analyzePhoto = await openInferenceSession(setup, async (name, options) => {
    const plugin = plugins[name];
    if (!plugin) return await openModel(name, options);
    const { openForeign } = await import("../detection/foreign_detector.ts");
    return await openForeign(name, plugin, options);
  });
  const analyze = (photo: Uint8Array, options: AnalyzeOptions) =>
    analyzePhoto(photo, options).then((result): Outcome => ({ result }), (error): Outcome => {
      if (error instanceof ImageError) return { unreadable: error.reason, way: error.way };
      throw error;
    });
  return async (options, photo) => {
    const before = Deno.memoryUsage().rss;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const timer = setInterval(() => {
      if (Deno.memoryUsage().rss - before < maxMemory) return;
      const unreadable = `it takes more than ${maxMemory / 1e6} MB of memory; send a smaller one`;
      resolve({ unreadable, fatal: true });
    }, INTERVAL_MS);
    const answer = await Promise.race([promise, analyze(photo, options)])
      .finally(() => clearInterval(timer));
    return { answer };
  };
});
