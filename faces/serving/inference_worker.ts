/** A process that analyzes photos, replaced when it crashes, is too slow or takes too much memory. */
import { type Child, startChild } from "../../packages/workers/child.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Result } from "./analyze_photo.ts";
import type { Outcome, ProcessSetup } from "./inference_process.ts";
import type { AnalyzeOptions } from "./inference_session.ts";
import { notReady, Problem } from "./problem.ts";

/** Pause in ms before a process that does not start is started again. */
const RETRY_MS = 5000;

export interface WorkerOptions {
  /** Timeout of an analysis in seconds. */
  readonly timeout: number;
  /** Called with the reason when a process is replaced. */
  warn(message: string): void;
}

/** Analyzes one photo at a time. Only a process can be ended in the middle of native code. */
export class InferenceWorker {
  /** Called when the worker becomes idle. */
  onIdle: () => void = () => {};
  #child!: Child;
  #state: "starting" | "open" | "failed" | "closed" = "starting";
  #current: PromiseWithResolvers<Result> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  private constructor(readonly setup: ProcessSetup, readonly options: WorkerOptions) {}

  /** Starts a worker. @throws if its process does not start */
  static async open(setup: ProcessSetup, options: WorkerOptions): Promise<InferenceWorker> {
    const worker = new InferenceWorker(setup, options);
    try {
      await worker.#start();
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  get idle(): boolean {
    return this.#state === "open" && this.#current === undefined;
  }

  /** True if the worker is open or about to be. */
  get open(): boolean {
    return this.#state === "open" || this.#state === "starting";
  }

  /** @throws {ImageError | Problem} */
  async analyze(photo: Uint8Array, options: AnalyzeOptions): Promise<Result> {
    const answer = this.#current = Promise.withResolvers<Result>();
    this.#child.send(options, photo);
    const { timeout } = this.options;
    const timer = setTimeout(() => {
      if (this.#current !== answer) return;
      const message = `The image took more than ${timeout} s. Send a smaller one, or retry later.`;
      this.#replace(new Problem(504, "too_slow", message));
    }, timeout * 1000);
    return await answer.promise.finally(() => clearTimeout(timer));
  }

  /** Resolves when the process has ended. */
  async close(): Promise<void> {
    this.#state = "closed";
    clearTimeout(this.#retry);
    this.#current?.reject(notReady());
    await this.#child.close();
  }

  #start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#state = "starting";
    const module = new URL("./inference_process.ts", import.meta.url);
    const run = Object.keys(this.setup.plugins ?? {}).length > 0;
    this.#child = startChild({ module, opening: this.setup, run }, {
      reply: (reply) => {
        if ("ready" in reply) {
          this.#state = "open";
          resolve();
        } else if ("error" in reply) {
          const { error: message, stack = "" } = reply;
          const name = /^\w+/.exec(stack)?.[0] ?? "Error";
          const error = Object.assign(new Error(message), { name, stack });
          if (this.#state === "open") this.#settle()?.reject(error);
          else reject(error);
        } else {
          const outcome = reply.answer as Outcome;
          if ("result" in outcome) this.#settle()?.resolve(outcome.result);
          else if (outcome.fatal) this.#replace(new ImageError(outcome.unreadable));
          else this.#settle()?.reject(new ImageError(outcome.unreadable));
        }
      },
      crashed: (how) => {
        const error = new Error(`A worker process crashed (${how}).`);
        if (this.#state === "open") this.#replace(error);
        else reject(error);
      },
    });
    return promise;
  }

  #settle(): PromiseWithResolvers<Result> | undefined {
    const settled = this.#current;
    this.#current = undefined;
    queueMicrotask(() => this.onIdle());
    return settled;
  }

  #replace(why: Error): void {
    void this.#child.close();
    this.#current?.reject(why);
    this.#current = undefined;
    this.options.warn(`${why.message} The worker is replaced.`);
    this.#restart();
  }

  #restart(): void {
    this.#start().then(() => this.onIdle(), (error: Error) => {
      void this.#child.close();
      if (this.#state === "closed") return;
      this.#state = "failed";
      this.options.warn(`Cannot start a worker (${error.message}); retry in ${RETRY_MS / 1000} s`);
      this.#retry = setTimeout(() => this.#restart(), RETRY_MS);
    });
  }
}
