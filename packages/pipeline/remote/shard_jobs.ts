/** Dispatches the shards of a stage's work. */
import { join, sep } from "node:path";
import { counted } from "../causes.ts";
import type { ShardedWork } from "../run/run_context.ts";
import type { FinishedShard, Shard } from "../stage.ts";
import { toRelative } from "./compatibility.ts";
import { dispatchJobs, type DispatchOptions } from "./coordinator.ts";
import { firstProblem, JOB_FORMAT, type ShardJob, shardResultSchema } from "./job_schemas.ts";

/** A stage's work, whose folders all lie in `artifacts`, and the workers that do it. */
type ShardDispatch =
  & ShardedWork
  & Omit<DispatchOptions, "run">
  & Pick<ShardJob, "code" | "compute">;

/** Dispatches shards. Yields each exactly once, in any order; its files are removed afterwards. */
export async function* dispatchShards(
  work: ShardDispatch,
  shards: readonly Shard[],
): AsyncGenerator<FinishedShard> {
  const { artifacts, use, code, compute } = work;
  const run = crypto.randomUUID();
  // Each attempt at a shard writes to a folder of its own below this one.
  const folder = join(work.scratch, "parts");
  await Deno.mkdir(folder, { recursive: true });
  const shared = (path: string) => toRelative(path, artifacts)!;
  const inputs = Object.fromEntries(
    Object.entries(work.inputs).map(([key, path]) => [key, shared(path)]),
  );
  const about: Omit<ShardJob, "data"> = {
    version: JOB_FORMAT,
    kind: "part",
    run,
    use,
    code,
    folder: shared(folder),
    inputs,
    ...(compute === undefined ? {} : { compute }),
  };
  const tasks = shards.map(({ key, data }) => ({ key, data: { ...about, data } }));
  let finished = 0, shown = 0;
  /** Never goes back: while a lost worker's items are computed again, the bar waits. */
  const advance = (to: number, note?: string) => {
    work.progress.advance(Math.max(0, to - shown), note);
    shown = Math.max(shown, to);
  };
  for await (const event of dispatchJobs({ ...work, run }, tasks)) {
    if ("states" in event) {
      const active = [...event.states.values()].filter((state) => state.state === "active");
      const items = active.reduce((sum, { standing }) => sum + (standing?.items ?? 0), 0);
      const note = `${counted(active.length, "shard")} in progress`;
      advance(finished + items, active.length > 0 ? note : "");
      continue;
    }
    const { outcome } = event;
    const { key, items } = shards.find((shard) => shard.key === outcome.key)!;
    if ("failed" in outcome) throw new Error(`Cannot finish shard ${key}: ${outcome.failed}`);
    const { success, data, error } = shardResultSchema.safeParse(outcome.result);
    if (!success) throw new Error(`Cannot use a worker's result: ${firstProblem(error)}.`);
    const path = join(artifacts, data.folder);
    if (!path.startsWith(folder + sep)) {
      throw new Error(`Cannot use a worker's result: "${data.folder}" is not a shard's folder.`);
    }
    advance(finished += items);
    yield { key, folder: path, result: data.result };
    await Deno.remove(path, { recursive: true });
  }
}
