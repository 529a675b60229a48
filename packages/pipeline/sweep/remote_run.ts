/**
 * A run of a sweep as data for another machine, which validates it like a YAML. Shared results are
 * computed before and referenced by fingerprint. The cache keys of all other results travel along,
 * so a machine on which results would differ refuses the run.
 */
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { readConfig } from "../config/config.ts";
import { pipelineSchema } from "../config/pipeline_schema.ts";
import { pluginSpecifier } from "../config/plugin_entries.ts";
import { cacheKeyOf } from "../cache/cache_key.ts";
import { type CacheKey, cacheKeySchema, canonicalJson, explainChanges } from "../fingerprint.ts";
import { ancestors, createPlan, type Plan, select, type Selection } from "../plan.ts";
import { displayPath, fromFileUrl, toFileUrl } from "../paths.ts";
import type { StageRecord } from "../stage_record.ts";
import { Registry } from "../registry.ts";
import { type App, type CommandContext, EXIT } from "../app.ts";
import { withoutSecrets } from "../secrets.ts";
import { ArtifactStore } from "../artifact_store.ts";
import {
  assertBackend,
  assertSameCode,
  codeSchema,
  IncompatibleWorkerError,
  localCodeVersion,
  relativePathSchema,
  toRelative,
} from "../remote/compatibility.ts";
import { unusedOf } from "../run/lineage.ts";
import { createRunContext, type RunContext } from "../run/run_context.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { withPaths } from "../run/run_report.ts";
import { printJson } from "../reporter.ts";
import { followParent } from "./child_process.ts";
import { parsePipeline } from "../config/parse_yaml.ts";
import { YamlFile } from "../config/yaml_file.ts";

const text = z.string(), values = z.record(text, z.unknown());
const ids = z.array(text).readonly().optional();

/** Cache key of a result without its code; inputs are named by the stages that make them. */
const needSchema = z.strictObject(cacheKeySchema.omit({ modules: true, packages: true }).shape);

const { seed, compute } = pipelineSchema.shape;

export const orderSchema = z.strictObject({
  /** Path of the YAML, relative to the project if inside; for messages only. */
  file: text,
  /** Identity and name of the pipeline. */
  identity: text,
  name: text.regex(/^[^\\/]+$/), // a file of earlier versions, which is removed
  /** Values that replace the YAML's. */
  overrides: values,
  seed,
  compute,
  /** Paths relative to the project; no packages or URLs. */
  plugins: z.array(
    relativePathSchema.refine((path) => !path.includes(":"), "expected a file of the project"),
  ),
  /** Id → configuration of the stage, with all defaults. */
  stages: z.record(text, values),
  /** Varied values: key → value. */
  point: values,
  selection: z.strictObject({ until: ids, from: ids, only: ids, force: ids }),
  /** Id → shared result. */
  given: z.record(
    text,
    z.strictObject({ use: text.regex(/^[\w-]+$/), fingerprint: text.regex(/^[0-9a-f]{64}$/) }),
  ),
  code: codeSchema,
  /** Id → expected cache key of each result that is not given. */
  needs: z.record(text, needSchema),
  /** Compute backend, if a stage uses one, with the reason for its choice. */
  backend: z.strictObject({ backend: text, why: text }).optional(),
});

export type RemoteRun = z.output<typeof orderSchema>;

