/**
 * Runs the runs of a sweep on this machine, each as a process. It takes the pipeline as the sweep read
 * it: the YAML may be edited meanwhile.
 */
import { addAbortListener } from "node:events";
import type { CommandContext } from "../app.ts";
import { runOne } from "../cli/run_command.ts";
import { readConfig } from "../config/config.ts";
import { parsePipeline } from "../config/parse_yaml.ts";
import { YamlFile } from "../config/yaml_file.ts";
import { createPlan, type Selection } from "../plan.ts";
import { Registry } from "../registry.ts";
import type { RunContext } from "../run/run_context.ts";
import type { SweepProgress } from "./sweep_progress.ts";
import {
  type ChildReport,
  crashReport,
  failedReport,
  followParent,
  startChild,
} from "./child_process.ts";
import type { SweepPoint } from "./sweep_points.ts";
import type { SweepOptions } from "./run_sweep.ts";

/** A run of a sweep, for its process. */
interface LocalRun extends Omit<SweepPoint, "plan"> {
  /** The pipeline's own YAML and those that it extends. */
  readonly files: readonly Pick<YamlFile, "path" | "shown" | "text">[];
}

/** Runs the runs concurrently. A failed run does not end the others. */
export async function runLocal(
  points: readonly SweepPoint[],
  call: CommandContext,
  selection: Selection,
  { jobs, signal, running }: SweepOptions,
  { moduleHasher }: RunContext,
  progress: SweepProgress,
): Promise<void> {
  const { names: [name], cwd, project, denoArgs } = call;
  const options = Object.entries<readonly string[] | undefined>({ ...selection })
    .flatMap(([option, ids = []]) => ids.map((id) => `--${option}=${id}`));
  using _stop = addAbortListener(signal, () => running.forEach((child) => child.stop()));
  let next = 0;
  const one = async () => {
    while (next < points.length && !signal.aborted) {
      const index = next++;
      const { plan, ...point } = points[index];
      const edited = await moduleHasher.edited();
      if (edited !== undefined) {
        const why = `${edited} changed after the sweep began. Run the sweep again`;
        progress.finished(index, failedReport(plan.name, why), false);
        continue;
      }
      const child = startChild([...await denoArgs(), "run", name, "--json", ...options], {
        cwd: project,
        user: cwd,
        // Two concurrent runs on one core each take less time than two in turn on both.
        cores: Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs)),
        kind: "point",
        order: { ...point, files: plan.source.files } satisfies LocalRun,
        onLine: (text) => progress.updated(index, text),
      });
      running.add(child);
      progress.started(index);
      const output = await child.ended as ChildReport | undefined;
      running.delete(child);
      progress.finished(index, output ?? crashReport(plan.name, child), signal.aborted);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, points.length) }, one));
}

/** Runs what `runLocal` started a process for. */
export async function runLocalRun(call: CommandContext): Promise<number> {
  const parent = followParent();
  const { files, overrides, values: point }: LocalRun = JSON.parse(await parent.order);
  const read = files.map(({ path, shown, text }) =>
    new YamlFile(path, shown, text, parsePipeline(text, shown))
  );
  const registry = new Registry().add(call.stages);
  const plan = createPlan(await readConfig(read, { ...call, registry, overrides }));
  return await runOne(plan, call, { point, parent });
}
