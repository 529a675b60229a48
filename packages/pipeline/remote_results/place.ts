/** Places where results are shared: a bucket of S3, or a folder. */
import { dirname, join } from "node:path";
import { AwsClient } from "aws4fetch";
import { setTimeout as delay } from "node:timers/promises";
import type { RemoteSettings } from "../config/pipeline_schema.ts";
import { listFiles } from "../digest.ts";
import { ensureFolder, moveDurably, writeFileAtomic } from "../durable.ts";
import { formatError, UsageError } from "../errors.ts";
import { sha256 } from "../fingerprint.ts";
import { entries, fromFileUrl, ignoreNotFound, isUrl, remove } from "../paths.ts";
import { hideUrl } from "../secrets.ts";

/** Objects by their keys, such as `runs/a.json`. All throw {RemoteError}. */
export interface Place {
  /** Its URL, without secrets. */
  readonly url: string;
  /**
   * Reads an object; undefined if there is none.
   * @param most bytes that it may have
   */
  get(key: string, most: number): Promise<Uint8Array | undefined>;
  /** Returns an object's size; undefined if there is none. */
  sizeOf(key: string): Promise<number | undefined>;
  /**
   * Writes an object.
   * @param replace true to replace one. Default: false, which leaves it and returns false
   */
  put(key: string, bytes: Uint8Array<ArrayBuffer>, replace?: boolean): Promise<boolean>;
  /** Lists the objects whose keys begin so, sorted. */
  list(prefix: string): Promise<{ key: string; size: number }[]>;
}

/** A remote that does not do what it is asked for. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  /** @param lasting true if other requests would fail as well */
  constructor(message: string, readonly lasting: boolean, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Limits of requests; tests shorten them. */
export interface Patience {
  /** Number of attempts while the server is busy or the connection fails. */
  readonly attempts: number;
  /** Ms before the second attempt; doubles with each further one. */
  readonly delay: number;
  /** Ms that a request may take, besides the time for its bytes. */
  readonly timeout: number;
}

const PATIENCE: Patience = { attempts: 4, delay: 500, timeout: 20_000 };

/** Bytes per ms below which a transfer counts as stalled: 200 kB/s. */
const SLOWEST = 200;
/** Ms to wait at most, also if the server asks for more. */
const LONGEST_WAIT = 10_000;
/** Size of a list of objects or of an error at most. */
const MAX_TEXT = 1 << 22;

/** Variables of the environment that sign requests. */
const KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/** Opens the place that a pipeline's `remote` names. */
export function openPlace(
  settings: RemoteSettings,
  signal: AbortSignal,
  patience: Partial<Patience> = {},
): Place {
  const { url } = settings;
  if (/^s3:/i.test(url)) return new Bucket(settings, signal, { ...PATIENCE, ...patience });
  return new Folder(isUrl(url) ? fromFileUrl(url) : url);
}

/** Folder of files that are being written, and age in ms at which one is of a killed push. */
const INCOMING = ".incoming", OLD = 86_400_000;

class Folder implements Place {
  #cleaned: Promise<void> | undefined;

  constructor(readonly url: string) {}

  get(key: string, most: number): Promise<Uint8Array | undefined> {
    return this.#try(async () => {
      const size = await this.sizeOf(key);
      if (size === undefined) return undefined;
      if (size <= most) return await Deno.readFile(join(this.url, key));
      throw new RemoteError(`${key} there has ${size} bytes, not ${most}. Push it again`, false);
    });
  }

  sizeOf(key: string): Promise<number | undefined> {
    return this.#try(async () => {
      const { isFile, size } = await Deno.stat(join(this.url, key));
      return isFile ? size : undefined; // a pipe has no end, nor has a device
    });
  }

  async put(key: string, bytes: Uint8Array, replace = false): Promise<boolean> {
    const path = join(this.url, key), aside = join(this.url, INCOMING, crypto.randomUUID());
    return await this.#try(async () => {
      await this.#assertReachable();
      for (const file of [path, aside]) await ensureFolder(dirname(file));
      await (this.#cleaned ??= removeOld(dirname(aside)));
      await writeFileAtomic(aside, bytes);
      const linked = !replace && await Deno.link(aside, path).then(() => true, () => false);
      if (linked || !replace && await this.sizeOf(key) !== undefined) {
        await Deno.remove(aside);
        return linked;
      }
      // exFAT has no links: there, the later of two simultaneous pushes wins.
      await moveDurably(aside, path);
      return true;
    }, true) as boolean;
  }

  async list(prefix: string): Promise<{ key: string; size: number }[]> {
    if (!await this.#try(() => Deno.stat(this.url))) {
      throw new RemoteError("there is no such folder. Push a run, or name another", true);
    }
    const names = await this.#try(() => listFiles(join(this.url, prefix))) ?? [];
    return await Promise.all(names.map(async (name) => ({
      key: prefix + name,
      size: await this.sizeOf(prefix + name) ?? 0,
    })));
  }

  /** Throws unless a push could make the folder: a disk may not be mounted, or a name is misspelt. */
  async #assertReachable(): Promise<void> {
    const parent = dirname(this.url), there = await Deno.stat(this.url).catch(() => undefined);
    if (there?.isDirectory === false) throw new RemoteError("it is no folder. Name one", true);
    if (await Deno.stat(parent).catch(ignoreNotFound)) return;
    throw new RemoteError(
      `there is no folder "${parent}". Make or mount it, or name another`,
      true,
    );
  }

  async #try<T>(work: () => Promise<T>, writes = false): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof RemoteError) throw error;
      await this.#assertReachable();
      if (error instanceof Deno.errors.NotFound && !writes) return undefined;
      throw new RemoteError(formatError(error), true, { cause: error });
    }
  }
}

