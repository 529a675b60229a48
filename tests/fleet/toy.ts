/** The toy program of the runner's tests, with workers. TOY_PROJECT is its project's folder. */
import { distributeTo, reach, sendRunsTo } from "../../fleet/mod.ts";
import { main, type Program } from "../../runner/cli.ts";
import { fromFileUrl } from "../../runner/paths.ts";
import { stages } from "../runner/toy/stages.ts";

const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
const self = fromFileUrl(import.meta.url);

const program: Program = {
  project: Deno.env.get("TOY_PROJECT")!,
  stages,
  commands: { worker: () => import("../../commands/worker.ts") },
  self: () =>
    Promise.resolve(["run", "--quiet", "--no-prompt", "--allow-all", "--config", config, self]),
  openFleet: (settings, work) => ({
    distribute: (parts) => distributeTo(settings, work, parts, program),
  }),
  reachFleet: reach,
  sendRuns: (settings, work, orders) => sendRunsTo(settings, work, orders, program),
  resolveCompute: (wanted) =>
    Promise.resolve({ backend: wanted === "auto" ? "wasm" : wanted, why: "a toy" }),
};

Deno.exit(await main(Deno.args, program));
