/**
 * The contract of stages: kinds of artifacts, and stages that turn some into others.
 *
 * A stage is a pure step: artifacts and parameters in, artifacts out. The runner provides caching,
 * resuming, progress bars and the command line.
 */
import { z } from "zod";
import type { Definition } from "./define.ts";

export { hideUrl } from "./secrets.ts";

/** A kind of artifact: a folder that holds these files. */
export interface Kind<Name extends string = string> {
  readonly kind: Name;
  readonly summary: string;
  /**
   * File name → its content; `*` in a name stands for anything but a slash. The runner refuses a
   * result in which one is missing, empty, or not of the format of its name (.json, .npy, .parquet,
   * .tar, .csv).
   */
  readonly files: Readonly<Record<string, string>>;
  /** Names of `files` that may be missing. */
  readonly optional?: readonly string[];
  /**
   * Names of `files` that later stages do not read, such as those with times and machines, which differ
   * when all else is the same. They are not part of the artifact's digest: a change of them reruns no
   * stage.
   */
  readonly volatile?: readonly string[];
}

/**
 * Declares a kind of artifact. Outputs are wired to inputs of the same kind.
 *
 * @example
 * ```ts
 * const numbers = defineKind({
 *   kind: "numbers",
 *   summary: "Numbers in a text file",
 *   files: { "numbers.txt": "one number per line" },
 * });
 * ```
 */
export function defineKind<const Name extends string>(kind: Kind<Name>): Kind<Name> {
  return Object.freeze(kind);
}

/** An input that takes all artifacts of a kind, in order of stage ids. */
export interface All<K extends Kind = Kind> {
  readonly all: K;
  /** True if the list may be empty. */
  readonly orNone: boolean;
  /** True if it takes only those that `inputs:` names. */
  readonly named: boolean;
}

/**
 * Declares an input that takes all artifacts of a kind.
 * @param options.orNone true if the list may be empty. Default: false
 * @param options.named true to take only those that `inputs:` names, none by default. Default: false
 *
 * @example
 * ```ts
 * const text = defineKind({ kind: "text", summary: "A text", files: { "a.txt": "the text" } });
 * const inputs = { texts: all(text, { orNone: true }) };
 * ```
 */
export function all<K extends Kind>(kind: K, { orNone = false, named = false } = {}): All<K> {
  return Object.freeze({ all: kind, orNone: orNone || named, named });
}

/** An artifact on disk: complete, and never to be modified. */
export interface Artifact<Name extends string = string> {
  readonly kind: Name;
  /**
   * Id, in the pipeline, of the stage that made it; with the output's name where that makes several
   * of the kind: `train.second`.
   */
  readonly stage: string;
  /** Absolute path of its folder. */
  readonly path: string;
  /** SHA-256 of its files' names and contents, in hex; without those that are volatile. */
  readonly digest: string;
}

/** Provenance of a stage's result, from its record. */
export interface StageProvenance {
  /** Id in the pipeline, and name of the stage. */
  readonly id: string;
  readonly use: string;
  /** The stage's module: its path from the project, or a package. */
  readonly module: string;
  readonly fingerprint: string;
  /** With defaults. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Parameters that others leave without effect, and that the YAML does not give. */
  readonly unused?: readonly string[];
  /** `inputs:` as written: input → stage id(s). */
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  /** `replaces:` as written. */
  readonly replaces?: string;
  /** Ids of the stages that its inputs come from. */
  readonly after: readonly string[];
  /** In place of the pipeline's. */
  readonly seed?: number;
  /** Backend, if it computed. */
  readonly compute?: string;
  /** Package → locked version. */
  readonly packages: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly deno: string;
  readonly platform: string;
  readonly machine?: Machine;
  /** Granted rights, if code of a third-party plugin took part. */
  readonly rights?: readonly string[];
  /** See StageResult, as for the next. */
  readonly observed: Readonly<Record<string, unknown>>;
  readonly caution?: string;
}

/** A computer: properties that determine its speed. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  readonly system: string;
}

/** The pipeline that a stage runs in, and all stages behind its inputs. */
export interface Lineage {
  readonly pipeline: string;
  /** Path of the YAML, from the project where it lies in it. */
  readonly file: string;
  readonly seed: number;
  /** As configured. */
  readonly compute: string;
  /** The command that runs it again, with the values in place of the YAML's. */
  readonly command: string;
  /** Parameters whose URLs have `***` in place of a user, a password or a query. */
  readonly hidden?: readonly string[];
  /** The run that makes the stage: it belongs into volatile files only. */
  readonly run?: { readonly id: string; readonly startedAt: string };
  /** `inputs:` of the stage itself, as written. */
  readonly inputs?: StageProvenance["inputs"];
  /** Granted rights, if code of a third-party plugin takes part in the stage itself. */
  readonly rights?: readonly string[];
  /** `plugins:` of the plugins of all these stages, with paths from the project. */
  readonly plugins?:
    readonly (string | { readonly use: string; readonly allow: readonly string[] })[];
  /** In topological order. */
  readonly stages: readonly StageProvenance[];
}

