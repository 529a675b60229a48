/**
 * The program's own state on disk: JSON objects with a checksum, such as records of results and runs.
 *
 * The checksum covers every value, and the file must be byte for byte the text written for these
 * values, so every flipped bit is detected.
 */
import { basename } from "node:path";
import { z } from "zod";
import { digestFile } from "./digest.ts";
import { writeFileAtomic } from "./durable.ts";
import { canonicalJson, sha256 } from "./fingerprint.ts";
import { ignoreNotFound } from "./paths.ts";

/** The result of a read; empty if there is no such file. */
export interface State<T> {
  readonly value?: T;
  /** The reason that there is no value: "record.json was changed ...". */
  readonly problem?: string;
  /** A newer version of this program wrote the file. */
  readonly newer?: true;
  /** Readable text of a file with a problem. */
  readonly text?: string;
}

interface Form {
  /** For a file with a checksum; further fields are kept. */
  readonly shape: z.ZodType;
  /** For a file of an earlier version without checksum. Default: such a file is damaged. */
  readonly unsealed?: z.ZodType;
}

/** The field `version` of what this program writes, and the highest that it reads. */
const VERSION = 1;

/** Reads a state: checks the checksum, then the version, then the shape. Throws only without permission. */
export async function readState<T extends object>(path: string, form: Form): Promise<State<T>> {
  try {
    const bytes = await Deno.readFile(path).catch(ignoreNotFound);
    return bytes ? parseState(bytes, basename(path), form) : {};
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return { problem: `${basename(path)} cannot be read: ${(error as Error).message}` };
  }
}

/** Does the same with the bytes of a state. @param name for the problem */
export function parseState<T extends object>(
  bytes: Uint8Array,
  name: string,
  form: Form,
): State<T> {
  const text = new TextDecoder().decode(bytes);
  const bad = (why: string) => ({ problem: `${name} ${why}`, text });
  let value: Record<string, unknown>, sealed: boolean;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    sealed = "checksum" in value; // throws for a value that is no object
    // Throws for values within more values than the stack has room for.
    if (sealed && (value.checksum !== checksumOf(value) || text !== jsonText(value))) {
      return bad("was changed after it was written");
    }
  } catch {
    return bad("cannot be read");
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

export async function writeState(path: string, value: object): Promise<void> {
  await writeFileAtomic(path, jsonText(withChecksum(value)));
}

export function withChecksum<T extends object>(value: T): T & { checksum: string } {
  return { ...value, checksum: checksumOf(value) };
}

/** Returns a value as JSON in a file: indented, with a line end. Equal values have equal text. */
export function jsonText(value: object): string {
  return JSON.stringify(value, null, 2) + "\n";
}

/** Returns the SHA-256 of all fields but the checksum itself and `damage`, which is added later. */
function checksumOf(value: object): string {
  const { checksum: _, damage: __, ...rest } = value as Record<string, unknown>;
  return sha256(canonicalJson(rest));
}

const digestSchema = z.object({ size: z.number(), sha256: z.string() });

/** Writes the digest of a finished file beside it, for `takeWhole()` in a later attempt. */
export async function keepDigest(path: string): Promise<void> {
  await writeState(`${path}.digest`, await digestFile(path));
}

/**
 * Checks that a file is as an earlier attempt finished it. Removes it if not.
 * @param info called with a message about a removed file
 */
export async function takeWhole(path: string, info: (line: string) => void): Promise<boolean> {
  const now = await digestFile(path).catch(ignoreNotFound);
  if (!now) return false;
  const { value } = await readState<typeof now>(`${path}.digest`, { shape: digestSchema });
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
