/** Errors of zod in the words of YAML. */
import type { z } from "zod";
import { didYouMean, joinWords, type Problem, quote } from "../errors.ts";
import { isRecord } from "../fingerprint.ts";
import type { ConfigSource } from "./config_source.ts";
import { choicesIn, choosesOf, keysAt, valueAt } from "./schemas.ts";
import type { Path } from "./yaml_file.ts";

/**
 * Returns zod's issues as problems with place, expected values and the nearest name.
 * @param base path of the validated value in the YAML
 * @param more further names that its top level may have
 * @param meant whole names that an unknown key of the top level may be the end of
 */
export function toProblems(
  error: z.ZodError,
  source: Pick<ConfigSource, "values" | "at" | "leavingOut">,
  base: Path,
  schema: z.ZodObject,
  more: readonly string[],
  meant: readonly string[] = [],
): Problem[] {
  return strictest(error.issues.flatMap(likelyUnionMember)).flatMap((found): Problem[] => {
    const inner = found.path as (string | number)[];
    const field: z.ZodType | undefined = schema.shape[inner[0]!];
    const definitions = field ? choicesIn(field).flatMap((choice) => choice.definitions) : [];
    const issue = withoutNames(found, definitions.flatMap(({ former = [] }) => former));
    const path = [...base, ...inner];
    const name = [...base.slice(1), ...inner].join(".");
    const maps = keysAt(schema, inner, valueAt(source.values, base));
    const forms = joinWords(maps.map((keys) => `{ ${keys.join(", ")} }`), "or");
    const known = [...new Set([...maps.flat(), ...(inner.length === 0 ? more : [])])];
    const value = valueAt(source.values, path);
    const mixed = maps.length > 1 && isRecord(value) &&
      (issue.code === "invalid_union" ||
        issue.code === "unrecognized_keys" && issue.keys.some((key) => known.includes(key)));
    // The definition that a value without `use` means.
    const meantUse = inner.length === 1 && isRecord(value) && !Object.hasOwn(value, "use")
      ? field && choosesOf(field)?.fallback
      : undefined;
    if (issue.code === "unrecognized_keys" && !mixed) {
      return issue.keys.map((key) => {
        const meanings = inner.length > 0 ? [] : meant.filter((one) => one.endsWith(`.${key}`));
        const subject = meantUse === undefined ? "It" : `As ${meantUse}, it`;
        const hint = meanings.length > 0
          ? ` Did you mean ${joinWords(meanings, "or")}?`
          : /^\d+$/.test(key) && valueAt(source.values, [...path, key]) === null // { rate: 0,5 }
          ? " Numbers have a decimal point, such as 0.5."
          : didYouMean(key, known);
        return {
          at: source.at([...path, key], true),
          message: `${name || "a pipeline"} has no ${quote(key)}.${hint} ` +
            (known.length > 0 ? `${subject} has ${joinWords(known)}.` : ""),
        };
      });
    }
    const isChoice = maps.length > 1 && maps.every((keys) => keys.includes("use"));
    const few = maps.flat().length <= MAX_KEYS && forms;
    const map = isChoice ? "{ use, ...options }" : few || TYPES.object!;
    const expected = mixed ? `expected ${forms}` : expectation(issue).replace(TYPES.object!, map);
    const fallback = inner.length === 1 ? field?.safeParse(undefined).data : undefined;
    const got = value === undefined
      ? fallback === undefined ? "it is missing" : `got ${quote(fallback)} by default`
      : value === null
      ? "it is empty"
      : `got ${quote(value)}`;
    const hint = issue.code === "custom" && issue.params?.unused
      ? source.leavingOut(path)
      : typeof value !== "string"
      ? ""
      : issue.code === "invalid_type" && issue.expected === "object" && known.includes(value)
      ? ` Write ${value}: {}`
      : suggestion(inner.length === 1 ? field : undefined, value, choices(issue));
    return [{ at: source.at(path), message: `${name}: ${expected}, ${got}.${hint}` }];
  });
}

/** Number of keys of a map up to which an error lists them. */
const MAX_KEYS = 12;

/** Leaves out limits of a value that another one is below: a whole number also has that of integers. */
function strictest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.filter((one) =>
    one.code !== "too_big" ||
    !issues.some((other) =>
      other.code === "too_big" && other.maximum < one.maximum &&
      String(other.path) === String(one.path)
    )
  );
}

/** Returns the issues of the only member of a union that has the type of the value, and its keys. */
function likelyUnionMember(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const near = issue.errors.filter((issues) =>
    issues.some(({ code, path }) =>
      path.length > 0 || (code !== "invalid_type" && code !== "invalid_value")
    )
  );
  const known = near.filter((issues) => !issues.some(({ code }) => code === "unrecognized_keys"));
  const [likely, other] = near.length > 1 ? known : near;
  if (!likely || other) return [issue];
  return likely.flatMap((inner) =>
    likelyUnionMember({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue)
  );
}

/** Suggests by the schema's own `mistaken` values (written → meant), else by the spelling. */
function suggestion(field: z.ZodType | undefined, value: string, known: string[]): string {
  const mistaken = field?.meta()?.mistaken as Record<string, string> | undefined;
  const meant = mistaken?.[value.toLowerCase()];
  return meant === undefined ? didYouMean(value, known) : ` Did you mean ${meant}?`;
}

/** Returns an issue that does not list some of the valid values. */
function withoutNames(issue: z.core.$ZodIssue, hidden: readonly unknown[]): z.core.$ZodIssue {
  const shown = <T>(values: readonly T[] = []) => values.filter((one) => !hidden.includes(one));
  if (issue.code === "invalid_value") return { ...issue, values: shown(issue.values) };
  if (issue.code !== "invalid_union") return issue;
  const errors = issue.errors.map((issues) => issues.map((one) => withoutNames(one, hidden)));
  return { ...issue, errors, options: shown("options" in issue ? issue.options : []) } as never;
}

function choices(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union") return [];
  const { options = [] } = issue as { options?: readonly unknown[] };
  return [
    ...options.filter((option) => option !== undefined).map(String),
    ...issue.errors.flat().flatMap(choices),
  ];
}

/** zod's names of types in the words of YAML. */
const TYPES: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  null: "nothing",
  object: "a map of names to values",
  record: "a map of names to values",
};

/** Returns what an issue expects, in the words of YAML. */
export function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${joinWords(issue.values.map(quote), "or")}`;
    case "too_small":
      return bound(issue.origin, issue.inclusive ? "at least" : "more than", issue.minimum);
    case "too_big":
      return bound(issue.origin, issue.inclusive ? "at most" : "less than", issue.maximum);
    case "unrecognized_keys":
      return `expected no ${joinWords(issue.keys.map(quote), "or")}`;
    case "not_multiple_of":
      return `expected a multiple of ${issue.divisor}`;
    case "invalid_union": {
      // No errors: the discriminating key has none of the members' values.
      const ways = issue.errors.length > 0
        ? issue.errors.flat().map((inner) => expectation(inner).replace(/^expected /, ""))
        : choices(issue).map(quote);
      return `expected ${joinWords([...new Set(ways)], "or")}`;
    }
    default: // zod's own message, or that of a refinement
      return issue.message.replace(/^Invalid string: must /, "expected a text to ")
        .replace(/^Invalid /, "expected a valid ");
  }
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  const unit = { string: " character", array: " item" }[origin] ?? "";
  return `expected ${relation} ${limit}${unit}${unit && limit !== 1 ? "s" : ""}`;
}
