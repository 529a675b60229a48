/**
 * The program's own state on disk: JSON objects with a checksum, such as records of results and runs.
 *
 * The checksum covers every value, and the file must be, byte by byte, the text that is written for
 * these values: so a single flipped bit is noticed wherever it is, in the checksum's name as well.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { z } from "zod";
import { digestFile as digestOf } from "./cache/digest.ts";
import { writeFileAtomic } from "./durable.ts";
import { canonicalJson } from "./fingerprint.ts";
import { ignoreNotFound } from "./paths.ts";

/** What was read; nothing where there is no such file. */
export interface State<T> {
  readonly value?: T;
  /** Why the file has no value that counts: "record.json was changed ...". */
  readonly problem?: string;
  /** A newer version of this program wrote the file. */
  readonly newer?: true;
  /** As much of a file with a problem as can be read. */
  readonly text?: string;
}

/** How a state is read. */
export interface Form {
  /** Of a file with a checksum; fields that it does not name are kept. */
  readonly shape: z.ZodType;
  /** Of a file that an earlier version wrote without checksum; such a file is damaged by default. */
  readonly unsealed?: z.ZodType;
}

/** The field `version` of what this program writes, and the highest that it reads. */
const VERSION = 1;

/** Reads a state: first the checksum, then the version, then the shape. Throws only without rights. */
export async function readState<T extends object>(path: string, form: Form): Promise<State<T>> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    const { NotFound, NotADirectory, NotCapable } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return {};
    if (error instanceof NotCapable) throw error;
    return { problem: `${basename(path)} cannot be read: ${(error as Error).message}` };
  }
  const text = new TextDecoder().decode(bytes);
  const bad = (why: string) => ({ problem: `${basename(path)} ${why}`, text });
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return bad("cannot be read");
  }
  if (typeof value !== "object" || value === null) return bad("cannot be read");
  const sealed = "checksum" in value;
  if (sealed && (value.checksum !== checksumOf(value) || text !== stateText(value))) {
    return bad("was changed after it was written");
  }
  if (Number(value.version ?? 1) > VERSION) {
    return { ...bad(`is of a newer version (${value.version})`), newer: true };
  }
  const shape = sealed ? form.shape : form.unsealed;
  const error = shape ? shape.safeParse(value).error : undefined;
  if (!shape) return bad("was changed: it has no checksum");
  if (error) return bad(`lacks what it should hold (${error.issues[0]!.path.join(".") || "all"})`);
  return { value: value as T };
}

/** Writes a state with its checksum. */
export async function writeState(path: string, value: object): Promise<void> {
  await writeFileAtomic(path, stateText(withChecksum(value)));
}

/** A state with its checksum. */
export function withChecksum<T extends object>(value: T): T & { checksum: string } {
  return { ...value, checksum: checksumOf(value) };
}

/** The text of a state, the same for the same values. */
export function stateText(value: object): string {
  return JSON.stringify(value, null, 2) + "\n";
}

/** SHA-256 of all fields but the checksum itself and `damage`, which is noted later. */
function checksumOf(value: object): string {
  const { checksum: _, damage: __, ...rest } = value as Record<string, unknown>;
  return createHash("sha256").update(canonicalJson(rest)).digest("hex");
}

/** The digest of a file; undefined where there is none. */
export async function digestFile(
  path: string,
): Promise<{ size: number; sha256: string } | undefined> {
  return await digestOf(path).catch(ignoreNotFound);
}

const digest = z.looseObject({ size: z.number(), sha256: z.string() });

/** Keeps the digest of a finished file beside it, for `takeWhole()` in a later attempt. */
export async function keepDigest(path: string): Promise<void> {
  await writeState(`${path}.digest`, await digestOf(path));
}

/**
 * Tells whether a file that an earlier attempt finished is as it was then. Removes one that is not.
 * @param info told of a file that was removed
 */
export async function takeWhole(path: string, info: (line: string) => void): Promise<boolean> {
  const now = await digestFile(path);
  if (!now) return false;
  const { value } = await readState<typeof now>(`${path}.digest`, { shape: digest });
  if (value?.size === now.size && value.sha256 === now.sha256) return true;
  await removeDamaged(path, info);
  await Deno.remove(`${path}.digest`).catch(ignoreNotFound);
  return false;
}

/** Removes a file of an interrupted attempt that cannot be trusted. */
export async function removeDamaged(path: string, info: (line: string) => void): Promise<void> {
  info(`"${basename(path)}" of an interrupted attempt is damaged; it is removed and made again`);
  await Deno.remove(path).catch(ignoreNotFound);
}
