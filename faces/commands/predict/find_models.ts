/** Models of a run, a pipeline or a folder. */
import { basename, join, resolve } from "node:path";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { didYouMean, joinWords, UsageError } from "../../../packages/pipeline/errors.ts";
import {
  identityNamed,
  isMissingPipeline,
  pipelineFiles,
} from "../../../packages/pipeline/find_pipeline.ts";
import {
  byPipeline,
  findByIdPrefix,
  nameOf,
  pipelinesOf,
} from "../../../packages/pipeline/find_runs.ts";
import { formatValues } from "../../../packages/pipeline/format.ts";
import { editSince, sweptValues, writtenStages } from "../../../packages/pipeline/run_settings.ts";
import {
  History,
  isInterrupted,
  resultsOf,
  type RunRecord,
} from "../../../packages/pipeline/history.ts";
import { commandOf, fileNameOf, typed } from "../../../packages/pipeline/pipeline_identity.ts";
import { readTextIfExists } from "../../../packages/pipeline/paths.ts";
import { ancestors, type Plan } from "../../../packages/pipeline/plan.ts";
import { cautionsOf } from "../../../packages/pipeline/stage.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { assertIntact } from "../../../packages/pipeline/verify_results.ts";
import { readRecord } from "../../../packages/pipeline/stage_record.ts";
import { type FoundModel, modelsOf } from "../../training/trained_models.ts";

/**
 * Finds models.
 * @param wanted id of a run or the beginning of one, RUN/STAGE for one of its models, a pipeline (its
 *   newest models; those of a pulled run if it has no YAML here), or the folder of a model
 * @param artifacts folder of the runs
 * @param given true if the folder counts for a pipeline too, in place of its own
 * @returns their origin ("run 1a2b3c4d") for a message, and cautions to print before predictions
 * @throws {UsageError} if there are none
 */
export async function findModels(
  wanted: string,
  artifacts: string,
  tools: CommandContext,
  given = false,
): Promise<{
  models: readonly FoundModel[];
  origin: string;
  cautions: readonly string[];
  compute: Parameters<CommandContext["resolveCompute"]>[0];
}> {
  const folder = resolve(tools.cwd, wanted);
  const runs = await new History(artifacts).list();
  if (await readTextIfExists(join(folder, "training.json"))) {
    // artifacts/STAGE/FINGERPRINT/model, or a folder of any name.
    const [, stage, place] = folder.match(/([^\\/]+)[\\/]([0-9a-f]{16})[\\/][^\\/]+$/) ??
      ["", basename(folder)];
    const { value: record } = await readRecord(join(folder, ".."));
    const output = record?.outputs[basename(folder)];
    if (output) await assertIntact(folder, output);
    const made = (run: RunRecord) =>
      run.stages.some(({ fingerprint }) => place && fingerprint?.startsWith(place));
    const cautions = runs.findLast(made)?.cautions ?? [];
    return { models: [{ stage, path: folder }], origin: wanted, cautions, compute: "auto" };
  }
  const [, id = wanted, part] = wanted.match(/^([0-9a-f]{4,8})\/([^/]+)$/) ?? [];
  const byId = await identityNamed(wanted, tools) ? undefined : findByIdPrefix(id, runs);
  const plan = byId ? undefined : await tools.openPlan(wanted).catch((error) => {
    if (!isMissingPipeline(error)) throw error;
  });
  const store = new ArtifactStore(plan && !given ? plan.artifacts : artifacts);
  const trained = plan?.stages.flatMap(({ id, definition }) =>
    Object.values(definition.outputs).some(({ kind }) => kind === "model") ? [id] : []
  );
  // The newest run with all models, or else the newest result of each stage.
  const listed = store.folder === artifacts ? runs : await new History(store.folder).list();
  const pipelineOf = pipelinesOf(listed);
  // A pull brings runs without the YAML of their pipeline.
  const own = plan
    ? listed.filter((run) => pipelineOf(run) === plan.identity)
    : byPipeline(wanted, runs);
  const found = byId ? [byId] : own.filter(({ ok }) => ok).toReversed();
  for (const run of found) {
    const results = resultsOf(run).filter(({ id }) => !trained || trained.includes(id));
    const all = results.length >= (trained?.length ?? 0) ? await modelsOf(store, results) : [];
    const models = all.filter(({ stage }) =>
      part === undefined || stage === part || stage.startsWith(`${part}.`)
    );
    if (models.length === 0 && all.length > 0) {
      const has = joinWords(all.map(({ stage }) => stage));
      throw new UsageError(`run ${run.id} has no model "${part}". It has ${has}.`);
    }
    if (models.length >= Math.max(1, trained?.length ?? 0)) {
      const stagesNow = async (plan: Plan) => {
        // What a sweep varied is no edit of the YAML.
        const now = run.point ? await tools.openPlan(wanted, sweptValues(run)) : plan;
        return writtenStages(now, ancestors(now, trained!));
      };
      const edit = plan && await editSince(run, stagesNow(plan));
      const unlike = edit === undefined ? "" : `, unlike its YAML now: ${edit}`;
      const swept = run.point ? `, of a sweep: ${formatValues(sweptValues(run))}` : "";
      const origin = byId ? `run ${run.id}` : `pipeline ${wanted} (run ${run.id}${swept}${unlike})`;
      return { models, origin, cautions: run.cautions ?? [], compute: plan?.compute ?? "auto" };
    }
  }
  if (!plan || !trained) {
    const [run] = found;
    if (!run) {
      const names = (await pipelineFiles(tools.project)).map(typed);
      const known = knownRuns(runs, wanted, names);
      throw new UsageError(`"${wanted}" is no run, pipeline or folder of a model.${known}`);
    }
    const failed = run.stages.find(({ status }) => status === "failed");
    const ended = failed
      ? isInterrupted(failed) ? "it was interrupted" : "it failed"
      : "it trained none, or it was removed";
    const why = run.state === undefined ? ended : `it is ${run.state}`;
    throw new UsageError(
      `run ${run.id} has no model: ${why}. Run it again: ` +
        `${commandOf(run.file ?? run.pipeline, run.overrides ?? {})}.`,
    );
  }
  const key = fileNameOf(plan.identity);
  const latest = await Promise.all(plan.stages.map(async ({ id }) => ({
    id,
    record: (await store.latest(key, id, plan.former))?.record,
  })));
  const models = await modelsOf(
    store,
    latest.flatMap(({ id, record }) =>
      record && trained.includes(id)
        ? [{ id, use: record.dependencies.use, fingerprint: record.fingerprint }]
        : []
    ),
  );
  if (models.length === 0) {
    const none = `has trained none yet. Run it first: deno task run ${wanted}.`;
    const why = trained.length === 0 ? "trains none." : none;
    throw new UsageError(`pipeline "${wanted}" has no models: it ${why}`);
  }
  return {
    models,
    origin: `pipeline ${wanted}`,
    compute: plan.compute,
    cautions: cautionsOf(latest.map(({ record }) => record ?? {})),
  };
}

function knownRuns(runs: readonly RunRecord[], wanted: string, pipelines: readonly string[]) {
  const well = runs.filter(({ ok }) => ok);
  const hint = didYouMean(wanted, [...well.flatMap((run) => [run.id, nameOf(run)]), ...pipelines]);
  if (runs.length === 0) return `${hint} No run is recorded.`;
  if (well.length === 0) return `${hint} No run was successful.`;
  const latest = well.slice(-3).map((run) => `${run.id} (${nameOf(run)})`);
  return `${hint} The latest runs are ${joinWords(latest)}; deno task runs lists all.`;
}
