/** The toy program: the runner with toy stages. */
import type { App } from "../../../../packages/pipeline/app.ts";
import { fromFileUrl } from "../../../../packages/pipeline/paths.ts";
import { stages } from "./stages.ts";

const config = fromFileUrl(new URL("../../../../deno.json", import.meta.url));

/** @param project its folder, in which a run of a sweep starts as a process */
export const toyApp = (project: string): App => ({
  name: "toy",
  project,
  stages,
  better: () => Promise.resolve({ accuracy: "more" }),
  denoArgs: () =>
    Promise.resolve([
      ...["run", "--quiet", "--no-prompt", "--allow-all", "--config", config],
      fromFileUrl(new URL("./main.ts", import.meta.url)),
    ]),
  resolveCompute: (wanted) =>
    Promise.resolve({ backend: wanted === "auto" ? "wasm" : wanted, why: "a toy" }),
});
