import { z } from "zod";
import { initializerParam, trainingParams } from "../faces/training/training_params.ts";
import { definedChoice } from "../packages/pipeline/define.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { networks } from "../models/mod.ts";
import { archives, audit, dataset, faces } from "./kinds.ts";

const { export: _, ...training } = trainingParams;

export default defineStage({
  name: "auditLabels",
  summary: "Rank the labels that are probably wrong, by networks that were not trained on them",
  inputs: {
    dataset,
    faces: all(faces, { orNone: true }),
    archives: all(archives, { orNone: true }),
  },
  outputs: { audit },
  params: z.strictObject({
    target: z.string().min(1).default("gender").describe(
      "Labels to audit: gender, age, or a column of classes",
    ),
    folds: z.int().min(2).max(20).default(5).describe(
      "Parts of the images. A network is trained without each part and predicts it",
    ),
    list: z.int().min(1).max(2000).default(200).describe("Labels to judge on the page"),
    ...training,
    initializer: initializerParam.optional().describe(
      "Distribution of the initial weights. Default: that of the network",
    ),
    network: definedChoice("network", networks, "plain").default("plain").describe("Network"),
  }),
  seeded: true,
  compute: true,
  async run(inputs, params, context) {
    const { auditLabels } = await import("../faces/evaluation/audit_labels.ts");
    await auditLabels(inputs, { ...params, networks }, context);
    return { show: ["audit/judge.html"] };
  },
});
