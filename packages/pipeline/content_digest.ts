/** Digests of files outside of the project, remembered by path, size and dates. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { z } from "zod";
import { digestFile } from "./digest.ts";
import { ensureFolder } from "./durable.ts";
import { pause } from "./interrupt.ts";
import type { ExternalPlace } from "./stage.ts";
import { readState, writeState } from "./state.ts";

const shape = z.object({ digests: z.record(z.string(), z.string()) });
/** Number of remembered digests. */
const MAX_DIGESTS = 1000;
/** Upper bound of the resolution of file times, in ms. */
const MTIME_RESOLUTION_MS = 100;

/**
 * Returns the SHA-256 of the contents of files, in this order, for the `external` of a stage. Files that
 * did not change since are not read again.
 * @param artifacts folder of all artifacts, which remembers the digest; empty: it is not remembered
 * @param watch its signal ends the reading, and its progress counts the bytes
 *
 * @example
 * ```ts
 * const external = async ({ file }: { file: string }, { artifacts }: { artifacts: string }) =>
 *   ({ "the file": await contentDigest([file], artifacts) });
 * console.log(Object.keys(await external({ file: "deno.json" }, { artifacts: "" })));
 * ```
 */
export async function contentDigest(
  paths: readonly string[],
  artifacts: string,
  { signal, progress }: Omit<ExternalPlace, "artifacts"> = {},
): Promise<string> {
  const stamp = createHash("sha256");
  let latest = 0, total = 0;
  for (const [i, path] of paths.entries()) {
    if (i % 2000 === 1999) await pause(signal);
    const { size, mtime, ctime, ino } = Deno.statSync(path);
    const times = [mtime, ctime].map((time) => time?.getTime() ?? 0);
    stamp.update(`${path}\0${[size, ...times, ino]}\0`);
    latest = Math.max(latest, ...times);
    total += size;
  }
  const key = stamp.digest("hex"), file = join(artifacts, ".cache", "contents.json");
  const read = async (): Promise<Record<string, string>> => {
    if (artifacts === "") return {};
    return (await readState<z.output<typeof shape>>(file, { shape })).value?.digests ?? {};
  };
  const known = (await read())[key];
  if (known !== undefined) return known;
  const began = Date.now(), content = createHash("sha256");
  progress?.start(total, "bytes");
  for (const path of paths) {
    const found = digestFile(path, (bytes) => {
      signal?.throwIfAborted();
      progress?.advance(bytes);
    });
    // The stage reports a file that cannot be read.
    content.update(await found.then(({ sha256 }) => sha256, () => "unreadable"));
    signal?.throwIfAborted();
  }
  const digest = content.digest("hex");
  // A file of this very moment can change once more within the resolution of its times.
  if (artifacts !== "" && began - latest > MTIME_RESOLUTION_MS) {
    const digests = Object.entries({ ...await read(), [key]: digest }).slice(-MAX_DIGESTS);
    // A read-only folder or a full disk: the next run reads the files again.
    const state = { digests: Object.fromEntries(digests) };
    await ensureFolder(dirname(file)).then(() => writeState(file, state)).catch(() => {});
  }
  return digest;
}
