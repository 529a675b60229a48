/** A stage in the YAML → the stage and its parameters. */
import { z } from "zod";
import { type Problem, quote } from "../errors.ts";
import { type Extension, usedExtensions } from "./extension.ts";
import { toProblems } from "./zod_issues.ts";
import { choicesIn, mapValue, valueAt } from "./schemas.ts";
import { seedSchema } from "./pipeline_schema.ts";
import { type Aliases, NAME, OUTPUT } from "../define.ts";
import { isRecord } from "../fingerprint.ts";
import type { Registry } from "../registry.ts";
import type { ConfigSource } from "./config_source.ts";
import type { Kind, Stage } from "../stage.ts";
import type { Path } from "./yaml_file.ts";

/** Keys of a stage in the YAML that the runner reads. */
const reservedSchema = z.object({
  use: z.string().optional(),
  inputs: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
  replaces: z.string().optional(),
  seed: seedSchema.optional(),
});
export const RESERVED = reservedSchema.keyof().options;

/** A stage of a pipeline, its parameters validated, its inputs not yet wired. */
export interface ConfiguredStage {
  readonly id: string;
  readonly use: string;
  /** The stage that `use` names. */
  readonly definition: Stage;
  /** URL of the stage's module. */
  readonly module: string;
  readonly params: Record<string, unknown>;
  /** True if a plugin has it. */
  readonly plugin: boolean;
  /** Granted rights, if code of third-party plugins takes part. */
  readonly rights?: readonly string[];
  /** `inputs:` as written: input name → stage id(s). */
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  /** Stage, or `stage.output`, whose output it takes and replaces for all other stages. */
  readonly replaces?: string;
  /** Extensions of plugins that its parameters name. */
  readonly extensions: readonly Extension[];
  /** In place of the pipeline's. */
  readonly seed?: number;
}

interface StageScope {
  source: ConfigSource;
  registry: Registry;
  /** Receives errors. */
  problems: Problem[];
  /** True if a plugin did not load, which may have the unknown names. */
  incomplete: boolean;
}

