/** A program of the toy stages, to be run as a process. TOY_PROJECT is its project's folder. */
import { main } from "../../../../packages/pipeline/cli.ts";
import { fromFileUrl } from "../../../../packages/pipeline/paths.ts";
import { stages } from "./stages.ts";

const config = fromFileUrl(new URL("../../../../deno.json", import.meta.url));

const code = await main(Deno.args, {
  name: "toy",
  project: Deno.env.get("TOY_PROJECT")!,
  stages,
  better: () => Promise.resolve({ accuracy: "more" }),
  denoArgs: () =>
    Promise.resolve([
      ...["run", "--quiet", "--no-prompt", "--allow-all", "--config", config],
      fromFileUrl(import.meta.url),
    ]),
  resolveCompute: (wanted) =>
    Promise.resolve({ backend: wanted === "auto" ? "wasm" : wanted, why: "a toy" }),
});
Deno.exit(code);
