/** A pipeline with several splits: a model of one is tested on those of another. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { temporaryFolder } from "../../temporary_folder.ts";
import { metricsOf, project, run } from "../../project_run.ts";

const PIPELINE = `name: splits
stages:
  download: { datasets: [sample], sampleFaces: 60 }
  matParse: { minFaceScore: 1 }
  faceCrop: { detector: metadata, workers: 1 }
  resize32:
  early: { use: split, test: 0.2, copies: ignore }
  late: { use: split, test: 0.5 }
  trainGender: { epochs: 1, batchSize: 16, inputs: { splits: early } }
  evaluate: { framing: 0, sensitivity: 0, inputs: { splits: late } }
`;

Deno.test("evaluate leaves out test images that a model of other splits was trained on", async () => {
  const folder = temporaryFolder("several-splits-");
  const yaml = join(folder, "splits.yaml");
  await Deno.writeTextFile(yaml, PIPELINE);
  const outcome = await run(join(folder, "artifacts"), yaml);
  assert.equal(outcome.code, 0, outcome.text);
  const { trainGender } = await metricsOf(outcome);
  // The test set of a larger share begins with that of a smaller one.
  assert.deepEqual([trainGender.counts.test, trainGender.trainedOn], [12, 18]);
  const { report } = outcome.stages.find(({ id }) => id === "evaluate")!.outputs;
  const page = await Deno.readTextFile(resolve(project, report!, "report.html"));
  assert.match(page, /each in the set of its original/, "copies: group");
  const [, written] = /<pre>(name: splits[^<]+)</.exec(page)!;
  assert.deepEqual(parse(written).stages.evaluate.inputs, { splits: "late" });
});
