/**
 * How many bytes of pictures are in memory, over all requests: those that are coming in and those that
 * wait. A crowd of clients with large pictures is turned away before it fills the memory; clients that
 * send slowly take up no more than what they have sent.
 */
import { Problem } from "./problem.ts";

/** The bytes of one request. */
export interface Held extends Disposable {
  /** @throws {Problem} 429 if there is no room for so many more; what it held is given back then */
  add(bytes: number): void;
}

export class MemoryBudget {
  #used = 0;

  /** @param limit bytes in all */
  constructor(readonly limit: number) {}

  get used(): number {
    return this.#used;
  }

  /** Starts to count for a request; what it holds is given back when it is disposed of. */
  hold(): Held {
    let own = 0;
    return {
      add: (bytes) => {
        if (this.#used + bytes > this.limit) {
          // At once: those that go on shall not be turned away for the sake of one that is gone.
          this.#used -= own;
          own = 0;
          throw new Problem(
            429,
            "busy",
            "Too many pictures are on their way. Try again in 2 s.",
            { headers: { "retry-after": "2" } },
          );
        }
        this.#used += bytes;
        own += bytes;
      },
      [Symbol.dispose]: () => {
        this.#used -= own;
        own = 0;
      },
    };
  }
}