/** Validates a stage; returns undefined when it is unclear which stage it is. */
export async function readStage(
  id: string,
  { source, registry, problems, incomplete }: StageScope,
): Promise<ConfiguredStage | undefined> {
  const path = ["stages", id], written = valueAt(source.values, path);
  const report = (at: Path, message: string, key = false) => {
    problems.push({ at: source.at(at, key), message });
    return undefined;
  };
  if (!NAME.test(id)) {
    const message = `stage id ${quote(id)}: expected a letter, then letters, digits, - or _`;
    return report(path, message, true);
  }
  const map = isRecord(written) ? written : {};
  const own = reservedSchema.safeParse(map);
  if (own.error) problems.push(...toProblems(own.error, source, path, reservedSchema, []));
  const { use = id, inputs: _, replaces: __, seed: ___, ...raw } = map;
  if (typeof use !== "string") return undefined;
  if (!registry.has(use)) {
    if (incomplete) return undefined;
    const above = source.stagesAbove(id).findLast(([, name]) => registry.has(name));
    const params = above && (await registry.get(above[1])).stage.params.keyof().options;
    if (above && [...params!, ...RESERVED].includes(id)) {
      const message = `${id} is no stage; as a parameter of ${above[0]} it is indented under it`;
      return report(path, message, true);
    }
    const named = use !== id;
    const hint = named ? "" : ` To name a stage freely, name it: ${id}: { use: ... }.`;
    return report(named ? [...path, "use"] : path, registry.unknown(use) + hint, !named);
  }
  if (written !== null && written !== map) {
    return report(path, `expected the parameters of ${id}, got ${quote(written)}`);
  }
  const { stage: declared, module, plugin = false, rights: granted } = await registry.get(use);
  const counting = mapValue(raw, declared.params, (text, field, at) => {
    if (typeof text !== "string") return undefined;
    if (field.meta()?.path) return text && source.pathOf([...path, ...at], text);
    // Names of labels are read in this Unicode form, and paths as they are.
    return field instanceof z.ZodString ? text.normalize() : undefined;
  });
  const parsed = declared.params.safeParse(counting);
  if (!parsed.success) {
    const issues = parsed.error.issues.filter(({ path: [key] }) => {
      const field: z.ZodType | undefined = declared.params.shape[String(key)];
      return !incomplete || !field || choicesIn(field).length === 0;
    });
    const error = new z.ZodError(issues);
    problems.push(...toProblems(error, source, path, declared.params, RESERVED));
  }
  for (const [name, place] of Object.entries(declared.params.meta()?.aliases as Aliases ?? {})) {
    const other = place.split(".");
    if ([name.split("."), other].some((one) => valueAt(raw, one) === undefined)) continue;
    const both = `${id}.${name} and ${id}.${place}`;
    report([...path, ...other], `${both} are two spellings of one value. Remove one of them.`);
  }
  if (!own.success) return undefined;
  if (parsed.success && own.data.seed !== undefined && !declared.seeded(parsed.data)) {
    report([...path, "seed"], `${id} draws nothing at random, so a seed changes nothing`);
  }
  const params: Record<string, unknown> = parsed.data ?? {};
  const outputs = parsed.success && declared.outputsOf?.(params);
  const isOutput = ([name, kind]: [string, Partial<Kind> | null]) =>
    OUTPUT.test(name) && typeof kind?.kind === "string";
  if (outputs && !Object.entries(outputs).every(isOutput)) {
    return report(path, `outputsOf() of ${use} returns no outputs: expected { name: kind }`, true);
  }
  const definition = outputs ? { ...declared, outputs } : declared;
  for (const name of Object.keys(params)) {
    if (isJson(params[name]) || definition.ignoreInCacheKey.includes(name)) continue;
    const why = "so any value would have the same cache key. Transform it within run()";
    report([...path, name], `${id}.${name}: it becomes what JSON cannot hold, ${why}`);
  }
  const extensions = usedExtensions(params, definition.params, registry.extensions);
  const all = [granted, ...extensions.map(({ rights }) => rights)].filter((one) => !!one);
  const rights = all.length > 0 ? [...new Set(all.flat())] : undefined;
  const read = { ...own.data, id, use, definition, module, plugin, rights, params, extensions };
  if (extensions.every(({ definition }) => !definition.sandbox)) return read;
  const { callingPlugins, inProcess } = await import("../third_party.ts");
  const bounded = definition.callsPlugins ? callingPlugins : inProcess;
  try {
    return { ...read, definition: bounded(definition, extensions, module) };
  } catch (error) {
    return report(path, (error as Error).message, true);
  }
}

/** Returns the parameters of each stage that is known. */
export async function schemasOf({ values: { stages } }: ConfigSource, registry: Registry) {
  const schemas = new Map<string, z.ZodObject>();
  for (const [id, written] of Object.entries(stages ?? {})) {
    const { use = id } = (written ?? {}) as { use?: string };
    if (registry.has(use)) schemas.set(id, (await registry.get(use)).stage.params);
  }
  return schemas;
}

/** Returns false for a value that the cache key has no text of: NaN, a RegExp, a Map, a Date. */
function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object") return !["bigint", "function", "symbol"].includes(typeof value);
  const parts = Object.values(value ?? {});
  if (parts.length > 0 || Array.isArray(value)) return parts.every(isJson);
  return value === null || [null, Object.prototype].includes(Object.getPrototypeOf(value));
}

/** Returns a value with other texts where `pathParam()` declares a path. */
export function mapPaths(
  value: unknown,
  schema: z.ZodType,
  change: (text: string, field: z.ZodType, path: Path) => string,
): unknown {
  return mapValue(value, schema, (text, field, path) => {
    const isPath = typeof text === "string" && field.meta()?.path;
    return isPath ? change(text, field, path) : undefined;
  });
}
