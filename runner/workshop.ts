/** What a run works with; nothing of it is about faces. */
import type { Compute } from "./config.ts";
import type { Locked } from "./lockfile.ts";
import type { Modules } from "./modules.ts";
import type { Reporter } from "./reporter.ts";
import type { Store } from "./store.ts";

export interface Workshop {
  project: string;
  store: Store;
  modules: Modules;
  locked: Locked;
  /** Folders whose modules do not count, such as the runner's own. */
  uncounted: readonly string[];
  /** Turns the compute backend that the config wants into one that is there. */
  resolveCompute(wanted: Compute): Promise<Backend>;
  reporter: Reporter;
  signal: AbortSignal;
}

/** A compute backend, and why it is that one. */
export interface Backend {
  readonly backend: string;
  readonly why: string;
}
