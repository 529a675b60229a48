/**
 * Downloads large files over HTTP. A download resumes where it stopped, also after a crash of the
 * process, and is tried again after dropped or stalled connections and errors of the server.
 */
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { count } from "../formats/random_access_file.ts";
import { formatBytes } from "../pipeline/format.ts";
import { hideUrl } from "../pipeline/stage.ts";
import { PartialFile } from "./partial_file.ts";

export interface FetchOptions {
  /** Path of the complete file; until then it is `<path>.part`. */
  path: string;
  /** Expected MD5 in lower case, if known. */
  md5?: string;
  signal?: AbortSignal;
  /** Called with the size, if the server sends it, and the number of bytes that exist already. */
  onStart?(size: number | undefined, have: number): void;
  /** Called with the length of each received chunk. */
  onBytes?(count: number): void;
  /** Called with the reason for each retry. */
  onTrouble?(message: string): void;
  patience?: Partial<RetryPolicy>;
  /** Maximum size in bytes. Default: 64 GiB. */
  limit?: number;
  /** Replaces `freeBytes`, for tests. */
  free?: typeof freeBytes;
}

export interface RetryPolicy {
  /** Maximum number of consecutive failures without a received byte. */
  attempts: number;
  /** Milliseconds before the second attempt; doubles with each further one. */
  delay: number;
  /** Maximum wait in milliseconds, also if the server asks for more. */
  longest: number;
  /** Timeout in milliseconds without a received byte. */
  stall: number;
}

const LIMIT = 2 ** 36;
/** Bodies of unknown length: bytes between checks of the disk, and bytes to leave free on it. */
const CHECK_INTERVAL = 2 ** 26, RESERVE = 2 ** 30;
const DEFAULT_POLICY: RetryPolicy = { attempts: 8, delay: 1000, longest: 120_000, stall: 60_000 };

export interface Fetched {
  md5: string;
  /** True if the server sent the length, so that a truncated file is an error. */
  lengthKnown: boolean;
}

/**
 * Downloads `url` to `options.path`, which exists only after a complete download with the right MD5, and
 * notes its version beside it, for `readOrigin()`.
 *
 * @example
 * ```ts ignore
 * await fetchFile("https://example.org/data.tar", {
 *   path: "data.tar",
 *   md5: "f536eb7f5eae229ae8f286184364b42b",
 *   onTrouble: (message) => console.warn(message),
 * });
 * ```
 */
