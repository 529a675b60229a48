/** The program: the runner, and the stages it is given. */
import { main, type Program } from "./runner/cli.ts";
import { fromFileUrl } from "./runner/paths.ts";
import { stages } from "./stages/mod.ts";

export const program: Program = {
  project: fromFileUrl(new URL(".", import.meta.url)).replace(/[\\/]$/, ""),
  stages,
  commands: {
    predict: () => import("./commands/predict.ts"),
    compare: () => import("./commands/compare.ts"),
    worker: () => import("./commands/worker.ts"),
  },
  // With the permissions of the task: "deno run --quiet ... main.ts run".
  self: async () => {
    const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", import.meta.url)));
    return tasks.run.command.split(" ").slice(1, -1);
  },
  openFleet: (settings, work) => ({
    async *distribute(parts) {
      const { distributeTo } = await import("./fleet/mod.ts");
      yield* distributeTo(settings, work, parts, program);
    },
  }),
  checkFile: async (path) => await (await import("./formats/check_file.ts")).checkFile(path),
  reachFleet: async (settings) => await (await import("./fleet/mod.ts")).reach(settings),
  async *sendRuns(settings, work, orders) {
    const { sendRunsTo } = await import("./fleet/mod.ts");
    yield* sendRunsTo(settings, work, orders, program);
  },
  resolveCompute: async (wanted) => {
    if (wanted === "auto") {
      return (await import("./accelerators/choose.ts")).chooseAuto(console.error);
    }
    await (await import("./compute/resolve.ts")).demand(wanted);
    // Fetched here and now: the processes that find faces may not use the network.
    if (wanted === "webgpu") await (await import("./compute/npm.ts")).webGpuModule();
    return { backend: wanted, why: "the pipeline asks for it" };
  },
};

if (import.meta.main) Deno.exit(await main(Deno.args, program));
