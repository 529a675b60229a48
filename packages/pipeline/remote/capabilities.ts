/** What this machine can do: which stages' parts, with what code, on what backends. */
import { hostname } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "../fingerprint.ts";
import { DenoLock } from "../cache/deno_lock.ts";
import { ImportMap } from "../cache/import_map.ts";
import { ModuleHasher } from "../cache/module_graph.ts";
import { fromFileUrl, readTextIfExists } from "../paths.ts";
import type { App } from "../app.ts";
import type { Compute } from "../config/config.ts";
import { type CodeVersion, localCodeVersion } from "./compatibility.ts";
import type { WorkerOptions } from "./worker.ts";

/** @param artifacts where what was learnt of the modules is kept */
export async function localCapabilities(
  { project, stages, resolveCompute, denoArgs }: Pick<
    App,
    "project" | "stages" | "resolveCompute" | "denoArgs"
  >,
  artifacts: string,
): Promise<Pick<WorkerOptions, "stage" | "demand" | "project" | "denoArgs">> {
  const imports = await ImportMap.read(project);
  const locked = new DenoLock(await readTextIfExists(join(project, "deno.lock")));
  const cache = join(artifacts, ".cache", `modules-${hostname()}.json`);
  const known = new Map<string, CodeVersion>();
  const runner = [fromFileUrl(new URL("../", import.meta.url))];
  return {
    project,
    denoArgs,
    async stage(use) {
      const source = stages.find(({ name }) => name === use);
      const part = source && (await source.load()).default.part;
      if (!part) return undefined;
      // Looked at for each part: this process keeps the code that it began with, and the processes
      // that it starts load what lies there now.
      const code = await learn(source.module);
      if (!known.has(use)) known.set(use, code);
      return { part, code, changed: canonicalJson(code) !== canonicalJson(known.get(use)) };
    },
    demand: async (backend) => void await resolveCompute(backend as Compute),
  };

  async function learn(module: string): Promise<CodeVersion> {
    const modules = new ModuleHasher(project, cache, imports);
    const graph = await modules.graph(module, runner);
    await modules.close();
    const packages = locked.versions(graph.packages);
    return localCodeVersion({ modules: graph.modules, packages });
  }
}