/** Describes a run for another machine. @throws if plugins lie outside of the project */
export async function describeRemoteRun(
  planned: Plan,
  { point, selection, given }: Pick<RemoteRun, "point" | "given" | "selection">,
  context: RunContext,
): Promise<RemoteRun> {
  const { file, identity, name, seed, compute } = planned;
  const { needs, code } = await needsOf(planned, selection, given, context);
  const computes = Object.values(needs).some((need) => need.compute !== undefined);
  return {
    identity,
    name,
    seed,
    compute,
    point,
    selection,
    given,
    needs,
    code,
    file: displayPath(file, context.project),
    overrides: withoutSecrets(planned.overrides),
    plugins: pluginsOf(planned, context.project),
    stages: Object.fromEntries(
      planned.stages.map((stage) => {
        const { id, use, inputs, replaces, seed } = stage, unused = unusedOf(stage, planned);
        // They have their defaults there too, and a lineage separates them from those that are written.
        const counting = Object.entries(stage.params).filter(([name]) => !unused.includes(name));
        const params = Object.fromEntries(counting);
        // Secrets of a stage that does not run, such as a password for a download, are not needed.
        return [id, {
          ...(id in needs ? params : withoutSecrets(params)),
          use,
          inputs,
          replaces,
          seed,
        }];
      }),
    ),
    backend: computes ? await context.resolveCompute(compute) : undefined,
  };
}

/** Returns the plugins' paths relative to the project. @throws if one lies outside */
export function pluginsOf({ source }: Plan, project: string): string[] {
  const written = (source.values.plugins ?? []) as (string | { readonly use: string })[];
  return written.map((entry, i) => {
    const plugin = typeof entry === "string" ? entry : entry.use;
    const specifier = pluginSpecifier(plugin, source.folderOf(["plugins", i]));
    const path = specifier.startsWith("file:")
      ? toRelative(fromFileUrl(specifier), project)
      : undefined;
    if (path !== undefined) return path;
    throw new Error(
      `Cannot send runs to other machines with the plugin "${plugin}": it does not lie in the ` +
        "project, of which they have a copy, and code does not travel. Move it to plugins/, or " +
        "set executor: local.",
    );
  });
}

/** Compares the plugins with the run's before any is imported. @throws {IncompatibleWorkerError} */
export async function assertSamePlugins(order: RemoteRun, context: RunContext): Promise<void> {
  const { code } = order;
  const modules = await modulesOfPlugins(order.plugins, context);
  const theirs = Object.entries(code.modules).filter(([path]) => path in modules);
  assertSameCode(
    { ...code, modules: Object.fromEntries(theirs), packages: {} },
    localCodeVersion({ modules, packages: {} }),
  );
}

/** Hashes the modules of plugins, used or not: loading runs them. */
async function modulesOfPlugins(
  plugins: readonly string[],
  { project, moduleHasher, excludedFolders }: RunContext,
): Promise<CacheKey["modules"]> {
  const graphs = await Promise.all(
    plugins.map((path) => moduleHasher.graph(toFileUrl(join(project, path)), excludedFolders)),
  );
  return Object.assign({}, ...graphs.map((graph) => graph.modules));
}

