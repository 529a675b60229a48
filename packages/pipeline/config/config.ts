/** YAML → validated pipeline. Everything is checked before anything runs; all errors are reported. */
import { join, relative } from "node:path";
import { z } from "zod";
import { isRecord, type Shape } from "../fingerprint.ts";
import { ConfigError, formatError, MAX_PROBLEMS, type Problem } from "../errors.ts";
import { wiringProblems } from "../plan.ts";
import { toProblems, valueAt } from "./zod_issues.ts";
import type { Override } from "./override.ts";
import { formerName, identityOf } from "../pipeline_identity.ts";
import { displayPath, fromFileUrl, isUrl, resolveFrom, toFileUrl } from "../paths.ts";
import { addChoices } from "./extension.ts";
import { loadPlugin, type Plugin } from "./plugins.ts";
import type { Registry } from "../registry.ts";
import { ConfigSource } from "./config_source.ts";
import { type ConfiguredStage, readStage, seedSchema } from "./stage_config.ts";
import { sweepSchema } from "./sweep_schema.ts";
import type { YamlFile } from "./yaml_file.ts";

/** Connection to workers on other machines. */
export interface BullmqSettings {
  readonly redis?: string;
  readonly ca?: string;
  readonly prefix?: string;
  readonly localToo: boolean;
}

const REDIS_URL = /^rediss?:\/\/[^/]/;

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
  /^(s3:\/\/[a-z0-9][a-z0-9.-]+(\/.*)?|file:\/\/\/.+|(?![a-z][a-z0-9+.-]*:\/\/).+)$/i,
  "expected s3://bucket/prefix or a folder",
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
const pluginEntry = z.strictObject({
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
  minutes: z.number().gt(0).default(60).describe("Maximum time of each call, in minutes"),
});

