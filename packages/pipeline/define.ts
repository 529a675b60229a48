/**
 * Things that a parameter can name: networks, optimizers, losses, detectors. Built-in ones are declared
 * like a plugin's, and a parameter takes `NAME` or `{ use: NAME, ...options }`.
 */
import { z } from "zod";
import type { Directions } from "./app.ts";
import type { Sandbox } from "./sandbox.ts";

/** Names of stages and definitions, and ids of stages in YAML; some become folders. */
export const NAME = /^[a-zA-Z][\w-]*$/;

/** Names of outputs that parameters decide: of folders, and in `inputs:` after a stage and a dot. */
export const OUTPUT = /^[\p{L}\p{N}_]([\p{L}\p{N} _-]*[\p{L}\p{N}_-])?$/u;

/** Something that a parameter can name, with its own options. */
export interface Definition {
  /** Kind of choice that it belongs to, such as "network". */
  readonly extends: string;
  /** Name in YAML, in camelCase. */
  readonly name: string;
  /** One line, a noun phrase or an order. */
  readonly summary: string;
  /** Earlier names, accepted as aliases. */
  readonly former?: readonly string[];
  /** Its options: a `z.strictObject`. Default: none. */
  readonly params?: z.ZodObject;
  /** Set by the runner for one of a third-party plugin, whose functions run in another process. */
  readonly sandbox?: Sandbox;
  /**
   * Set by the runner within a stage that declares `callsPlugins`: calls a function in that process.
   * @returns its answer as JSON, by a schema
   */
  call?<T>(method: string, schema: z.ZodType<T>, ...args: readonly unknown[]): Promise<T>;
}

/**
 * Declares something that parameters of a kind can name. A plugin's module has it, or a list of
 * several, as its default export.
 * @example
 * ```ts
 * import { z } from "zod";
 * const half = define({
 *   kind: "schedule", name: "half", summary: "Half the rate from an epoch on",
 *   params: z.strictObject({ from: z.int().default(10).describe("Epoch") }),
 * });
 * console.assert(half.extends === "schedule");
 * ```
 */
export function define<D extends Omit<Definition, "extends"> & { readonly kind: string }>(
  { kind, ...definition }: D,
): Omit<D, "kind"> & { readonly extends: string } {
  return Object.freeze({ extends: kind, ...definition }) as never;
}

/** A member of definitions that is a function. */
export const method: z.ZodType<never> = z.custom<never>(
  (given) => typeof given === "function",
  "expected a function",
);

const membersByKind = new Map<string, z.ZodRawShape>();

/** Declares the members that a kind's definitions have beside those of all; a plugin's are checked. */
export function defineMembers<D extends Definition>(
  kind: string,
  own: { readonly [Name in Exclude<keyof D, keyof Definition>]: z.ZodType<D[Name]> },
): void {
  membersByKind.set(kind, own);
}

/** Returns the schemas that `defineMembers` has of a kind. */
export function membersOf(kind: string): z.ZodRawShape | undefined {
  return membersByKind.get(kind);
}

/** Returns the names of a definition, the present one first. */
export function namesOf({ name, former = [] }: Definition): readonly string[] {
  return [name, ...former];
}

/** Value of a parameter that names a definition, as validated. */
export type Choice = string | { readonly use?: string; readonly [option: string]: unknown };

/** The definitions that a parameter can name, and their kind. */
export interface Chooses {
  readonly kind: string;
  readonly definitions: readonly Definition[];
  readonly fallback?: string;
  /** Names of other things, which no definition of a plugin may have. */
  readonly reserved?: readonly string[];
}

const NO_OPTIONS = z.strictObject({});

/**
 * A parameter that names one of the definitions, or what plugins add to this kind:
 * `NAME` or `{ use: NAME, ...options }`.
 * @param fallback the definition whose options are meant without `use`
 * @param reserved names that no definition of a plugin may have
 */
