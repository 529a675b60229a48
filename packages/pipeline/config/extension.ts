/**
 * Values that plugins add to a parameter: a stage declares it with `definedChoice("detector", ...)`, and
 * a plugin's default export has `extends: "detector"`, a name, and further fields for the stage.
 */
import { z } from "zod";
import { choosesOf, definedChoice, type Definition, partsOf, schemasWithin } from "../define.ts";
import { isRecord } from "../fingerprint.ts";

export interface Extension {
  /** The kind of choice that it is added to, such as "detector". */
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  /** URL of its module, or a package. */
  readonly module: string;
  /** Granted rights, if a third-party plugin has it and its code runs. */
  readonly rights?: readonly string[];
  /** True for data of a third-party plugin: nothing may load its module. */
  readonly isData?: boolean;
  /** The plugin's export. */
  readonly definition?: Definition;
}

export function isExtension(value: unknown): value is Definition {
  const { extends: kind, name, summary } = (value ?? {}) as Partial<Definition>;
  return [kind, name, summary].every((text) => typeof text === "string" && text !== "");
}

/** Returns a stage's parameters with what extensions add to its choices. */
export function addChoices(params: z.ZodObject, extensions: readonly Extension[]): z.ZodObject {
  return extensions.length === 0 ? params : widened(params, extensions) as z.ZodObject;
}

/** Returns the extensions that a stage's parameters name. */
export function usedExtensions(
  params: unknown,
  schema: z.ZodType,
  extensions: readonly Extension[],
): Extension[] {
  if (extensions.length === 0) return []; // and no schema of a choice is built
  const { innerType, element, shape, options } = partsOf(schema);
  const within = (part: unknown, one: z.ZodType) => usedExtensions(part, one, extensions);
  const kind = schema.meta()?.choice;
  if (kind !== undefined) {
    const name = (params as { use?: string } | undefined)?.use ?? params;
    return extensions.filter((one) => one.kind === kind && one.name === name);
  }
  if (innerType) return within(params, innerType);
  if (options) return options.flatMap((form) => within(params, form));
  const found = element && Array.isArray(params)
    ? params.flatMap((one) => within(one, element))
    : shape && isRecord(params)
    ? Object.entries(shape).flatMap(([key, field]) => within(params[key], field))
    : [];
  return [...new Set(found)];
}

/** Returns true for a choice, and for what has one in it, such as a list of metrics. */
export function hasChoice(schema: z.ZodType): boolean {
  return schema.meta()?.choice !== undefined || schemasWithin(schema).some(hasChoice);
}

function widened(schema: z.ZodType, extensions: readonly Extension[]): z.ZodType {
  const copy = copyOf(schema, extensions), meta = schema.meta();
  return copy !== schema && meta ? copy.meta({ ...meta, ...copy.meta() }) : copy;
}

function copyOf(schema: z.ZodType, extensions: readonly Extension[]): z.ZodType {
  const kind = schema.meta()?.choice;
  if (kind === undefined) {
    const parts = schemasWithin(schema), wider = parts.map((part) => widened(part, extensions));
    if (wider.every((part, i) => part === parts[i])) return schema;
    const { innerType, element, shape } = partsOf(schema);
    const changes = innerType
      ? { innerType: wider[0] }
      : element
      ? { element: wider[0] }
      : shape
      ? { shape: Object.fromEntries(Object.keys(shape).map((key, i) => [key, wider[i]])) }
      : { options: wider };
    return z.core.clone(schema, { ...schema.def, ...changes } as typeof schema.def);
  }
  const added = extensions.filter((one) => one.kind === kind);
  if (added.length === 0) return schema;
  const { definitions, fallback } = choosesOf(schema)!;
  const own = definitions.flatMap(({ name, former = [] }) => [name, ...former]);
  const twice = added.find(({ name }) => own.includes(name));
  if (twice) {
    throw new Error(
      `Cannot add the ${twice.kind} "${twice.name}" of ${twice.module}: there is one of that name ` +
        "already. Rename it.",
    );
  }
  const more = added.flatMap(({ definition }) => definition ?? []);
  return definedChoice(String(kind), [...definitions, ...more], fallback);
}
