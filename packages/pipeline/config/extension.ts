/**
 * Values that plugins add to a parameter: a stage declares it with `definedChoice("detector", ...)`, and
 * a plugin's default export has `extends: "detector"`, a name, and further fields for the stage.
 */
import type { z } from "zod";
import { type Chooses, definedChoice, type Definition, namesOf } from "../define.ts";
import { pluginName } from "../paths.ts";
import { choosesOf, mapValue, withParts } from "./schemas.ts";

export interface Extension {
  /** The kind of choice that it is added to, such as "detector". */
  readonly kind: string;
  readonly name: string;
  /** URL of its module, or a package. */
  readonly module: string;
  /** Granted rights, if a third-party plugin has it and its code runs. */
  readonly rights?: readonly string[];
  /** True for data of a third-party plugin: nothing may load its module. */
  readonly isData?: boolean;
  /** The plugin's export. */
  readonly definition: Definition;
}

export function isExtension(value: unknown): value is Definition {
  return typeof (value as Partial<Definition> | undefined)?.extends === "string";
}

/** Returns a schema with what extensions add to the choices in it. */
export function addChoices<S extends z.ZodType>(schema: S, extensions: readonly Extension[]): S {
  const meta = schema.meta(), chooses = meta?.chooses as Chooses | undefined;
  if (extensions.length === 0) return schema;
  const added = extensions.filter(({ kind }) => kind === chooses?.kind);
  const wider = !chooses
    ? withParts(schema, (part) => addChoices(part, extensions))
    : added.length > 0
    ? widened(chooses, added)
    : schema;
  return (wider !== schema && meta ? wider.meta({ ...meta, ...wider.meta() }) : wider) as S;
}

/** Returns the extensions that a stage's parameters name. */
export function usedExtensions(
  params: unknown,
  schema: z.ZodType,
  extensions: readonly Extension[],
): Extension[] {
  if (extensions.length === 0) return []; // and no schema of a choice is built
  const used = new Set<Extension>();
  mapValue(params, schema, (part, field) => {
    const kind = choosesOf(field)?.kind;
    if (kind === undefined) return undefined;
    const name = (part as { use?: string } | undefined)?.use ?? part;
    const found = extensions.find(({ kind: own, definition }) =>
      own === kind && namesOf(definition).some((one) => one === name)
    );
    if (found) used.add(found);
    return part;
  });
  return [...used];
}

/** Returns a choice with what extensions add to it. */
function widened(chooses: Chooses, added: readonly Extension[]): z.ZodType {
  const { kind, definitions, fallback, reserved = [] } = chooses;
  const taken = [...definitions.flatMap(namesOf), ...reserved];
  for (const { definition, module } of added) {
    const twice = namesOf(definition).find((name) => taken.includes(name));
    if (twice === undefined) continue;
    throw new Error(
      `Cannot add the ${kind} "${twice}" of ${pluginName(module)}: there is one of that name ` +
        "already. Rename it.",
    );
  }
  const more = added.map(({ definition }) => definition);
  return definedChoice(kind, [...definitions, ...more], fallback, reserved);
}
