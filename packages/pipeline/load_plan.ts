/** From the words of a command to the plan of its pipeline. */
import { join, resolve } from "node:path";
import type { CommandContext } from "./app.ts";
import { type ConfigOptions, readConfig } from "./config/config.ts";
import { refuseTwice, shortPath } from "./config/config_source.ts";
import type { Override } from "./config/override.ts";
import { mapAll, UsageError } from "./errors.ts";
import { findPipeline, identityNamed } from "./find_pipeline.ts";
import { findByIdPrefix, nameOf } from "./find_runs.ts";
import { History, type RunRecord } from "./history.ts";
import { argument, shellQuote } from "./pipeline_identity.ts";
import { createPlan, type Plan } from "./plan.ts";
import { Registry } from "./registry.ts";
import { hiddenIn } from "./secrets.ts";

/** The YAML that a command names, and how to read it. */
export async function configOptions(
  { names, values, cwd, project, stages, pluginApi }: Pick<
    CommandContext,
    "names" | "values" | "cwd" | "project" | "stages" | "pluginApi"
  >,
): Promise<{ file: string; options: ConfigOptions }> {
  const overrides: Override[] = [];
  if (values.set || values.seed !== undefined) {
    // Brings the parser of YAML, which an unchanged pipeline does without.
    const { parseOverride } = await import("./config/override.ts");
    overrides.push(...mapAll(values.set ?? [], parseOverride));
    if (values.seed !== undefined) {
      const at = { text: `--seed ${values.seed}` };
      overrides.push({ ...parseOverride(`seed=${values.seed}`), at });
    }
    refuseTwice(overrides.map(({ path, at }) => ({ key: path.join("."), at })));
  }
  const file = await findPipeline(names[0]!, { cwd, project });
  const registry = new Registry().add(stages);
  return { file, options: { project, cwd, registry, overrides, pluginApi } };
}

/** @param more values beside those of `--set` and `--seed` */
export async function loadPlan(
  call: Parameters<typeof configOptions>[0],
  more: readonly Override[] = [],
): Promise<Plan> {
  const { file, options } = await configOptions(call);
  const overrides = [...options.overrides ?? [], ...more];
  return createPlan(await readConfig(file, { ...options, overrides }));
}

/** Returns values in place of a YAML's. @param origin names their place in messages */
export function overridesOf(values: Readonly<Record<string, unknown>>, origin: string): Override[] {
  const at = { text: origin };
  return Object.entries(values).map(([key, value]) => ({ path: key.split("."), value, at }));
}

/**
 * Returns a call with a run's id replaced by its pipeline and the values that the run was given, which
 * those of the command line come after. Any other call is returned as it is.
 * @throws {UsageError} if something of the values is not recorded
 */
export async function resolveRunId(call: CommandContext): Promise<CommandContext> {
  const { names: [name = ""], values, project } = call;
  // A shorter word is rather a name that was mistyped.
  if (!/^[0-9a-f]{4,8}$/.test(name)) return call;
  if (await identityNamed(name, call) !== undefined) return call;
  const run = findByIdPrefix(name, await new History(join(project, "artifacts")).list());
  if (!run) return call;
  const keyOf = (text: string) =>
    shortPath(text.split("=")[0]!.replace(/\s/g, "").split(".")).join(".");
  const { set: typed = [], sweep = [], seed } = values;
  const keys = [...typed, ...sweep, ...seed === undefined ? [] : ["seed"]].map(keyOf);
  const given = Object.entries(run.overrides ?? run.point ?? {})
    .filter(([key]) => !keys.includes(keyOf(key)));
  const [hidden] = hiddenIn(Object.fromEntries(given));
  if (hidden !== undefined) {
    throw new UsageError(
      `run ${run.id} was given a ${hidden} of which a part is recorded nowhere (***). ` +
        `Give it again: --set '${hidden}=URL'.`,
    );
  }
  const set = given.map(([key, value]) => `${key}=${argument(value)}`);
  const code = given.findIndex(([key]) => /^plugins(\.|$)/.test(keyOf(key)));
  if (code >= 0) {
    throw new UsageError(
      `run ${run.id} was given plugins, which are code, and a pulled record is someone else's. ` +
        `Give them again: --set ${shellQuote(set[code]!)}.`,
    );
  }
  assertOwnPipeline(run, project);
  const file = run.file && resolve(project, run.file);
  if (file && await identityNamed(file, call) === undefined) {
    throw new UsageError(
      `run ${run.id} is of "${nameOf(run)}", whose YAML is not there: there is no "${file}". ` +
        "A pull brings none; get it from where the run was made.",
    );
  }
  const names = [file ?? run.pipeline];
  return { ...call, names, values: { ...values, set: [...set, ...typed] } };
}

/** @throws {UsageError} if a run names a file outside of the project: a pull can bring any record */
export function assertOwnPipeline({ id, file = "" }: RunRecord, project: string): void {
  const path = resolve(project, file);
  if (join(path, "/").startsWith(join(project, "/"))) return;
  throw new UsageError(
    `run ${id} is of "${path}", which lies outside of the project, and a pulled record is someone ` +
      "else's. Name that file in place of the run.",
  );
}
