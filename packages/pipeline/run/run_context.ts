/** Everything a run needs; independent of the application's domain. */
import type { BullmqSettings, Compute } from "../config/config.ts";
import type { CacheKeyInputs } from "../fingerprint.ts";
import type { DenoLock } from "../cache/deno_lock.ts";
import type { ModuleHasher } from "../cache/module_graph.ts";
import type { Reporter } from "../reporter.ts";
import type { StageContext, WorkerPool } from "../stage.ts";
import type { ArtifactStore } from "../artifact_store.ts";

/** What workers on other machines have to know of a stage's work. */
export interface ShardedWork
  extends Pick<StageContext, "scratch" | "signal" | "progress" | "info" | "warn"> {
  readonly use: string;
  readonly dependencies: CacheKeyInputs;
  /** Input → its folder. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The folder that all machines share. */
  readonly artifacts: string;
}

/** What workers on other machines have to know of a sweep's runs. */
export interface RemoteRunsWork extends Pick<StageContext, "signal" | "info" | "warn"> {
  /** The folder that all machines share. */
  readonly artifacts: string;
}

export interface RunContext {
  project: string;
  store: ArtifactStore;
  moduleHasher: ModuleHasher;
  denoLock: DenoLock;
  /** Folders whose modules do not count, such as the runner's own. */
  excludedFolders: readonly string[];
  /** Turns the compute backend that the config wants into one that is there. */
  resolveCompute(wanted: Compute, measure?: boolean): Promise<ResolvedBackend>;
  /** Reaches workers on other machines. */
  connectWorkers?(settings: BullmqSettings, work: ShardedWork): WorkerPool;
  /** Throws if a file is not of the format that its name says. */
  checkFile?(path: string): Promise<void>;
  reporter: Reporter;
  signal: AbortSignal;
}

/** A compute backend, and why it is that one. */
export interface ResolvedBackend {
  readonly backend: string;
  readonly why: string;
}
