/** One analyser in a web worker of its own, which is replaced when it fails or takes too long. */
import { PictureError } from "../faces/decode.ts";
import type { Result } from "./analyse.ts";
import type { Setup, Wishes } from "./analyser.ts";

/** What a worker is told. */
export type ToWorker = { setup: Setup } | { photo: Uint8Array; wishes: Wishes };
/** What it answers. */
export type FromWorker =
  | { ready: true }
  | { result: Result }
  | { unreadable: string }
  | { failed: Error };

/** A picture took longer than it may. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
  constructor(readonly seconds: number) {
    super(`The picture took more than ${seconds} s. Send a smaller one, or try again later.`);
  }
}

/** Analyses one picture at a time. */
export interface Analyst {
  /** Whether it can start on a picture now. */
  readonly idle: boolean;
  /** Whether it is open; it is not while it is being replaced. */
  readonly open: boolean;
  /** Told when it becomes idle. */
  onIdle: () => void;
  /** @throws {PictureError | TooSlow} */
  analyse(photo: Uint8Array<ArrayBuffer>, wishes: Wishes): Promise<Result>;
  close(): void;
}

/** A worker that does not even start is tried again after this many ms. */
const pause = 5000;

/**
 * Opens an analyser in a worker.
 * @param seconds longest time for one picture
 * @param warn told when the worker had to be replaced, and why
 * @throws if it does not start
 */
export async function openAnalyst(
  setup: Setup,
  seconds: number,
  warn: (message: string) => void,
): Promise<Analyst> {
  let worker: Worker | undefined;
  let open = false, closed = false;
  let current: PromiseWithResolvers<Result> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const start = () =>
    new Promise<void>((resolve, reject) => {
      const fresh = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      worker = fresh;
      fresh.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (fresh !== worker) return;
        if ("ready" in data) {
          open = true;
          resolve();
        } else if (!open && "failed" in data) {
          reject(data.failed);
        } else if ("result" in data) settle()?.resolve(data.result);
        else if ("unreadable" in data) settle()?.reject(new PictureError(data.unreadable));
        else settle()?.reject((data as { failed: Error }).failed);
      };
      fresh.onerror = (event) => {
        event.preventDefault();
        if (fresh !== worker) return;
        const error = new Error(`A worker failed: ${event.message}.`, { cause: event.error });
        if (open) replace(error);
        else reject(error);
      };
      fresh.postMessage({ setup });
    });
  /** Takes the current picture's promise out, and lets the next picture in. */
  const settle = () => {
    const settled = current;
    current = undefined;
    queueMicrotask(() => analyst.onIdle());
    return settled;
  };
  const replace = (why: Error) => {
    worker?.terminate();
    open = false;
    const lost = current;
    current = undefined;
    lost?.reject(why);
    if (closed) return;
    warn(`${why.message} Its worker is replaced.`);
    again();
  };
  const again = () =>
    start().then(() => analyst.onIdle(), (error: Error) => {
      worker?.terminate();
      if (closed) return;
      warn(`a worker does not start (${error.message}); trying again in ${pause / 1000} s`);
      retry = setTimeout(again, pause);
    });

  const analyst: Analyst = {
    get idle() {
      return open && current === undefined;
    },
    get open() {
      return open;
    },
    onIdle: () => {},
    async analyse(photo, wishes) {
      const answer = current = Promise.withResolvers<Result>();
      worker!.postMessage({ photo, wishes }, [photo.buffer]);
      const timer = setTimeout(() => {
        if (current === answer) replace(new TooSlow(seconds));
      }, seconds * 1000);
      return await answer.promise.finally(() => clearTimeout(timer));
    },
    close() {
      closed = true;
      open = false;
      clearTimeout(retry);
      worker?.terminate();
      current?.reject(new Error("The server is stopping."));
      current = undefined;
    },
  };
  try {
    await start();
  } catch (error) {
    analyst.close();
    throw error;
  }
  return analyst;
}

/**
 * An analyser in this thread, for the backends that have threads of their own and may not be loaded
 * twice. A picture that takes too long cannot be stopped.
 */
export async function openAnalystHere(setup: Setup): Promise<Analyst> {
  const analyser = await (await import("./analyser.ts")).openAnalyser(setup);
  let idle = true, open = true;
  const analyst: Analyst = {
    get idle() {
      return open && idle;
    },
    get open() {
      return open;
    },
    onIdle: () => {},
    async analyse(photo, wishes) {
      idle = false;
      try {
        return await analyser.analyse(photo, wishes);
      } finally {
        idle = true;
        queueMicrotask(() => analyst.onIdle());
      }
    },
    close() {
      open = false;
      analyser.close();
    },
  };
  return analyst;
}
