/** A worker on some machine: takes parts, does them, and says so, until it is stopped. */
import { join } from "node:path";
import type { StagePart } from "../runner/stage.ts";
import { orAborted, pause } from "./coordinator.ts";
import { BrokerLost, type Link, openLink, tellPlace } from "./link.ts";
import { type Code, codeDifference, type PartData, type PartResult, partSchema } from "./part.ts";
import type { Held, RedisPlace, Taken, WorkerAsks } from "./protocol.ts";

/** What a worker is. */
export interface WorkerOptions {
  readonly redis: RedisPlace;
  readonly prefix: string;
  readonly name: string;
  /** Ms after which a worker that is not heard of has lost its part. */
  readonly lock: number;
  /** The shared folder, as this machine has it. */
  readonly artifacts: string;
  /** Processes at a time; 0 is one a core. */
  readonly workers: number;
  readonly signal: AbortSignal;
  /**
   * How a stage's parts are done here, with what code, and whether that has changed since the worker
   * began; undefined: they are not.
   */
  stage(use: string): Promise<{ part: StagePart; code: Code; changed: boolean } | undefined>;
  /** @throws if this machine does not have the compute backend */
  demand(backend: string): Promise<void>;
  say(line: string): void;
}

/** Why a part is not done here. */
class Refusal extends Error {}
/** The part is no longer ours. */
class Lost extends Error {}

/**
 * Works until the signal aborts, and gives back the part in hand then.
 * @returns why the worker was refused, if it was
 */
export async function work(options: WorkerOptions): Promise<string | undefined> {
  const { redis, prefix, name, lock, signal, say } = options;
  let link: Link<WorkerAsks> | undefined;
  const open = () => openLink<WorkerAsks>({ role: "worker", redis, prefix, name, lock });
  try {
    link = await orAborted(open(), signal);
    say(`connected to ${tellPlace(redis)} as ${name}; waiting for work`);
    while (!signal.aborted) {
      try {
        link ??= await open();
        const taken = await link.ask<Taken | null>({ take: true });
        if (taken === null) continue;
        const refusal = await answer(options, link, taken);
        if (refusal !== undefined) return refusal;
      } catch (error) {
        if (link === undefined) await pause(1000, signal);
        else if (!(error instanceof BrokerLost)) throw error;
        else say(error.message);
        link = undefined;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (signal.aborted) await link?.ask({ giveBack: {} }).catch(() => {});
    await link?.[Symbol.asyncDispose]();
  }
}

/** Does a part and tells the broker what came of it. */
async function answer(
  options: WorkerOptions,
  link: Link<WorkerAsks>,
  { id, data }: Taken,
): Promise<string | undefined> {
  const { say, signal } = options;
  let folder: string | undefined;
  const putAway = async () => {
    if (folder !== undefined) await Deno.remove(folder, { recursive: true }).catch(() => {});
  };
  try {
    const parsed = partSchema.safeParse(data);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      throw new Error(`what arrived is no part: ${path.join(".") || "it"}: ${message}.`);
    }
    const { part, input } = await accept(options, parsed.data);
    folder = join(options.artifacts, parsed.data.folder, crypto.randomUUID());
    await Deno.mkdir(folder);
    const key = `${parsed.data.use} ${id.split("-").at(-1)}`;
    say(`${key}: begins`);
    const began = performance.now();
    const result = await hold(options, link, (signal, advance) =>
      part.run(
        Object.fromEntries(
          Object.entries(parsed.data.inputs).map(([key, at]) => [key, join(options.artifacts, at)]),
        ),
        input,
        {
          ...{ folder: folder!, signal, advance, workers: options.workers },
          ...{ compute: parsed.data.compute },
        },
      ));
    const done: PartResult = {
      folder: `${parsed.data.folder}/${folder.split(/[/\\]/).at(-1)}`,
      worker: options.name,
      result,
    };
    await link.ask({ done });
    say(
      `${parsed.data.use} ${id.split("-").at(-1)}: ${
        ((performance.now() - began) / 1000).toFixed(1)
      } s`,
    );
  } catch (error) {
    if (error instanceof BrokerLost) {
      await putAway();
      throw error;
    }
    await putAway();
    const { message } = error as Error;
    if (error instanceof Refusal) {
      await link.ask({ giveBack: { refusal: message } });
      return message;
    }
    if (signal.aborted) say("the part at hand goes back to the queue");
    else if (error instanceof Lost) {
      say(`${message}; going on with the next part`);
      await link.ask({ done: null });
    } else {
      say(`failed: ${message}`);
      await link.ask({ fail: `${message} (on ${options.name})` });
    }
  }
}

/** Whether a part can be done here, and how. @throws {Refusal} */
async function accept(
  { stage, demand, artifacts }: WorkerOptions,
  { use, code, compute, folder, inputs, data }: PartData,
): Promise<{ part: StagePart; input: unknown }> {
  const found = await stage(use);
  if (!found) throw new Refusal(`the stage ${JSON.stringify(use)} is none whose parts it can do`);
  if (found.changed) throw new Refusal("its code was changed after it was started. Start it again");
  const difference = codeDifference(code, found.code);
  if (difference !== undefined) {
    throw new Refusal(`its version is another one: ${difference}. Bring it to the run's version`);
  }
  if (compute !== undefined) {
    await demand(compute).catch((error: Error) => {
      throw new Refusal(`it cannot compute on "${compute}": ${error.message}`);
    });
  }
  for (const path of [folder, ...Object.values(inputs)]) {
    const there = await Deno.stat(join(artifacts, path)).then(
      (info) => info.isDirectory,
      () => false,
    );
    if (!there) {
      throw new Refusal(`its artifact folder "${artifacts}" has no "${path}": it is not the run's`);
    }
  }
  const parsed = found.part.data.safeParse(data);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new Error(`what arrived is no part of ${use}: ${path.join(".") || "it"}: ${message}.`);
  }
  return { part: found.part, input: parsed.data };
}

/** Does something while it keeps the part, and stops when the part is lost or the worker is. */
async function hold<T>(
  { signal, lock }: WorkerOptions,
  link: Link<WorkerAsks>,
  act: (signal: AbortSignal, advance: (items: number) => void) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let progress = 0, ended = false;
  const holding = (async () => {
    while (!ended && !stop.signal.aborted) {
      const { ours, why } = await link.ask<Held>({ hold: { progress } });
      if (!ours) stop.abort(new Lost(`a part is lost: ${why}`));
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, lock / 8)));
    }
  })().catch((error) => stop.abort(error));
  try {
    const both = AbortSignal.any([signal, stop.signal]);
    const result = await act(both, (items) => progress += items);
    both.throwIfAborted();
    return result;
  } catch (error) {
    // Whatever it says: it was stopped.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    ended = true;
    await holding;
  }
}
