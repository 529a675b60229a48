/** Lineage of a stage's inputs: the stages that produced them, and their records. */
import { arch, cpus, totalmem, type } from "node:os";
import { isAbsolute } from "node:path";
import { ancestors, type Plan, type PlannedStage } from "../plan.ts";
import type { Begun } from "../history.ts";
import { commandOf } from "../pipeline_identity.ts";
import { mapPaths } from "../config/stage_config.ts";
import { displayPath, fromFileUrl } from "../paths.ts";
import type { StageRecord } from "../stage_record.ts";
import { hiddenIn, withoutSecrets } from "../secrets.ts";
import type { Lineage, Machine, StageProvenance } from "../stage.ts";

/** Returns the lineage of a stage's inputs. All stages before it have a record. */
export function lineageOf(
  plan: Plan,
  id: string,
  records: ReadonlyMap<string, StageRecord>,
  project: string,
  begun?: Begun,
): Lineage {
  const own = plan.stages.find((stage) => stage.id === id)!, before = ancestors(plan, own.after);
  const stages = plan.stages.filter((stage) => before.has(stage.id));
  const plugins = pluginsOf([...stages, own], project);
  const hidden = hiddenIn(withoutSecrets(
    Object.fromEntries(stages.map(({ id, params }) => [id, params])),
  ));
  return {
    pipeline: plan.name,
    file: displayPath(plan.file, project),
    seed: plan.seed,
    compute: plan.compute,
    command: commandOf(plan.identity, withoutSecrets(plan.overrides)),
    hidden: hidden.length > 0 ? hidden : undefined,
    run: begun && { id: begun.id, startedAt: begun.startedAt },
    inputs: own.inputs,
    rights: own.rights,
    plugins: plugins.length > 0 ? plugins : undefined,
    stages: stages.map((stage): StageProvenance => {
      const { id, use, module, params, inputs, replaces, after, seed } = stage;
      const record = records.get(id)!;
      const { fingerprint, startedAt, seconds, deno, platform, machine, rights, caution } = record;
      const { dependencies: { compute, packages }, observed = {} } = record;
      return {
        id,
        use,
        // Folders of this machine are of no use on another.
        params: withoutSecrets(mapPaths(
          params,
          stage.definition.params,
          (path) => isAbsolute(path) ? displayPath(path, project) : path,
        )) as StageProvenance["params"],
        unused: unusedOf(stage, plan),
        inputs,
        after,
        fingerprint,
        startedAt,
        seconds,
        deno,
        platform,
        module: moduleName(module, project),
        replaces,
        seed,
        compute,
        packages,
        machine,
        rights,
        observed: withoutSecrets(observed),
        caution,
      };
    }),
  };
}

/** Returns the parameters that have no effect by `refuseUnused`, but for those that the YAML gives. */
export function unusedOf(
  { id, params, definition }: PlannedStage,
  { source }: Pick<Plan, "source">,
): string[] {
  const { unused } = (definition.params.meta() ?? {}) as { unused?(given: unknown): object };
  const written: object = Object(Object(source.values.stages)[id]);
  return Object.keys(unused?.(params) ?? {}).filter((name) => !Object.hasOwn(written, name));
}

/** Returns `plugins:` of the plugins that take part in stages, with paths from the project. */
function pluginsOf(stages: readonly PlannedStage[], project: string): Lineage["plugins"] & object {
  const used = stages.flatMap((one) => [...one.plugin ? [one] : [], ...one.extensions]);
  const lines = used.map(({ module, rights: allow = [] }) => {
    const seen = moduleName(module, project);
    const inside = module.startsWith("file:") && !/^\./.test(seen) && !isAbsolute(seen);
    const use = inside ? `./${seen}` : seen;
    return [module, allow.length > 0 ? { use, allow } : use] as const;
  });
  return [...new Map(lines).values()];
}

/** Returns a module's path from the project, or its package. */
export function moduleName(module: string, project: string): string {
  return module.startsWith("file:") ? displayPath(fromFileUrl(module), project) : module;
}

export function describeMachine(): Machine {
  const cores = cpus();
  const processor = cores[0]?.model ?? arch();
  return { processor, cores: cores.length, memory: totalmem(), system: type() };
}
