/** Walks through zod's schemas: what lies within them, at a path, or beside a value. */
import { z } from "zod";
import type { Chooses } from "../define.ts";
import { isRecord } from "../fingerprint.ts";
import type { Path } from "./yaml_file.ts";

/** The schemas directly within a schema, by zod's names. */
interface Parts {
  readonly innerType?: z.ZodType; // of an optional, or of one with a default
  readonly element?: z.ZodType; // of a list
  readonly valueType?: z.ZodType; // of a map of any names
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType; // of any other name
  readonly options?: readonly z.ZodType[]; // of a union
}

function built(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodLazy ? built(schema.unwrap() as z.ZodType) : schema;
}

function partsOf(schema: z.ZodType): Parts {
  return built(schema).def as never;
}

/**
 * Returns the forms of a schema: what an optional is without it, and the members of a union; of those
 * that a choice takes, the one that a value names.
 */
function formsOf(schema: z.ZodType, value?: unknown): z.ZodType[] {
  const { innerType, options } = partsOf(schema);
  if (innerType) return formsOf(innerType, value);
  if (!options) return [schema];
  const use = valueAt(value, ["use"]);
  const named = options.filter((option) => partsOf(option).shape?.use?.safeParse(use).success);
  return (named.length > 0 ? named : options).flatMap((option) => formsOf(option, value));
}

/** Returns the schemas that a path within a schema may have. @param value names those of choices */
export function schemasAt(schema: z.ZodType, [key, ...path]: Path, value?: unknown): z.ZodType[] {
  if (key === undefined) return [schema];
  return formsOf(schema, value).flatMap((form) => {
    const { element, shape = {}, valueType, catchall } = partsOf(form);
    const next = element ?? (Object.hasOwn(shape, key) ? shape[key] : valueType ?? catchall);
    return next ? schemasAt(next, path, valueAt(value, [key])) : [];
  });
}

/** Returns the keys of each map that a path may have; "...": any other. */
export function keysAt(schema: z.ZodType, path: Path, value?: unknown): string[][] {
  const schemas = schemasAt(schema, path, value);
  return schemas.flatMap((one) => formsOf(one, valueAt(value, path))).flatMap((form) => {
    const { shape, catchall } = partsOf(form);
    const isOpen = catchall && catchall.def.type !== "never";
    return shape ? [[...Object.keys(shape), ...isOpen ? ["..."] : []]] : [];
  });
}

/** Returns the definitions that a parameter can name; undefined for another parameter. */
export function choosesOf(schema: z.ZodType): Chooses | undefined {
  const own = schema.meta()?.chooses as Chooses | undefined;
  const { innerType } = own ? {} : partsOf(schema);
  return innerType ? choosesOf(innerType) : own;
}

/** Returns the choices within a schema, without those of their options. */
export function choicesIn(schema: z.ZodType): Chooses[] {
  const own = choosesOf(schema);
  return own ? [own] : schemasWithin(schema).flatMap(choicesIn);
}

function schemasWithin(schema: z.ZodType): z.ZodType[] {
  const { innerType, element, valueType, shape = {}, catchall, options = [] } = partsOf(schema);
  const one = innerType ?? element ?? valueType;
  return one ? [one] : [...Object.values(shape), ...catchall ? [catchall] : [], ...options];
}

/** Returns a schema with others in place of those within it; itself where none differs. */
export function withParts(
  schema: z.ZodType,
  change: (part: z.ZodType) => z.ZodType,
): z.ZodType {
  const before = schemasWithin(schema), after = before.map(change);
  if (after.every((part, i) => part === before[i])) return schema;
  const { shape, ...parts } = partsOf(schema), own = built(schema);
  const single = (["innerType", "element", "valueType"] as const).find((key) => parts[key]);
  const changes = single ? { [single]: after[0] } : shape
    ? {
      shape: Object.fromEntries(Object.keys(shape).map((key, i) => [key, after[i]])),
      ...parts.catchall && { catchall: after.at(-1) },
    }
    : { options: after };
  return z.core.clone(own, { ...own.def, ...changes } as typeof own.def);
}

/**
 * Returns a value with others in place of some within it.
 * @param change returns what takes the place of a part of this schema, if anything does
 */
export function mapValue(
  value: unknown,
  schema: z.ZodType,
  change: (part: unknown, schema: z.ZodType, path: Path) => unknown,
  path: Path = [],
): unknown {
  const changed = change(value, schema, path);
  if (changed !== undefined) return changed;
  // A name has no parts, so the schema of a choice need not be built.
  if (typeof value === "string" ? choosesOf(schema) : typeof value !== "object") return value;
  const { innerType, options } = partsOf(schema);
  const form = innerType ?? options?.find((option) => option.safeParse(value).success);
  if (form) return mapValue(value, form, change, path);
  const inside = (key: string | number, part: unknown) => {
    const [of] = schemasAt(schema, [key]);
    return of ? mapValue(part, of, change, [...path, key]) : part;
  };
  if (Array.isArray(value)) return value.map((item, i) => inside(i, item));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inside(key, part)]));
}

/** Returns what is at a path within a value; undefined: nothing. */
export function valueAt(values: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | null | undefined)?.[part],
    values,
  );
}
