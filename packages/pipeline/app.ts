/** The interface of the app, which the runner is handed, and of its commands. */
import type { Values } from "./args.ts";
import type { BullmqSettings, Compute } from "./config/pipeline_schema.ts";
import type { CacheKey } from "./fingerprint.ts";
import type { Plan } from "./plan.ts";
import type { LazyStage } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import type { RemoteRunsWork, ResolvedBackend, ShardedWork } from "./run/run_context.ts";
import type { Artifact, WorkerPool } from "./stage.ts";
import type { ChildReport } from "./sweep/child_process.ts";

/** A run of a sweep as data for another machine, which validates it: see `orderSchema`. */
export interface RemoteOrder {
  /** Name of the pipeline. */
  readonly name: string;
}

/** An event of a run of a sweep on another machine; `index` is that of its order. */
export type RemoteRunEvent =
  & { readonly index: number }
  & (
    | { readonly begins: true }
    /** Its current step, as it logs it. */
    | { readonly line: string }
    /** Its paths count from the folder that the machines share. */
    | { readonly ended: ChildReport }
  );

/** Metric → whether higher or lower values are better. */
export type Directions = Readonly<Record<string, "more" | "less">>;

/** Metric → the name that it is printed by. */
export type MetricNames = Readonly<Record<string, string>>;

/**
 * An app: its stages and commands, and the services that the runner takes from it.
 *
 * @example
 * ```ts
 * const app: App = {
 *   name: "shop",
 *   project: import.meta.dirname!,
 *   stages: [{
 *     name: "count",
 *     module: import.meta.resolve("./stages/count.ts"),
 *     load: () => import(import.meta.resolve("./stages/count.ts")),
 *   }],
 *   denoArgs: () => Promise.resolve(["run", "-A", "main.ts"]),
 *   resolveCompute: () => Promise.resolve({ backend: "cpu", why: "the only one" }),
 * };
 * // In main.ts: Deno.exit(await main(Deno.args, app)), with main of packages/pipeline/cli.ts.
 * ```
 */
export interface App {
  /** Default of `bullmq.prefix`, which separates apps that share a Redis. */
  readonly name: string;
  /** First line of `--help`. Default: "Reproducible experiments from a YAML file." */
  readonly summary?: string;
  /** Lines of `--help` for tasks beside the runner's own. */
  readonly tasks?: readonly string[];
  /** Folder of deno.json. */
  readonly project: string;
  readonly stages: readonly LazyStage[];
  /**
   * URL of a module whose export `api` is the argument of a plugin's `export default (api) => ...`.
   * As a program, it calls `servePlugin` for a third-party plugin. Default:
   * `packages/pipeline/serve_plugin.ts`
   */
  readonly pluginApi?: string;
  /** Returns which values of a metric are better. Summaries mark the best of these. */
  better?(): Promise<Directions>;
  /**
   * Returns metrics that are printed by another name, which `sweep.best.by` takes as well.
   * @param stages of a run. Default: none
   */
  metricNames?(stages?: readonly Pick<CacheKey, "use" | "params">[]): Promise<MetricNames>;
  /** Resolves the configured compute backend to an available one. */
  resolveCompute(wanted: Compute): Promise<ResolvedBackend>;
  /** Connects to workers on other machines. */
  connectWorkers?(settings: BullmqSettings, work: ShardedWork): WorkerPool;
  /** @throws if a file is not of the format that its name promises */
  checkFile?(path: string): Promise<void>;
  /** Adds a plugin's stage to the steps that its outputs list, if it changed them and lists none. */
  noteStep?(
    step: string,
    signal: AbortSignal,
    inputs: readonly Pick<Artifact, "kind" | "path">[],
    outputs: readonly Pick<Artifact, "kind" | "path">[],
  ): Promise<void>;
  /** @throws if workers on other machines cannot be reached */
  checkWorkers?(settings: BullmqSettings): Promise<void>;
  /** Executes runs of a sweep on workers on other machines. */
  runRemotely?(
    settings: BullmqSettings,
    work: RemoteRunsWork,
    orders: readonly RemoteOrder[],
  ): AsyncIterable<RemoteRunEvent>;
  /** Arguments of deno that start this program in the project's folder, for a run of a sweep. */
  denoArgs(): Promise<readonly string[]>;
  /** Commands beside the runner's own: name → the module that has it as its default export. */
  readonly commands?: Readonly<Record<string, () => Promise<{ default: Command }>>>;
  /** Returns the app's sections of docs/reference.md, as Markdown with headings of level 2. */
  reference?(): Promise<string>;
}

export interface Command {
  readonly help: string;
  /** Executes the command with the arguments after its name, and returns the exit code. */
  run(args: string[], context: CommandContext): Promise<number>;
}

/** Everything that a command works with: the app, and the command line. */
export interface CommandContext extends App {
  /** Options of a command of the runner; a command of the app parses its own. */
  readonly values: Values;
  /** Names of pipelines or runs; a command that takes one pipeline gets one. */
  readonly names: readonly string[];
  /** Folder that relative paths on the command line count from. */
  readonly cwd: string;
  /** Writes to standard error in commands of the app: standard output is for the result. */
  readonly reporter: Reporter;
  /** Columns of standard output's terminal. */
  columns(): number;
  /**
   * Reads a pipeline by its name, such as `experiments/first`.
   * @param given values in place of the YAML's, such as those of a run of its sweep
   * @throws {ConfigError}
   */
  openPlan(name: string, given?: Plan["overrides"]): Promise<Plan>;
}

/** Executes a command of the runner and returns the exit code. */
export type CommandHandler = (context: CommandContext) => Promise<number>;

/** Those of signals are 128 and their number, as in shells. */
export const EXIT = { ok: 0, failed: 1, config: 2, interrupted: 130, brokenPipe: 141 } as const;
