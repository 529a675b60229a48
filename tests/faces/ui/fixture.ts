/** The page over runs, served from a folder. */
import assert from "node:assert/strict";
import { stop as stopEsbuild } from "esbuild";
import { compareRuns } from "../../../faces/commands/compare/compare_runs.ts";
import { withText } from "../../../faces/commands/compare/format_comparison.ts";
import { listen } from "../../../faces/serving/server.ts";
import type { UiRuns } from "../../../faces/ui/ui_api.ts";
import { createUi } from "../../../faces/ui/ui_app.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { History } from "../../../packages/pipeline/history.ts";

/** The server over a folder. */
export async function startUi(artifacts: string) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const app = await createUi({
    artifacts,
    warn,
    pipelines: ["known", "swept"],
    compare: async (ids) => {
      const all = await new History(artifacts).list();
      const runs = ids.map((id) => all.find((run) => run.id === id)!);
      return withText(await compareRuns(runs, new ArtifactStore(artifacts)));
    },
    explain: (pipeline) => {
      const stages = [
        { id: "split", after: [], status: "cached", why: "cached" },
        {
          id: "trainGender",
          after: ["split"],
          status: "skipped",
          why: "runs: trainGender.dropout changed",
          cause: "runs",
        },
        {
          id: "evaluate",
          after: ["split"],
          status: "failed",
          why: "runs: is no number",
          cause: "error",
        },
      ];
      const runs = [1, 2].map((seed) => ({ values: { seed }, stages }));
      return Promise.resolve(pipeline === "swept" ? { stages: [], runs } : { stages });
    },
    occlude: (model, images, row) =>
      Promise.resolve({ title: "Occlusion", text: "Orange", values: { model, images, row } }),
  });
  await stopEsbuild();
  const { urls: [url], stop } = listen(app, { host: "127.0.0.1", port: 0, connections: 64, warn });
  const ask = (path: string, init?: RequestInit) => fetch(url + path, init);
  const get = async <T>(path: string): Promise<T> => {
    const response = await ask(path);
    assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`);
    return await response.json();
  };
  const fails = async (path: string, status: number) => {
    const response = await ask(path);
    const text = await response.text();
    assert.equal(response.status, status, `${path}: ${text}`);
    return JSON.parse(text).error.message as string;
  };
  /** All runs: under load, the first answers have some of them. */
  const runs = async () => {
    for (;;) {
      const { runs, left } = await get<UiRuns>("/api/runs");
      if (left === 0) return runs;
    }
  };
  const dispose = async () => {
    await stop();
    assert.deepEqual(warnings, []);
  };
  return { url, ask, get, fails, runs, [Symbol.asyncDispose]: dispose };
}

/** A gender network with curves, of a skill and a dropout rate. */
export const MODELS = (skill: number, dropout: number, f1?: number) => ({
  trainGender: {
    skill,
    f1,
    params: { dropout, size: 32 },
    curve: [0.5, skill, 0.4],
    weights: Math.round(1000 ** (1 + dropout)),
  },
});
