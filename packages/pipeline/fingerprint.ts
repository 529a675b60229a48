/** Cache keys: everything that a stage's result depends on, and explanations of differences. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { quote } from "./errors.ts";

/** Fields of the zod object for a type: `z.object<Shape<T>>()` admits neither fewer nor others. */
export type Shape<T> = { readonly [Key in keyof T]-?: z.ZodType<T[Key]> };

type Texts = Readonly<Record<string, string>>;

/** Everything that a result depends on. Two stages with equal inputs make equal results. */
export interface CacheKeyInputs {
  readonly use: string;
  /** Without those that cannot affect the result. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Input → digest; for an input that takes all of a kind, stage id → digest. */
  readonly inputs: Readonly<Record<string, string | Texts>>;
  readonly seed?: number;
  readonly compute?: string;
  /** Path from the project → hash of the code without types, comments and formatting. */
  readonly modules: Texts;
  /** Package → locked version. */
  readonly packages: Texts;
  /** Facts from outside, such as the size and date of a local file. */
  readonly external: Texts;
  /** For a stage that declares `lineage`: the pipeline's name, */
  readonly pipeline?: string;
  /** its file (records of earlier versions have none), */
  readonly file?: string;
  /** and the fingerprints of all stages before it, by id. */
  readonly lineage?: Texts;
}

const text = z.string(), texts = z.record(text, text);

export const cacheKeySchema: z.ZodObject<Shape<CacheKeyInputs>> = z.object<Shape<CacheKeyInputs>>({
  use: text,
  params: z.record(text, z.unknown()),
  inputs: z.record(text, z.union([text, texts])),
  seed: z.number().optional(),
  compute: text.optional(),
  modules: texts,
  packages: texts,
  external: texts,
  pipeline: text.optional(),
  file: text.optional(),
  lineage: texts.optional(),
});

/** Returns the SHA-256 of a cache key, in hex. */
export function fingerprint(dependencies: CacheKeyInputs): string {
  return sha256(canonicalJson(dependencies));
}

/** Returns the names of what differs between two cache keys, such as `seed` and `params.test`. */
export function differences(before: CacheKeyInputs, now: CacheKeyInputs): string[] {
  const flat = ({ params, ...rest }: CacheKeyInputs): Record<string, unknown> => ({
    ...rest,
    ...Object.fromEntries(Object.entries(params).map(([name, value]) => [`params.${name}`, value])),
  });
  const [a, b] = [flat(before), flat(now)];
  return Object.keys({ ...a, ...b })
    .filter((name) => canonicalJson(a[name] ?? null) !== canonicalJson(b[name] ?? null));
}

/** Returns the SHA-256 of a text or of bytes, as 64 hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Returns JSON with sorted keys: equal values have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, inner: unknown) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1))
        : inner,
  );
}

/**
 * Explains the differences of two cache keys.
 * @param id the stage's id, which precedes the names of its parameters
 * @param pending inputs that will be made anew, whose digest is not known yet
 * @returns one phrase per difference, such as "split.test changed from 0.2 to 0.1"
 */
export function explainChanges(
  id: string,
  before: CacheKeyInputs,
  now: CacheKeyInputs,
  pending: readonly string[] = [],
): string[] {
  if (before.use !== now.use) return [`${id} uses ${now.use} instead of ${before.use}`];
  const found: string[] = [];
  found.push(...paramDifferences(id, before.params, now.params));
  if (before.seed !== now.seed) found.push(changed("seed", before.seed, now.seed, MATTERS));
  if (before.compute !== now.compute) {
    found.push(changed("compute", before.compute, now.compute, MATTERS));
  }
  for (const [name, digest] of Object.entries(now.inputs)) {
    if (pending.includes(name)) continue;
    if (canonicalJson(before.inputs[name] ?? null) !== canonicalJson(digest)) {
      found.push(...inputDifference(name, before.inputs[name], digest));
    }
  }
  found.push(...mapDifferences(before.modules, now.modules, (name) => `${name} changed`));
  found.push(...mapDifferences(before.packages, now.packages, (name, a, b) => {
    const [from, to] = [a.split(" ")[0], b.split(" ")[0]];
    const show = (version: string) => version;
    return from === to ? `a package that ${name} needs changed` : changed(name, from, to, { show });
  }));
  found.push(...mapDifferences(before.external, now.external, (name) => `${name} changed`));
  if (before.pipeline !== now.pipeline) {
    found.push(changed("the pipeline's name", before.pipeline, now.pipeline));
  }
  if (before.file !== now.file) {
    found.push(
      before.file === undefined
        ? "its last result does not name the pipeline's file"
        : changed("the pipeline's file", before.file, now.file),
    );
  }
  if (found.length === 0) {
    // Its inputs have the same content and another lineage.
    const made = (name: string) => `${name} was made in another way`;
    found.push(...mapDifferences(before.lineage ?? {}, now.lineage ?? {}, made));
  }
  return found;
}

function inputDifference(
  name: string,
  before: string | Record<string, string> | undefined,
  now: string | Record<string, string>,
): string[] {
  if (typeof now === "string" || typeof before !== "object") return [`its input ${name} changed`];
  return mapDifferences(before, now, (id) => `its input ${name} of ${id} changed`)
    .map((text) =>
      text.replace(/^([\w.-]+) is (new|no longer used)$/, `its input ${name} of $1 is $2`)
    );
}

function paramDifferences(path: string, before: unknown, now: unknown): string[] {
  if (canonicalJson(before ?? null) === canonicalJson(now ?? null)) return [];
  if (isRecord(before) && isRecord(now)) {
    return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((key) =>
      paramDifferences(`${path}.${key}`, before[key], now[key])
    );
  }
  return [changed(path, before, now)];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Phrases for a value that only one of two results has. */
interface Words<T> {
  readonly appears?: string;
  readonly goes?: string;
  show?(value: T): string;
}

/** Phrases for values that count only with some parameters, such as a seed. */
const MATTERS: Words<unknown> = { appears: "matters now", goes: "no longer matters" };

function changed<T>(
  name: string,
  before: T | undefined,
  now: T | undefined,
  { appears = "is now set", goes = "is no longer set", show = quote }: Words<T> = {},
): string {
  if (before === undefined) return `${name} ${appears} (${show(now as T)})`;
  if (now === undefined) return `${name} ${goes} (it was ${show(before)})`;
  return `${name} changed from ${show(before)} to ${show(now)}`;
}

function mapDifferences(
  before: Record<string, string>,
  now: Record<string, string>,
  explain: (name: string, before: string, now: string) => string,
): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) => {
    const [a, b] = [before[name], now[name]];
    if (a === b) return [];
    return a === undefined
      ? `${name} is new`
      : b === undefined
      ? `${name} is no longer used`
      : explain(name, a, b);
  });
}
