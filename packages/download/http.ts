/**
 * Fetches a large file over HTTP, whatever the network does: it resumes where it stopped (also
 * after the process was killed), and tries again after drops, stalls and busy servers.
 */
import { dirname } from "node:path";
import { hideUrl } from "../pipeline/stage.ts";
import { PartialFile } from "./partial_file.ts";
import { checkSpace, formatGigabytes, freeBytes } from "./disk_space.ts";
import { sleep, StallTimeout, TransientError } from "./stall_timeout.ts";

export interface FetchOptions {
  /** Where the file lands, once it is whole; until then it grows in `<path>.part`. */
  path: string;
  /** The MD5 it must have, in lower case, if one is known. */
  md5?: string;
  signal?: AbortSignal;
  /** Told its size when the server says it, and how much of it is there already. */
  onStart?(size: number | undefined, have: number): void;
  /** Told of every piece that arrives. */
  onBytes?(count: number): void;
  /** Told why it has to wait or begin again. */
  onTrouble?(message: string): void;
  patience?: Partial<RetryPolicy>;
  /** Most bytes to take. Default: 64 GiB, twice the largest file of IMDB-WIKI. */
  limit?: number;
  /** Returns the bytes that may still be written to a folder's disk. */
  free?: typeof freeBytes;
}

export interface RetryPolicy {
  /** Failures in a row, none of which brought the file on, before it gives up. */
  attempts: number;
  /** Milliseconds before the second attempt; doubled before each further one. */
  delay: number;
  /** Longest wait in milliseconds, also where the server asks for more. */
  longest: number;
  /** Milliseconds without a byte after which a connection counts as dead. */
  stall: number;
}

const LIMIT = 2 ** 36;
/** Of a body without a length: bytes between looks at the disk, and what it leaves free there. */
const LOOK = 2 ** 26, RESERVE = 2 ** 30;
const usual: RetryPolicy = { attempts: 8, delay: 1000, longest: 120_000, stall: 60_000 };

export interface Fetched {
  md5: string;
  size: number;
  /** Whether the server said how long the file is, so that a short one was noticed. */
  lengthKnown: boolean;
}

