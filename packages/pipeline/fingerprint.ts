/** What a stage's result depends on, its fingerprint, and how two of them differ in words. */
import { createHash } from "node:crypto";
import { quote } from "./errors.ts";

/** All that a result is made of. Two stages with equal dependencies make equal results. */
export interface CacheKeyInputs {
  readonly use: string;
  /** Without those that cannot affect the result. */
  readonly params: Record<string, unknown>;
  /** Input → digest; for an input that takes all of a kind, stage id → digest. */
  readonly inputs: Record<string, string | Record<string, string>>;
  readonly seed?: number;
  readonly compute?: string;
  /** Path from the project → hash of the code without types, comments and formatting. */
  readonly modules: Record<string, string>;
  /** Package → locked version. */
  readonly packages: Record<string, string>;
  /** Facts from outside, such as the size and date of a local file. */
  readonly external: Record<string, string>;
  /** For a stage that tells how its inputs came to be: the pipeline's name, ... */
  readonly pipeline?: string;
  /** ... its file (records of earlier versions have none), ... */
  readonly file?: string;
  /** ... and the fingerprints of all stages that they stem from, by id. */
  readonly lineage?: Record<string, string>;
}

/** SHA-256 in hex. */
export function fingerprint(dependencies: CacheKeyInputs): string {
  return createHash("sha256").update(canonicalJson(dependencies)).digest("hex");
}

/** JSON with sorted keys, so that equal values have equal text. */
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
 * Says in a person's words what differs.
 * @param id the stage's id, which its parameters are told with
 * @param pending inputs that will be made anew, whose digest is not known yet
 * @returns one phrase a difference, such as "split.test changed from 0.2 to 0.1"
 */
export function explainChanges(
  id: string,
  before: CacheKeyInputs,
  now: CacheKeyInputs,
  pending: readonly string[] = [],
): string[] {
  if (before.use !== now.use) return [`${id} uses ${now.use} instead of ${before.use}`];
  const told: string[] = [];
  told.push(...paramDifferences(id, before.params, now.params));
  if (before.seed !== now.seed) told.push(changed("seed", before.seed, now.seed, MATTERS));
  if (before.compute !== now.compute) {
    told.push(changed("compute", before.compute, now.compute, MATTERS));
  }
  for (const [name, digest] of Object.entries(now.inputs)) {
    if (pending.includes(name)) continue;
    if (canonicalJson(before.inputs[name] ?? null) !== canonicalJson(digest)) {
      told.push(...inputDifference(name, before.inputs[name], digest));
    }
  }
  told.push(...mapDifferences(before.modules, now.modules, (name) => `${name} changed`));
  told.push(...mapDifferences(before.packages, now.packages, (name, a, b) => {
    const [from, to] = [a.split(" ")[0], b.split(" ")[0]];
    const show = (version: string) => version;
    return from === to ? `a package that ${name} needs changed` : changed(name, from, to, { show });
  }));
  told.push(...mapDifferences(before.external, now.external, (name) => `${name} changed`));
  if (before.pipeline !== now.pipeline) {
    told.push(changed("the pipeline's name", before.pipeline, now.pipeline));
  }
  if (before.file !== now.file) {
    told.push(
      before.file === undefined
        ? "its last result does not name the pipeline's file"
        : changed("the pipeline's file", before.file, now.file),
    );
  }
  if (told.length === 0) {
    // What it takes is the same, but made otherwise, which it tells.
    const made = (name: string) => `${name} was made in another way`;
    told.push(...mapDifferences(before.lineage ?? {}, now.lineage ?? {}, made));
  }
  return told;
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

/** Words for a value that is there in one of two results only. */
interface Words<T> {
  readonly appears?: string;
  readonly goes?: string;
  show?(value: T): string;
}

/** For what depends on other parameters: no seed where nothing is drawn. */
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
  say: (name: string, before: string, now: string) => string,
): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) => {
    const [a, b] = [before[name], now[name]];
    if (a === b) return [];
    return a === undefined
      ? `${name} is new`
      : b === undefined
      ? `${name} is no longer used`
      : say(name, a, b);
  });
}
