/** YAML → validated pipeline. Everything is checked before anything runs, and all errors are told. */
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { ConfigError, didYouMean, explain, list, type Problem, quote } from "./errors.ts";
import { wiringProblems } from "./graph.ts";
import { problemsOf } from "./issues.ts";
import { absolute, ignoreMissing, isUrl, readTextIfThere, short, toFileUrl } from "./paths.ts";
import { loadPlugin } from "./plugins.ts";
import type { Registry } from "./registry.ts";
import { ConfigSource, type Override, type Path } from "./source.ts";
import type { Stage } from "./stage.ts";

/** Keys of a stage in the YAML that are the runner's, not the stage's. */
export const RESERVED = ["use", "inputs"] as const;

/** What a stage may be called in a pipeline. */
export const STAGE_ID = /^[a-zA-Z][\w-]*$/;

/** The top level of a pipeline's YAML. */
export const pipelineSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "expected letters, digits, '-', '_' and '.'").optional()
    .describe("Names the run in records and messages; the file's name unless given"),
  seed: z.int().min(0).max(2 ** 32 - 1).default(42)
    .describe("All randomness stems from it: same seed, same result"),
  compute: z.enum(["auto", "wasm", "node", "node-gpu", "cpu"]).default("auto")
    .describe(
      "TensorFlow.js backend. auto: node-gpu or node if you have installed it, else wasm",
    ),
  artifacts: z.string().min(1).optional()
    .describe("Folder for results; artifacts/ in the project unless given"),
  plugins: z.array(z.string().min(1)).default([])
    .describe("Stages of your own: files (./plugins/blur.ts) or npm packages (npm:name@1.0.0)"),
  stages: z.record(z.string(), z.unknown())
    .describe("Stage id → its parameters. The order does not matter"),
});

export type Compute = z.output<typeof pipelineSchema>["compute"];

/** A stage of a pipeline, its parameters validated, its inputs not yet wired. */
export interface ConfiguredStage {
  readonly id: string;
  readonly use: string;
  readonly stage: Stage;
  /** URL of the stage's module. */
  readonly module: string;
  readonly params: Record<string, unknown>;
  /** `inputs:` as written: input name → stage id(s). */
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
}

export interface Config {
  /** Absolute path of the YAML. */
  readonly file: string;
  readonly name: string;
  readonly seed: number;
  readonly compute: Compute;
  /** Absolute path of the artifact folder. */
  readonly artifacts: string;
  readonly stages: readonly ConfiguredStage[];
  /** For messages about what was written. */
  readonly source: ConfigSource;
}

export interface ConfigOptions {
  /** The project's folder: where `artifacts/` is and names like `pipeline` are looked up. */
  project: string;
  /** Where the person stands: relative paths of overrides count from here. */
  user: string;
  registry: Registry;
  overrides?: readonly Override[];
}

/**
 * Finds the YAML that a name means: `pipeline` is pipeline.yaml, `experiments/gender` is
 * experiments/gender.yaml, looked for where the person stands, then in the project.
 */
export async function findPipeline(name: string, user: string, project: string): Promise<string> {
  const tried: string[] = [];
  const endings = /\.ya?ml$/.test(name) ? [""] : [".yaml", ".yml", ""];
  for (const folder of new Set([user, project])) {
    for (const ending of endings) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
      if (ending === endings[0] && !tried.includes(path)) tried.push(path);
    }
  }
  const there: string[] = [];
  for (const folder of [project, join(project, "experiments")]) {
    for await (const entry of listFolder(folder)) {
      if (/\.ya?ml$/.test(entry)) {
        there.push(short(join(folder, entry), project).replace(/\.ya?ml$/, ""));
      }
    }
  }
  throw new ConfigError([{
    at: { text: name },
    message: `there is no such pipeline.${didYouMean(name, there)} ` +
      `Looked for ${tried.join(" and ")}. ` +
      `The project has ${list(there.sort()) || "none"}.`,
  }]);
}

async function* listFolder(folder: string): AsyncGenerator<string> {
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isFile) yield entry.name;
  } catch (error) {
    ignoreMissing(error);
  }
}

/** A pipeline's YAML, and all stages that it may use; no stage of it was looked at yet. */
export interface OpenConfig {
  readonly source: ConfigSource;
  readonly registry: Registry;
  /** The top level, as far as it is valid. */
  readonly top: Partial<z.output<typeof pipelineSchema>>;
  /** What is wrong so far. */
  readonly problems: Problem[];
}

/** Reads a pipeline's top level and loads its plugins. Throws a ConfigError on what is no YAML. */
export async function openConfig(file: string, options: ConfigOptions): Promise<OpenConfig> {
  const { user, registry, overrides } = options;
  const text = await readTextIfThere(file);
  if (text === undefined) throw new ConfigError([{ at: { text: file }, message: "no such file" }]);
  const source = new ConfigSource(short(file, user), text, overrides);
  const parsed = pipelineSchema.safeParse(source.values);
  const problems = parsed.success ? [] : problemsOf(parsed.error, source, [], pipelineSchema, []);
  const top = parsed.data ?? validParts(source.values);
  for (const [i, plugin] of (top.plugins ?? []).entries()) {
    const path = ["plugins", i];
    try {
      registry.add(await loadPlugin(pluginSpecifier(plugin, folderOf(path, file, source, user))));
    } catch (error) {
      problems.push({ at: source.at(path), message: explain(error) });
    }
  }
  return { source, registry: registry.freeze(), top, problems };
}