async function removeOld(folder: string): Promise<void> {
  for (const name of await entries(folder)) {
    const path = join(folder, name), { mtime } = await Deno.stat(path).catch(ignoreNotFound) ?? {};
    // One of another user may have to stay.
    if (mtime && Date.now() - Number(mtime) > OLD) await remove(path).catch(() => {});
  }
}

interface Ask {
  readonly method: "GET" | "HEAD" | "PUT";
  readonly key?: string;
  readonly query?: string;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Size of the response at most. */
  readonly most?: number;
}

class Bucket implements Place {
  readonly url: string;
  readonly #base: string;
  readonly #prefix: string;
  /** Signs requests; undefined for a public bucket. */
  readonly #client: AwsClient | undefined;

  constructor(
    { url, endpoint, region, pathStyle }: RemoteSettings,
    readonly signal: AbortSignal,
    readonly patience: Patience,
  ) {
    const env = (name: string) => Deno.env.get(name) || undefined;
    const [, bucket, path = ""] = url.match(/^s3:\/\/([^/]+)(?:\/(.*))?$/i)!;
    const where = region ?? env("AWS_REGION") ?? env("AWS_DEFAULT_REGION") ?? "us-east-1";
    const server = endpoint ?? env("AWS_ENDPOINT_URL");
    if (server !== undefined && !/^https?:\/\/[^/]/.test(server)) {
      throw new UsageError(`AWS_ENDPOINT_URL "${server}": expected http://HOST or https://HOST`);
    }
    const base = new URL(server ?? `https://s3.${where}.amazonaws.com`);
    const { hostname } = base;
    if (!(pathStyle ?? server !== undefined)) base.hostname = `${bucket}.${hostname}`;
    else base.pathname = `${base.pathname.replace(/\/$/, "")}/${bucket}`;
    if (pathStyle === false && base.hostname === hostname) {
      throw new UsageError(`pathStyle: false needs the name of a host in place of ${hostname}`);
    }
    this.#base = base.href.replace(/\/$/, "");
    this.#prefix = path.replace(/\/+$/, "") + (/[^/]/.test(path) ? "/" : "");
    this.url = hideUrl(url);
    const [accessKeyId, secretAccessKey] = KEYS.map(env);
    this.#client = accessKeyId && secretAccessKey
      ? new AwsClient({
        accessKeyId,
        secretAccessKey,
        service: "s3",
        region: where,
        sessionToken: env("AWS_SESSION_TOKEN"),
      })
      : undefined;
  }