/** The top level of a pipeline's YAML. */
export const pipelineSchema = z.strictObject({
  extends: z.string().min(1).optional().describe(
    "Another YAML, the base, that this one is written over: maps are merged key by key, everything " +
      "else replaces the base's. An empty stage keeps the base's, an empty parameter leaves it out",
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

export interface Config {
  /** Absolute path of the YAML. */
  readonly file: string;
  /** Its path from the project, or absolute outside of it; see `identityOf`. */
  readonly identity: string;
  /** A label, not unique. */
  readonly name: string;
  /** Its name in records of earlier versions. */
  readonly former: string;
  /** Values in place of the YAML's: name → value, as `--set` takes it. */
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly compute: Compute;
  /** Connection to workers on other machines, if configured. */
  readonly remoteWorkers?: BullmqSettings;
  /** Place where results are shared. */
  readonly remote?: RemoteSettings;
  /** Absolute path of the artifact folder. */
  readonly artifacts: string;
  readonly stages: readonly ConfiguredStage[];
  /** Places of values, for messages. */
  readonly source: ConfigSource;
}

export interface ConfigOptions {
  /** The project's folder: it has `artifacts/` and the pipelines. */
  project: string;
  /** Folder that relative paths of overrides count from. */
  cwd: string;
  registry: Registry;
  overrides?: readonly Override[];
  /** See `App`. */
  pluginApi?: string | undefined;
}

/** Returns the folder that keeps what is known of unchanged YAML and modules. */
export function projectCache(project: string): string {
  return join(project, "artifacts", ".cache");
}

/**
 * Reads a pipeline's top level and loads its plugins.
 * @param file its path, or the content of it and of the files that it extends
 * @returns `top`: valid values of the top level; `incomplete`: whether a plugin did not load
 * @throws {ConfigError} if it is not YAML
 */
export async function readTopLevel(file: string | readonly YamlFile[], options: ConfigOptions) {
  const { project, cwd, registry, overrides } = options;
  const source = typeof file === "string"
    ? await ConfigSource.read(file, cwd, overrides, projectCache(project))
    : new ConfigSource(file, cwd, overrides);
  const parsed = pipelineSchema.safeParse(source.values);
  const problems: Problem[] = [];
  if (!parsed.success) {
    const parameters = [...await schemasOf(source, registry)]
      .flatMap(([id, { shape }]) => Object.keys(shape).map((key) => `${id}.${key}`));
    const meant = [...registry.names().map((name) => `stages.${name}`), ...parameters];
    problems.push(...toProblems(parsed.error, source, [], pipelineSchema, [], meant));
  }
  const top = parsed.data ?? validParts(source.values);
  let incomplete = top.plugins === undefined;
  for (const [i, plugin] of (top.plugins ?? []).entries()) {
    const path = ["plugins", i], folder = source.folderOf(path);
    const { use, ...limits } = typeof plugin === "string"
      ? pluginEntry.parse({ use: plugin })
      : plugin;
    try {
      const specifier = pluginSpecifier(use, folder);
      const allow = limits.allow.map((right) => {
        const [, kind, file] = right.match(/^(read|write):(.+)$/) ?? [];
        return file === undefined ? right : `${kind}:${resolveFrom(file, folder)}`;
      });
      const bounds = { ...limits, allow, written: valueAt(source.values, path) };
      const results = [join(project, "artifacts"), artifactsIn(top, source, project)];
      const { stages, extensions } = await loadWithin(specifier, bounds, results, options);
      registry.add(stages);
      const schemas = extensions.length > 0 ? await schemasOf(source, registry) : new Map();
      for (const params of schemas.values()) addChoices(params, extensions); // throws at its line
      registry.extend(extensions);
    } catch (error) {
      incomplete = true;
      const message = formatError(error) + await wayFromProject(use, folder, project);
      problems.push({ at: source.at(path), message });
    }
  }
  return { source, registry, top, problems, incomplete };
}

/** Returns the path of a plugin that is missing in a folder and would be there from the project. */
async function wayFromProject(use: string, folder: string, project: string): Promise<string> {
  const meant = resolveFrom(use, project);
  const [there, near] = await Promise.allSettled([resolveFrom(use, folder), meant].map(Deno.lstat));
  if (there!.status === "fulfilled" || near!.status === "rejected") return "";
  const path = relative(folder, meant).replaceAll("\\", "/");
  return `\n  A path counts from the folder of its file: did you mean "${path}"?`;
}

/** Returns the parameters of each stage that is known. */
async function schemasOf({ values: { stages } }: ConfigSource, registry: Registry) {
  const schemas = new Map<string, z.ZodObject>();
  for (const [id, written] of Object.entries(stages ?? {})) {
    const { use = id } = (written ?? {}) as { use?: string };
    if (registry.has(use)) schemas.set(id, (await registry.get(use)).stage.params);
  }
  return schemas;
}

/** Returns the valid top-level values, so that one error does not hide others. */
function validParts(values: Record<string, unknown>): Partial<z.output<typeof pipelineSchema>> {
  const parsed = Object.entries(pipelineSchema.shape)
    .map(([key, schema]) => [key, schema.safeParse(values[key])] as const);
  return Object.fromEntries(
    parsed.flatMap(([key, { success, data }]) => success ? [[key, data]] : []),
  );
}

/**
 * Loads a plugin here if it is the user's own or has all rights, else in processes of few rights.
 * @param written its entry in the YAML
 * @param results folders that others may write to: a pull does
 */
async function loadWithin(
  specifier: string,
  { written, ...limits }: Omit<z.output<typeof pluginEntry>, "use"> & { written: unknown },
  results: readonly string[],
  { project, pluginApi: api = import.meta.resolve("../serve_plugin.ts") }: ConfigOptions,
): Promise<Plugin> {
  const { allow: rights } = limits, all = rights.includes("all");
  const path = specifier.startsWith("file:") ? fromFileUrl(specifier) : "";
  const within = (folder: string) => path.startsWith(join(folder, "/"));
  const own = within(project) && !/[\\/]node_modules[\\/]/.test(path) && !results.some(within);
  const { use: _, allow: __, ...bounds } = isRecord(written) ? written : {};
  if (own && rights.length > 0 && !all) bounds.allow = `[${rights.join(", ")}]`;
  const [bound] = own || all ? Object.entries(bounds) : [];
  if (bound) {
    const [which, way] = own
      ? ["file of the project", ", or keep the plugin outside the project"]
      : ["plugin with allow: [all]", " or all"];
    throw new Error(
      `${bound.join(": ")} bounds no ${which}: it has all rights. Remove ${bound[0]}${way}`,
    );
  }
  const { stages, extensions } = own || all
    ? await loadPlugin(specifier, async () => (await import(api)).api)
    : await import("../third_party.ts").then(({ loadThirdParty }) =>
      loadThirdParty({ ...limits, specifier, api, project })
    );
  if (own) return { stages, extensions };
  return {
    stages: stages.map((one) => ({ ...one, rights })),
    // Presets are data.
    extensions: extensions.map((one) => all || one.definition?.sandbox ? { ...one, rights } : one),
  };
}

/** Returns the specifier of a plugin: a package as it is, a file as URL. */
export function pluginSpecifier(written: string, folder: string): string {
  const isPackage = /^(npm:|@?[a-z0-9][\w-]*(\/|$))/i.test(written) &&
    !/\.[cm]?[jt]sx?$/.test(written);
  return isPackage || isUrl(written) ? written : toFileUrl(resolveFrom(written, folder));
}

/**
 * Reads and validates a pipeline.
 * @param read its path, or the content of it and of the files that it extends
 * @throws {ConfigError} with all errors
 */
export async function readConfig(
  read: string | readonly YamlFile[],
  options: ConfigOptions,
): Promise<Config> {
  const { project } = options;
  const file = typeof read === "string" ? read : read[0]!.path;
  const { top, ...open } = await readTopLevel(read, options);
  const { registry, problems } = open;
  const source = open.source.withChoices(await schemasOf(open.source, registry));
  problems.push(...source.problems);
  const scope = { ...open, source };
  const stages: ConfiguredStage[] = [];
  for (const id of Object.keys(top.stages ?? {})) {
    if (problems.length >= MAX_PROBLEMS) break;
    const stage = await readStage(id, scope);
    if (stage) stages.push(stage);
  }
  if (top.bullmq?.redis !== undefined && !REDIS_URL.test(top.bullmq.redis)) {
    // Without the line or the value, which may have a password.
    const text = source.at(["bullmq", "redis"]).text.replace(/=.*/s, "");
    const message = "bullmq.redis: expected redis://host:6379 or, with TLS, " +
      "rediss://user:password@host:6379";
    problems.push({ at: { text }, message });
  }
  if (top.stages && Object.keys(top.stages).length === 0) {
    problems.push({ at: source.at(["stages"], true), message: "the pipeline has no stages" });
  }
  if (problems.length > 0) {
    // Wiring needs no parameters, so its errors are reported as well.
    const allKnown = stages.length === Object.keys(top.stages ?? {}).length;
    throw new ConfigError([...problems, ...allKnown ? wiringProblems({ stages, source }) : []]);
  }

  const artifacts = artifactsIn(top, source, project);
  const there = await Deno.lstat(artifacts).catch(() => undefined);
  if (there && !await Deno.stat(artifacts).then(({ isDirectory }) => isDirectory, () => false)) {
    const what = there.isSymlink ? "leads to none. Is its disk mounted?" : "is a file";
    const message = `artifacts: expected a folder for the results, but ${artifacts} ${what}`;
    throw ConfigError.at(source.at(["artifacts"]), message);
  }
  const shown = displayPath(file, project);
  const name = top.name ?? shown.replace(/\.ya?ml$/, "").replace(/[\\/]+/g, "-");
  const former = top.name ?? formerName(shown);
  const identity = await identityOf(file, project);
  const overrides = overridesOf(source, stages, artifacts);
  const { seed, compute, executor, bullmq } = pipelineSchema.parse({ ...top, stages: {} });
  const ca = bullmq.ca && resolveFrom(bullmq.ca, source.folderOf(["bullmq", "ca"]));
  const remoteWorkers = executor === "bullmq" ? { ...bullmq, ca } : undefined;
  const { remote: place } = top, given = typeof place === "string" ? { url: place } : place;
  const remote = given &&
    { ...given, url: resolveFrom(given.url, source.folderOf(["remote", "url"])) };
  return {
    file,
    identity,
    name,
    former,
    overrides,
    seed,
    compute,
    artifacts,
    stages,
    source,
    remoteWorkers,
    remote,
  };
}

/** Returns the absolute path of the artifact folder. */
function artifactsIn(top: { artifacts?: string }, source: ConfigSource, project: string): string {
  return top.artifacts === undefined
    ? join(project, "artifacts")
    : resolveFrom(top.artifacts, source.folderOf(["artifacts"]));
}

/** Returns the effective values of overrides, such as an absolute path. */
function overridesOf(
  { overrides }: ConfigSource,
  stages: readonly ConfiguredStage[],
  artifacts: string,
): Record<string, unknown> {
  return Object.fromEntries(overrides.map(({ path, value }) => {
    if (path[0] !== "stages") return [path.join("."), path[0] === "artifacts" ? artifacts : value];
    const [, id, ...inner] = path;
    const { params } = stages.find((stage) => stage.id === id)!;
    const counts = inner.length > 0 ? valueAt(params, inner) : undefined;
    return [[id, ...inner].join("."), counts ?? value];
  }));
}