/** The top-level values that are valid by themselves, so that one mistake does not hide others. */
function validParts(values: Record<string, unknown>): Partial<z.output<typeof pipelineSchema>> {
  return Object.fromEntries(
    Object.entries(pipelineSchema.shape).flatMap(([key, schema]) => {
      const { success, data } = schema.safeParse(values[key]);
      return success ? [[key, data]] : [];
    }),
  );
}

/** A package by its name, everything else by its URL. */
function pluginSpecifier(written: string, folder: string): string {
  const isPackage = /^(npm:|@?[a-z0-9][\w-]*(\/|$))/i.test(written) &&
    !/\.[cm]?[jt]sx?$/.test(written);
  return isPackage || isUrl(written) ? written : toFileUrl(resolve(folder, written));
}

/** What a relative path that was written at a place counts from. */
function folderOf(path: Path, file: string, source: ConfigSource, user: string): string {
  return source.overrideOf(path) ? user : dirname(file);
}

/** Reads and validates a pipeline. Throws a ConfigError that lists everything wrong with it. */
export async function readConfig(file: string, options: ConfigOptions): Promise<Config> {
  const { project, user } = options;
  const { source, registry, top, problems } = await openConfig(file, options);
  const scope = {
    source,
    registry,
    problems,
    folderOf: (path: Path) => folderOf(path, file, source, user),
  };
  const stages: ConfiguredStage[] = [];
  for (const [id, written] of Object.entries(top.stages ?? {})) {
    const stage = await readStage(id, written, scope);
    if (stage) stages.push(stage);
  }
  if (top.stages && Object.keys(top.stages).length === 0) {
    problems.push({ at: source.at(["stages"], true), message: "the pipeline has no stages" });
  }
  if (problems.length > 0) {
    // Wiring needs no parameters: what is wrong with it is told in the same breath.
    const allKnown = stages.length === Object.keys(top.stages ?? {}).length;
    throw new ConfigError([...problems, ...allKnown ? wiringProblems({ stages, source }) : []]);
  }

  const artifacts = top.artifacts === undefined
    ? join(project, "artifacts")
    : resolve(scope.folderOf(["artifacts"]), top.artifacts);
  if (await Deno.stat(artifacts).then((info) => !info.isDirectory, () => false)) {
    const message = `artifacts: expected a folder for the results, but ${artifacts} is a file`;
    throw new ConfigError([{ at: source.at(["artifacts"]), message }]);
  }
  const name = top.name ?? short(file, project).replace(/\.ya?ml$/, "").replace(/[^\w.-]+/g, "-");
  const { seed, compute } = pipelineSchema.parse({ ...top, stages: {} });
  return { file, name, seed, compute, artifacts, stages, source };
}

interface StageScope {
  source: ConfigSource;
  registry: Registry;
  folderOf(path: Path): string;
  problems: Problem[];
}

async function readStage(
  id: string,
  written: unknown,
  { source, registry, folderOf, problems }: StageScope,
): Promise<ConfiguredStage | undefined> {
  const path = ["stages", id];
  const report = (at: Path, message: string, key = false) => {
    problems.push({ at: source.at(at, key), message });
    return undefined;
  };
  if (!STAGE_ID.test(id)) {
    return report(
      path,
      `stage id ${quote(id)}: expected a letter, then letters, digits, - or _`,
      true,
    );
  }
  if (written !== null && (typeof written !== "object" || Array.isArray(written))) {
    return report(path, `expected the parameters of ${id}, got ${quote(written)}`);
  }
  const { use = id, inputs = {}, ...raw } = (written ?? {}) as Record<string, unknown>;
  if (typeof use !== "string") return report([...path, "use"], "expected the name of a stage");
  if (!registry.has(use)) {
    const named = use !== id;
    const hint = named ? "" : ` To name a stage freely, say which it is: ${id}: { use: ... }.`;
    return report(named ? [...path, "use"] : path, registry.unknown(use) + hint, !named);
  }
  const { stage, module } = await registry.get(use);
  const checked = inputsSchema.safeParse(inputs);
  if (!checked.success) {
    return report([...path, "inputs"], "expected input: stage id, as in inputs: { faces: blur }");
  }
  const parsed = stage.params.safeParse(withPaths(raw, stage.params, path, folderOf));
  if (!parsed.success) {
    problems.push(...problemsOf(parsed.error, source, path, stage.params, RESERVED));
  }
  return { id, use, stage, module, params: parsed.data ?? {}, inputs: checked.data };
}

const inputsSchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** A value whose parts that were declared with `pathParam()` are made absolute. */
function withPaths(
  value: unknown,
  schema: z.ZodType,
  path: Path,
  folderOf: StageScope["folderOf"],
): unknown {
  const { innerType, element, valueType, shape, options } = schema.def as unknown as {
    /** Of an optional, or of one with a default. */
    innerType?: z.ZodType;
    /** Of a list. */
    element?: z.ZodType;
    /** Of a map. */
    valueType?: z.ZodType;
    shape?: Record<string, z.ZodType>;
    /** Of a value that may be of several forms. */
    options?: readonly z.ZodType[];
  };
  if (options) {
    const form = options.find((option) => option.safeParse(value).success);
    return form ? withPaths(value, form, path, folderOf) : value;
  }
  if (typeof value === "string") {
    if (schema.meta()?.path === true) return absolute(value, folderOf(path));
    return innerType ? withPaths(value, innerType, path, folderOf) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (innerType) return withPaths(value, innerType, path, folderOf);
  const inside = (key: string | number, part: unknown, of: z.ZodType | undefined) =>
    of ? withPaths(part, of, [...path, key], folderOf) : part;
  if (Array.isArray(value)) return value.map((item, i) => inside(i, item, element));
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, inside(key, part, shape?.[key] ?? valueType)]),
  );
}
