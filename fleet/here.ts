/** What this machine can do: which stages' parts, with what code, on what backends. */
import { hostname } from "node:os";
import { join } from "node:path";
import { canonical } from "../runner/fingerprint.ts";
import { Locked } from "../runner/lockfile.ts";
import { Modules } from "../runner/modules.ts";
import { fromFileUrl, readTextIfThere } from "../runner/paths.ts";
import type { Program } from "../runner/program.ts";
import type { Compute } from "../runner/config.ts";
import { type Code, codeHere } from "../runner/travel.ts";
import type { WorkerOptions } from "./worker.ts";

/** @param artifacts where what was learnt of the modules is kept */
export async function openHere(
  { project, stages, resolveCompute, self }: Pick<
    Program,
    "project" | "stages" | "resolveCompute" | "self"
  >,
  artifacts: string,
): Promise<Pick<WorkerOptions, "stage" | "demand" | "project" | "self">> {
  const { imports = {} } = JSON.parse(await Deno.readTextFile(join(project, "deno.json")));
  const locked = new Locked(await readTextIfThere(join(project, "deno.lock")));
  const cache = join(artifacts, ".cache", `modules-${hostname()}.json`);
  const known = new Map<string, Code>();
  const runner = [fromFileUrl(new URL("../runner/", import.meta.url))];
  return {
    project,
    self,
    async stage(use) {
      const source = stages.find(({ name }) => name === use);
      const part = source && (await source.load()).default.part;
      if (!part) return undefined;
      // Looked at for each part: this process keeps the code that it began with, and the processes
      // that it starts load what lies there now.
      const code = await learn(source.module);
      if (!known.has(use)) known.set(use, code);
      return { part, code, changed: canonical(code) !== canonical(known.get(use)) };
    },
    demand: async (backend) => void await resolveCompute(backend as Compute),
  };

  async function learn(module: string): Promise<Code> {
    const modules = new Modules(project, cache, imports);
    const graph = await modules.graph(module, runner);
    await modules.close();
    const packages = locked.versions(graph.packages.map((name) => imports[name] ?? name));
    return codeHere({ modules: graph.modules, packages });
  }
}
