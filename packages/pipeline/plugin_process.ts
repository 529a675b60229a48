/** The program that runs a third-party plugin with few rights: see `sandbox.ts`. */
import { z } from "zod";
import { serve } from "@reproducible/workers/worker_main";
import { loadPlugin } from "./config/plugins.ts";
import { formatError } from "./errors.ts";
import type { Artifact, ParamProblem, Stage, StageContext } from "./stage.ts";
import type { Call } from "./third_party.ts";

/** Serves the runner. @param api argument of the plugin's function */
export async function servePlugin(api: object): Promise<never> {
  // They would keep data in Deno's own folder.
  for (const name of ["localStorage", "caches"]) {
    delete (globalThis as Record<string, unknown>)[name];
  }
  const explained = (error: unknown) => {
    const { stack } = error as Error;
    return Object.assign(new Error(formatError(error)), { stack });
  };
  return await serve<{ specifier: string }, Call, unknown>(async ({ specifier }, send) => {
    const load = () => loadPlugin(specifier, () => Promise.resolve(api));
    const { stages: lazy, extensions } = await load().catch((error) => {
      throw explained(error);
    });
    const stages = await Promise.all(lazy.map(async (one) => (await one.load()).default));
    return async (call) => {
      if ("declare" in call) return { answer: declarations(stages, extensions) };
      try {
        return {
          answer: await answer(stages.find(({ name }) => name === call.stage)!, call, send),
        };
      } catch (error) {
        throw explained(error);
      }
    };
  });
}

function declarations(
  stages: readonly Stage[],
  extensions: Awaited<ReturnType<typeof loadPlugin>>["extensions"],
): object {
  const schema = (params: z.ZodObject) =>
    z.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as Record<string, unknown>;
  return {
    stages: stages.map((stage) => ({
      ...{ name: stage.name, summary: stage.summary, inputs: stage.inputs, outputs: stage.outputs },
      ...{ params: schema(stage.params), ignoreInCacheKey: stage.ignoreInCacheKey },
      ...{ seeded: stage.canBeSeeded, compute: stage.canCompute ?? false },
      ...{ lineage: stage.lineage, service: stage.service },
      ...{ external: stage.hasExternal ?? false, check: stage.check !== undefined },
    })),
    definitions: extensions.map(({ definition }) => ({
      ...definition!,
      ...(definition!.params && { params: schema(definition!.params) }),
    })),
  };
}

async function answer(
  stage: Stage,
  call: Exclude<Call, { declare: true }>,
  send: (event: unknown) => void,
): Promise<unknown> {
  const params = stage.params.parse(call.params);
  if ("external" in call) return await stage.external(params, call.external);
  if ("check" in call) {
    const found: readonly ParamProblem[] = await stage.check?.(params, call.check) ?? [];
    return found;
  }
  const { inputs, context: { id, outputs, scratch, ...declared } } = call.run;
  const undeclared = (name: string, flag: string) => {
    throw new Error(
      `Stage "${stage.name}" reads context.${name} without declaring it: add ${flag}: true to its ` +
        "definition.",
    );
  };
  const context: StageContext = {
    ...{ id, outputs, scratch },
    get seed() {
      return declared.seed ?? undeclared("seed", "seeded");
    },
    get compute() {
      return declared.compute ?? undeclared("compute", "compute");
    },
    get lineage() {
      return declared.lineage ?? undeclared("lineage", "lineage");
    },
    extension: () => undefined,
    definitions: () => [],
    earlierResults: () => Promise.resolve([]),
    signal: new AbortController().signal, // the runner ends the process
    progress: {
      start: (total, unit, done = 0) => send(["start", total, unit, done]),
      advance: (items = 1, note = "") => send(["advance", items, note]),
    },
    info: (message) => send(["info", message]),
    warn: (message) => send(["warn", message]),
  };
  return await stage.run(inputs as Record<string, Artifact>, params, context);
}
