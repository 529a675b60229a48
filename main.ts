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
  },
  resolveCompute: async (wanted) => (await import("./compute/resolve.ts")).resolveCompute(wanted),
};

if (import.meta.main) Deno.exit(await main(Deno.args, program));
