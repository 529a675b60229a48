/** The toy program of the runner's tests, with workers. TOY_PROJECT is its project's folder. */
import {
  checkReachable,
  distributeShards,
  runSweepRemotely,
} from "../../../../packages/pipeline/remote_workers.ts";
import { type App, main } from "../../../../packages/pipeline/cli.ts";
import { fromFileUrl } from "../../../../packages/pipeline/paths.ts";
import { stages } from "../toy/stages.ts";

const config = fromFileUrl(new URL("../../../../deno.json", import.meta.url));
const self = fromFileUrl(import.meta.url);

const app: App = {
  name: "faces",
  project: Deno.env.get("TOY_PROJECT")!,
  stages,
  commands: { worker: () => import("../../../../packages/pipeline/worker_command.ts") },
  denoArgs: () =>
    Promise.resolve(["run", "--quiet", "--no-prompt", "--allow-all", "--config", config, self]),
  connectWorkers: (settings, work) => ({
    distribute: (parts) => distributeShards(settings, work, parts, app),
  }),
  checkWorkers: (settings) => checkReachable(settings, app),
  runRemotely: (settings, work, orders) => runSweepRemotely(settings, work, orders, app),
  resolveCompute: (wanted) =>
    Promise.resolve({ backend: wanted === "auto" ? "wasm" : wanted, why: "a toy" }),
};

Deno.exit(await main(Deno.args, app));
