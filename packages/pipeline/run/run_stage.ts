/** Runs one stage: makes a result, or serves until it is stopped. */
import { type CacheKeyInputs, fingerprint } from "../fingerprint.ts";
import type { Begun } from "../history.ts";
import { type Edge, outputName, type Plan, type PlannedStage } from "../plan.ts";
import { describeMachine, lineageOf, moduleName } from "./lineage.ts";
import { checkOutputs } from "./check_outputs.ts";
import type { StageRecord } from "../stage_record.ts";
import { withoutSecrets } from "../secrets.ts";
import type { Artifact, Lineage, StageContext, StageResult } from "../stage.ts";
import type { RunContext, ShardedWork } from "./run_context.ts";

/** A stage that is about to run, with its inputs. */
export interface StageExecution {
  readonly stage: PlannedStage;
  readonly dependencies: CacheKeyInputs;
  readonly inputs: Record<string, Artifact | readonly Artifact[]>;
  /** Set for a stage that declares it. */
  readonly lineage?: Lineage;
}

/** Collects the inputs of a stage from the results of earlier stages. */
export function prepareStage(
  stage: PlannedStage,
  dependencies: CacheKeyInputs,
  plan: Plan,
  records: ReadonlyMap<string, StageRecord>,
  { store, project }: Pick<RunContext, "store" | "project">,
  begun?: Begun,
): StageExecution {
  const open = ({ stage: id, output }: Edge) => {
    const { outputs } = plan.stages.find((other) => other.id === id)!.stage;
    const same = Object.keys(outputs)
      .filter((other) => outputs[other].kind === outputs[output].kind)
      .map((output): Edge => ({ stage: id, output }));
    return store.artifact(records.get(id)!, output, outputName({ stage: id, output }, same));
  };
  const inputs = Object.fromEntries(
    Object.entries(stage.wires).map(([name, wired]) => [
      name,
      Array.isArray(wired) ? (wired as Edge[]).map(open) : open(wired as Edge),
    ]),
  );
  const lineage = stage.stage.lineage
    ? lineageOf(plan, stage.id, records, project, begun)
    : undefined;
  return { stage, dependencies, inputs, lineage };
}

/**
 * Makes a result, unless another run makes it first.
 * @param force make it even if it exists
 */
export async function executeStage(
  ready: StageExecution,
  { name: pipeline, remoteWorkers }: Pick<Plan, "name" | "remoteWorkers">,
  { project, store, reporter, signal, connectWorkers, checkFile }: RunContext,
  force: boolean,
): Promise<{ record: StageRecord; made: boolean }> {
  const { stage, dependencies, inputs } = ready;
  const { paint } = reporter;
  const startedAt = new Date();
  await using attempt = await store.attempt(
    stage.stage,
    dependencies,
    () => reporter.log(`  ${stage.id}: another run is making this; waiting for it`),
    signal,
  );
  const outputs = Object.keys(stage.stage.outputs);
  const { record } = force ? {} : await store.find(stage.use, fingerprint(dependencies), outputs);
  if (record) return { record, made: false };
  if (attempt.resumed) reporter.log(`  ${stage.id}: resumes an interrupted attempt`);
  const warnings: string[] = [];
  const progress = reporter.startProgress(stage.id);
  try {
    const given = {
      outputs: attempt.outputs,
      scratch: attempt.scratch,
      earlierResults: () => store.resultsOf(dependencies),
      signal,
      progress,
      info: (message: string) => reporter.log(`  ${stage.id}: ${message}`),
      warn: (message: string) => {
        warnings.push(message);
        reporter.log(`  ${paint.yellow(`${stage.id}: ${message}`)}`);
      },
    };
    const work: ShardedWork = {
      use: stage.use,
      dependencies,
      inputs: Object.fromEntries(
        Object.entries(inputs).flatMap(([name, one]) => "path" in one ? [[name, one.path]] : []),
      ),
      artifacts: store.folder,
      ...given,
    };
    const context = contextOf(ready, project, {
      ...given,
      ...(remoteWorkers && connectWorkers && stage.stage.part
        ? { remoteWorkers: connectWorkers(remoteWorkers, work) }
        : {}),
    });
    const result: StageResult | void = await stage.stage.run(inputs, stage.params, context);
    signal.throwIfAborted();
    const { outputs, bounded } = stage.stage;
    await checkOutputs(stage.id, outputs, attempt.outputs, checkFile, bounded);
    const record = await attempt.commit({
      id: stage.id,
      ...withoutSecrets({ ...result, warnings }),
      pipeline,
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      deno: Deno.version.deno,
      platform: Deno.build.target,
      machine: describeMachine(),
      ...(stage.rights && { rights: stage.rights }),
    });
    return { record, made: true };
  } finally {
    progress.end();
  }
}

/** Runs a service until it is stopped. Throws what it throws. */
export async function serve(
  ready: StageExecution,
  { project, reporter, signal, store }: RunContext,
): Promise<void> {
  const { stage, inputs, dependencies } = ready;
  const scratch = await Deno.makeTempDir({ prefix: `${stage.id}-` });
  const progress = reporter.startProgress(stage.id);
  const { bold, green, yellow } = reporter.paint;
  // The address of a service is what its user looks for.
  const info = (message: string) =>
    reporter.log(`  ${stage.id}: ${message.replace(/https?:\/\/\S+/g, (url) => bold(green(url)))}`);
  const warn = (message: string) => reporter.log(`  ${stage.id}: ${yellow(message)}`);
  const earlierResults = () => store.resultsOf(dependencies);
  const rest = { outputs: {}, scratch, earlierResults, signal, progress, info, warn };
  try {
    await stage.stage.run(inputs, stage.params, contextOf(ready, project, rest));
  } finally {
    progress.end();
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Throws when a stage reads something undeclared, which its fingerprint would lack. */
function contextOf(
  { stage: { id, use, extensions }, dependencies: { seed, compute }, lineage }: StageExecution,
  project: string,
  rest: Omit<StageContext, "id" | "seed" | "compute" | "lineage" | "extension" | "definitions">,
): StageContext {
  const undeclared = (name: string, flag: string) =>
    new Error(
      `Stage "${use}" reads context.${name} without declaring it: add ${flag}: true to its ` +
        "definition.",
    );
  return {
    id,
    ...rest,
    extension(kind, name) {
      const found = extensions.find((one) => one.kind === kind && one.name === name);
      return found && moduleName(found.module, project);
    },
    definitions: (kind) =>
      extensions.flatMap((one) => one.kind === kind ? one.definition ?? [] : []),
    get seed() {
      if (seed === undefined) throw undeclared("seed", "seeded");
      return seed;
    },
    get compute() {
      if (compute === undefined) throw undeclared("compute", "compute");
      return compute;
    },
    get lineage() {
      if (lineage === undefined) throw undeclared("lineage", "lineage");
      return lineage;
    },
  };
}
