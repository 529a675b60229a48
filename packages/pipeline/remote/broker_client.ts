/** A process's line to its broker. */
import { type Child, type Reply, startChild } from "../../workers/child.ts";
import { UsageError } from "../errors.ts";
import type { BrokerOpening, RedisPlace } from "./protocol.ts";

/** The broker has died; what it knew is in Redis, so that another one can go on. */
export class BrokerDisconnectedError extends Error {
  override readonly name = "BrokerLost";
}

export interface BrokerClient<Asks> extends AsyncDisposable {
  /** @throws {BrokerDisconnectedError} */
  ask<Answer>(asks: Asks): Promise<Answer>;
}

/**
 * Starts a broker. The first answer comes when it is connected.
 * @throws if Redis cannot be reached, saying where and why
 */
export async function connectBroker<Asks>(opening: BrokerOpening): Promise<BrokerClient<Asks>> {
  const waiting: PromiseWithResolvers<unknown>[] = [];
  const ready = Promise.withResolvers<void>();
  let lost: BrokerDisconnectedError | undefined;
  const lose = (why: string) => {
    lost ??= new BrokerDisconnectedError(`Cannot go on: the line to Redis is lost (${why}).`);
    ready.reject(lost);
    for (const { reject } of waiting.splice(0)) reject(lost);
  };
  const member: Child = startChild(
    {
      module: new URL("./bullmq/broker.ts", import.meta.url),
      config: new URL("./bullmq/bullmq.json", import.meta.url),
      network: true,
      opening,
    },
    {
      reply(reply: Reply) {
        if ("ready" in reply) return ready.resolve();
        if ("answer" in reply) return waiting.shift()?.resolve(reply.answer);
        const error = new Error(reply.error);
        if (waiting.length > 0) waiting.shift()!.reject(error);
        else ready.reject(error);
      },
      crashed: lose,
    },
  );
  const close = async () => {
    lose("it was closed");
    await member.close();
  };
  try {
    await ready.promise;
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async ask<Answer>(asks: Asks) {
      if (lost) throw lost;
      const answer = Promise.withResolvers<unknown>();
      waiting.push(answer);
      member.send(asks);
      return await answer.promise as Answer;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Where Redis is, in a person's words: without the password. */
export function redactUrl({ url }: RedisPlace): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

/**
 * Reads and checks where Redis is.
 * @param ca path of a PEM file
 * @throws {UsageError}
 */
export async function parseRedisAddress(written: string, ca?: string): Promise<RedisPlace> {
  // A password may hold what ends a host's name.
  const url = written.replace(
    /^(rediss?:\/\/)(.*)(?=@)/i,
    (_, scheme, user) => scheme + user.replace(/[/#?@[\]]/g, encodeURIComponent),
  );
  const parsed = URL.parse(url);
  if (parsed === null || !["redis:", "rediss:"].includes(parsed.protocol) || parsed.host === "") {
    throw new UsageError(
      `Cannot use "${
        written.replace(/(:\/\/).*@/, "$1***@")
      }" as the address of Redis: it is written redis://host:6379, or, with ` +
        `TLS, rediss://user:password@host:6379.`,
    );
  }
  if (ca === undefined) return { url };
  if (parsed.protocol !== "rediss:") {
    throw new UsageError(
      `Cannot check the certificate of "${redactUrl({ url })}": without TLS it shows none. ` +
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
