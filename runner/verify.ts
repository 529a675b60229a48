/** Whether results are still what was made: every byte of every file against what was recorded. */
import { join } from "node:path";
import { digestFile, filesBelow } from "./digest.ts";
import { fingerprint } from "./fingerprint.ts";
import { readTextIfThere } from "./paths.ts";
import { checksumOf, parseObject, readRecord, recordText, type StageRecord } from "./record.ts";
import type { Place } from "./store.ts";

/** What was found in the place of a result. */
export interface Finding {
  /** What is not as it was made. */
  readonly problems: readonly string[];
  /** Files that nobody recorded; they are left alone. */
  readonly strangers: readonly string[];
  readonly bytes: number;
}

/**
 * Reads a result whole.
 * @param onBytes told how much more was read
 */
export async function verifyResult(
  { use, print, path }: Place,
  onBytes: (bytes: number) => void = () => {},
): Promise<Finding> {
  const record = await readRecord(path);
  if (!record) return { problems: ["record.json cannot be read"], strangers: [], bytes: 0 };
  const problems = await recordProblems(record, use, print, path);
  const strangers: string[] = [];
  let bytes = 0;
  for (const [output, { files }] of Object.entries(record.outputs)) {
    const folder = join(path, output);
    const there = await filesBelow(folder).catch((): string[] => []);
    strangers.push(...there.filter((name) => !(name in files)).map((name) => `${output}/${name}`));
    for (const [name, { size, sha256 }] of Object.entries(files)) {
      const file = `${output}/${name}`;
      if (!there.includes(name)) {
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
        problems.push(`${file} cannot be read: ${(error as Error).message}`);
      }
    }
  }
  return { problems, strangers, bytes };
}

/** Whether the record itself is as it was written. */
async function recordProblems(
  record: StageRecord,
  use: string,
  print: string,
  path: string,
): Promise<string[]> {
  const { dependencies, checksum, damage } = record;
  const text = await readTextIfThere(join(path, "record.json"));
  const whole = text === recordText(record) &&
    // Records of earlier versions have none.
    (checksum === undefined || checksum === checksumOf(record)) &&
    record.fingerprint === fingerprint(dependencies) && record.fingerprint.startsWith(print) &&
    dependencies.use === use;
  return [
    ...(damage === undefined ? [] : [damage]),
    ...(whole ? [] : ["record.json was changed"]),
  ].filter((problem, i, all) => all.indexOf(problem) === i);
}

/** How many bytes a place's record speaks of. */
export async function sizeOf({ path }: Place): Promise<number> {
  const text = await readTextIfThere(join(path, "record.json"));
  const { outputs = {} } = (parseObject(text) ?? {}) as Partial<StageRecord>;
  const files = Object.values(outputs).flatMap(({ files }) => Object.values(files ?? {}));
  return files.reduce((sum, { size }) => sum + (Number(size) || 0), 0);
}
