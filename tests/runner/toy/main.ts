/** A program of the toy stages, to be run as a process. TOY_PROJECT is its project's folder. */
import { main } from "../../../runner/cli.ts";
import { stages } from "./stages.ts";

const code = await main(Deno.args, {
  project: Deno.env.get("TOY_PROJECT")!,
  stages,
  resolveCompute: (wanted) =>
    Promise.resolve({ backend: wanted === "auto" ? "wasm" : wanted, why: "a toy" }),
});
Deno.exit(code);