  async get(key: string, most: number): Promise<Uint8Array | undefined> {
    return (await this.#send({ method: "GET", key, most }))?.bytes;
  }

  async sizeOf(key: string): Promise<number | undefined> {
    const found = await this.#send({ method: "HEAD", key });
    return found && Number(found.headers.get("content-length"));
  }

  async put(key: string, body: Uint8Array<ArrayBuffer>, replace = false): Promise<boolean> {
    const headers = {
      ...!replace && { "if-none-match": "*" },
      // The server compares it with what arrives.
      "x-amz-content-sha256": sha256(body),
    };
    return (await this.#send({ method: "PUT", key, body, headers }))?.status !== 412;
  }

  async list(prefix: string): Promise<{ key: string; size: number }[]> {
    const found: { key: string; size: number }[] = [];
    for (let token: string | undefined = "", more = ""; token !== undefined;) {
      const query = `?list-type=2&prefix=${encodeURIComponent(this.#prefix + prefix)}${more}`;
      const answer = await this.#send({ method: "GET", query, most: MAX_TEXT });
      const text = new TextDecoder().decode(answer?.bytes);
      const field = (xml: string, name: string) =>
        xml.match(`<${name}>([^<]*)</${name}>`)?.[1]?.replaceAll("&amp;", "&");
      for (const [, xml = ""] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        // XML has other characters in place of some of the prefix.
        const written = field(xml, "Key")!, key = written.slice(written.lastIndexOf(prefix));
        found.push({ key, size: Number(field(xml, "Size")) });
      }
      token = field(text, "NextContinuationToken");
      more = `&continuation-token=${encodeURIComponent(token ?? "")}`;
    }
    return found;
  }

  /** Sends a request, again while the server is busy. Returns undefined if there is no such object. */
  async #send(
    ask: Ask,
  ): Promise<{ status: number; headers: Headers; bytes: Uint8Array } | undefined> {
    const { attempts, delay: first } = this.patience;
    for (let attempt = 1;; attempt++) {
      let why: string, wayOut = "", wait = first * 2 ** (attempt - 1);
      try {
        const { status, headers, bytes } = await this.#once(ask);
        if (status < 300 || status === 412) return { status, headers, bytes };
        const text = new TextDecoder().decode(bytes);
        const code = text.match(/<Code>([^<]*)<\/Code>/)?.[1];
        if (status === 404 && code !== "NoSuchBucket") return undefined;
        const message = text.match(/<Message>([^<]*?)\.?<\/Message>/)?.[1];
        const region = headers.get("x-amz-bucket-region");
        why = [`it answered ${status}`, code, message, region && `its region is ${region}`]
          .filter(Boolean).join(", ");
        if (code === "NoSuchBucket") why += ". Create the bucket, or name another";
        if (status === 403) why += `. Check ${KEYS.join(", ")} and what they may do`;
        if (![409, 429, 500, 502, 503, 504].includes(status)) throw new RemoteError(why, true);
        wait = Math.min(Number(headers.get("retry-after") ?? 0) * 1000 || wait, LONGEST_WAIT);
      } catch (error) {
        this.signal.throwIfAborted();
        if (error instanceof RemoteError) throw error;
        if ((error as Error).name === "TimeoutError") {
          throw new RemoteError("it is too slow or does not answer", true, { cause: error });
        }
        const { cause, message } = error as Error;
        why = (cause instanceof Error ? cause.message : message).replace(/ for url \(.*?\)/, "");
        wayOut = `. Check the network and the endpoint ${hideUrl(this.#base)}`;
      }
      if (attempt >= attempts) {
        throw new RemoteError(`${why} (${attempts} attempts)${wayOut}`, true);
      }
      await delay(wait, undefined, { signal: this.signal });
    }
  }

  async #once({ method, key, query = "", body, headers, most = MAX_TEXT }: Ask) {
    // encodeURI() leaves # and ?, which would end the path.
    const parts = key === undefined ? [] : `${this.#prefix}${key}`.split("/");
    const path = parts.map((part) => `/${encodeURIComponent(part)}`).join("");
    const init = { method, headers, body };
    const url = this.#base + (path || "/") + query;
    const request = await this.#client?.sign(url, init) ?? new Request(url, init);
    const ms = this.patience.timeout + (body?.length ?? most) / SLOWEST;
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(ms)]);
    const response = await fetch(request, { signal, redirect: "manual" });
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      if ((size += chunk.length) > Math.max(most, response.ok ? 0 : MAX_TEXT)) {
        throw new RemoteError(`it sends more than the ${most} bytes of ${key}`, false);
      }
    }
    const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }
}
