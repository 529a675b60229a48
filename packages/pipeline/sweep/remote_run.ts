/**
 * A run of a sweep as it travels to another machine: values alone, which are validated where they
 * arrive as if somebody had written them. What all runs share is made before, and named by its
 * fingerprint; of what is left, it says what each result depends on, so that a machine on which
 * something else would come out is noticed.
 */
import { join, resolve } from "node:path";
import { z } from "zod";
import { pipelineSchema, pluginSpecifier, readConfig } from "../config/config.ts";
import { cacheKeyInputsOf } from "../cache/cache_key.ts";
import { type CacheKeyInputs, cacheKeySchema, canonicalJson, explainChanges, fingerprint, type Stored } from "../fingerprint.ts";
import { ancestors, createPlan, type Plan } from "../plan.ts";
import { displayPath, fromFileUrl, invocationDir, toFileUrl } from "../paths.ts";
import type { StageRecord } from "../stage_record.ts";
import { type LazyStage, Registry } from "../registry.ts";
import { withoutSecrets } from "../secrets.ts";
import { select, type Selection } from "../run/selection.ts";
import type { ArtifactStore, Used } from "../artifact_store.ts";
import {
  assertSameCode,
  codeSchema,
  IncompatibleWorkerError,
  localCodeVersion,
  relativePathSchema,
  toRelative,
} from "../remote/compatibility.ts";
import type { ResolvedBackend, RunContext } from "../run/run_context.ts";
import { YamlFile } from "../config/yaml_file.ts";

const values = z.record(z.string(), z.unknown());

/** The cache key of a result but for the code; an input is named by the stage that makes it. */
const needSchema = cacheKeySchema.omit({ modules: true, packages: true }).strict();

type Need = Stored<typeof needSchema>;

const { seed, compute } = pipelineSchema.shape;

