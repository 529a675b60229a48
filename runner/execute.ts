/** Runs one stage: makes a result, or serves until it is stopped. */
import { type Dependencies, fingerprint } from "./fingerprint.ts";
import type { Begun } from "./history.ts";
import { type Plan, type PlannedStage, type Wire, wireName } from "./graph.ts";
import { describeMachine, lineageOf, moduleName } from "./lineage.ts";
import { checkOutputs } from "./outputs.ts";
import type { StageRecord } from "./record.ts";
import { withoutSecrets } from "./secrets.ts";
import type { Artifact, Lineage, StageContext, StageResult } from "./stage.ts";
import type { FleetWork, Workshop } from "./workshop.ts";

/** A stage that is about to run, and what it takes. */
export interface Ready {
  readonly stage: PlannedStage;
  readonly dependencies: Dependencies;
  readonly inputs: Record<string, Artifact | readonly Artifact[]>;
  /** For a stage that asks for it. */
  readonly lineage?: Lineage;
}

/** Collects what a stage takes from the results of those before it. */
export function readyFor(
  stage: PlannedStage,
  dependencies: Dependencies,
  plan: Plan,
  records: ReadonlyMap<string, StageRecord>,
  { store, project }: Pick<Workshop, "store" | "project">,
  begun?: Begun,
): Ready {
  const open = ({ stage: id, output }: Wire) => {
    const { outputs } = plan.stages.find((other) => other.id === id)!.stage;
    const same = Object.keys(outputs)
      .filter((other) => outputs[other].kind === outputs[output].kind)
      .map((output): Wire => ({ stage: id, output }));
    return store.artifact(records.get(id)!, output, wireName({ stage: id, output }, same));
  };
  const inputs = Object.fromEntries(
    Object.entries(stage.wires).map(([name, wired]) => [
      name,
      Array.isArray(wired) ? (wired as Wire[]).map(open) : open(wired as Wire),
    ]),
  );
  const lineage = stage.stage.lineage
    ? lineageOf(plan, stage.id, records, project, begun)
    : undefined;
  return { stage, dependencies, inputs, lineage };
}

/**
 * Makes a result, unless another run makes it first.
 * @param force make it even if it is there
 */
export async function makeResult(
  ready: Ready,
  { name: pipeline, fleet }: Pick<Plan, "name" | "fleet">,
  { project, store, reporter, signal, openFleet, checkFile }: Workshop,
  force: boolean,
): Promise<{ record: StageRecord; made: boolean }> {
  const { stage, dependencies, inputs } = ready;
  const { paint } = reporter;
  const startedAt = new Date();
  await using attempt = await store.attempt(
    stage.stage,
    dependencies,
    () => reporter.line(`  ${stage.id}: another run is making this; waiting for it`),
    signal,
  );
  const outputs = Object.keys(stage.stage.outputs);
  const { record } = force ? {} : await store.find(stage.use, fingerprint(dependencies), outputs);
  if (record) return { record, made: false };
  if (attempt.resumed) reporter.line(`  ${stage.id}: goes on from an interrupted attempt`);
  const warnings: string[] = [];
  const progress = reporter.begin(stage.id);
  try {
    const given = {
      outputs: attempt.outputs,
      scratch: attempt.scratch,
      signal,
      progress,
      info: (message: string) => reporter.line(`  ${stage.id}: ${message}`),
      warn: (message: string) => {
        warnings.push(message);
        reporter.line(`  ${paint.warning(`${stage.id}: ${message}`)}`);
      },
    };
    const work: FleetWork = {
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
      ...(fleet && openFleet && stage.stage.part ? { fleet: openFleet(fleet, work) } : {}),
    });
    const result: StageResult | void = await stage.stage.run(inputs, stage.params, context);
    signal.throwIfAborted();
    await checkOutputs(stage.id, stage.stage.outputs, attempt.outputs, checkFile);
    const record = await attempt.commit({
      id: stage.id,
      ...withoutSecrets({ ...result, warnings }),
      pipeline,
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      deno: Deno.version.deno,
      platform: Deno.build.target,
      machine: describeMachine(),
    });
    return { record, made: true };
  } finally {
    progress.end();
  }
}

/** Runs a service until it is stopped. Throws what it throws. */
export async function serve(ready: Ready, { project, reporter, signal }: Workshop): Promise<void> {
  const { stage, inputs } = ready;
  const scratch = await Deno.makeTempDir({ prefix: `${stage.id}-` });
  const progress = reporter.begin(stage.id);
  const info = (message: string) => reporter.line(`  ${stage.id}: ${message}`);
  const warn = (message: string) => info(reporter.paint.warning(message));
  const rest = { outputs: {}, scratch, signal, progress, info, warn };
  try {
    await stage.stage.run(inputs, stage.params, contextOf(ready, project, rest));
  } finally {
    progress.end();
    await Deno.remove(scratch, { recursive: true });
  }
}

/** What a stage reads without having declared it would be missing from its fingerprint. */
function contextOf(
  { stage: { id, use, extensions }, dependencies: { seed, compute }, lineage }: Ready,
  project: string,
  rest: Omit<StageContext, "id" | "seed" | "compute" | "lineage" | "extension">,
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
