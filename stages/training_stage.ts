/** Declaration of training stages: all that they share. */
import { join } from "node:path";
import { z } from "zod";
import {
  anyInitializer,
  singleParams,
  trainingAliases,
  type TrainingParams,
  trainingParams,
  unusedTraining,
} from "../faces/training/training_params.ts";
import type { Task, ValuesTask } from "../faces/training/tasks.ts";
import { checkModels, modelFacts } from "../faces/training/trained_models.ts";
import { checkChoices, noCalibration, type TaskLoss } from "../faces/training/training_choices.ts";
import { networks } from "../models/mod.ts";
import {
  type Aliases,
  type Choice,
  definedChoice,
  withAliases,
} from "../packages/pipeline/define.ts";
import {
  all,
  type Artifact,
  type CheckContext,
  defineStage,
  type ParamProblem,
  refuseUnused,
  type Stage,
} from "../packages/pipeline/stage.ts";
import { checkInputs } from "./input_checks.ts";
import { dataset, model, splits, table } from "./kinds.ts";

/** Properties of every training stage. */
export const trainingStage = {
  // Models of the same pipeline whose outputs are learned beside the labels, as `teacher` names others.
  inputs: { dataset, splits, teachers: all(model, { named: true }) },
  seeded: true,
  compute: true,
  external: (params: object, place: { artifacts: string }) => modelFacts(params, place),
};

/** Returns the check of a training stage. @param learned returns what its network learns */
export function trainingCheck<P extends object>(
  learned: (params: P) => readonly TaskLoss[],
): (params: P, context: CheckContext) => Promise<ParamProblem[]> {
  return async (given, context) => {
    const params = given as P & TrainingParams, { abstain } = params;
    const { splits: [split] = [] } = context.inputs;
    const uncalibrated = split?.use === "split" && split.params.calibration === undefined;
    return [
      ...await checkModels(params, context),
      ...await checkChoices(params, learned(params), context),
      ...checkInputs(context.inputs),
      ...uncalibrated && abstain !== undefined
        ? [{ path: ["abstain"], message: noCalibration(abstain) }]
        : [],
    ];
  };
}

/**
 * Returns the check of a table's labels, and of those that a sampling balances by.
 * @param learned returns what is learned of them
 */
export function labelsAhead<P extends object>(
  learned: (params: P) => readonly (Task | ValuesTask)[],
): (params: P, artifact: Artifact) => Promise<void> {
  // A sweep asks for each of its parameters, most of which learn the same columns.
  const checked = new Set<string>();
  return async (params, { kind, path, digest }) => {
    const { sampling } = params as TrainingParams;
    const { use, by = [] }: { use?: string; by?: string[] } = Object(sampling);
    const balanced = use === "balanced" ? by : [];
    const tasks = learned(params).filter(({ task }) =>
      balanced.length > 0 || !["age", "gender"].includes(task)
    );
    const key = JSON.stringify([tasks, by, path, digest]);
    if (kind !== table.kind || tasks.length === 0 || checked.has(key)) return;
    const { checkLabels } = await import("../faces/training/tasks.ts");
    await checkLabels(tasks, join(path, "table.parquet"), balanced);
    checked.add(key);
  };
}

/** Parameter that names a network. @param fallback whose options are meant without `use` */
export const networkParam = (fallback: string) => definedChoice("network", networks, fallback);

/**
 * Lets parameters of a training stage have second spellings, and refuses those without effect.
 * @param unused such parameters of the stage alone, with the reason
 */
export function trainingStageParams<P extends z.ZodObject>(
  params: P,
  aliases: Aliases = {},
  unused: (params: z.output<P>) => Record<string, string> = () => ({}),
): P {
  const all = (given: z.output<P>) => ({
    ...lacking(given, Object.keys(params.shape)),
    ...unused(given),
    ...unusedTraining(given),
  });
  return withAliases(refuseUnused(params, all), { ...trainingAliases, ...aliases });
}

/** Returns the parameters that are options of networks, but not of the built-in one that is named. */
function lacking({ network }: { network?: Choice }, names: string[]): Record<string, string> {
  const use = typeof network === "object" ? network.use : network;
  const found = networks.find(({ name, former = [] }) => [name, ...former].includes(use!));
  const options = new Set(networks.flatMap(({ params }) => Object.keys(params.shape)));
  const missing = names.filter((name) =>
    found && options.has(name) && !(name in found.params.shape)
  );
  return Object.fromEntries(
    missing.map((name) => [name, `with network: ${use}, which has no such option`]),
  );
}

/** Declares a stage that trains a network for one task. */
export function defineTraining<F extends z.ZodRawShape>(
  { initializer = anyInitializer, ...stage }: {
    name: string;
    summary: string;
    /** Parameters of the stage alone; the order of all is that of training.json. */
    first: F;
    /** Default: that of the network. */
    initializer?: z.ZodType;
    /** Options of the default network. */
    options?: z.ZodRawShape;
    network: z.ZodType;
    /** Loss, and parameters of what is predicted. */
    last: z.ZodRawShape;
    aliases?: Aliases;
    unused?(params: z.output<z.ZodObject<F>> & { network?: Choice }): Record<string, string>;
    /** Returns the task, and the network that is meant without one. */
    learn(params: z.output<z.ZodObject<F>>): { task: Task | ValuesTask; network: string };
  },
): Stage {
  const { name, summary, first, options, network, last, aliases, unused, learn } = stage;
  const params = z.strictObject({
    ...first,
    ...trainingParams,
    initializer,
    ...options,
    network,
    ...singleParams,
    ...last,
  });
  return defineStage({
    ...trainingStage,
    name,
    summary,
    outputs: { model },
    params: trainingStageParams(params, aliases, unused as never),
    check: trainingCheck((params: { loss?: Choice }) => [
      { ...learn(params as never), loss: params.loss, path: ["loss"] },
    ]) as never,
    checkAhead: labelsAhead((params) => [learn(params as never).task]) as never,
    async run(inputs, params, context) {
      const { trainSingle } = await import("../faces/training/train_model.ts");
      const chosen = learn(params as never);
      return await trainSingle(inputs, { ...chosen, networks, params: params as never, context });
    },
  });
}
