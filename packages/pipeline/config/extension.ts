/**
 * Values that plugins add to a parameter: a stage declares it with `choice("detector", ...)`, and a
 * plugin's default export has `extends: "detector"`, a name, and further fields for the stage.
 */
import { z } from "zod";
import { choosesOf, definedChoice, type Definition, partsOf } from "../define.ts";

export interface Extension {
  /** The kind of choice that it is added to, such as "detector". */
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  /** URL of its module, or a package. */
  readonly module: string;
  /** Granted rights, if a third-party plugin has it and its code runs. */
  readonly rights?: readonly string[];
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
  const kind = schema.meta()?.choice;
  if (kind !== undefined) {
    const name = (params as { use?: string } | undefined)?.use ?? params;
    return extensions.filter((one) => one.kind === kind && one.name === name);
  }
  if (innerType) return usedExtensions(params, innerType, extensions);
  if (element && Array.isArray(params)) {
    return [...new Set(params.flatMap((one) => usedExtensions(one, element, extensions)))];
  }
  if (options) return options.flatMap((form) => usedExtensions(params, form, extensions));
  if (!shape || typeof params !== "object" || params === null) return [];
  return [
    ...new Set(
      Object.entries(shape).flatMap(([key, field]) =>
        usedExtensions((params as Record<string, unknown>)[key], field, extensions)
      ),
    ),
  ];
}

/** Returns the kind of a choice, if a schema is one. */
export function kindOf(schema: z.ZodType | undefined): unknown {
  if (!schema) return undefined;
  const { innerType } = partsOf(schema);
  return schema.meta()?.choice ?? (innerType && kindOf(innerType));
}

function widened(schema: z.ZodType, extensions: readonly Extension[]): z.ZodType {
  const copy = copyOf(schema, extensions), meta = schema.meta();
  return copy !== schema && meta ? copy.meta({ ...meta, ...copy.meta() }) : copy;
}

function copyOf(schema: z.ZodType, extensions: readonly Extension[]): z.ZodType {
  const { innerType, element, shape, options } = partsOf(schema);
  const kind = schema.meta()?.choice;
  if (kind === undefined && options) {
    const wider = options.map((form) => widened(form, extensions));
    return wider.every((form, i) => form === options[i])
      ? schema
      : cloned(schema, { options: wider });
  }
  if (innerType) {
    const wider = widened(innerType, extensions);
    return wider === innerType ? schema : cloned(schema, { innerType: wider });
  }
  if (element) {
    const wider = widened(element, extensions);
    return wider === element ? schema : cloned(schema, { element: wider });
  }
  if (shape) {
    const wider = Object.fromEntries(
      Object.entries(shape).map(([key, field]) => [key, widened(field, extensions)]),
    );
    const same = Object.entries(wider).every(([key, field]) => field === shape[key]);
    return same ? schema : cloned(schema, { shape: wider });
  }
  const added = extensions.filter((one) => one.kind === kind);
  if (added.length === 0) return schema;
  const chooses = choosesOf(schema);
  const own = chooses
    ? chooses.definitions.flatMap(({ name, former = [] }) => [name, ...former])
    : (schema as z.ZodEnum).options as string[];
  const twice = added.find(({ name }) => own.includes(name));
  if (twice) {
    throw new Error(
      `Cannot add the ${twice.kind} "${twice.name}" of ${twice.module}: there is one of that name ` +
        "already. Rename it.",
    );
  }
  if (!chooses) return z.enum([...own, ...added.map(({ name }) => name)]);
  const more = added.flatMap(({ definition }) => definition ?? []);
  return definedChoice(String(kind), [...chooses.definitions, ...more], chooses.fallback);
}

function cloned(schema: z.ZodType, changes: ReturnType<typeof partsOf>): z.ZodType {
  return z.core.clone(schema, { ...schema.def, ...changes } as typeof schema.def);
}
