/** A hand-made context, to test a stage without the runner. */
import { join } from "node:path";
import { z } from "zod";
import { addChoices, type Extension } from "../packages/pipeline/config/extension.ts";
import { definitionsOf } from "../packages/pipeline/run/stage_context.ts";
import type {
  Artifact,
  EarlierResult,
  Lineage,
  Outputs,
  Stage,
  StageContext,
  StageResult,
} from "../packages/pipeline/stage.ts";
import { temporaryFolder } from "./temporary_folder.ts";

export interface TestContext extends StageContext, Disposable {
  /** Temporary folder that holds outputs and scratch. */
  readonly folder: string;
  readonly infos: string[];
  readonly warnings: string[];
  /** The last piece of work that the stage reported. */
  readonly done: { total: number; unit: string; items: number };
  /** An artifact of an output, to hand to the next stage. */
  artifact(output: string): Artifact;
  /** Validates the parameters, as the runner does, and runs the stage. */
  run(
    inputs: Record<string, Artifact | readonly Artifact[]>,
    params?: Record<string, unknown>,
  ): Promise<StageResult | void>;
}

/**
 * Temporary folders for a stage's outputs and scratch, silent progress, and what it told. `folder`
 * of an earlier context continues there, as after a kill: its scratch is kept, its outputs are not.
 *
 * ```ts
 * using context = testContext(split, { seed: 7 });
 * await context.run({ dataset }, { test: 0.3 });
 * readNpy(join(context.outputs.splits, "test.npy"));
 * ```
 */
export function testContext(
  stage: Stage,
  options: {
    seed?: number;
    compute?: string;
    lineage?: Lineage;
    /** What plugins brought. */
    extensions?: readonly Extension[];
    id?: string;
    signal?: AbortSignal;
    folder?: string;
    earlierResults?: readonly EarlierResult[];
    onAdvance?: (items: number) => void;
    /** As parameters decide. Default: the stage's own */
    outputs?: Outputs;
  } = {},
): TestContext {
  const folder = options.folder ?? temporaryFolder(`${stage.name}-`);
  const id = options.id ?? stage.name;
  const outputs: Record<string, string> = {};
  const kinds = options.outputs ?? stage.outputs;
  for (const name of Object.keys(kinds)) {
    outputs[name] = join(folder, name);
    try {
      Deno.removeSync(outputs[name], { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    Deno.mkdirSync(outputs[name], { recursive: true });
  }
  const scratch = join(folder, "scratch");
  Deno.mkdirSync(scratch, { recursive: true });
  const { extensions = [] } = options;
  const infos: string[] = [];
  const warnings: string[] = [];
  const done = { total: 0, unit: "", items: 0 };

  /** As the runner has it: what a stage reads without having declared it is an error. */
  let declared = { seed: true, compute: true };
  const only = <T>(what: keyof typeof declared, value: T): T => {
    if (!declared[what]) throw new Error(`${stage.name} reads context.${what} undeclared`);
    return value;
  };
  return {
    id,
    get seed() {
      return only("seed", options.seed ?? 42);
    },
    get compute() {
      return only("compute", options.compute ?? "wasm");
    },
    lineage: options.lineage ??
      {
        pipeline: "test",
        file: "test.yaml",
        seed: options.seed ?? 42,
        compute: "auto",
        command: "deno task run test",
        stages: [],
      },
    extension: (kind, name) =>
      extensions.find((one) => one.kind === kind && one.name === name)?.module,
    definitions: definitionsOf(extensions),
    outputs,
    scratch,
    folder,
    infos,
    warnings,
    done,
    earlierResults: () => Promise.resolve(options.earlierResults ?? []),
    signal: options.signal ?? new AbortController().signal,
    progress: {
      start(total, unit, items = 0) {
        Object.assign(done, { total, unit, items });
      },
      advance(items = 1) {
        done.items += items;
        options.onAdvance?.(items);
      },
    },
    info: (message) => void infos.push(message),
    warn: (message) => void warnings.push(message),
    artifact: (output) => testArtifact(outputs[output], kinds[output].kind, id),
    run(inputs, params = {}) {
      const parsed = z.parse(addChoices(stage.params, extensions), params);
      declared = { seed: stage.seeded(parsed), compute: stage.compute(parsed) };
      const none = Object.entries(stage.inputs).filter(([, of]) => "all" in of && of.named);
      return stage.run(
        { ...Object.fromEntries(none.map(([name]) => [name, []])), ...inputs },
        parsed,
        this,
      );
    },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** A folder as an artifact, its files taken on trust. */
export function testArtifact(path: string, kind: string, stage = "test"): Artifact {
  return { kind, stage, path, digest: "0".repeat(64) };
}