export const orderSchema = z.strictObject({
  /** Path of the YAML, from the project where it lies in it: it is told, and not read. */
  file: z.string(),
  /** Which pipeline it is, and how it is called. */
  identity: z.string(),
  name: z.string(),
  /** What was given in place of the YAML's values. */
  overrides: values,
  seed,
  compute,
  /** Paths from the project; no package, and nothing that is fetched. */
  plugins: z.array(
    relativePathSchema.refine((path) => !path.includes(":"), "expected a file of the project"),
  ),
  /** Id → what a YAML would say of it, everything written out. */
  stages: z.record(z.string(), values),
  /** What the sweep varies: key → value. */
  point: values,
  selection: z.strictObject({
    until: z.array(z.string()).optional(),
    from: z.string().optional(),
    only: z.string().optional(),
    force: z.array(z.string()).optional(),
  }),
  /** Id → a result that is there. */
  given: z.record(
    z.string(),
    z.strictObject({
      use: z.string().regex(/^[\w-]+$/),
      fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  code: codeSchema,
  /** Id → what its result depends on, of those that are not given. */
  needs: z.record(z.string(), needSchema),
  /** What computes, if something of it does, and why. */
  backend: z.strictObject({ backend: z.string(), why: z.string() }).optional(),
});

export type RemoteRun = z.output<typeof orderSchema>;

/** What a plan is looked at with. */
type Tools = Pick<
  RunContext,
  "project" | "moduleHasher" | "denoLock" | "excludedFolders" | "resolveCompute"
>;

/** Writes down a run of a sweep. Throws when something of it cannot travel. */
export async function describeRemoteRun(
  planned: Plan,
  { point, selection, given }: Pick<RemoteRun, "point" | "given"> & { selection: Selection },
  tools: Tools,
): Promise<RemoteRun> {
  let backend: ResolvedBackend | undefined;
  const resolveCompute: Tools["resolveCompute"] = async (wanted) =>
    backend ??= await tools.resolveCompute(wanted);
  const { needs, code } = await needsOf(planned, selection, given, { ...tools, resolveCompute });
  const { file, identity, name, seed, compute } = planned;
  const { until, from, only, force } = selection;
  return {
    ...{
      file: displayPath(file, tools.project),
      identity,
      name,
      seed,
      compute,
      point,
      given,
      needs,
      code,
    },
    overrides: withoutSecrets(planned.overrides),
    plugins: pluginsOf(planned, tools.project),
    stages: Object.fromEntries(
      planned.stages.map(({ id, use, params, inputs, seed }) => [
        id,
        // What is there is not made: nobody has to know how to reach what it was made of.
        {
          ...(id in given ? withoutSecrets(params) : params),
          ...{ use, inputs, ...(seed === undefined ? {} : { seed }) },
        },
      ]),
    ),
    selection: { until: until && [...until], from, only, force: force && [...force] },
    ...(backend && { backend }),
  };
}

/** Paths of the plugins from the project. Throws when one of them lies elsewhere. */
export function pluginsOf({ source }: Plan, project: string): string[] {
  const written = (source.values.plugins ?? []) as string[];
  return written.map((plugin, i) => {
    const specifier = pluginSpecifier(plugin, source.folderOf(["plugins", i]) ?? invocationDir());
    const path = specifier.startsWith("file:")
      ? toRelative(fromFileUrl(specifier), project)
      : undefined;
    if (path !== undefined) return path;
    throw new Error(
      `Cannot send runs to other machines with the plugin "${plugin}": it does not lie in the ` +
        "project, of which they have a copy, and code does not travel. Move it to plugins/, or " +
        "take executor: local.",
    );
  });
}

/** Results that are there of stages that are the same in all runs, and of what they need. */
export async function finishedResults(
  planned: Plan,
  ids: readonly string[],
  tools: Tools & { readonly store: ArtifactStore },
): Promise<Used> {
  const found = new Map<string, StageRecord>();
  for (const stage of planned.stages.filter(({ id }) => ids.includes(id))) {
    if (!stage.after.every((id) => found.has(id))) continue;
    const dependencies = await cacheKeyInputsOf(stage, planned, tools, {
      digest: ({ stage, output }) => found.get(stage)!.outputs[output]!.digest,
      fingerprintOf: (id) => found.get(id)!.fingerprint,
      backend: () => tools.resolveCompute(planned.compute),
    });
    const { record } = await tools.store.find(stage.use, fingerprint(dependencies));
    if (record) found.set(stage.id, record);
  }
  return Object.fromEntries(
    [...found].map(([id, { fingerprint, dependencies: { use } }]) => [id, { use, fingerprint }]),
  );
}

/**
 * Checks before any plugin is imported that all are as they are where the run was written down.
 * @throws {IncompatibleWorkerError}
 */
export async function demandSamePlugins(order: RemoteRun, tools: Tools): Promise<void> {
  const { modules } = await codeOfPlugins(order.plugins, tools);
  const theirs = Object.keys(modules).filter((path) => path in order.code.modules)
    .map((path) => [path, order.code.modules[path]!]);
  assertSameCode(
    { ...order.code, modules: Object.fromEntries(theirs), packages: {} },
    localCodeVersion({ modules, packages: {} }),
  );
}

/** Modules of plugins, whether or not a stage of theirs is used: loading them runs them. */
async function codeOfPlugins(
  plugins: readonly string[],
  { project, moduleHasher, excludedFolders }: Tools,
): Promise<Pick<CacheKeyInputs, "modules">> {
  const graphs = await Promise.all(
    plugins.map((path) => moduleHasher.graph(toFileUrl(join(project, path)), excludedFolders)),
  );
  return { modules: Object.assign({}, ...graphs.map((graph) => graph.modules)) };
}

/** Opens on this machine what was written down on another. @throws {IncompatibleWorkerError} */
export async function planOf(
  order: RemoteRun,
  { project, stages, artifacts }: {
    readonly project: string;
    readonly stages: readonly LazyStage[];
    readonly artifacts: string;
  },
): Promise<Plan> {
  const { identity, name, overrides, seed, compute, stages: written } = order;
  const plugins = order.plugins.map((path) => join(project, path));
  const values = { seed, compute, plugins, stages: written, artifacts };
  const file = resolve(project, order.file); // it need not be there
  try {
    const text = new YamlFile(file, order.file, JSON.stringify(values));
    const registry = new Registry().add(stages);
    const config = await readConfig(text, { project, cwd: project, registry });
    return createPlan({ ...config, identity, name, former: name, overrides });
  } catch (cause) {
    throw new IncompatibleWorkerError(
      `it cannot read the run's pipeline: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Whether the same comes out on this machine.
 * @throws {IncompatibleWorkerError} if not, saying why
 */
export async function assertSameResults(
  order: RemoteRun,
  planned: Plan,
  tools: Tools,
): Promise<void> {
  const { selection, given, code } = order;
  const resolveCompute = () => Promise.resolve(order.backend ?? { backend: "", why: "" });
  const here = await needsOf(planned, selection, given, { ...tools, resolveCompute })
    .catch((cause) => {
      throw new IncompatibleWorkerError(`it lacks something: ${(cause as Error).message}`, {
        cause,
      });
    });
  assertSameCode(code, here.code);
  const other = new Set([...Object.keys(order.needs), ...Object.keys(here.needs)]);
  for (const id of other) {
    const [theirs, ours] = [order.needs[id], here.needs[id]];
    if (canonicalJson(theirs ?? null) === canonicalJson(ours ?? null)) continue;
    const told = theirs && ours ? explainChanges(id, counted(theirs), counted(ours)) : [];
    throw new IncompatibleWorkerError(
      `${id} would come out otherwise: ${told.join(", ") || "it does not depend on the same"}`,
    );
  }
}

/** Given results, opened. @throws {IncompatibleWorkerError} if one is not there */
export async function open(
  given: RemoteRun["given"],
  store: ArtifactStore,
): Promise<Map<string, StageRecord>> {
  const records = new Map<string, StageRecord>();
  for (const [id, { use, fingerprint }] of Object.entries(given)) {
    const { record } = await store.find(use, fingerprint);
    if (!record) {
      const place = toRelative(store.pathOf(use, fingerprint), store.folder);
      throw new IncompatibleWorkerError(
        `its artifact folder "${store.folder}" has no "${place}": it is not the run's. Name that ` +
          "with --artifacts",
      );
    }
    records.set(id, record);
  }
  return records;
}

/** What the results of a run depend on that are not given. */
async function needsOf(
  planned: Plan,
  selection: Selection,
  given: RemoteRun["given"],
  tools: Tools,
): Promise<Pick<RemoteRun, "needs" | "code">> {
  const needs: Record<string, Need> = {};
  const plugins = await codeOfPlugins(pluginsOf(planned, tools.project), tools);
  const all: Pick<CacheKeyInputs, "modules" | "packages"> = { ...plugins, packages: {} };
  const selected = select(planned, selection);
  const needed = new Set([...selected].flatMap((id) => [...ancestors(planned, id)]));
  for (const stage of planned.stages) {
    if (!needed.has(stage.id) || stage.id in given) continue;
    const { modules, packages, ...rest } = await cacheKeyInputsOf(stage, planned, tools, {
      digest: ({ stage, output }) => `${output} of ${stage}`,
      fingerprintOf: (id) => given[id]?.fingerprint ?? id,
      backend: () => tools.resolveCompute(planned.compute),
    });
    needs[stage.id] = JSON.parse(JSON.stringify(rest)); // as it travels
    Object.assign(all.modules, modules);
    Object.assign(all.packages, packages);
  }
  return { needs, code: localCodeVersion(all) };
}

function counted(need: Need): CacheKeyInputs {
  return { ...need, modules: {}, packages: {} };
}
