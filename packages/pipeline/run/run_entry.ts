/** A run's entry in the history, and its live log: made at its first work, kept if it is recorded. */
import { type Beginning, type Begun, History } from "../history.ts";
import { LiveLog } from "../live_log.ts";

/** A run with nothing to do never begins its entry, and so writes nothing. */
export class RunEntry {
  readonly live: LiveLog;
  readonly startedAt: string = new Date().toISOString();
  readonly history: History;
  #begun: Begun | undefined;
  #state: "open" | "recorded" | "closed" = "open";

  /** @param artifacts the artifact folder */
  constructor(artifacts: string, readonly beginning: Beginning) {
    this.live = new LiveLog(artifacts);
    this.history = new History(artifacts);
  }

  /** Lists the run as running, if it is not. */
  async begin(): Promise<Begun> {
    if (!this.#begun) {
      this.#begun = await this.history.begin(this.beginning, this.startedAt);
      this.live.open(this.#begun.id);
    }
    return this.#begun;
  }

  /** Records the run's end; returns its id. */
  async record(run: Parameters<History["add"]>[0]): Promise<string> {
    const { id } = await this.history.add(run, await this.begin());
    this.#state = "recorded";
    return id;
  }

  /** Ends the live log, and removes an entry that is not recorded. */
  async close(): Promise<void> {
    if (this.#begun && this.#state === "open") await this.history.drop(this.#begun);
    this.#state = "closed";
    await this.live.close();
  }
}
