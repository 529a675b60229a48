/**
 * What an author of stages meets: kinds of artifacts, and stages that turn some into others.
 *
 * A stage is a pure step: artifacts and parameters in, artifacts out. Caching, resuming, progress
 * bars and the command line are the runner's business.
 */
import { z } from "zod";
import type { Definition } from "./define.ts";

export { hideUrl } from "./secrets.ts";

/** A kind of artifact: a folder that holds these files, whoever made it. */
export interface Kind<Name extends string = string> {
  readonly kind: Name;
  readonly summary: string;
  /**
   * File name → what is in it; `*` in a name stands for anything but a slash. The runner refuses a
   * result in which one is missing, empty, or not of the format that its name says (.json, .npy,
   * .parquet, .tar, .csv).
   */
  readonly files: Readonly<Record<string, string>>;
  /** Names of `files` that may be missing. */
  readonly optional?: readonly string[];
  /**
   * Names of files that tell of times and machines, and so differ when all else is the same. They
   * are no part of the artifact's digest: what takes it does not run again for them.
   */
  readonly volatile?: readonly string[];
}

/** Declares a kind of artifact; two stages fit together when one makes what the other takes. */
export function defineKind<const Name extends string>(kind: Kind<Name>): Kind<Name> {
  return Object.freeze(kind);
}

/** An input that takes every artifact of a kind that the pipeline makes, in order of stage ids. */
export interface All<K extends Kind = Kind> {
  readonly all: K;
  /** True if the list may be empty. */
  readonly orNone: boolean;
}

/**
 * Asks for all artifacts of a kind, as `evaluate` does for models. At least one must be made, unless
 * `orNone` says that the stage can do without.
 */
export function all<K extends Kind>(kind: K, { orNone = false } = {}): All<K> {
  return Object.freeze({ all: kind, orNone });
}

/** An artifact on disk. It is whole and must not be written to. */
export interface Artifact<Name extends string = string> {
  readonly kind: Name;
  /**
   * Id, in the pipeline, of the stage that made it; where that makes several of the kind, with the
   * output's name: `trainJoint.age`.
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
  /** All of them, defaults included. */
  readonly params: Readonly<Record<string, unknown>>;
  /** `inputs:` as written: input → stage id(s). */
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  /** `replaces:` as written: the stage whose place it has. */
  readonly replaces?: string;
  /** Ids of the stages that it took from. */
  readonly after: readonly string[];
  /** Of its own, in place of the pipeline's. */
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
  /** As `describeMachine` says. */
  readonly machine?: Machine;
  /** What the stage told of the attempt; see StageResult. */
  readonly observed: Readonly<Record<string, unknown>>;
  /** See StageResult. */
  readonly caution?: string;
}

/** A computer, as far as its speed goes. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  readonly system: string;
}

/** The pipeline that a stage runs in, and all that its inputs stem from. */
export interface Lineage {
  readonly pipeline: string;
  /** Path of the YAML, from the project where it lies in it. */
  readonly file: string;
  readonly seed: number;
  /** As configured. */
  readonly compute: string;
  /** The words that run it once more, with what was given in place of the YAML's values. */
  readonly command: string;
  /** Parameters whose URLs have `***` in place of a user, a password or a query. */
  readonly hidden?: readonly string[];
  /** The run in which the stage is made: what a stage writes of it belongs into volatile files. */
  readonly run?: { readonly id: string; readonly startedAt: string };
  /** In an order in which each stage follows those it took from. */
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
  /** Begins a piece of work of `total` items, of which an earlier attempt may have done some. */
  start(total: number, unit: string, done?: number): void;
  /** `items` more are done (1 unless given); `note` is shown beside the bar. */
  advance(items?: number, note?: string): void;
}

/** A part of a stage's work that a worker on another machine can do by itself. */
export interface WorkUnit {
  /** Its name among the parts. */
  readonly key: string;
  /** Number of progress items in this unit. */
  readonly items: number;
  /** What the stage's `part.run` is told: JSON. */
  readonly data: unknown;
}

