/** Everything a run needs; independent of the application's domain. */
import type { App } from "../app.ts";
import type { CacheKey } from "../fingerprint.ts";
import type { DenoLock } from "../cache/deno_lock.ts";
import type { ModuleHasher } from "../cache/module_graph.ts";
import type { Reporter } from "../reporter.ts";
import type { StageContext } from "../stage.ts";
import type { ArtifactStore } from "../artifact_store.ts";

/** Facts that workers on other machines need about a sweep's runs. */
export interface RemoteRunsWork extends Pick<StageContext, "signal" | "info" | "warn"> {
  /** The folder that all machines share. */
  readonly artifacts: string;
}

/** Facts that workers on other machines need about a stage's work. */
export interface ShardedWork extends RemoteRunsWork, Pick<StageContext, "scratch" | "progress"> {
  readonly use: string;
  readonly cacheKey: CacheKey;
  /** Input → its folder. */
  readonly inputs: Readonly<Record<string, string>>;
}

export interface RunContext
  extends Pick<App, "project" | "resolveCompute" | "connectWorkers" | "checkFile" | "noteStep"> {
  store: ArtifactStore;
  readonly moduleHasher: ModuleHasher;
  readonly denoLock: DenoLock;
  /** Folders whose modules do not count, such as the runner's own. */
  readonly excludedFolders: readonly string[];
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** Facts of `external` by stage and parameters, for plans that are described at once. */
  readonly externals?: Map<string, Promise<CacheKey["external"]>>;
}

export interface ResolvedBackend {
  readonly backend: string;
  readonly why: string;
}
