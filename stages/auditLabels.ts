import { z } from "zod";
import {
  anyInitializer,
  anyLoss,
  singleParams,
  trainingParams,
} from "../faces/training/training_params.ts";
import { auditedTask } from "../faces/training/tasks.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { networks } from "../models/mod.ts";
import { archives, audit, dataset, faces } from "./kinds.ts";
import { labelsAhead, networkParam, trainingCheck, trainingStageParams } from "./training_stage.ts";

const { export: _, ...training } = trainingParams;
// A trained model may have seen the labels.
const { init: __, teacher: ___, ...recipe } = singleParams;

export default defineStage({
  name: "auditLabels",
  summary: "Rank the labels that are probably wrong, by networks that were not trained on them",
  inputs: {
    dataset,
    faces: all(faces, { orNone: true }),
    archives: all(archives, { orNone: true }),
  },
  outputs: { audit },
  params: trainingStageParams(z.strictObject({
    target: z.string().min(1).default("gender").describe(
      "Labels to audit: gender, age, or a column of classes",
    ),
    folds: z.int().min(2).max(20).default(5).describe(
      "Parts of the images. A network is trained without each part and predicts it",
    ),
    list: z.int().min(1).max(2000).default(200).describe("Labels to judge on the page"),
    ...training,
    initializer: anyInitializer,
    network: networkParam("plain").default("plain").describe("Network"),
    ...recipe,
    loss: anyLoss,
  })),
  check: trainingCheck(({ target, loss }) => [{ task: auditedTask(target), loss, path: ["loss"] }]),
  checkAhead: labelsAhead(({ target }) => [auditedTask(target)]),
  seeded: true,
  compute: true,
  async run(inputs, params, context) {
    const { auditLabels } = await import("../faces/evaluation/audit_labels.ts");
    await auditLabels(inputs, { ...params, networks }, context);
    return { show: ["audit/judge.html"] };
  },
});