/** Creates the plan of a run that another machine described. @throws {IncompatibleWorkerError} */
export async function planOf(
  order: RemoteRun,
  { project, stages, pluginApi }: Pick<App, "project" | "stages" | "pluginApi">,
  artifacts: string,
): Promise<Plan> {
  const { identity, name, overrides, seed, compute, stages: written } = order;
  const plugins = order.plugins.map((path) => join(project, path));
  const values = { seed, compute, plugins, stages: written, artifacts };
  const file = resolve(project, order.file); // may be missing
  try {
    const json = JSON.stringify(values);
    const text = new YamlFile(file, order.file, json, parsePipeline(json, order.file));
    const registry = new Registry().add(stages);
    const config = await readConfig([text], { project, cwd: project, registry, pluginApi });
    return createPlan({ ...config, identity, name, former: name, overrides });
  } catch (cause) {
    throw new IncompatibleWorkerError(
      `it cannot read the run's pipeline: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** @throws {IncompatibleWorkerError} if results would differ on this machine */
export async function assertSameResults(
  order: RemoteRun,
  planned: Plan,
  context: RunContext,
): Promise<void> {
  const { selection, given, code } = order;
  const resolveCompute = () => Promise.resolve(order.backend ?? { backend: "", why: "" });
  const local = await needsOf(planned, selection, given, { ...context, resolveCompute })
    .catch((cause) => {
      throw new IncompatibleWorkerError(`it lacks something: ${(cause as Error).message}`, {
        cause,
      });
    });
  assertSameCode(code, local.code);
  for (const id of new Set([...Object.keys(order.needs), ...Object.keys(local.needs)])) {
    const [theirs, ours] = [order.needs[id], local.needs[id]];
    if (canonicalJson(theirs ?? null) === canonicalJson(ours ?? null)) continue;
    const withCode = (need: RemoteRun["needs"][string]) => ({ ...need, modules: {}, packages: {} });
    const changes = theirs && ours ? explainChanges(id, withCode(theirs), withCode(ours)) : [];
    throw new IncompatibleWorkerError(
      `the result of ${id} would differ: ${changes.join(", ") || "its cache key has other inputs"}`,
    );
  }
}

/** Opens the shared results. @throws {IncompatibleWorkerError} if one is missing */
export async function openResults(
  given: RemoteRun["given"],
  store: ArtifactStore,
): Promise<Map<string, StageRecord>> {
  const records = new Map<string, StageRecord>();
  for (const [id, { use, fingerprint }] of Object.entries(given)) {
    const { record } = await store.find(use, fingerprint);
    if (!record) {
      const path = toRelative(store.pathOf(use, fingerprint), store.folder)!;
      throw IncompatibleWorkerError.otherFolder(store.folder, path);
    }
    records.set(id, record);
  }
  return records;
}

/** Collects the cache keys and the code of all results that are not given. */
async function needsOf(
  planned: Plan,
  selection: Selection,
  given: RemoteRun["given"],
  context: RunContext,
): Promise<Pick<RemoteRun, "needs" | "code">> {
  const needs: RemoteRun["needs"] = {};
  const modules = await modulesOfPlugins(pluginsOf(planned, context.project), context);
  const packages: CacheKey["packages"] = {};
  const needed = ancestors(planned, select(planned, selection));
  for (const stage of planned.stages) {
    if (!needed.has(stage.id) || stage.id in given) continue;
    const { modules: own, packages: ownPackages, ...rest } = await cacheKeyOf(
      stage,
      planned,
      context,
      ({ stage, output }) => `${output} of ${stage}`,
      (id) => given[id]?.fingerprint ?? id,
    );
    needs[stage.id] = JSON.parse(JSON.stringify(rest)); // as the other machine receives it
    Object.assign(modules, own);
    Object.assign(packages, ownPackages);
  }
  return { needs, code: localCodeVersion({ modules, packages }) };
}

/** First line of standard input; the worker has validated the order and where its plugins lie. */
export interface RemoteRunInit {
  readonly order: RemoteRun;
  /** The artifact folder on this machine. */
  readonly artifacts: string;
  /** Ms without a heartbeat after which another run's lock on a result is stale. */
  readonly patience: number;
}

/** Runs it, and prints its report or `{ refused }` with the reason. */
export async function runRemoteRun(call: CommandContext): Promise<number> {
  using parent = followParent();
  const { order, artifacts, patience }: RemoteRunInit = JSON.parse(await parent.order);
  const { project } = call;
  try {
    const context = await createRunContext(artifacts, call, parent.signal, `modules-${hostname()}`);
    await assertSamePlugins(order, context);
    const planned = await planOf(order, call, artifacts);
    await assertSameResults(order, planned, context);
    if (order.backend) await assertBackend(order.backend.backend, call);
    const { selection, point, backend = { backend: "", why: "" } } = order;
    const store = new ArtifactStore(artifacts, { patience });
    const own = { ...context, store, resolveCompute: () => Promise.resolve(backend) };
    const given = await openResults(order.given, store);
    const { report, id } = await runPlan(planned, selection, own, { point, given });
    // Relative to the artifact folder, which other machines have elsewhere.
    const shared = (path: string) => toRelative(resolve(project, path), artifacts) ?? path;
    printJson({ ...withPaths(report, shared), run: id });
    return report.ok ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof IncompatibleWorkerError)) throw error;
    printJson({ refused: error.message });
    return EXIT.failed;
  }
}
