/** YAML → validated pipeline. Everything is checked before anything runs; all errors are reported. */
import { join } from "node:path";
import type { z } from "zod";
import { ConfigError, MAX_PROBLEMS, type Problem } from "../errors.ts";
import { wiringProblems } from "../plan.ts";
import { valueAt } from "./schemas.ts";
import { toProblems } from "./zod_issues.ts";
import type { Override } from "./override.ts";
import { formerName, identityOf } from "../pipeline_identity.ts";
import { displayPath } from "../paths.ts";
import {
  type BullmqSettings,
  type Compute,
  pipelineSchema,
  REDIS_URL,
  type RemoteSettings,
} from "./pipeline_schema.ts";
import { loadPlugins } from "./plugin_entries.ts";
import type { Registry } from "../registry.ts";
import { ConfigSource } from "./config_source.ts";
import { type ConfiguredStage, readStage, schemasOf } from "./stage_config.ts";
import type { YamlFile } from "./yaml_file.ts";

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
  const results = [join(project, "artifacts"), artifactsIn(top, source, project)];
  const failed = await loadPlugins(top.plugins ?? [], source, results, options);
  problems.push(...failed);
  const incomplete = top.plugins === undefined || failed.length > 0;
  return { source, registry, top, problems, incomplete };
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
  problems.push(...source.problems.splice(0)); // those of paths follow
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
  const artifacts = artifactsIn(top, source, project);
  const ca = top.bullmq?.ca && source.pathOf(["bullmq", "ca"], top.bullmq.ca);
  const { remote: place } = top;
  const remote = typeof place === "string"
    ? { url: source.pathOf(["remote"], place) }
    : place && { ...place, url: source.pathOf(["remote", "url"], place.url) };
  problems.push(...source.problems);
  if (problems.length > 0) {
    // Wiring needs no parameters, so its errors are reported as well.
    const allKnown = stages.length === Object.keys(top.stages ?? {}).length;
    throw new ConfigError([...problems, ...allKnown ? wiringProblems({ stages, source }) : []]);
  }

  await assertFolder(artifacts, source);
  const shown = displayPath(file, project);
  const name = top.name ?? shown.replace(/\.ya?ml$/, "").replace(/[\\/]+/g, "-");
  const former = top.name ?? formerName(shown);
  const identity = await identityOf(file, project);
  const overrides = overridesOf(source, stages, artifacts);
  const { seed, compute, executor, bullmq } = pipelineSchema.parse({ ...top, stages: {} });
  const remoteWorkers = executor === "bullmq" ? { ...bullmq, ca } : undefined;
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
    : source.pathOf(["artifacts"], top.artifacts);
}

/** @throws {ConfigError} if the artifact folder is something else; it need not exist */
async function assertFolder(artifacts: string, source: ConfigSource): Promise<void> {
  const there = await Deno.lstat(artifacts).catch(() => undefined);
  if (there && !await Deno.stat(artifacts).then(({ isDirectory }) => isDirectory, () => false)) {
    const what = there.isSymlink ? "leads to none. Is its disk mounted?" : "is a file";
    const message = `artifacts: expected a folder for the results, but ${artifacts} ${what}`;
    throw ConfigError.at(source.at(["artifacts"]), message);
  }
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
    // A stage that is dropped has none.
    const params = stages.find((stage) => stage.id === id)?.params;
    const counts = inner.length > 0 ? valueAt(params, inner) : undefined;
    return [[id, ...inner].join("."), counts ?? value];
  }));
}