/** Fetches `url` to `options.path`. Nothing is there unless its length and MD5 were right. */
export async function fetchFile(url: string, options: FetchOptions): Promise<Fetched> {
  const patience = { ...usual, ...options.patience };
  const known = hideUrl(url);
  const partial = new PartialFile(`${options.path}.part`, known, options.md5 !== undefined);
  try {
    await partial.open(options.signal, options.onTrouble);
    let failures = 0;
    let wrongSums = 0;
    let furthest = partial.size;
    while (true) {
      options.signal?.throwIfAborted();
      try {
        const resumed = partial.size > 0;
        const lengthKnown = await receive(partial, url, patience.stall, options);
        const md5 = partial.md5();
        const { size } = partial;
        if (options.md5 !== undefined && md5 !== options.md5) {
          await partial.reset();
          const message = `its MD5 is ${md5}, expected was ${options.md5}`;
          // Pieces of two versions may have met; from one piece it is simply another file.
          if (resumed && ++wrongSums < 2) throw new TransientError(message, 0);
          throw new Error(
            `${message}. Either the file changed or something on the way spoiled it; to take it ` +
              `as it is, give its MD5 under "checksums"`,
          );
        }
        await partial.finish(options.path);
        return { md5, size, lengthKnown };
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof TransientError)) throw error;
        if (/number of redirects/i.test(error.message)) {
          throw new Error(`${error.message}, which another attempt would not change`, {
            cause: error.cause,
          });
        }
        failures = partial.size > furthest ? 0 : failures + 1;
        furthest = Math.max(furthest, partial.size);
        if (failures >= patience.attempts) {
          throw new Error(
            `${error.message}, and ${failures} attempts in a row brought no more of it. ` +
              `What has arrived is kept: run again to go on`,
            { cause: error.cause ?? error },
          );
        }
        const doubled = patience.delay * 2 ** Math.max(failures - 1, 0);
        const wait = Math.min(Math.max(error.wait ?? doubled, 0), patience.longest);
        options.onTrouble?.(
          `${error.message}; trying again in ${(wait / 1000).toFixed(0)} s`,
        );
        await sleep(wait, options.signal);
      }
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot download "${known}": ${message}.`, { cause });
  } finally {
    partial.close();
  }
}

/** A text file of up to a megabyte; undefined where the server says that there is none. */
export async function fetchText(
  url: string,
  options: Pick<FetchOptions, "signal" | "patience" | "onTrouble"> & { folder: string },
): Promise<string | undefined> {
  const path = await Deno.makeTempFile({ dir: options.folder });
  try {
    await fetchFile(url, { ...options, path, limit: 1 << 20 });
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Error && error.cause instanceof AbsentError) return undefined;
    throw error;
  } finally {
    for (const end of ["", ".part", ".part.json", ".part.digests"]) {
      await Deno.remove(path + end).catch(() => {});
    }
  }
}

/** How long a file is, if the server tells without sending it. */
export async function fetchSize(
  url: string,
  signal: AbortSignal,
  patience = 20_000,
): Promise<number | undefined> {
  try {
    const { ok, headers } = await fetch(url, {
      method: "HEAD",
      headers: { "accept-encoding": "identity" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    });
    const length = headers.get("content-length");
    return ok && length !== null ? Number(length) : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined; // what is wrong is told when the file itself is asked for
  }
}

/** The server says that there is no such file, or none for us. */
class AbsentError extends Error {}

/** One request: appends to the partial file what is missing. True if the length was known. */
async function receive(
  partial: PartialFile,
  url: string,
  stall: number,
  options: FetchOptions,
): Promise<boolean> {
  const watch = new StallTimeout(stall, options.signal);
  try {
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    // Without an MD5 or a validator nothing tells whether the rest is of the same version.
    if (!partial.checked && partial.validator === null) await partial.reset();
    if (partial.size > 0) {
      headers.range = `bytes=${partial.size}-`;
      if (partial.validator) headers["if-range"] = partial.validator;
    }
    const response = await watch.guard(
      (signal) => fetch(url, { headers, signal }).catch(withoutAddress),
      "the connection failed",
    );
    try {
      const total = await accept(partial, response);
      await checkRoom(partial, total, options);
      options.onStart?.(total, partial.size);
      if (response.body && response.status !== 416) {
        const reader = response.body.getReader();
        for (let looked = 0; total === undefined || partial.size <= total;) {
          const { done, value } = await watch.guard(() => reader.read(), "the connection dropped");
          if (done) break;
          partial.append(value);
          options.onBytes?.(value.length);
          if (total !== undefined || (looked += value.length) < LOOK) continue;
          looked = 0;
          await checkRoom(partial, total, options);
        }
        await checkRoom(partial, total, options);
      }
      if (total !== undefined && partial.size !== total) {
        const message = `${count(partial.size)} of ${count(total)} bytes came`;
        if (partial.size > total) await partial.reset();
        throw new TransientError(message);
      }
      return total !== undefined;
    } finally {
      // Frees the connection where the body was not read to its end.
      await response.body?.cancel().catch(() => {});
    }
  } finally {
    watch.stop();
  }
}

/** Throws why a request failed; Deno's own causes show the address, its query included. */
function withoutAddress({ message, cause }: Error): never {
  const why = cause instanceof Error ? cause.message : message;
  throw new Error(why.replace(/ for url \(.*?\)(?=:|$)/, ""));
}

/**
 * Refuses what is longer than it may be, or than there is room for. A body that does not say its
 * length may be endless: of such a one nothing is kept.
 */
async function checkRoom(
  partial: PartialFile,
  total: number | undefined,
  { path, limit = LIMIT, free = freeBytes }: FetchOptions,
): Promise<void> {
  const folder = dirname(path);
  if ((total ?? partial.size) > limit) {
    const what = total === undefined ? "the server sends, without an end," : "it has";
    await partial.reset();
    throw new Error(`${what} more than ${formatGigabytes(limit)}, which is refused`);
  }
  if (total !== undefined) await checkSpace(folder, total - partial.size, "it", free);
  else if (partial.size >= LOOK && (await free(folder) ?? Infinity) < RESERVE) {
    const came = formatGigabytes(partial.size);
    await partial.reset();
    throw new Error(
      `the server does not say how long it is, and after ${came} less than ${
        formatGigabytes(RESERVE)
      } ` +
        `of the disk of "${folder}" were left. Make room, or name another "mirror"`,
    );
  }
}

/** Makes the partial file fit the answer, and tells how long the whole will be. */
async function accept(partial: PartialFile, response: Response): Promise<number | undefined> {
  const { status } = response;
  const said = `the server answered ${status} ${response.statusText}`.trim();
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
    const total = range === null || range[2] === "*" ? undefined : Number(range[2]);
    const same = partial.part?.size === null || partial.part?.size === total;
    if (range === null || Number(range[1]) !== partial.size || !same) {
      const got = response.headers.get("content-range");
      const asked = partial.size;
      await partial.reset();
      throw new TransientError(
        `the server sent the range "${got}", bytes from ${asked} on were asked for`,
      );
    }
    // A server may pass over If-Range: the answer has to be of the version that was begun.
    const { validator } = partial;
    const now = validator && response.headers.get(validator[0] === '"' ? "etag" : "last-modified");
    // With If-Range, the ETag has to be repeated and the date need not.
    const another = now !== validator && (now !== null || validator?.[0] === '"');
    if (another) {
      await partial.reset();
      throw new TransientError(
        `the file changed from version ${validator} to ${now ?? "another"}`,
        0,
      );
    }
    return total;
  }
  if (status === 416) {
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
    // Of the right length; only an MD5 tells whether it is of the same version.
    if (Number(total ?? NaN) === partial.size && partial.checked) return partial.size;
    await partial.reset();
    throw new TransientError("the server's file is no longer than what is here already", 0);
  }
  if (status === 200) {
    // The whole file: ranges are not known there, or it changed since.
    await partial.reset();
    const length = response.headers.get("content-length");
    const size = length === null ? null : Number(length);
    const etag = response.headers.get("etag");
    const strong = etag?.startsWith('"') ? etag : null;
    await partial.remember(size, strong ?? response.headers.get("last-modified"));
    return size ?? undefined;
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new TransientError(said, retryAfter(response));
  }
  if (status === 403 || status === 404 || status === 410) {
    throw new AbsentError(`${said}. Check the address, or name another "mirror"`);
  }
  throw new Error(`${said}, which another attempt would not change`);
}

/** Milliseconds that the server asks to wait, in seconds or as a date. */
function retryAfter(response: Response): number | undefined {
  const text = response.headers.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date - Date.now();
}

function count(n: number): string {
  return n.toLocaleString("en");
}
