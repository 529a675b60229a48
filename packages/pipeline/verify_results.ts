/** Verifies stored results: every byte of every file against its record. */
import { join } from "node:path";
import { digestFile, listFiles } from "./digest.ts";
import { Interrupted, RunError } from "./errors.ts";
import { type OutputRecord, readRecord, type StageRecord } from "./stage_record.ts";
import type { StoredResult } from "./artifact_store.ts";

/** Findings about a stored result. */
interface VerifyResult {
  /** If it can be read. */
  readonly record?: StageRecord;
  readonly problems: readonly string[];
  /** Files that the record does not list; they are left alone. */
  readonly strangers: readonly string[];
  readonly bytes: number;
  /** Set if a newer version of this program made it: it is not verified. */
  readonly newer?: string;
}

/**
 * Reads every file of a result and compares it with the record.
 * @param onBytes called with the number of bytes of each read; may throw `Interrupted`
 */
export async function verifyResult(
  { use, fingerprint, path }: StoredResult,
  onBytes: (bytes: number) => void = () => {},
): Promise<VerifyResult> {
  const { value: record, problem = "record.json is missing", newer } = await readRecord(path);
  const problems: string[] = [], strangers: string[] = [];
  let bytes = 0;
  if (newer) return { problems, strangers, bytes, newer: problem };
  if (!record) return { problems: [problem], strangers, bytes };
  const here = record.dependencies.use === use && record.fingerprint.startsWith(fingerprint);
  if (record.damage !== undefined) problems.push(record.damage);
  if (!here) problems.push("record.json is that of another result");
  for (const [output, { files }] of Object.entries(record.outputs)) {
    const folder = join(path, output);
    const there = new Set(await listFiles(folder).catch((): string[] => []));
    for (const name of there) if (!Object.hasOwn(files, name)) strangers.push(`${output}/${name}`);
    for (const [name, { size, sha256 }] of Object.entries(files)) {
      const file = `${output}/${name}`;
      if (!there.has(name)) {
        problems.push(`${file} is missing`);
        continue;
      }
      try {
        const now = await digestFile(join(folder, name), (n) => {
          bytes += n;
          onBytes(n);
        });
        if (now.size !== size) problems.push(`${file} has another size`);
        else if (now.sha256 !== sha256) problems.push(`${file} has another content`);
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        problems.push(`${file} cannot be read: ${(error as Error).message}`);
      }
    }
  }
  // The record's damage may list some already.
  return { record, problems: [...new Set(problems)], strangers, bytes };
}

/**
 * Compares files of an output with their recorded digests, before results are predicted or compared
 * with them.
 * @param folder the output's folder
 * @param names the files to compare. Default: all
 * @throws {RunError} if a file differs
 */
export async function assertIntact(
  folder: string,
  { files }: Pick<OutputRecord, "files">,
  names: readonly string[] = Object.keys(files),
): Promise<void> {
  for (const name of names.filter((name) => Object.hasOwn(files, name))) {
    const path = join(folder, name);
    const now = await digestFile(path).catch(() => undefined);
    if (now?.sha256 !== files[name].sha256) {
      throw damagedError(path, now ? "it is not as it was written" : "it cannot be read");
    }
  }
}

/** Returns the error that a damaged result cannot be used, with the way out. */
export function damagedError(path: string, why: string): RunError {
  return new RunError(
    `Cannot use ${JSON.stringify(path)}: ${why}. Run deno task verify, then the pipeline, which ` +
      "makes the result again.",
  );
}
