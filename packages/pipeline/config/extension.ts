/**
 * Values that plugins add to a parameter: a stage declares it with `choice("detector", ...)`, and a
 * plugin's default export has `extends: "detector"`, a name, and further fields for the stage.
 */
import { z } from "zod";

export interface Extension {
  /** The kind of choice that it is added to, such as "detector". */
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  /** URL of its module, or a package. */
  readonly module: string;
}

/** The default export of a plugin that adds a value. */
interface ExtensionExport {
  readonly extends: string;
  readonly name: string;
  readonly summary: string;
}

export function isExtension(value: unknown): value is ExtensionExport {
  const { extends: kind, name, summary } = (value ?? {}) as Partial<ExtensionExport>;
  return [kind, name, summary].every((text) => typeof text === "string" && text !== "");
}

/** Returns a stage's parameters with the values of extensions. */
export function addChoices(params: z.ZodObject, extensions: readonly Extension[]): z.ZodObject {
  if (extensions.length === 0) return params;
  return params.safeExtend(
    Object.fromEntries(
      Object.entries(params.shape).map(([key, schema]) => [key, widened(schema, extensions)]),
    ),
  );
}

/** Returns the extensions that a stage's parameters name. */
export function usedExtensions(
  params: Readonly<Record<string, unknown>>,
  schema: z.ZodObject,
  extensions: readonly Extension[],
): Extension[] {
  return extensions.filter(({ kind, name }) =>
    Object.entries(schema.shape).some(([key, field]) =>
      params[key] === name && kindOf(field) === kind
    )
  );
}

/** Returns the kind of a choice, if a schema is one. */
export function kindOf(schema: z.ZodType | undefined): unknown {
  if (!schema) return undefined;
  const { innerType } = schema.def as unknown as { innerType?: z.ZodType };
  return schema.meta()?.choice ?? (innerType && kindOf(innerType));
}

function widened(schema: z.ZodType, extensions: readonly Extension[]): z.ZodType {
  const { innerType } = schema.def as unknown as { innerType?: z.ZodType };
  const added = extensions.filter(({ kind }) => kind === kindOf(schema));
  if (added.length === 0) return schema;
  const own = innerType ? [] : (schema as z.ZodEnum).options as string[];
  const twice = added.find(({ name }) => own.includes(name));
  if (twice) {
    throw new Error(
      `Cannot add the ${twice.kind} "${twice.name}" of ${twice.module}: there is one of that name ` +
        "already. Rename it.",
    );
  }
  const copy = innerType
    // Of an optional, or of one with a default.
    ? z.core.clone(
      schema,
      { ...schema.def, innerType: widened(innerType, added) } as typeof schema.def,
    )
    : z.enum([...own, ...added.map(({ name }) => name)]);
  const meta = schema.meta();
  return meta ? copy.meta(meta) : copy;
}
