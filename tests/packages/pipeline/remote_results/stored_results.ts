/** Results in stores, for tests of copies between them. */
import { join } from "node:path";
import { openAttempt } from "../../../../packages/pipeline/cache/attempt.ts";
import type { ArtifactStore } from "../../../../packages/pipeline/artifact_store.ts";
import type { CacheKey } from "../../../../packages/pipeline/fingerprint.ts";
import type { StageRecord } from "../../../../packages/pipeline/stage_record.ts";
import { OUTCOME } from "../../../outcome.ts";
import type { Project } from "../toy/project.ts";

/** Reads the files of a project's results: path in the artifacts → text. */
export async function texts(project: Project): Promise<Record<string, string>> {
  const names = (await project.files()).filter((name) => !/^(\.|runs\/)/.test(name));
  const all = names.map(async (name) =>
    [name, await Deno.readTextFile(project.path("artifacts", name))] as const
  );
  return Object.fromEntries(await Promise.all(all));
}

/** Stores a result of the stage "large" with one output of these files. */
export async function storeLarge(
  store: ArtifactStore,
  files: Readonly<Record<string, Uint8Array>>,
  { signal, deno = "1.0.0" }: { signal: AbortSignal; deno?: string },
): Promise<StageRecord> {
  const dependencies: CacheKey = {
    use: "large",
    params: {},
    inputs: {},
    modules: {},
    packages: {},
    external: {},
  };
  const stage = { name: "large", outputs: { out: { kind: "large", summary: "", files: {} } } };
  await using attempt = await openAttempt(store, stage, dependencies, () => {}, signal);
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(join(attempt.outputs.out!, name), bytes);
  }
  return await attempt.commit({
    id: "large",
    ...OUTCOME,
    deno,
    platform: "moon",
  });
}
