/** Checks of what plugins export, since nothing has checked its types. */
import { z } from "zod";
import { toProblems } from "./config/zod_issues.ts";
import { type Definition, membersOf, NAME } from "./define.ts";
import { pluginName } from "./paths.ts";

/** Members that stages and definitions have. */
export const described = {
  name: z.string().regex(NAME, "expected a name in camelCase"),
  summary: z.string().min(1),
};
const params = z.custom(
  (given) => given instanceof z.ZodObject,
  "expected a z.strictObject of zod 4",
);

/** @throws if a plugin's definition is not as its kind declares. @param module URL, path or package */
export function checkDefinition(definition: Definition, module: string): void {
  const { extends: kind, name } = definition;
  const schema = z.looseObject({
    ...described,
    params: params.optional(),
    ...membersOf(kind),
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
