/** Trained models that parameters name: a folder, a `model.json`, or models of an earlier run. */
import { createHash } from "node:crypto";
import { basename, dirname, join, relative } from "node:path";
import { z } from "zod";
import { checkFile } from "../../packages/formats/check_file.ts";
import { readJson } from "../../packages/formats/read_json.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { didYouMean, joinWords, problemsOf } from "../../packages/pipeline/errors.ts";
import { findByIdPrefix } from "../../packages/pipeline/find_runs.ts";
import { History, resultsOf, type UsedResult } from "../../packages/pipeline/history.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { outputName } from "../../packages/pipeline/plan.ts";
import { assertIntact, damagedError } from "../../packages/pipeline/verify_results.ts";
import { type ParamProblem, pathParam } from "../../packages/pipeline/stage.ts";

const MODEL =
  "Folder of a model, its model.json, or an earlier run: RUN, RUN/STAGE, RUN/STAGE.OUTPUT";

/** A run at the end of a path, and what it names of it. */
const NAMED_RUN = /[\\/]([0-9a-f]{4,8})(?:[\\/]([^\\/]+))?$/;

/** Parameter of training stages: where training starts. */
export const initParam = z.union([
  pathParam({ byContent: true }),
  z.strictObject({
    from: pathParam({ byContent: true }).describe(MODEL),
    freeze: z.union([z.literal("matched"), z.array(z.string().min(1)).min(1)]).optional().describe(
      "Layers that training leaves as they are: names, `*` stands for any characters; matched: all " +
        "that got each of their weights. Default: none",
    ),
  }),
]).optional().describe(
  "Trained model whose weights training starts from (folder, model.json, or RUN/STAGE of an earlier " +
    "run): layers are matched by name and shape, others, " +
    "such as heads of another task or loss, get new weights. Use a lower learningRate. Default: new " +
    "weights",
);

/** Parameter of training stages: models whose outputs are learned beside the labels. */
export const teacherParam = z.union([
  pathParam({ byContent: true }),
  z.strictObject({
    from: z.union([pathParam({ byContent: true }), z.array(pathParam({ byContent: true })).min(1)])
      .optional().describe(
        `${MODEL}; of several models for one task, the mean is learned. Default: none but those of ` +
          "`inputs: { teachers: STAGE }`, stages of the same pipeline",
      ),
    weight: z.number().gt(0).max(1).default(0.5).describe(
      "Share of the loss that the teacher's outputs have; the labels have the rest",
    ),
    temperature: z.number().min(1).max(20).default(2).describe(
      "Classes: exponents of teacher's and network's probabilities are divided by it, which shows " +
        "more of the unlikely classes",
    ),
  }),
]).optional().describe(
  "Trained models whose outputs training learns beside the labels, and alone on images without a " +
    "label (folder, model.json, or RUN/STAGE of an earlier run). They predict each image and its " +
    "mirror image once, without augmentation. Default: none",
);

/** Parameters that name trained models, as validated. */
export type ModelParams = {
  init?: z.output<typeof initParam>;
  teacher?: z.output<typeof teacherParam>;
};

/** Returns the models that `init` and `teacher` name, each with its place in the parameters. */
function sourcesOf(params: ModelParams) {
  return (["init", "teacher"] as const).flatMap((name) => {
    const value = params[name];
    if (typeof value === "string") return [{ name, from: value, path: [name] }];
    const { from = [] } = value ?? {};
    if (typeof from === "string") return [{ name, from, path: [name, "from"] }];
    return from.map((from, i) => ({ name, from, path: [name, "from", i] }));
  });
}

/** A model artifact: the stage that trained it, with the output of several, and its folder. */
export interface FoundModel {
  readonly stage: string;
  readonly path: string;
}

/** Returns the models among results. @throws if one is damaged */
export async function modelsOf(
  store: ArtifactStore,
  results: readonly UsedResult[],
): Promise<FoundModel[]> {
  const found = await Promise.all(results.map(async ({ id, use, fingerprint }) => {
    const { record, damage } = await store.find(use, fingerprint);
    if (damage !== undefined) throw damagedError(store.pathOf(use, fingerprint), damage);
    const wires = Object.entries(record?.outputs ?? {})
      .filter(([, { kind }]) => kind === "model")
      .map(([output]) => ({ stage: id, output }));
    // A stage may train several models, as trainJoint does.
    return await Promise.all(wires.map(async (wire) => {
      const { path } = store.artifact(record!, wire.output, id);
      await assertIntact(path, record!.outputs[wire.output]);
      return { stage: outputName(wire, wires), path };
    }));
  }));
  return found.flat();
}

/**
 * Finds models.
 * @param from folder of a model, its model.json, or `RUN`, `RUN/STAGE` or `RUN/STAGE.OUTPUT`, as an
 *   absolute path
 * @param artifacts folder of the runs
 * @returns paths of their model.json, at least one
 */
