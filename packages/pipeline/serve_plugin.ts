/** The program that runs a third-party plugin with few rights: see `sandbox.ts`. */
import { deserialize } from "node:v8";
import { z } from "zod";
import { serve } from "@reproducible/workers/worker_main";
import { usedExtensions } from "./config/extension.ts";
import { loadPlugin, type Plugin } from "./config/plugins.ts";
import { formatError, quote } from "./errors.ts";
import { stageContextOf } from "./run/stage_context.ts";
import { type LazyStage, Registry } from "./registry.ts";
import * as api from "./plugin_api.ts";
import { MAX_MESSAGE } from "./sandbox.ts";
import type { Artifact } from "./stage.ts";
import type { Call } from "./third_party.ts";

interface Opening {
  /** File URLs or packages; the first is the third-party plugin. */
  readonly plugins: readonly string[];
  readonly project: string;
}

/**
 * Serves the runner.
 * @param api argument of the plugin's function
 * @param builtIn stages that plugins' definitions take part in
 */
export async function servePlugin(api: object, builtIn: readonly LazyStage[] = []): Promise<never> {
  // They would keep data in Deno's own folder.
  for (const name of ["localStorage", "caches"]) {
    delete (globalThis as Record<string, unknown>)[name];
  }
  // Only the message and the stack reach the runner.
  const whole = (error: unknown) => {
    const message = error instanceof Error
      ? formatError(error)
      : `the plugin threw ${quote(error)}, which is no Error`;
    throw Object.assign(new Error(message), { stack: (error as Error)?.stack });
  };
  return await serve<Opening, Call, unknown>(async ({ plugins, project }, send) => {
    const registry = new Registry().add(builtIn);
    const load = async (specifier: string) => {
      const plugin = await loadPlugin(specifier, () => Promise.resolve(api));
      registry.add(plugin.stages).extend(plugin.extensions);
      return plugin;
    };
    const [own] = await Promise.all(plugins.map(load)).catch(whole) as [Plugin];
    const models = new Map<string, unknown>();
    const answerOf = async (call: Call, bytes: Uint8Array): Promise<unknown> => {
      if ("declare" in call) return await declarations(own);
      if ("stage" in call) return await answer(registry, project, call, send);
      const { kind, definition: name, method, of } = call;
      let target = own.extensions.find((one) => one.kind === kind && one.name === name)!
        .definition as unknown as Opens;
      if (of !== undefined) {
        const key = JSON.stringify([kind, name, of]);
        if (!models.has(key)) models.set(key, await target.open(target.params?.parse(of) ?? of));
        target = models.get(key) as Opens;
      }
      if (typeof target?.[method] !== "function") {
        throw new Error(`Cannot use the ${kind} "${name}": open() returned no ${method}().`);
      }
      return await target[method](...deserialize(bytes));
    };
    return (call, bytes) =>
      answerOf(call, bytes).then((answer) => ({ answer, from: nameOf(call) }), whole);
  }, MAX_MESSAGE);
}

/** Names the function of a plugin that a call is of. */
function nameOf(call: Call): string {
  if ("declare" in call) return "declarations";
  if ("method" in call) return `${call.method}() of the ${call.kind} "${call.definition}"`;
  const [method] = ["external", "check"].filter((one) => one in call);
  return `${method ?? "run"}() of the stage "${call.stage}"`;
}

/** A definition or its model, as far as it is called. */
type Opens = {
  readonly [method: string]: (...args: unknown[]) => unknown;
} & { readonly params?: z.ZodObject };

async function declarations({ stages, extensions }: Plugin): Promise<object> {
  const schema = (params: z.ZodObject) =>
    z.toJSONSchema(params, { io: "input", unrepresentable: "any" });
  const loaded = await Promise.all(stages.map(async ({ load }) => (await load()).default));
  return {
    stages: loaded.map((stage) => ({
      name: stage.name,
      summary: stage.summary,
      inputs: stage.inputs,
      outputs: stage.outputs,
      params: schema(stage.params),
      ignoreInCacheKey: stage.ignoreInCacheKey,
      seeded: stage.canBeSeeded,
      compute: stage.canCompute ?? false,
      lineage: stage.lineage,
      service: stage.service,
      external: stage.hasExternal ?? false,
      check: stage.check !== undefined,
    })),
    definitions: extensions.map(({ definition }) => ({
      ...definition,
      ...(definition.params && { params: schema(definition.params) }),
      isData: Object.getPrototypeOf(definition) === Object.prototype &&
        Object.values(definition).every((part) => typeof part !== "function"),
    })),
  };
}

async function answer(
  registry: Registry,
  project: string,
  call: Extract<Call, { stage: string }>,
  send: (event: unknown, from: string) => void,
): Promise<unknown> {
  const { stage } = await registry.get(call.stage);
  const params = stage.params.parse(call.params);
  if ("external" in call) return await stage.external(params, call.external);
  if ("check" in call) {
    return await stage.check?.(params, { ...call.check, inputs: {}, definitions: () => [] }) ?? [];
  }
  const { inputs, context: { id, outputs, scratch, ...declared } } = call.run;
  const used = usedExtensions(params, stage.params, registry.extensions);
  const stageOf = { use: stage.name, extensions: used, project };
  const context = stageContextOf(stageOf, declared, {
    id,
    outputs,
    scratch,
    earlierResults: () => Promise.resolve([]),
    signal: new AbortController().signal, // the runner ends the process
    progress: {
      start: (total, unit, done = 0) => send(["start", total, unit, done], "start()"),
      advance: (items = 1, note = "") => send(["advance", items, note], "advance()"),
    },
    info: (message) => send(["info", String(message)], "info()"), // without TypeScript it may be a number
    warn: (message) => send(["warn", String(message)], "warn()"),
  });
  return await stage.run(inputs as Record<string, Artifact>, params, context);
}

export { api };

if (import.meta.main) await servePlugin(api);
