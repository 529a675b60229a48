/** The app: the runner, and the stages it is given. */
import { type App, main } from "./packages/pipeline/cli.ts";
import { fromFileUrl } from "./packages/pipeline/paths.ts";
import { stages } from "./stages/mod.ts";

export const app: App = {
  name: "faces",
  summary: "Reproducible experiments on faces, from a YAML file.",
  tasks: [
    "new KIND NAME     write a plugin, its test and a pipeline that uses it",
    "data FOLDER       look at a data set: propose a pipeline, write a page of what it holds",
    "predict FOLDER    predict gender and age for every face of a folder of photos",
    "evaluate MODEL    evaluate trained models on any data: --on PIPELINE_OR_FOLDER",
    "compare RUN RUN   print the differences between runs, and whether they are significant",
    "ui [PIPELINE]     show runs in a browser: live, compared, and their files",
    "kit --out FILE    write all that a machine without Deno and internet needs",
    "worker            process shards and runs of sweeps for other machines",
    "compute           list what this machine can compute on, and how fast; install TensorFlow",
  ],
  better: async () => (await import("./faces/evaluation/metrics.ts")).METRIC_DIRECTIONS,
  metricNames: async (stages = []) =>
    (await import("./faces/evaluation/metrics.ts")).metricNames(stages),
  project: fromFileUrl(new URL(".", import.meta.url)).replace(/[\\/]$/, ""),
  stages,
  pluginApi: import.meta.resolve("./plugins/plugin_process.ts"),
  commands: {
    new: () => import("./faces/commands/new.ts"),
    data: () => import("./faces/commands/data.ts"),
    evaluate: () => import("./faces/commands/evaluate_command.ts"),
    predict: () => import("./faces/commands/predict.ts"),
    compare: () => import("./faces/commands/compare.ts"),
    ui: () => import("./faces/commands/ui.ts"),
    kit: () => import("./faces/commands/kit.ts"),
    worker: () => import("./packages/pipeline/worker_command.ts"),
    compute: () => import("./faces/commands/compute.ts"),
  },
  reference: async () => await (await import("./faces/commands/reference_sections.ts")).reference(),
  // With the permissions of the task: "deno run --quiet ... main.ts run".
  denoArgs: async () => {
    const { tasks } = JSON.parse(await Deno.readTextFile(new URL("./deno.json", import.meta.url)));
    return tasks.run.command.split(" ").slice(1, -1);
  },
  connectWorkers: (settings, work) => ({
    async *distribute(shards) {
      const { distributeShards } = await import("./packages/pipeline/remote_workers.ts");
      yield* distributeShards(settings, work, shards, app);
    },
  }),
  checkFile: async (path) =>
    await (await import("./packages/formats/check_file.ts")).checkFile(path),
  noteStep: async (...made) =>
    await (await import("./faces/detection/faces_artifact.ts")).noteStep(...made),
  checkWorkers: async (settings) =>
    await (await import("./packages/pipeline/remote_workers.ts")).checkReachable(settings, app),
  async *runRemotely(settings, work, orders) {
    const { runSweepRemotely } = await import("./packages/pipeline/remote_workers.ts");
    yield* runSweepRemotely(settings, work, orders, app);
  },
  resolveCompute: async (wanted) => {
    if (wanted === "auto") return { backend: "wasm", why: "auto: it runs everywhere" };
    await (await import("./packages/compute/backends.ts")).requireBackend(wanted);
    // Fetched here and now: the processes that find faces may not use the network.
    if (wanted === "webgpu") {
      await (await import("./packages/compute/npm_package.ts")).webGpuModule();
    }
    return { backend: wanted, why: "the pipeline asks for it" };
  },
};

if (import.meta.main) Deno.exit(await main(Deno.args, app));
