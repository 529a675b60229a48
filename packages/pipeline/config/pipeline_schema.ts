/** The top level of a pipeline's YAML, as a schema. */
import { z } from "zod";
import type { Shape } from "../fingerprint.ts";

/** Connection to workers on other machines. */
export interface BullmqSettings {
  readonly redis?: string;
  readonly ca?: string;
  readonly prefix?: string;
  readonly localToo: boolean;
}

export const REDIS_URL = /^rediss?:\/\/[^/]/;

export const bullmqSchema = z.strictObject<Shape<BullmqSettings>>({
  redis: z.string().meta({ pattern: REDIS_URL.source }).optional().describe(
    "Redis or Valkey: redis://host:6379, with TLS rediss://user:password@host:6379. Default: " +
      "the environment variable REDIS_URL, or redis://127.0.0.1:6379",
  ),
  ca: z.string().min(1).optional().describe("Certificate (PEM) of a private certificate authority"),
  prefix: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe("Begins all keys in Redis, and separates workers. Default: the name of the app"),
  localToo: z.boolean().default(false).describe("This machine is a worker as well"),
});

/** A place where results are shared. */
export interface RemoteSettings {
  readonly url: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
}

const remoteUrl = z.string().regex(
  /^(s3:\/\/[a-z0-9][a-z0-9.-]+(?!.*\/\.\.?(\/|$))(\/.*)?|file:\/\/\/.+|(?![a-z][a-z0-9+.-]*:\/\/).+)$/i,
  "expected s3://bucket/prefix (no part of which is . or ..) or a folder",
)
  .describe("s3://bucket/prefix, or a folder that all machines see");

export const remoteSchema = z.strictObject<Shape<RemoteSettings>>({
  url: remoteUrl,
  endpoint: z.string().regex(/^https?:\/\/[^/]/, "expected http://HOST or https://HOST").optional()
    .describe(
      "Server of a bucket that is not at Amazon, such as http://127.0.0.1:9000. Default: the " +
        "environment variable AWS_ENDPOINT_URL, or Amazon's server",
    ),
  region: z.string().min(1).optional()
    .describe("Default: the environment variable AWS_REGION, or us-east-1"),
  pathStyle: z.boolean().optional().describe(
    "true: https://server/bucket; false: https://bucket.server. Default: true with an endpoint",
  ),
});

const BACKENDS = ["auto", "wasm", "webgpu", "node", "node-gpu", "cpu"] as const;
export type Compute = (typeof BACKENDS)[number];

/** Suggested for names of a GPU, which are near "cpu" in letters alone. */
const GPU = '"webgpu" or "node-gpu"';

/** A plugin, with the rights and limits of one that is not of the project. */
export const pluginEntry = z.strictObject({
  use: z.string().min(1).describe("The file or package"),
  allow: z.array(
    z.string().regex(
      /^(all|(net|env|sys|read|write|run|ffi)(:.+)?)$/,
      "expected all, or net, env, sys, read, write, run or ffi, as in net:example.org",
    ),
  ).default([]).describe(
    "Rights of a plugin from npm or outside the project beside reading its inputs and writing " +
      "its outputs: net:example.org, read:/data, ffi. run, ffi and all have no limits",
  ),
  memory: z.number().gt(0).default(4).describe("Maximum memory of its processes, in GB"),
  disk: z.number().gt(0).default(20).describe("Maximum size of what a stage of it writes, in GB"),
  // Timers end at 2^31 ms.
  minutes: z.number().gt(0).max(35_000).default(60)
    .describe("Maximum time of each call, in minutes"),
});

/** Seed of all randomness. */
export const seedSchema = z.int().min(0).max(2 ** 32 - 1);

/** Top-level keys that are equal for all runs of a sweep. */
export const FIXED = /^(extends|sweep|stages|name|artifacts|plugins|executor|bullmq|remote)$/;

export const rangeSchema = z.strictObject({
  from: z.number().describe("Lowest value"),
  to: z.number().describe("Highest value"),
  scale: z.enum(["linear", "log"]).default("linear").describe(
    "Distribution: uniform, or uniform in the logarithm",
  ),
  step: z.number().positive().optional().describe(
    "Distance of the values: from, from + step and so on",
  ),
}).refine(({ from, to }) => from < to, "expected from to be less than to")
  .refine(({ from, scale }) => scale === "linear" || from > 0, "scale: log needs from above 0");

/** A range of values, from which `trials` are drawn. */
export type Range = z.output<typeof rangeSchema>;

export const bestSchema = z.strictObject({
  of: z.string().min(1).describe("Pipeline swept before: its name, or its YAML from the project"),
  by: z.string().regex(/\./, "expected STAGE.METRIC").describe(
    "Metric on validation: STAGE.METRIC, as the summary names them",
  ),
  share: z.number().positive().max(1).default(1 / 3).describe("Share of its points to take"),
});

/** The choice of an earlier sweep's best points. */
export type Best = z.output<typeof bestSchema>;

export const sweepSchema = z.object({
  trials: z.int().min(1).max(10_000).optional().describe(
    "Number of combinations to draw; seeds and folds are still tried with each",
  ),
  best: bestSchema.optional().describe("Values to take from the best runs of an earlier sweep"),
}).catchall(z.union([z.array(z.unknown()).min(1), rangeSchema]));

/** The top level of a pipeline's YAML. */
export const pipelineSchema = z.strictObject({
  extends: z.string().min(1).optional().describe(
    "Another YAML, the base, that this one is written over: maps are merged key by key, everything " +
      "else replaces the base's. An empty stage keeps the base's, an empty parameter leaves it out, " +
      "false drops a stage or the sweep",
  ),
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe("Label of the pipeline in its report. Default: its path, such as experiments-first"),
  seed: seedSchema.default(42).describe("All randomness stems from it: same seed, same result"),
  compute: z.enum(BACKENDS).default("auto").describe(
    "Compute backend. auto: wasm; deno task compute measures them",
  )
    .meta({ mistaken: Object.fromEntries(["gpu", "cuda", "metal"].map((name) => [name, GPU])) }),
  executor: z.enum(["local", "bullmq"]).default("local").describe(
    "Where shards and runs of a sweep are executed: on this machine, or by workers on " +
      "others (deno task worker). The result is the same",
  ),
  bullmq: bullmqSchema.default(bullmqSchema.parse({}))
    .describe("Connection to the workers of executor: bullmq"),
  remote: z.union([remoteUrl, remoteSchema]).optional().describe(
    "Results shared with others: a run takes what it lacks from there before it computes; deno " +
      "task push and pull copy a run's results. The keys of a bucket are read from the " +
      "environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
  ),
  artifacts: z.string().min(1).regex(/^(?!\w+:\/\/)/, "expected a folder; `remote` takes a URL")
    .optional()
    .describe("Folder for results. Default: artifacts/ in the project"),
  plugins: z.array(z.union([z.string().min(1), pluginEntry])).default([])
    .describe("Stages, losses and others: files (./plugins/blur.ts), packages (npm:name@1.0.0)"),
  sweep: sweepSchema.optional().describe(
    "Values to try: { split.test: [0.1, 0.2], seed: [1, 2, 3] } makes six runs. " +
      "seed varies everything random, split.seed only what that stage draws. " +
      "{ trials: 30, trainGender.dropout: { from: 0, to: 0.5 } } draws 30",
  ),
  stages: z.record(z.string(), z.unknown())
    .describe("Stage id → its parameters. The order does not matter"),
});
