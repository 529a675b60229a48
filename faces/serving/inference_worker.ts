/**
 * One analyser in a process or a thread of its own, replaced when it fails or takes too long. Only a
 * process can be ended whatever it is at: a thread that is terminated leaves native code running.
 */
import { startChild } from "../../packages/workers/child.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Result } from "./analyze_photo.ts";
import type { AnalyzeOptions, Setup } from "./inference_session.ts";

/** What a worker is told. */
export type ToWorker = { setup: Setup } | { photo: Uint8Array; wishes: AnalyzeOptions };
/** What became of a photo. */
export type Outcome =
  | { result: Result }
  | { unreadable: string }
  /** It takes more memory than a photo may; the process has to be ended. */
  | { tooMuch: string };
/** What a worker answers. */
export type FromWorker = { ready: true } | Outcome | { failed: Error };

/** A process or thread that analyses. */
interface Run {
  analyse(photo: Uint8Array<ArrayBuffer>, wishes: AnalyzeOptions): void;
  /** Ends it at once. */
  end(): void | Promise<void>;
}
/** Starts one, which tells of each answer, and if it dies. */
type Start = (setup: Setup, tell: (answer: FromWorker) => void, died: (why: Error) => void) => Run;

/** Starts a process, which may read files and load native code, and nothing else. */
export const inProcess: Start = (opening, tell, died) => {
  const module = new URL("./inference_process.ts", import.meta.url);
  const member = startChild({ module, opening }, {
    reply(reply) {
      if ("ready" in reply) tell(reply);
      else if ("answer" in reply) tell(reply.answer as Outcome);
      else tell({ failed: Object.assign(new Error(reply.error), { stack: reply.stack }) });
    },
    crashed: (how) => died(new Error(`A worker's process ended (${how}).`)),
  });
  return {
    analyse: (photo, wishes) => member.send(wishes, photo),
    end: () => member.close(),
  };
};

/** Starts a thread, which needs no right to start processes. */
export const inThread: Start = (setup, tell, died) => {
  const worker = new Worker(new URL("./inference_worker_main.ts", import.meta.url), {
    type: "module",
  });
  const post = (message: ToWorker, transfer: Transferable[] = []) =>
    worker.postMessage(message, transfer);
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => tell(data);
  worker.onerror = (event) => {
    event.preventDefault();
    died(new Error(`A worker failed: ${event.message}.`, { cause: event.error }));
  };
  post({ setup });
  return {
    analyse: (photo, wishes) => post({ photo, wishes }, [photo.buffer]),
    end: () => worker.terminate(),
  };
};

/** A picture took longer than it may. */
export class TimeoutError extends Error {
  override readonly name = "TooSlow";
  constructor(readonly seconds: number) {
    super(`The picture took more than ${seconds} s. Send a smaller one, or try again later.`);
  }
}

/** Analyses one picture at a time. */
export interface InferenceWorker {
  /** Whether it can start on a picture now. */
  readonly idle: boolean;
  /** Whether it is open, or will be in a moment. */
  readonly open: boolean;
  /** Told when it becomes idle. */
  onIdle: () => void;
  /** @throws {ImageError | TimeoutError} */
  analyse(photo: Uint8Array<ArrayBuffer>, wishes: AnalyzeOptions): Promise<Result>;
  /** Resolves when what it started has ended. */
  close(): Promise<void>;
}

/** A worker that does not even start is tried again after this many ms. */
const pause = 5000;

/**
 * Opens an analyser.
 * @param launch starts it: `inProcess` or `inThread`
 * @param seconds longest time for one picture
 * @param warn told when it had to be replaced, and why
 * @throws if it does not start
 */
export async function openInferenceWorker(
  launch: Start,
  setup: Setup,
  seconds: number,
  warn: (message: string) => void,
): Promise<InferenceWorker> {
  let run: Run | undefined;
  let open = false, replacing = false, closed = false;
  let current: PromiseWithResolvers<Result> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const start = () =>
    new Promise<void>((resolve, reject) => {
      const fresh: Run = run = launch(setup, (answer) => {
        if (fresh !== run) return;
        if ("ready" in answer) {
          open = true;
          replacing = false;
          resolve();
        } else if (!open && "failed" in answer) reject(answer.failed);
        else if ("result" in answer) settle()?.resolve(answer.result);
        else if ("unreadable" in answer) settle()?.reject(new ImageError(answer.unreadable));
        else if ("tooMuch" in answer) replace(new ImageError(answer.tooMuch));
        else if ("failed" in answer) settle()?.reject(answer.failed);
      }, (why) => {
        if (fresh !== run) return;
        if (open) replace(why);
        else reject(why);
      });
    });
  /** Takes the current picture's promise out, and lets the next picture in. */
  const settle = () => {
    const settled = current;
    current = undefined;
    queueMicrotask(() => analyst.onIdle());
    return settled;
  };
  const replace = (why: Error) => {
    void run?.end();
    open = false;
    replacing = true;
    const lost = current;
    current = undefined;
    lost?.reject(why);
    if (closed) return;
    warn(`${why.message} Its worker is replaced.`);
    again();
  };
  const again = () =>
    start().then(() => analyst.onIdle(), (error: Error) => {
      void run?.end();
      replacing = false;
      if (closed) return;
      warn(`a worker does not start (${error.message}); trying again in ${pause / 1000} s`);
      retry = setTimeout(again, pause);
    });

  const analyst: InferenceWorker = {
    get idle() {
      return open && current === undefined;
    },
    get open() {
      return open || replacing;
    },
    onIdle: () => {},
    async analyse(photo, wishes) {
      const answer = current = Promise.withResolvers<Result>();
      run!.analyse(photo, wishes);
      const timer = setTimeout(() => {
        if (current === answer) replace(new TimeoutError(seconds));
      }, seconds * 1000);
      return await answer.promise.finally(() => clearTimeout(timer));
    },
    async close() {
      closed = true;
      open = replacing = false;
      clearTimeout(retry);
      current?.reject(new Error("The server is stopping."));
      current = undefined;
      await run?.end();
    },
  };
  try {
    await start();
  } catch (error) {
    await analyst.close();
    throw error;
  }
  return analyst;
}

/**
 * An analyser in this thread, for the backends that have threads of their own and may not be loaded
 * twice in a process. A picture that takes too long cannot be stopped.
 */
export async function openInlineWorker(setup: Setup): Promise<InferenceWorker> {
  const analyser = await (await import("./inference_session.ts")).openInferenceSession(setup);
  let idle = true, open = true;
  const analyst: InferenceWorker = {
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
      return Promise.resolve();
    },
  };
  return analyst;
}
