/** Artifacts of earlier versions open in every command, for good. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readReports, readSources } from "../faces/serving/model_sources.ts";
import { drawnGroup } from "./faces/serving/fixture.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Unpacks the artifacts of November 2026, with a photo beside them. */
async function unpacked(): Promise<AsyncDisposable & { folder: string; artifacts: string }> {
  const folder = await Deno.makeTempDir({ prefix: "fixtures-" });
  const archive = join(root, "tests/fixtures/artifacts_2026_11.tar.gz");
  const { success } = await new Deno.Command("tar", { args: ["-xzf", archive, "-C", folder] })
    .output();
  assert.ok(success);
  return {
    folder,
    artifacts: join(folder, "artifacts"),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function command(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-all", "main.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text + new TextDecoder().decode(stderr));
  return text;
}

/** Stage folder/output of every model in the fixture, by its task. */
async function modelsIn(artifacts: string): Promise<{ stage: string; path: string }[]> {
  const models = [];
  for (const use of ["trainGender", "trainAge", "trainJoint"]) {
    for await (const { name } of Deno.readDir(join(artifacts, use))) {
      const outputs = use === "trainJoint" ? ["gender", "age"] : ["model"];
      for (const output of outputs) {
        models.push({ stage: use, path: join(artifacts, use, name, output) });
      }
    }
  }
  return models;
}

Deno.test("runs, verify and compare open the artifacts of November 2026", async () => {
  await using fixture = await unpacked();
  const folder = ["--artifacts", fixture.artifacts, "--json"];
  const runs = JSON.parse(await command("runs", ...folder));
  const ids = (runs.runs ?? runs).map(({ id }: { id: string }) => id);
  assert.deepEqual([...ids].sort(), ["349142d1", "ba9e1a25"]);
  const verified = await command("verify", "--artifacts", fixture.artifacts);
  assert.match(verified, /13 results, 9\.4 MB/);
  const compared = await command("compare", "349142d1", "ba9e1a25", ...folder);
  assert.match(compared, /"gender\.epochs"/);
});

Deno.test("predict and serve take every model of November 2026", async () => {
  await using fixture = await unpacked();
  const photos = join(fixture.folder, "photos");
  await Deno.mkdir(photos);
  const face = { seed: 1, age: 30, gender: "female", left: 120, top: 60 } as const;
  await Deno.writeFile(join(photos, "one.png"), await drawnGroup([face]));
  const models = await modelsIn(fixture.artifacts);
  assert.equal(models.length, 7);
  const reports = [];
  for await (const { name } of Deno.readDir(join(fixture.artifacts, "evaluate"))) {
    reports.push(join(fixture.artifacts, "evaluate", name, "report"));
  }
  const { models: judged } = await readReports(reports);
  const served = await readSources(models, judged);
  assert.deepEqual(
    served.map(({ description: { task, variant } }) => `${task} ${variant}`).sort(),
    [
      ...["age binary", "age multiclass", "age regression", "age regression"],
      ...["gender binary", "gender binary", "gender binary"],
    ],
  );
  const options = ["--artifacts", fixture.artifacts, "--detector", "tinyFaceDetector"];
  const csv = await command("predict", photos, "--model", "349142d1", ...options);
  assert.match(csv, /one\.png,1,/);
  const bands = served.find(({ description }) => description.variant === "multiclass")!.path;
  const json = await command("predict", photos, "--model", bands, "--json", ...options);
  assert.ok(JSON.parse(json).faces.length === 1);
});