export async function findTrained(from: string, artifacts: string): Promise<string[]> {
  const file = from.endsWith(".json") ? from : join(from, "model.json");
  if (await Deno.stat(file).then(() => true, () => false)) return [file];
  const runs = await new History(artifacts).list();
  const [, id = "", wanted] = from.match(NAMED_RUN) ?? [];
  const run = id === "" ? undefined : findByIdPrefix(id, runs);
  if (!run) {
    const known = runs.map(({ id }) => id), named = basename(wanted ? dirname(from) : from);
    throw new Error(
      `"${from}" has no model.json, and no run has this id.${didYouMean(named, known)} ` +
        "Name the folder of a `model` artifact, its model.json, or RUN/STAGE; " +
        "deno task runs lists the runs.",
    );
  }
  const models = await modelsOf(new ArtifactStore(artifacts), resultsOf(run));
  const fitting = models.filter(({ stage, path }) =>
    wanted === undefined || [stage, `${stage}.${basename(path)}`].includes(wanted) ||
    stage.startsWith(`${wanted}.`)
  );
  if (fitting.length > 0) return fitting.map(({ path }) => join(path, "model.json"));
  const names = models.map(({ stage }) => stage);
  throw new Error(
    `run ${run.id} has no model${wanted === undefined ? "" : ` "${wanted}"`}.` +
      didYouMean(wanted ?? "", names) +
      ` It has ${joinWords(names.map((name) => `${run.id}/${name}`)) || "none"}.`,
  );
}

/**
 * Returns the models that `init` and `teacher` name, with the path of each model.json.
 * @throws if `init` names several
 */
export async function modelsNamed(
  params: ModelParams,
  artifacts: string,
): Promise<{ by: "init" | "teacher"; from: string; path: string }[]> {
  const found = await Array.fromAsync(sourcesOf(params), async ({ name: by, from }) => {
    const models = await findTrained(from, artifacts);
    if (by === "init") theOne(models);
    return models.map((path) => ({ by, from, path }));
  });
  return found.flat();
}

/** Returns RUN or RUN/STAGE in place of the path that it is stored as; other paths as they are. */
export function asWritten(from: string): string {
  return from.match(NAMED_RUN)?.[0].slice(1) ?? from;
}

/**
 * Returns the folder of the one model that a parameter names.
 * @throws if there is none, several, or a part of one
 */
export async function importedFolder(from: string, artifacts: string): Promise<string> {
  const folder = dirname(theOne(await findTrained(from, artifacts)));
  const files = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const missing = ["weights.bin", "training.json", "history.csv"]
    .filter((name) => !files.includes(name));
  if (missing.length === 0) return folder;
  throw new Error(
    `"${folder}" has no ${joinWords(missing)}. Copy the whole folder of the model; ` +
      "docs/guide/evaluation.md has the files of one that was trained elsewhere.",
  );
}

function theOne(found: readonly string[]): string {
  if (found.length === 1) return found[0];
  throw new Error(
    `it names ${found.length} models: ${joinWords(found.map(dirname))}. ` +
      "Name one, as in RUN/STAGE, or RUN/STAGE.OUTPUT of a stage that makes several.",
  );
}

const manifestShape = z.looseObject({
  weightsManifest: z.array(z.looseObject({
    paths: z.array(z.string()).length(1),
    weights: z.array(
      z.looseObject({ name: z.string(), shape: z.array(z.number()), dtype: z.string() }),
    ),
  })).length(1),
});

const WAY_OUT = "Name the folder of a `model` artifact, its model.json, or a run";

/** Reads which file has the weights of a model, and which weights they are. */
export async function readManifest(model: string) {
  const { weightsManifest: [first] } = await readJson(model, manifestShape, WAY_OUT);
  const { paths: [file], weights } = first;
  return { file: join(dirname(model), file), weights };
}

/** Returns the digests of the models that parameters name, for the cache key. */
export async function modelFacts(
  params: ModelParams,
  { artifacts }: { artifacts: string },
): Promise<Record<string, string>> {
  const facts: Record<string, string> = {};
  for (const { by, path: model } of await modelsNamed(params, artifacts)) {
    const folder = dirname(model), hash = createHash("sha256");
    const record = join(folder, "training.json");
    for (const path of [model, (await readManifest(model)).file, record]) {
      const bytes = await Deno.readFile(path).catch(ignoreNotFound);
      // `init` takes heads by their names from a model without a record.
      const needed = by === "teacher" || path !== record;
      if (!bytes && needed) throw new Error(`"${path}" is missing. ${WAY_OUT}.`);
      hash.update(bytes ?? "");
    }
    const inside = artifacts === "" ? ".." : relative(artifacts, folder).replaceAll("\\", "/");
    facts[`${by} ${inside.startsWith("..") ? folder : inside}`] = hash.digest("hex");
  }
  return facts;
}

/** Finds the parameters that name no usable model. */
export async function checkModels(
  params: ModelParams,
  place: { artifacts: string },
): Promise<ParamProblem[]> {
  return await problemsOf(
    sourcesOf(params).map(({ name, from, path }) => [path, async () => {
      await modelFacts({ [name]: from }, place);
      for (const model of await findTrained(from, place.artifacts)) await checkFile(model);
    }]),
  );
}
