/** Cache keys: everything that a stage's result depends on, and explanations of differences. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { cut, quote } from "./errors.ts";

/** Fields of the zod object for a type: `z.object<Shape<T>>()` admits neither fewer nor others. */
export type Shape<T> = { readonly [Key in keyof T]-?: z.ZodType<T[Key]> };

type Texts = Readonly<Record<string, string>>;

/**
 * Everything that a result depends on: stages with equal cache keys make equal results. Records have
 * it as `dependencies`.
 */
export interface CacheKey {
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
  /** Facts from outside, such as the digest of a local file. */
  readonly external: Texts;
  /** For a stage that declares `lineage`: the pipeline's name, */
  readonly pipeline?: string;
  /** its file (records of earlier versions have none), */
  readonly file?: string;
  /** and the fingerprints of all stages before it, by id. */
  readonly lineage?: Texts;
}

const text = z.string(), texts = z.record(text, text);

export const cacheKeySchema: z.ZodObject<Shape<CacheKey>> = z.object<Shape<CacheKey>>({
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

/** Digest and fingerprint of a result that is yet to be made, of which no difference is known. */
export const PENDING = "not made yet";

/** Returns the SHA-256 of a cache key, in hex. */
export function fingerprint(cacheKey: CacheKey): string {
  return sha256(canonicalJson(cacheKey));
}

/** Returns the names of what differs between two cache keys, such as `seed` and `params.test`. */
export function differences(before: CacheKey, now: CacheKey): string[] {
  const flat = ({ params, ...rest }: CacheKey): Record<string, unknown> => ({
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
      isRecord(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1))
        : inner,
  );
}

/**
 * Explains the differences of two cache keys.
 * @param id the stage's id, which precedes the names of its parameters
 * @returns one phrase per difference, such as "split.test changed from 0.2 to 0.1"
 */
export function explainChanges(
  id: string,
  before: CacheKey,
  now: CacheKey,
): string[] {
  if (before.use !== now.use) return [`${id} uses ${now.use} instead of ${before.use}`];
  const found = paramDifferences(id, before.params, now.params);
  for (const name of ["seed", "compute"] as const) {
    if (before[name] === now[name]) continue;
    found.push(changed(name, before[name], now[name], "matters now", "no longer matters"));
  }
  for (const name of Object.keys({ ...before.inputs, ...now.inputs })) {
    found.push(...inputDifferences(name, before.inputs[name], now.inputs[name]));
  }
  found.push(...mapDifferences(before.modules, now.modules, (name) => `${name} changed`));
  found.push(...mapDifferences(before.packages, now.packages, (name, a, b) => {
    const [from, to] = [a.split(" ")[0], b.split(" ")[0]];
    return from === to
      ? `a package that ${name} needs changed`
      : `${name} changed from ${from} to ${to}`;
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
  if (found.length > 0) return found;
  // Its inputs have the same content and another lineage.
  const { lineage = {} } = before;
  return mapDifferences(lineage, now.lineage ?? {}, (name) => `${name} was made in another way`);
}

/** An input without a source, such as one that an earlier version lacked, has none to explain. */
function inputDifferences(name: string, before: string | Texts = {}, now: string | Texts = {}) {
  const digests = (of: string | Texts) => typeof of === "string" ? { "": of } : of;
  const subject = (id: string) => `its input ${name}${id && ` of ${id}`}`;
  return mapDifferences(digests(before), digests(now), (id) => `${subject(id)} changed`, subject);
}

function paramDifferences(path: string, before: unknown, now: unknown): string[] {
  if (canonicalJson(before ?? null) === canonicalJson(now ?? null)) return [];
  // Lists are shown whole, unless a message would cut them.
  const isList = [before, now].every(Array.isArray) && (isCut(before) || isCut(now));
  if (!isList && (!isRecord(before) || !isRecord(now))) return [changed(path, before, now)];
  const [a, b] = [before, now] as Record<string, unknown>[];
  return Object.keys({ ...a, ...b })
    .flatMap((key) => paramDifferences(`${path}.${key}`, a![key], b![key]));
}

const isCut = (value: unknown) => quote(value).endsWith("...");

/** Returns true for a map, false for a list, a plain value and null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param appears for a value that only the present result has
 * @param goes for one that it no longer has
 */
function changed(
  name: string,
  before: unknown,
  now: unknown,
  appears = "is now set",
  goes = "is no longer set",
): string {
  if (before === undefined) return `${name} ${appears} (${quote(now)})`;
  if (now === undefined) return `${name} ${goes} (it was ${quote(before)})`;
  const [a, b] = [JSON.stringify(before), JSON.stringify(now)];
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  // The part that differs, with some of what precedes it.
  const isLate = same > 60 && (isCut(before) || isCut(now));
  const [from, to] = isLate
    ? [a, b].map((text) => cut(`...${text.slice(same - 20)}`))
    : [quote(before), quote(now)];
  return `${name} changed from ${from} to ${to}`;
}

function mapDifferences(
  before: Texts,
  now: Texts,
  explain: (name: string, before: string, now: string) => string,
  subject = (name: string) => name,
): string[] {
  return Object.keys({ ...before, ...now }).flatMap((name) => {
    const [a, b] = [before[name], now[name]];
    if (a === b || b === PENDING) return [];
    if (a === undefined) return `${subject(name)} is new`;
    return b === undefined ? `${subject(name)} is no longer used` : explain(name, a, b);
  });
}
