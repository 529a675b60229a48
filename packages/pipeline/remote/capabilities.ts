/** Capabilities of this machine: the stages whose shards it runs, their code, its backends. */
import { hostname } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "../fingerprint.ts";
import { DenoLock } from "../cache/deno_lock.ts";
import { ImportMap } from "../cache/import_map.ts";
import { ModuleHasher } from "../cache/module_graph.ts";
import { fromFileUrl, readTextIfExists } from "../paths.ts";
import type { App } from "../app.ts";
import { type Compute, projectCache } from "../config/config.ts";
import { type CodeVersion, localCodeVersion } from "./compatibility.ts";
import type { WorkerOptions } from "./worker.ts";

export async function localCapabilities(
  { project, stages, resolveCompute, denoArgs }: Pick<
    App,
    "project" | "stages" | "resolveCompute" | "denoArgs"
  >,
): Promise<Pick<WorkerOptions, "stage" | "requireBackend" | "project" | "denoArgs">> {
  const imports = await ImportMap.read(project);
  const locked = new DenoLock(await readTextIfExists(join(project, "deno.lock")));
  const cache = join(projectCache(project), `modules-${hostname()}.json`);
  const known = new Map<string, CodeVersion>();
  const runner = [fromFileUrl(new URL("../", import.meta.url))];
  return {
    project,
    denoArgs,
    async stage(use) {
      const source = stages.find(({ name }) => name === use);
      const part = source && (await source.load()).default.part;
      if (!part) return undefined;
      // Hashed for each shard: this process keeps the code that it loaded, but the processes that it
      // starts load the current one.
      const hasher = new ModuleHasher(project, cache, imports);
      const { modules, packages } = await hasher.graph(source.module, runner);
      await hasher.close();
      const code = localCodeVersion({ modules, packages: locked.versions(packages) });
      if (!known.has(use)) known.set(use, code);
      return { part, code, changed: canonicalJson(code) !== canonicalJson(known.get(use)) };
    },
    requireBackend: async (backend) => void await resolveCompute(backend as Compute),
  };
}