/** A part that is done. */
export interface FinishedUnit {
  readonly key: string;
  /** The files that it left; they go when the next part is asked for. */
  readonly folder: string;
  /** Return value of `part.run`, as JSON; the stage validates it. */
  readonly result: unknown;
}

/** Workers on other machines. */
export interface WorkerPool {
  /** Has parts done; each is told once, when it is done, in any order. Advances the progress. */
  distribute(parts: readonly WorkUnit[]): AsyncIterable<FinishedUnit>;
}

/** What a part is done with. */
export interface UnitContext {
  /** An empty folder for what it makes. */
  readonly folder: string;
  /** The compute backend, if the stage declares one. */
  readonly compute?: string;
  /** Processes at a time; 0 is one a core. */
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Reports further finished items. */
  advance(items: number): void;
  /**
   * Something that takes long to open and that the next parts want as well, such as processes that
   * have a detector loaded. It is opened once for a key, and closed by the worker: when something
   * else is asked for or nothing is left to do, and after a part that failed or was stopped.
   */
  getOrOpen<T extends AsyncDisposable>(key: string, open: () => Promise<T>): Promise<T>;
}

/** How parts of a stage's work are done. */
export interface UnitRunner {
  /** What it is told. Validated where it arrives. */
  readonly data: z.ZodType;
  /** @param inputs input → its folder */
  run(
    inputs: Readonly<Record<string, string>>,
    data: unknown,
    context: UnitContext,
  ): Promise<unknown>;
}

/** Everything a stage receives besides its inputs and parameters. */
export interface StageContext<O extends Outputs = Outputs> {
  /** The stage's id in the pipeline. */
  readonly id: string;
  /** The pipeline's seed. Only a stage that declares `seeded` may read it; all randomness stems from it. */
  readonly seed: number;
  /** The compute backend, resolved. Only a stage that declares `compute` may read it. */
  readonly compute: string;
  /**
   * How the inputs came to be. Only a stage that declares `lineage` may read it. A change of how any
   * of them is made (of parameters, code, seed) makes such a stage run again, a time does not.
   */
  readonly lineage: Lineage;
  /**
   * Where a value of a `choice` is that a plugin brought: its module's path from the project, or its
   * package; undefined for a value of the stage's own. Only for values that the parameters name.
   */
  extension(kind: string, name: string): string | undefined;
  /** Definitions of a kind that plugins brought and the parameters name. */
  definitions(kind: string): readonly Definition[];
  /**
   * An empty folder for each output. They become artifacts together, when `run` returns; if it
   * throws or is killed, nothing does.
   */
  readonly outputs: { readonly [K in keyof O]: string };
  /**
   * A folder that outlives an interrupted attempt: the next attempt with the same parameters,
   * inputs, code and seed finds in it what was left. It goes when the stage is done.
   */
  readonly scratch: string;
  /**
   * Returns the stage's stored results, with whatever parameters and code. A stage may take files from
   * them if they are equal to what it would make: the bytes must not depend on it.
   */
  earlierResults(): Promise<readonly EarlierResult[]>;
  /** Aborted on Ctrl-C. Long work checks it (`signal.throwIfAborted()`) and lets the event loop turn. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Workers on other machines, if the pipeline asks for them; the bytes must not depend on it. */
  readonly remoteWorkers?: WorkerPool;
  /** One line for the person who runs the pipeline. */
  info(message: string): void;
  /** One line about something the person should know or mend. It is kept in the run's record. */
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
}

/** Stage id → part of the data ("train", "validation", "test") → metric → value. */
export type Metrics = Record<string, Record<string, Record<string, number>>>;

/** Optional facts about a stage's result, beside its artifacts. */
export interface StageResult {
  metrics?: Metrics;
  /** Files worth opening, as `output/file`; their paths are printed at the end of the run. */
  show?: readonly string[];
  /** What differs from one attempt to the next, such as the time a part took. The record keeps it. */
  observed?: Record<string, unknown>;
  /**
   * A sentence that is shown first wherever scores or predictions are shown that stem from this
   * result, such as that its data is synthetic.
   */
  caution?: string;
}