export type Inputs = Readonly<Record<string, Kind | All>>;
export type Outputs = Readonly<Record<string, Kind>>;

type InputArtifacts<I extends Inputs> = {
  readonly [K in keyof I]: I[K] extends All<Kind<infer Name>> ? readonly Artifact<Name>[]
    : I[K] extends Kind<infer Name> ? Artifact<Name>
    : never;
};

/** Reports how far a stage is; drawn as a bar on a terminal and as plain lines elsewhere. */
export interface Progress {
  /** @param done items that an earlier attempt finished. Default: 0 */
  start(total: number, unit: string, done?: number): void;
  /** Reports finished items (default: 1), with a note beside the bar. */
  advance(items?: number, note?: string): void;
}

/** A piece of a stage's work that a worker on another machine can execute. */
export interface Shard {
  /** Unique among the shards. */
  readonly key: string;
  /** Number of progress items in this shard. */
  readonly items: number;
  /** JSON for the stage's `part.run`. */
  readonly data: unknown;
}

/** A finished shard. */
export interface FinishedShard {
  readonly key: string;
  /** Its files, until the next shard is requested. */
  readonly folder: string;
  /** Return value of `part.run`, as JSON; the stage validates it. */
  readonly result: unknown;
}

/** Workers on other machines. */
export interface WorkerPool {
  /** Executes shards and yields each when it is finished, in any order. Advances the progress. */
  distribute(shards: readonly Shard[]): AsyncIterable<FinishedShard>;
}

/** Everything a shard works with. */
export interface ShardContext {
  /** An empty folder for its files. */
  readonly folder: string;
  /** The compute backend, if the stage declares one. */
  readonly compute?: string;
  /** Concurrent processes; 0: one per core. */
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Reports further finished items. */
  advance(items: number): void;
  /**
   * Returns a resource that the next shards need as well, such as processes with a loaded model. It
   * is opened once per key. The worker closes it when another key is requested, when no work is
   * left, and after a failed or stopped shard.
   */
  getOrOpen<T extends AsyncDisposable>(key: string, open: () => Promise<T>): Promise<T>;
}

/** The implementation of a stage's shards. */
export interface ShardRunner {
  /** Schema of a shard's data, which workers validate. */
  readonly data: z.ZodType;
  /** @param inputs input → its folder */
  run(
    inputs: Readonly<Record<string, string>>,
    data: unknown,
    context: ShardContext,
  ): Promise<unknown>;
}

/** Everything a stage receives besides its inputs and parameters. */
export interface StageContext<O extends Outputs = Outputs> {
  /** The stage's id in the pipeline. */
  readonly id: string;
  /** Seed of all randomness. Only a stage that declares `seeded` may read it. */
  readonly seed: number;
  /** The compute backend, resolved. Only a stage that declares `compute` may read it. */
  readonly compute: string;
  /**
   * Lineage of the inputs. Only a stage that declares `lineage` may read it. Such a stage reruns
   * when parameters, code or seed of any stage behind it change, not for a time.
   */
  readonly lineage: Lineage;
  /**
   * Returns the module of a plugin's value of a `choice` (path from the project, or package), for
   * values that the parameters name; undefined for the stage's own values.
   */
  extension(kind: string, name: string): string | undefined;
  /** Definitions of a kind that plugins brought and the parameters name. */
  definitions(kind: string): readonly Definition[];
  /**
   * An empty folder for each output. They become artifacts together when `run` returns, and not if
   * it throws or is killed.
   */
  readonly outputs: { readonly [K in keyof O]: string };
  /**
   * A folder that outlives an interrupted attempt: the next one with the same parameters, inputs,
   * code and seed resumes from it. It is removed when the stage is done.
   */
  readonly scratch: string;
  /**
   * Returns the stage's stored results, of any parameters and code; none with `--force`. A stage may
   * take files from them that equal those it would make: results must not depend on it.
   */
  earlierResults(): Promise<readonly EarlierResult[]>;
  /**
   * Throws if the facts of `external` are no longer those of the cache key: what was read would be kept
   * under the key of something else. Stages of third-party plugins do not have it.
   */
  checkExternal?(): Promise<void>;
  /** Aborted on Ctrl-C. Long work calls `signal.throwIfAborted()` and yields to the event loop. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Workers on other machines, if configured; results must not depend on them. */
  readonly remoteWorkers?: WorkerPool;
  /** Logs a line. */
  info(message: string): void;
  /** Logs a warning, which the run's record keeps. */
  warn(message: string): void;
}

