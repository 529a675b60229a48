/** Waiting on a network, no longer than is sensible. */

/** A failure that another attempt may mend. */
export class TransientError extends Error {
  constructor(message: string, readonly wait?: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Ends what takes longer than `limit` milliseconds without a sign of life. */
export class StallTimeout {
  #abort = new AbortController();
  #limit: number;
  #outer?: AbortSignal;

  constructor(limit: number, outer?: AbortSignal) {
    this.#limit = limit;
    this.#outer = outer;
    outer?.addEventListener("abort", this.#stopOuter, { once: true });
  }

  #stopOuter = () => this.#abort.abort(this.#outer?.reason);

  /** Waits for one step; failures of the network become `Passing`. */
  async guard<T>(step: (signal: AbortSignal) => Promise<T>, trouble: string): Promise<T> {
    let stalled = false;
    const timer = setTimeout(() => {
      stalled = true;
      this.#abort.abort(new Error("stalled"));
    }, this.#limit);
    try {
      return await step(this.#abort.signal);
    } catch (cause) {
      this.#outer?.throwIfAborted();
      const why = stalled
        ? `no byte came for ${(this.#limit / 1000).toFixed(0)} s`
        : `${trouble} (${(cause as Error).message})`;
      throw new TransientError(why, undefined, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#outer?.removeEventListener("abort", this.#stopOuter);
  }
}

/** Waits, unless it is told to stop. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
