/** YAML → validated pipeline. Everything is checked before anything runs, and all errors are told. */
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { ConfigError, didYouMean, explain, list, type Problem, quote } from "./errors.ts";
import { absolute, isUrl, readTextIfThere, short, toFileUrl } from "./paths.ts";
import { loadPlugin } from "./plugins.ts";
import type { Registry } from "./registry.ts";
import { ConfigSource, type Override, type Path } from "./source.ts";
import type { Stage } from "./stage.ts";

/** Keys of a stage in the YAML that are the runner's, not the stage's. */
export const RESERVED = ["use", "inputs"] as const;

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
  for (const folder of new Set([user, project])) {
    for (const ending of ["", ".yaml", ".yml"]) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
      tried.push(path);
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
      `Looked for ${tried.filter((path) => path.endsWith(".yaml")).join(" and ")}. ` +
      `The project has ${list(there.sort()) || "none"}.`,
  }]);
}

async function* listFolder(folder: string): AsyncGenerator<string> {
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isFile) yield entry.name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Reads and validates a pipeline. Throws a ConfigError that lists everything wrong with it. */
export async function readConfig(file: string, options: ConfigOptions): Promise<Config> {
  const { project, user, registry, overrides = [] } = options;
  const text = await readTextIfThere(file);
  if (text === undefined) throw new ConfigError([{ at: { text: file }, message: "no such file" }]);
  const source = new ConfigSource(short(file, user), text, overrides);
  const problems: Problem[] = [];
  const folder = dirname(file);
  const folderOf = (path: Path) => source.overrideOf(path) ? user : folder;

  const top = pipelineSchema.safeParse(source.values);
  if (!top.success) {
    throw new ConfigError(
      problemsOf(top.error, source, [], pipelineSchema, []),
    );
  }

  for (const [i, plugin] of top.data.plugins.entries()) {
    const path = ["plugins", i];
    const specifier =
      /^(npm:|@?[a-z0-9][\w-]*(\/|$))/i.test(plugin) && !/\.[cm]?[jt]sx?$/.test(plugin)
        ? plugin
        : isUrl(plugin)
        ? plugin
        : toFileUrl(resolve(folderOf(path), plugin));
    try {
      registry.add(await loadPlugin(specifier));
    } catch (error) {
      problems.push({ at: source.at(path), message: explain(error) });
    }
  }
  registry.freeze();

  const stages: ConfiguredStage[] = [];
  for (const [id, written] of Object.entries(top.data.stages)) {
    const stage = await readStage(id, written, { source, registry, folderOf, problems });
    if (stage) stages.push(stage);
  }
  if (Object.keys(top.data.stages).length === 0) {
    problems.push({ at: source.at(["stages"], true), message: "the pipeline has no stages" });
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const artifacts = top.data.artifacts === undefined
    ? join(project, "artifacts")
    : resolve(folderOf(["artifacts"]), top.data.artifacts);
  const name = top.data.name ??
    short(file, project).replace(/\.ya?ml$/, "").replace(/[^\w.-]+/g, "-");
  const { seed, compute } = top.data;
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
  if (!/^[a-zA-Z][\w-]*$/.test(id)) {
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
  const params = structuredClone(raw);
  for (const [key, schema] of Object.entries(stage.params.shape)) {
    if (typeof params[key] === "string" && isPath(schema as z.ZodType)) {
      params[key] = absolute(params[key], folderOf([...path, key]));
    }
  }
  const parsed = stage.params.safeParse(params);
  if (!parsed.success) {
    problems.push(...problemsOf(parsed.error, source, path, stage.params, RESERVED));
    return undefined;
  }
  return { id, use, stage, module, params: parsed.data, inputs: checked.data };
}

const inputsSchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** Whether a parameter was declared with `pathParam()`, under any optional or default. */
function isPath(schema: z.ZodType): boolean {
  if (schema.meta()?.path === true) return true;
  const inner = (schema.def as { innerType?: z.ZodType }).innerType;
  return inner !== undefined && isPath(inner);
}

/**
 * zod's issues as problems with a place, what was expected and the nearest name.
 * @param base where the validated value is in the YAML
 * @param more names beside the schema's own that its top level may have
 */
function problemsOf(
  error: z.ZodError,
  source: ConfigSource,
  base: Path,
  schema: z.ZodObject,
  more: readonly string[],
): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const inner = issue.path.map((part) => part as string | number);
    const path = [...base, ...inner];
    const name = [...base.slice(1), ...inner].join(".");
    if (issue.code === "unrecognized_keys") {
      const known = [...keysAt(schema, inner), ...(inner.length === 0 ? more : [])];
      return issue.keys.map((key) => ({
        at: source.at([...path, key], true),
        message: `${name || "a pipeline"} has no ${quote(key)}.${didYouMean(key, known)} ` +
          (known.length > 0 ? `It has ${list(known)}.` : ""),
      }));
    }
    const value = valueAt(source.values, path);
    const got = value === undefined ? "it is missing" : `got ${quote(value)}`;
    const hint = issue.code === "invalid_value" && typeof value === "string"
      ? didYouMean(value, issue.values.map(String))
      : "";
    return [{ at: source.at(path), message: `${name}: ${expectation(issue)}, ${got}.${hint}` }];
  });
}

/** The keys of the object that a schema has at a path, under any optional or default. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const { innerType } = schema.def as { innerType?: z.ZodType };
  if (innerType) return keysAt(innerType, path);
  const shape = (schema as Partial<z.ZodObject>).shape;
  if (!shape) return [];
  if (path.length === 0) return Object.keys(shape);
  const next = shape[path[0]!] as z.ZodType | undefined;
  return next ? keysAt(next, path.slice(1)) : [];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected === "int" ? "a whole number" : issue.expected}`;
    case "invalid_value":
      return `expected ${list(issue.values.map(quote), "or")}`;
    case "too_small":
      return `expected ${
        bound(issue.origin, issue.inclusive ? "at least" : "more than", issue.minimum)
      }`;
    case "too_big":
      return `expected ${
        bound(issue.origin, issue.inclusive ? "at most" : "less than", issue.maximum)
      }`;
    case "invalid_union":
      return `expected ${
        list(issue.errors.flat().map((inner) => expectation(inner).replace(/^expected /, "")), "or")
      }`;
    default:
      return issue.message;
  }
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  const unit = origin === "string" ? " characters" : origin === "array" ? " items" : "";
  return `${relation} ${limit}${unit}`;
}

function valueAt(values: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | null | undefined)?.[part],
    values,
  );
}