/** A stored result of a stage. */
export interface EarlierResult {
  /** Its folder, with a folder for each output. */
  readonly path: string;
  /** Recorded files of each output, by their paths in it. */
  readonly outputs: Readonly<
    Record<string, { files: Readonly<Record<string, { size: number; sha256: string }>> }>
  >;
  /** See `StageResult`. */
  readonly observed: Readonly<Record<string, unknown>>;
  /** Parts of the cache key that it does not share: `seed`, `inputs`, `modules`, `params.NAME`. */
  readonly differences: readonly string[];
}

/** Stage id → part of the data ("train", "validation", "test") → metric → value. */
export type Metrics = Record<string, Record<string, Record<string, number>>>;

/** An error of a parameter that validation alone cannot find. */
export interface ParamProblem {
  /** Place of the value in the parameters. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A stage that an input takes from, as configured. */
export interface InputStage {
  readonly id: string;
  readonly use: string;
  /** True if a plugin has it. */
  readonly plugin: boolean;
  /** With defaults. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Input → the stages that it takes from. */
  readonly inputs: Readonly<Record<string, readonly InputStage[]>>;
}

/** The pipeline around a stage whose parameters are checked. */
export interface CheckContext
  extends Pick<InputStage, "inputs">, Pick<StageContext, "definitions"> {
  /** Folder of all artifacts. */
  readonly artifacts: string;
}

/** Optional facts about a stage's result, beside its artifacts. */
export interface StageResult {
  /** A key may begin with `*` for the id of the stage itself: equal stages of other ids share results. */
  metrics?: Metrics;
  /** Files worth opening, as `output/file`; their paths are printed at the end of the run. */
  show?: readonly string[];
  /** Facts that differ between attempts, such as durations. The record keeps them. */
  observed?: Record<string, unknown>;
  /**
   * A sentence shown before all scores and predictions that stem from this result, such as that its
   * data is synthetic.
   */
  caution?: string;
}

/** Returns the cautions of results, each once. */
export function cautionsOf(results: Iterable<{ readonly caution?: string }>): string[] {
  return [...new Set([...results].flatMap(({ caution }) => caution ?? []))];
}

/** The folder of all artifacts, and what long reading of `external` reports to. */
export interface ExternalPlace extends Partial<Pick<StageContext, "signal" | "progress">> {
  readonly artifacts: string;
}

/** A stage without its type parameters. */
export interface Stage {
  /** Used in YAML, in camelCase. */
  readonly name: string;
  /** One line in the imperative ("Divide the dataset into ..."). */
  readonly summary: string;
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  /**
   * Returns the outputs, where parameters decide; `outputs` are those of the defaults. Stages of
   * third-party plugins do not have it.
   */
  outputsOf?(params: unknown): Outputs;
  readonly params: z.ZodObject;
  /** Parameters that cannot change the result, such as a number of workers. */
  readonly ignoreInCacheKey: readonly string[];
  /** True if the result depends on the pipeline's seed. */
  seeded(params: unknown): boolean;
  /** True if it does so for some parameters. */
  readonly canBeSeeded: boolean;
  /** True if the result depends on the compute backend. */
  compute(params: unknown): boolean;
  /** True if it does so for some parameters. */
  readonly canCompute?: boolean;
  /** True if the result depends on the lineage of its inputs. */
  readonly lineage: boolean;
  /** True for a service, which runs until it is stopped: `serve` starts it, `run` does not. */
  readonly service: boolean;
  /** Facts outside the pipeline that the result depends on, such as the digest of a local file. */
  external(params: unknown, place?: ExternalPlace): Promise<Record<string, string>>;
  /** True if it declares such facts. */
  readonly hasExternal?: boolean;
  /** Set by the runner if it runs in the process of a third-party plugin. */
  readonly bounded?: boolean;
  /**
   * Finds errors of parameters before anything runs, such as a file that does not exist.
   * @param context a stage of a third-party plugin gets no inputs and definitions
   */
  check?(params: unknown, context: CheckContext): Promise<readonly ParamProblem[]>;
  /**
   * Checks a result that one of its inputs will come from, before the next stage runs. It is not called
   * for a stage of a third-party plugin, or if a plugin's stage is between, which may change the result.
   * @throws the error that the stage would end with
   */
  checkAhead?(params: unknown, artifact: Artifact): Promise<void>;
  /** For work that can be distributed to other machines. */
  readonly part?: ShardRunner;
  /**
   * True if it calls third-party definitions by their `call` or `sandbox` only. Any other stage that
   * names one runs as a whole in that plugin's process.
   */
  readonly callsPlugins?: boolean;
  run(
    inputs: Record<string, Artifact | readonly Artifact[]>,
    params: unknown,
    context: StageContext,
  ): Promise<StageResult | void>;
}

/** Definition of a stage; `Stage` documents its parts. */
export interface StageDefinition<I extends Inputs, O extends Outputs, P extends z.ZodObject>
  extends
    Pick<Stage, "name" | "summary" | "part" | "callsPlugins">,
    Partial<Pick<Stage, "lineage" | "service">> {
  inputs: I;
  outputs: O;
  outputsOf?: (params: z.output<P>) => Outputs;
  /** A `z.strictObject`, every field with a default or required on purpose, and described. */
  params: P;
  ignoreInCacheKey?: readonly (keyof z.output<P> & string)[];
  seeded?: boolean | ((params: z.output<P>) => boolean);
  compute?: boolean | ((params: z.output<P>) => boolean);
  external?: (params: z.output<P>, place: ExternalPlace) => Promise<Record<string, string>>;
  check?: (params: z.output<P>, context: CheckContext) => Promise<readonly ParamProblem[]>;
  checkAhead?: (params: z.output<P>, artifact: Artifact) => Promise<void>;
  run(
    inputs: InputArtifacts<I>,
    params: z.output<P>,
    context: StageContext<O>,
  ): Promise<StageResult | void>;
}

/**
 * Declares a stage: the default export of its module.
 *
 * @example
 * ```ts
 * import { z } from "zod";
 *
 * const text = defineKind({ kind: "text", summary: "A text", files: { "a.txt": "the text" } });
 *
 * export default defineStage({
 *   name: "greet",
 *   summary: "Write a greeting",
 *   inputs: {},
 *   outputs: { text },
 *   params: z.strictObject({ to: z.string().default("world").describe("Who is greeted") }),
 *   async run(_inputs, { to }, { outputs }) {
 *     await Deno.writeTextFile(`${outputs.text}/a.txt`, `Hello, ${to}!`);
 *   },
 * });
 * ```
 */
export function defineStage<I extends Inputs, O extends Outputs, P extends z.ZodObject>(
  definition: StageDefinition<I, O, P>,
): Stage {
  const { seeded = false, compute = false } = definition;
  const decide = (flag: boolean | ((params: z.output<P>) => boolean)) => (params: unknown) =>
    typeof flag === "boolean" ? flag : flag(params as z.output<P>);
  return Object.freeze({
    ignoreInCacheKey: [],
    lineage: false,
    service: false,
    ...definition,
    seeded: decide(seeded),
    canBeSeeded: seeded !== false,
    compute: decide(compute),
    canCompute: compute !== false,
    hasExternal: definition.external !== undefined,
    external: (params: unknown, place = { artifacts: "" }) =>
      definition.external ? definition.external(params as z.output<P>, place) : Promise.resolve({}),
    outputsOf: definition.outputsOf as Stage["outputsOf"],
    check: definition.check as Stage["check"],
    checkAhead: definition.checkAhead as Stage["checkAhead"],
    // The runner wires inputs by kind and validates parameters before it calls.
    run: definition.run as Stage["run"],
  });
}

/**
 * Declares a parameter that is a file, a folder or a URL, which the stage gets as absolute. Relative
 * paths count from the YAML's folder, or on the command line from the current folder.
 * @param options.byContent true if the stage's `external` has the content's digest: the cache key then
 *   has the last part of the path only, so results count wherever the data lies. Default: false
 *
 * @example
 * ```ts
 * import { z } from "zod";
 *
 * const params = z.strictObject({ folder: pathParam().describe("Folder of the photos") });
 * ```
 */
export function pathParam({ byContent = false } = {}): z.ZodString {
  return z.string().min(1).meta({ path: true, ...byContent && { byContent } });
}

/**
 * Refuses parameters that another parameter's value leaves without effect, instead of ignoring them.
 * A parameter that has its default is not refused.
 * @param unused the names of such parameters, each with the reason: `with mode: fast`
 */
export function refuseUnused<P extends z.ZodObject>(
  params: P,
  unused: (params: z.output<P>) => Readonly<Record<string, string>>,
): P {
  return params.superRefine((given, context) => {
    for (const [name, reason] of Object.entries(unused(given))) {
      const field = params.shape[name] as z.ZodType;
      const value = (given as Record<string, unknown>)[name];
      if (JSON.stringify(value) === JSON.stringify(field.safeParse(undefined).data)) continue;
      const message = `expected to be left out ${reason}`;
      context.addIssue({ code: "custom", path: [name], message, params: { unused: true } });
    }
  }).meta({ unused });
}
