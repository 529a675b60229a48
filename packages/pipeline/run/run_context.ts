/** Everything a run needs; independent of the application's domain. */
import { join } from "node:path";
import type { CommandContext } from "../app.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { DenoLock } from "../cache/deno_lock.ts";
import { ImportMap } from "../cache/import_map.ts";
import { ModuleHasher } from "../cache/module_graph.ts";
import { projectCache } from "../config/config.ts";
import type { Compute } from "../config/pipeline_schema.ts";
import type { CacheKey } from "../fingerprint.ts";
import { readTextIfExists } from "../paths.ts";
import type { StageContext } from "../stage.ts";

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

/** The parts of a command's context that running takes. */
type RunnerTools = Pick<
  CommandContext,
  | "project"
  | "reporter"
  | "metricNames"
  | "resolveCompute"
  | "connectWorkers"
  | "checkFile"
  | "noteStep"
>;

export interface RunContext extends RunnerTools {
  readonly store: ArtifactStore;
  readonly moduleHasher: ModuleHasher;
  readonly denoLock: DenoLock;
  /** Folders whose modules do not count, such as the runner's own. */
  readonly excludedFolders: readonly string[];
  readonly signal: AbortSignal;
  /** Facts of `external` by stage and parameters, for plans that are described at once. */
  readonly externals?: Map<string, Promise<CacheKey["external"]>>;
}

export interface ResolvedBackend {
  readonly backend: string;
  readonly why: string;
}

/**
 * Opens the store and the hashes of code for a run.
 * @param cache name of what is kept of the modules; machines that share results have one each
 */
export async function createRunContext(
  artifacts: string,
  tools: RunnerTools,
  signal: AbortSignal,
  cache = "modules",
): Promise<RunContext> {
  const { project } = tools;
  const imports = await ImportMap.read(project);
  const backends = new Map<Compute, Promise<ResolvedBackend>>();
  return {
    ...tools,
    resolveCompute: (wanted) =>
      backends.getOrInsertComputed(wanted, () => tools.resolveCompute(wanted)),
    store: new ArtifactStore(artifacts),
    moduleHasher: new ModuleHasher(project, join(projectCache(project), `${cache}.json`), imports),
    denoLock: new DenoLock(await readTextIfExists(join(project, "deno.lock"))),
    // Loaded from a registry, the runner is a package with a version like others.
    excludedFolders: import.meta.dirname ? [join(import.meta.dirname, "../")] : [],
    signal,
  };
}
