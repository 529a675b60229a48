/** From a command's words to a plan, and to all that running it takes. */
import { join } from "node:path";
import { type ConfigOptions, readConfig } from "./config.ts";
import { findPipeline } from "./find.ts";
import { type Plan, plan } from "./graph.ts";
import { Locked } from "./lockfile.ts";
import { Modules } from "./modules.ts";
import { parseOverride } from "./override.ts";
import { fromFileUrl, readTextIfThere, userFolder } from "./paths.ts";
import type { Call } from "./program.ts";
import { Registry } from "./registry.ts";
import { Store } from "./store.ts";
import type { Workshop } from "./workshop.ts";

/** The YAML that a command names, and how to read it. */
export async function optionsOf(
  { names, values, program: { project, stages } }: Pick<Call, "names" | "values" | "program">,
): Promise<{ file: string; options: ConfigOptions }> {
  const overrides = (values.set ?? []).map(parseOverride);
  if (values.seed !== undefined) {
    const at = { text: `--seed ${values.seed}` };
    overrides.push({ ...parseOverride(`seed=${values.seed}`), at });
  }
  const user = userFolder();
  const file = await findPipeline(names[0]!, user, project);
  return { file, options: { project, user, registry: new Registry().add(stages), overrides } };
}

export async function planOf(call: Pick<Call, "names" | "values" | "program">): Promise<Plan> {
  const { file, options } = await optionsOf(call);
  return plan(await readConfig(file, options));
}

/**
 * All that running takes.
 * @param cache name of what is kept of the modules; machines that share a folder have one each
 */
export async function openWorkshop(
  artifacts: string,
  { program: { project, resolveCompute, openFleet, checkFile }, reporter }: Pick<
    Call,
    "program" | "reporter"
  >,
  signal: AbortSignal,
  cache = "modules",
): Promise<Workshop> {
  const { imports = {} } = JSON.parse(await Deno.readTextFile(join(project, "deno.json")));
  return {
    project,
    store: new Store(artifacts),
    modules: new Modules(project, join(artifacts, ".cache", `${cache}.json`), imports),
    locked: new Locked(await readTextIfThere(join(project, "deno.lock"))),
    uncounted: [fromFileUrl(new URL(".", import.meta.url))],
    resolveCompute,
    openFleet,
    checkFile,
    reporter,
    signal,
  };
}