export function definedChoice(
  kind: string,
  definitions: readonly Definition[],
  fallback?: string,
  reserved?: readonly string[],
): z.ZodType<Choice> {
  // Options that are required leave no short form.
  const short = () =>
    definitions.filter(({ params = NO_OPTIONS }) =>
      Object.values(params.shape as Record<string, z.ZodType>).every((field) => field.isOptional())
    ).flatMap(namesOf);
  const members = () =>
    definitions.map((one) => {
      const { name, summary, params = NO_OPTIONS } = one, use = z.enum(namesOf(one));
      return z.strictObject({
        use: (name === fallback ? use.optional() : use).describe(summary),
        ...params.shape,
      });
    });
  // Built when a value is parsed: most parameters of a pipeline are left out.
  return z.lazy(() => z.union([z.enum(short()), z.discriminatedUnion("use", members() as never)]))
    .meta({ chooses: { kind, definitions, fallback, reserved } satisfies Chooses }) as never;
}

/** Returns the name that a choice has, as written. */
export function useOf(choice: Choice): string {
  return typeof choice === "object" ? choice.use! : choice;
}

/**
 * A list of choices, each of which is there once: results are stored by their names.
 * @param keyOf returns what distinguishes a choice from others of its name. Default: nothing does
 */
export function definedChoices(
  kind: string,
  definitions: readonly Definition[],
  reserved?: readonly string[],
  keyOf?: (choice: Choice) => string,
): z.ZodArray<z.ZodType<Choice>> {
  const choice = definedChoice(kind, definitions, undefined, reserved);
  const message = `expected each name once${keyOf ? " with the same options" : ""}`;
  return z.array(choice).superRefine((choices, { addIssue }) => {
    const keys = choices.map((one) => `${useOf(one)} ${keyOf?.(one)}`);
    for (const [i, key] of keys.entries()) {
      if (keys.indexOf(key) < i) addIssue({ code: "custom", path: [i], message });
    }
  });
}

/** Returns the present name of what a choice names; undefined stands for the fallback. */
export function presentName({ definitions, fallback }: Chooses, use: unknown = fallback): unknown {
  return definitions.find(({ former }) => former?.some((one) => one === use))?.name ?? use;
}

/**
 * Finds the definition that a value names, and its options with their defaults.
 * @param value as validated; undefined stands for the fallback
 */
export function chosen<D extends Definition>(
  value: Choice | undefined,
  definitions: readonly D[],
  fallback: string,
): { definition: D; options: Record<string, unknown> } {
  const { use = fallback, ...options } = typeof value === "object" ? value : { use: value };
  const definition = definitions.find((one) => namesOf(one).includes(use));
  if (!definition) throw new Error(`No ${definitions[0]?.extends} has the name "${use}".`);
  return { definition, options: (definition.params ?? NO_OPTIONS).parse(options) };
}

/** Returns which values are better of metrics that plugins brought to stages; undefined without one. */
export function directionsOf(
  stages: readonly { readonly extensions: readonly { readonly definition: Definition }[] }[],
): Directions | undefined {
  const all = stages.flatMap(({ extensions }) => extensions).flatMap(({ definition }) => {
    const { better } = definition as { better?: unknown };
    if (better !== "more" && better !== "less") return [];
    return namesOf(definition).map((name) => [name, better] as const);
  });
  return all.length > 0 ? Object.fromEntries(all) : undefined;
}

/** Parameter → place of the other spelling of its value, such as "optimizer.learningRate". */
export type Aliases = Readonly<Record<string, string>>;

/**
 * Lets parameters have a second spelling within choices. Validated values have the first one only; a
 * choice that keeps no options of its own becomes its name. The runner refuses both at once.
 */
export function withAliases<P extends z.ZodObject>(params: P, aliases: Aliases): P {
  return params.overwrite((values) => {
    const result = structuredClone(values) as Values;
    for (const [name, place] of Object.entries(aliases)) {
      const value = take(result, place.split("."));
      if (value === undefined) continue;
      const path = name.split("."), key = path.pop()!;
      path.reduce((map, part) => (map[part] ??= {}) as Values, result)[key] = value;
    }
    return result as typeof values;
  }).meta({ aliases });
}

type Values = Record<string, unknown>;

/** Takes a value out of maps, and removes what it leaves empty. @returns undefined if there is none */
function take(values: Values, [key, ...path]: readonly string[]): unknown {
  const inner = values[key!];
  if (path.length === 0) {
    if (inner !== undefined) delete values[key!];
    return inner;
  }
  if (typeof inner !== "object" || inner === null) return undefined;
  const map = inner as Values, value = take(map, path);
  const [first, ...others] = Object.keys(map);
  if (first === undefined) delete values[key!];
  else if (first === "use" && others.length === 0) values[key!] = map.use;
  return value;
}
