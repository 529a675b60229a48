/** Checks of what plugins export, since nothing has checked its types. */
import { z } from "zod";
import { toProblems } from "./config/zod_issues.ts";
import type { Definition } from "./define.ts";
import { pluginName } from "./paths.ts";

/** A member that is a function. */
export const method: z.ZodType<never> = z.custom<never>(
  (given) => typeof given === "function",
  "expected a function",
);

const text = z.string().min(1);
const params = z.custom(
  (given) => given instanceof z.ZodObject,
  "expected a z.strictObject of zod 4",
);
const membersByKind = new Map<string, z.ZodRawShape>();

/** Declares the members that a kind's definitions have beside those of all. */
export function defineMembers<D extends Definition>(
  kind: string,
  own: { readonly [Name in Exclude<keyof D, keyof Definition>]: z.ZodType<D[Name]> },
): void {
  membersByKind.set(kind, own);
}

/** @throws if a plugin's definition is not as its kind declares. @param module URL, path or package */
export function checkDefinition(definition: Definition, module: string): void {
  const { extends: kind, name } = definition;
  const schema = z.looseObject({
    name: text,
    summary: text,
    params: params.optional(),
    ...membersByKind.get(kind),
  });
  checkMembers(definition, schema, `${kind} "${name}" of plugin "${pluginName(module)}"`);
}

/** @throws if an export of a plugin does not follow a schema. @param title begins the message */
export function checkMembers(given: object, schema: z.ZodObject, title: string): void {
  const { error } = schema.safeParse(given);
  if (!error) return;
  const source = { values: { ...given }, at: () => ({ text: "" }), leavingOut: () => "" };
  const problems = toProblems(error, source, [], schema, []);
  throw new Error(`${title}: ${problems.map(({ message }) => message).join(" ")}`);
}