/** Returns the cautions of results, each once. */
export function cautionsOf(results: Iterable<{ readonly caution?: string }>): string[] {
  return [...new Set([...results].flatMap(({ caution }) => caution ?? []))];
}

/** A stage as the runner keeps it, its type parameters forgotten. */
export interface Stage {
  readonly name: string;
  readonly summary: string;
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  readonly params: z.ZodObject;
  /** Parameters that cannot change the result, such as a number of workers. */
  readonly ignoreInCacheKey: readonly string[];
  /** True if the result depends on the pipeline's seed. */
  seeded(params: unknown): boolean;
  /** True if it does so for every choice of parameters. */
  readonly canBeSeeded: boolean;
  /** True if the result depends on the compute backend. */
  compute(params: unknown): boolean;
  /** Whether the result tells how its inputs came to be. */
  readonly lineage: boolean;
  /** A service runs until it is stopped; `run` leaves it out and `serve` starts it. */
  readonly service: boolean;
  /** Facts outside the pipeline that the result depends on, such as a local file's size and date. */
  external(params: unknown): Promise<Record<string, string>>;
  /** How parts of the work are done on other machines, if they can be. */
  readonly part?: UnitRunner;
  run(
    inputs: Record<string, Artifact | readonly Artifact[]>,
    params: unknown,
    context: StageContext,
  ): Promise<StageResult | void>;
}

/** What an author writes; see `Stage` for the meaning of each part. */
export interface StageDefinition<
  I extends Inputs,
  O extends Outputs,
  P extends z.ZodObject,
> {
  /** Used in YAML, in camelCase. */
  name: string;
  /** One line: what it does, as an order ("Divide the dataset into ..."). */
  summary: string;
  inputs: I;
  outputs: O;
  /** A `z.strictObject`, every field with a default or required on purpose, and described. */
  params: P;
  ignoreInCacheKey?: readonly (keyof z.output<P> & string)[];
  seeded?: boolean | ((params: z.output<P>) => boolean);
  compute?: boolean | ((params: z.output<P>) => boolean);
  lineage?: boolean;
  service?: boolean;
  external?: (params: z.output<P>) => Promise<Record<string, string>>;
  part?: UnitRunner;
  run(
    inputs: InputArtifacts<I>,
    params: z.output<P>,
    context: StageContext<O>,
  ): Promise<StageResult | void>;
}

/** Declares a stage. A stage's module has it as its default export. */
export function defineStage<I extends Inputs, O extends Outputs, P extends z.ZodObject>(
  definition: StageDefinition<I, O, P>,
): Stage {
  const { ignoreInCacheKey = [], seeded = false, compute = false } = definition;
  const { lineage = false, service = false } = definition;
  const decide = (flag: boolean | ((params: z.output<P>) => boolean)) => (params: unknown) =>
    typeof flag === "boolean" ? flag : flag(params as z.output<P>);
  return Object.freeze({
    name: definition.name,
    summary: definition.summary,
    inputs: definition.inputs,
    outputs: definition.outputs,
    params: definition.params,
    ignoreInCacheKey,
    seeded: decide(seeded),
    canBeSeeded: seeded !== false,
    compute: decide(compute),
    lineage,
    service,
    external: (params: unknown) =>
      definition.external?.(params as z.output<P>) ?? Promise.resolve({}),
    part: definition.part,
    // The runner wires inputs by kind and validates parameters before it calls.
    run: definition.run as Stage["run"],
  });
}

/**
 * A parameter that takes one of these values, or what a plugin adds to this kind of choice by an
 * export that says `extends: kind`. `context.extension(kind, value)` tells where a plugin's is.
 */
export function choice(kind: string, values: readonly string[]): z.ZodEnum<Record<string, string>> {
  return z.enum(values).meta({ choice: kind });
}

/**
 * A parameter that is a file, a folder or a URL. A relative path counts from the YAML's folder, or,
 * given on the command line, from where the user stands; the stage gets it absolute.
 */
export function pathParam(): z.ZodString {
  return z.string().min(1).meta({ path: true });
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
      context.addIssue({ code: "custom", path: [name], message });
    }
  });
}
