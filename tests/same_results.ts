/**
 * `deno task bench same --base COMMIT [--yaml FILE]`: runs one small pipeline, with every training stage
 * and detector, at another commit and here, and compares the results byte for byte. Moving or renaming
 * code must change none. Both run on this machine, since bytes differ between processors. Records and
 * report pages contain paths and times; metrics.json has their numbers.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fromFileUrl } from "../packages/pipeline/paths.ts";
import type { Kind } from "../packages/pipeline/stage.ts";
import type { OutputRecord } from "../packages/pipeline/stage_record.ts";
import * as kinds from "../stages/kinds.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

const PIPELINE = `name: same
seed: 7
stages:
  download: { datasets: [sample], sampleFaces: 120 }
  matParse: { minFaceScore: 1 }
  faceCrop: { detector: metadata }
  ssd: { use: faceCrop, detector: ssdMobilenetv1 }
  tiny: { use: faceCrop, detector: tinyFaceDetector }
  dlib: { use: faceCrop, detector: dlibCnn }
  resize32: { inputs: { faces: faceCrop } }
  split:
  gender: { use: trainGender, batchSize: 16, epochs: 2 }
  years: { use: trainAge, variant: regression, batchSize: 16, epochs: 2, export: [onnx] }
  bands: { use: trainAge, variant: multiclass, batchSize: 16, epochs: 2 }
  above: { use: trainAge, variant: binary, batchSize: 16, epochs: 2 }
  joint: { use: trainJoint, batchSize: 16, epochs: 2 }
  report: { use: trainJoint, network: report, age: years, batchSize: 16, epochs: 2, augment: false }
  evaluate:
`;

/** Files that no stage reads, such as those with paths, times or the run's origin. */
const SKIPPED = Object.values<Kind>(kinds).flatMap(({ volatile = [] }) => volatile);

/** Compares the results of the working tree with those of a commit; throws where they differ. */
export async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { base: { type: "string" }, yaml: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help || values.base === undefined) {
    console.log("deno task bench same --base COMMIT [--yaml FILE]");
    return;
  }
  const folder = await Deno.makeTempDir({ prefix: "bench-same-" });
  const base = join(folder, "base");
  try {
    await run("git", ["worktree", "add", "--detach", base, values.base], ROOT);
    const yaml = values.yaml ?? join(folder, "same.yaml");
    if (values.yaml === undefined) await Deno.writeTextFile(yaml, PIPELINE);
    const before = await results(base, yaml, join(folder, "before"));
    const after = await results(ROOT, yaml, join(folder, "after"));
    const names = [...new Set([...before.keys(), ...after.keys()])].sort();
    const changed = names.filter((name) => before.get(name) !== after.get(name));
    for (const name of changed) {
      const state = !before.has(name) ? "new" : !after.has(name) ? "missing" : "different";
      console.log(`${state}: ${name}`);
    }
    if (changed.length > 0) throw new Error(`${changed.length} of ${names.length} files differ.`);
    console.log(`All ${names.length} files are the same.`);
  } finally {
    await run("git", ["worktree", "remove", "--force", base], ROOT).catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a pipeline in a checkout and returns "stage/output/file" → SHA-256 of its content. */
async function results(project: string, yaml: string, artifacts: string) {
  const args = ["task", "--quiet", "run", yaml, "--set", `artifacts=${artifacts}`];
  await run(Deno.execPath(), args, project);
  const hashes = new Map<string, string>();
  for await (const { name } of Deno.readDir(join(artifacts, "runs"))) {
    const { stages } = JSON.parse(await Deno.readTextFile(join(artifacts, "runs", name)));
    for (const { id, use, fingerprint } of stages) {
      const place = join(artifacts, use, fingerprint.slice(0, 16));
      const { outputs } = JSON.parse(await Deno.readTextFile(join(place, "record.json")));
      for (const [output, { files }] of Object.entries<Pick<OutputRecord, "files">>(outputs)) {
        for (const [file, { sha256 }] of Object.entries(files)) {
          if (!SKIPPED.includes(file)) hashes.set(`${id}/${output}/${file}`, sha256);
        }
      }
    }
  }
  return hashes;
}

async function run(command: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd, stdout: "null" })
    .output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}
