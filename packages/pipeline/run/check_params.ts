/** Checks of parameters that need more than their schemas: files, models, earlier stages. */
import type { z } from "zod";
import { ConfigError, type Problem, problemsOf } from "../errors.ts";
import type { Plan } from "../plan.ts";
import type { InputStage, ParamProblem } from "../stage.ts";
import type { RunContext } from "./run_context.ts";
import { definitionsOf } from "./stage_context.ts";

/**
 * Checks backend and parameters of stages that are to run against what exists and the stages before.
 * @throws {ConfigError} with all errors, each at its place
 */
export async function checkParams(
  plans: readonly Plan[],
  selected: ReadonlySet<string>,
  { resolveCompute }: Pick<RunContext, "resolveCompute">,
): Promise<void> {
  const problems: Problem[] = [];
  /** Backend → why it cannot be used, if so. */
  const resolved = new Map<string, Promise<ParamProblem[]>>();
  for (const { stages, source, artifacts, compute } of plans) {
    const before = new Map<string, InputStage>();
    for (const { definition, wires, extensions, ...configured } of stages) {
      const { id, params } = configured;
      const inputs = Object.fromEntries(
        Object.entries(wires).map(([name, from]) => [
          name,
          [from].flat().map(({ stage }) => before.get(stage)!),
        ]),
      );
      before.set(id, { ...configured, inputs });
      if (!selected.has(id)) continue;
      const context = { artifacts, inputs, definitions: definitionsOf(extensions) };
      const found: ParamProblem[] = [];
      const check = async () => found.push(...await definition.check?.(params, context) ?? []);
      found.push(...await problemsOf([[[], check]], "Cannot check it: "));
      if (definition.compute(params)) {
        const resolve = () => problemsOf([[[], () => resolveCompute(compute)]]);
        for (const { message } of await resolved.getOrInsertComputed(compute, resolve)) {
          problems.push({ at: source.at(["compute"]), message: `compute: ${message}` });
        }
      }
      for (const { path = [], message } of found) {
        const [key] = path, field = definition.params.shape[String(key)] as z.ZodType | undefined;
        const hint = field?.isOptional() ? source.leavingOut(["stages", id, key!]) : "";
        const place = [id, ...path], at = source.at(["stages", ...place]);
        problems.push({ at, message: `${place.join(".")}: ${message}${hint}` });
      }
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
