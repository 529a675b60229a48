/** Client of a broker process. */
import { type Reply, startChild } from "@reproducible/workers/child";
import { UsageError } from "../errors.ts";
import type { BrokerInit, RedisAddress } from "./protocol.ts";

/** The broker crashed. Its state is in Redis, so another broker can continue. */
export class BrokerDisconnectedError extends Error {
  override readonly name = "BrokerDisconnectedError";
}

export interface BrokerClient<Request> extends AsyncDisposable {
  /** @throws {BrokerDisconnectedError} */
  request<Answer>(request: Request): Promise<Answer>;
}

/**
 * Starts a broker and waits until it is connected.
 * @throws if Redis cannot be reached
 */
export async function connectBroker<Request>(init: BrokerInit): Promise<BrokerClient<Request>> {
  const ready = Promise.withResolvers<unknown>();
  const pending: PromiseWithResolvers<unknown>[] = [ready];
  let lost: BrokerDisconnectedError | undefined;
  const lose = (why: string) => {
    lost ??= new BrokerDisconnectedError(`connection to Redis lost (${why})`);
    for (const { reject } of pending.splice(0)) reject(lost);
  };
  const child = startChild(
    {
      module: new URL("./bullmq/broker.ts", import.meta.url),
      config: new URL("./bullmq/bullmq.json", import.meta.url),
      network: true,
      opening: init,
    },
    {
      reply(reply: Reply) {
        const first = pending.shift();
        if ("error" in reply) first?.reject(new Error(reply.error));
        else first?.resolve("answer" in reply ? reply.answer : undefined);
      },
      crashed: lose,
    },
  );
  const close = async () => {
    lose("closed");
    await child.close();
  };
  try {
    await ready.promise;
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async request<Answer>(request: Request) {
      if (lost) throw lost;
      const answer = Promise.withResolvers<unknown>();
      pending.push(answer);
      child.send(request);
      return await answer.promise as Answer;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Returns the address without user and password, for messages. */
export function redactUrl({ url }: RedisAddress): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

/**
 * Parses an address of Redis and reads its certificate.
 * @param ca path of a PEM file
 * @throws {UsageError}
 */
export async function parseRedisAddress(text: string, ca?: string): Promise<RedisAddress> {
  // A password may contain characters that end a host name.
  const url = text.replace(
    /^(rediss?:\/\/)(.*)(?=@)/i,
    (_, scheme, user) => scheme + user.replace(/[/#?@[\]]/g, encodeURIComponent),
  );
  const parsed = URL.parse(url);
  if (parsed === null || !["redis:", "rediss:"].includes(parsed.protocol) || parsed.host === "") {
    throw new UsageError(
      `Cannot use "${text.replace(/(:\/\/).*@/, "$1***@")}" as the address of Redis: expected ` +
        "redis://host:6379, or, with TLS, rediss://user:password@host:6379.",
    );
  }
  if (ca === undefined) return { url };
  if (parsed.protocol !== "rediss:") {
    throw new UsageError(
      `Cannot check the certificate of "${redactUrl({ url })}": without TLS it has none. ` +
        `Write rediss:// for TLS.`,
    );
  }
  try {
    return { url, ca: await Deno.readTextFile(ca) };
  } catch (cause) {
    throw new UsageError(`Cannot read the certificate "${ca}": ${(cause as Error).message}.`, {
      cause,
    });
  }
}
