/** The program: the runner, and the stages it is given. */
import { main, type Program } from "./packages/pipeline/cli.ts";
import { fromFileUrl } from "./packages/pipeline/paths.ts";
import { stages } from "./stages/mod.ts";

export const program: Program = {
  project: fromFileUrl(new URL(".", import.meta.url)).replace(/[\\/]$/, ""),
  stages,
  commands: {
    predict: () => import("./faces/commands/predict.ts"),
    compare: () => import("./faces/commands/compare.ts"),
    worker: () => import("./packages/pipeline/worker_command.ts"),
  },
  reference: async () => await (await import("./faces/commands/reference_sections.ts")).reference(),
  // With the permissions of the task: "deno run --quiet ... main.ts run".
  denoArgs: async () => {
    const { tasks } = JSON.parse(await Deno.readTextFile(new URL("./deno.json", import.meta.url)));
    return tasks.run.command.split(" ").slice(1, -1);
  },
  connectWorkers: (settings, work) => ({
    async *distribute(parts) {
      const { distributeShards } = await import("./packages/pipeline/remote_workers.ts");
      yield* distributeShards(settings, work, parts, program);
    },
  }),
  checkFile: async (path) =>
    await (await import("./packages/formats/check_file.ts")).checkFile(path),
  checkWorkers: async (settings) =>
    await (await import("./packages/pipeline/remote_workers.ts")).checkReachable(settings),
  async *runRemotely(settings, work, orders) {
    const { runSweepRemotely } = await import("./packages/pipeline/remote_workers.ts");
    yield* runSweepRemotely(settings, work, orders, program);
  },
  resolveCompute: async (wanted, measure = true) => {
    if (wanted === "auto") {
      const { chooseAuto, recallAuto } = await import("./faces/commands/auto_backend.ts");
      return measure ? chooseAuto(console.error) : recallAuto();
    }
    await (await import("./packages/compute/backends.ts")).requireBackend(wanted);
    // Fetched here and now: the processes that find faces may not use the network.
    if (wanted === "webgpu") {
      await (await import("./packages/compute/npm_package.ts")).webGpuModule();
    }
    return { backend: wanted, why: "the pipeline asks for it" };
  },
};

if (import.meta.main) Deno.exit(await main(Deno.args, program));