export async function fetchFile(url: string, options: FetchOptions): Promise<Fetched> {
  const { path, md5: expected, signal, onTrouble } = options;
  const patience = { ...DEFAULT_POLICY, ...options.patience };
  const known = hideUrl(url);
  const partial = new PartialFile(`${path}.part`, known, expected !== undefined);
  try {
    await partial.open(signal, onTrouble);
    let failures = 0, wrongSums = 0, furthest = partial.size;
    while (true) {
      signal?.throwIfAborted();
      try {
        const resumed = partial.size > 0;
        const lengthKnown = await receive(partial, url, patience.stall, options);
        const md5 = partial.md5();
        if (expected !== undefined && md5 !== expected) {
          await partial.reset();
          const message = `its MD5 is ${md5}, expected was ${expected}`;
          // A resumed file may mix two versions; one from a single response is another file.
          if (resumed && ++wrongSums < 2) throw new TransientError(message, 0);
          throw new Error(
            `${message}. The file changed, or was damaged on the way; to use it as it is, set its ` +
              `MD5 under "checksums"`,
          );
        }
        await partial.finish(path);
        return { md5, lengthKnown };
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof TransientError)) throw error;
        const { message, cause } = error;
        if (/number of redirects/i.test(message)) {
          throw new Error(`${message}, which another attempt would not change`, { cause });
        }
        failures = partial.size > furthest ? 0 : failures + 1;
        furthest = Math.max(furthest, partial.size);
        if (failures >= patience.attempts) {
          const wayOut = "Run again to resume the download";
          throw new Error(
            `${message}; ${failures} consecutive attempts received nothing. ${wayOut}`,
            { cause: cause ?? error },
          );
        }
        const doubled = patience.delay * 2 ** Math.max(failures - 1, 0);
        const wait = Math.min(Math.max(error.wait ?? doubled, 0), patience.longest);
        onTrouble?.(`${message}; retry in ${(wait / 1000).toFixed(0)} s`);
        await delay(wait, undefined, { signal });
      }
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot download "${known}": ${message}.`, { cause });
  } finally {
    partial.close();
  }
}

/** Downloads a text file of at most 1 MiB. Returns undefined if the server has none. */
export async function fetchText(
  url: string,
  options: Pick<FetchOptions, "signal" | "patience" | "onTrouble"> & { folder: string },
): Promise<string | undefined> {
  const folder = await Deno.makeTempDir({ dir: options.folder }), path = join(folder, "text");
  try {
    await fetchFile(url, { ...options, path, limit: 1 << 20 });
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Error && error.cause instanceof AbsentError) return undefined;
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Returns a file's version and size by a HEAD request, as far as the server sends them. */
export async function fetchVersion(
  url: string,
  signal: AbortSignal,
): Promise<{ validator: string | null; size: number | null }> {
  try {
    const { ok, headers } = await fetch(url, {
      method: "HEAD",
      headers: { "accept-encoding": "identity" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(20_000)]),
    });
    if (ok) return versionOf(headers);
  } catch {
    signal.throwIfAborted(); // other errors are reported by the download
  }
  return { validator: null, size: null };
}

function versionOf(headers: Headers): { validator: string | null; size: number | null } {
  const length = headers.get("content-length"), etag = headers.get("etag");
  const strong = etag?.startsWith('"') ? etag : null;
  return {
    validator: strong ?? headers.get("last-modified"),
    size: length === null ? null : Number(length),
  };
}

/** A failure that another attempt may resolve, after `wait` milliseconds. */
class TransientError extends Error {
  constructor(message: string, readonly wait?: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The server has no such file, or denies access. */
class AbsentError extends Error {}

/** Sends one request and appends the missing bytes. Returns true if the length was known. */
async function receive(partial: PartialFile, url: string, stall: number, options: FetchOptions) {
  const stalled = new AbortController();
  const signal = AbortSignal.any([stalled.signal, ...options.signal ? [options.signal] : []]);
  /** Waits for one step of the transfer; failures become `TransientError`. */
  const guard = async <T>(step: () => Promise<T>, trouble: string): Promise<T> => {
    const timer = setTimeout(() => stalled.abort(), stall);
    try {
      return await step();
    } catch (cause) {
      options.signal?.throwIfAborted();
      const why = stalled.signal.aborted
        ? `no byte received for ${(stall / 1000).toFixed(0)} s`
        : `${trouble} (${(cause as Error).message})`;
      throw new TransientError(why, undefined, { cause });
    } finally {
      clearTimeout(timer);
    }
  };
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  // Without an MD5 or a validator, the rest may be of another version.
  if (!partial.checked && !partial.part?.validator) await partial.reset();
  if (partial.size > 0) {
    headers.range = `bytes=${partial.size}-`;
    if (partial.part?.validator) headers["if-range"] = partial.part.validator;
  }
  const response = await guard(
    () => fetch(url, { headers, signal }).catch(withoutAddress),
    "the connection failed",
  );
  try {
    const total = await accept(partial, response);
    await checkRoom(partial, total, options);
    options.onStart?.(total, partial.size);
    if (response.body && response.status !== 416) {
      const reader = response.body.getReader();
      for (let unchecked = 0; total === undefined || partial.size <= total;) {
        const { done, value } = await guard(() => reader.read(), "the connection dropped");
        if (done) break;
        partial.append(value);
        options.onBytes?.(value.length);
        if (total !== undefined || (unchecked += value.length) < CHECK_INTERVAL) continue;
        unchecked = 0;
        await checkRoom(partial, total, options);
      }
      await checkRoom(partial, total, options);
    }
    if (total !== undefined && partial.size !== total) {
      const message = `received ${count(partial.size)} of ${count(total)} bytes`;
      if (partial.size > total) await partial.reset();
      throw new TransientError(message);
    }
    return total !== undefined;
  } finally {
    // Frees the connection if the body was not read to its end.
    await response.body?.cancel().catch(() => {});
  }
}

/** Rethrows a request's error without the URL, which may contain secrets. */
function withoutAddress({ message, cause }: Error): never {
  const why = cause instanceof Error ? cause.message : message;
  throw new Error(why.replace(/ for url \(.*?\)(?=:|$)/, ""));
}

/**
 * Refuses files that are larger than the limit or the free disk space. A body of unknown length may be
 * endless; nothing of it is kept.
 */
async function checkRoom(
  partial: PartialFile,
  total: number | undefined,
  { path, limit = LIMIT, free = freeBytes }: FetchOptions,
): Promise<void> {
  const folder = dirname(path);
  if ((total ?? partial.size) > limit) {
    await partial.reset();
    const what = total === undefined ? "the response has no length and exceeds" : "it exceeds";
    throw new Error(`${what} the limit of ${formatBytes(limit)}`);
  }
  if (total !== undefined) await checkSpace(folder, total - partial.size, "it", free);
  else if (partial.size >= CHECK_INTERVAL && (await free(folder) ?? Infinity) < RESERVE) {
    const received = formatBytes(partial.size);
    await partial.reset();
    throw new Error(
      `the server does not send its length, and after ${received} the disk of "${folder}" has less ` +
        `than ${formatBytes(RESERVE)} left. Free some space, or set another "mirror"`,
    );
  }
}

/** Adapts the partial file to the response. Returns the total length, if known. */
async function accept(partial: PartialFile, response: Response): Promise<number | undefined> {
  const { status } = response;
  const answer = `the server responded with ${status} ${response.statusText}`.trim();
  /** Begins anew: returns the error after which the file is requested again. */
  const restart = async (message: string, wait?: number) => {
    await partial.reset();
    return new TransientError(message, wait);
  };
  if (status === 206) {
    const got = response.headers.get("content-range");
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(got ?? "");
    const known = partial.part?.size;
    const total = range === null || range[2] === "*" ? known ?? undefined : Number(range[2]);
    if (Number(range?.[1]) !== partial.size || known !== null && known !== total) {
      throw await restart(
        `the server sent the range "${got}" instead of bytes from ${partial.size} on`,
      );
    }
    // A server may ignore If-Range and send another version.
    const validator = partial.part?.validator;
    const now = validator && response.headers.get(validator[0] === '"' ? "etag" : "last-modified");
    // In response to If-Range, the ETag is mandatory and the date is not.
    if (now !== validator && (now !== null || validator?.[0] === '"')) {
      throw await restart(`the file changed from version ${validator} to ${now ?? "another"}`, 0);
    }
    return total;
  }
  if (status === 416) {
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
    // The length is right; the version can only be checked by an MD5.
    if (Number(total ?? NaN) === partial.size && partial.checked) return partial.size;
    throw await restart("the server's file is not longer than the bytes received so far", 0);
  }
  if (status === 200) {
    // The complete file: the server does not support ranges, or the file changed.
    await partial.reset();
    const { size, validator } = versionOf(response.headers);
    await partial.remember(size, validator);
    return size ?? undefined;
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new TransientError(answer, retryAfter(response));
  }
  if (status === 403 || status === 404 || status === 410) {
    throw new AbsentError(`${answer}. Check the URL, or set another "mirror"`);
  }
  throw new Error(`${answer}, which another attempt would not change`);
}

/** Parses Retry-After, in seconds or as a date. Returns milliseconds. */
function retryAfter(response: Response): number | undefined {
  const text = response.headers.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date - Date.now();
}

/** Returns the free bytes of a folder's disk; undefined if the system does not report them. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: undefined, bsize: 0 }));
  return bavail && Number(bavail) * Number(bsize);
}

/**
 * Checks that a folder's disk has room for `bytes` more.
 * @param what name of the files, for the message
 * @returns the free bytes, if known
 * @throws if there is too little
 */
export async function checkSpace(
  folder: string,
  bytes: number,
  what: string,
  free = freeBytes,
): Promise<number | undefined> {
  const room = await free(folder);
  if (room === undefined || bytes <= room) return room;
  throw new Error(
    `Cannot write ${what}: ${formatBytes(bytes)} more are needed, and the disk of ` +
      `"${folder}" has ${formatBytes(room)} left. Free some space, or store the results ` +
      "elsewhere (artifacts: FOLDER); partial files are kept.",
  );
}
