/** What a run works with; nothing of it is about faces. */
import type { Compute, FleetSettings } from "./config.ts";
import type { Dependencies } from "./fingerprint.ts";
import type { Locked } from "./lockfile.ts";
import type { Modules } from "./modules.ts";
import type { Reporter } from "./reporter.ts";
import type { Fleet, StageContext } from "./stage.ts";
import type { Store } from "./store.ts";

/** What workers on other machines have to know of a stage's work. */
export interface FleetWork
  extends Pick<StageContext, "scratch" | "signal" | "progress" | "info" | "warn"> {
  readonly use: string;
  readonly dependencies: Dependencies;
  /** Input → its folder. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The folder that all machines share. */
  readonly artifacts: string;
}

/** What workers on other machines have to know of a sweep's runs. */
export interface RunsWork extends Pick<StageContext, "signal" | "info" | "warn"> {
  /** The folder that all machines share. */
  readonly artifacts: string;
}

export interface Workshop {
  project: string;
  store: Store;
  modules: Modules;
  locked: Locked;
  /** Folders whose modules do not count, such as the runner's own. */
  uncounted: readonly string[];
  /** Turns the compute backend that the config wants into one that is there. */
  resolveCompute(wanted: Compute): Promise<Backend>;
  /** Reaches workers on other machines. */
  openFleet?(settings: FleetSettings, work: FleetWork): Fleet;
  /** Throws if a file is not of the format that its name says. */
  checkFile?(path: string): Promise<void>;
  reporter: Reporter;
  signal: AbortSignal;
}

/** A compute backend, and why it is that one. */
export interface Backend {
  readonly backend: string;
  readonly why: string;
}
