import { z } from "zod";
import { metricsParam } from "../faces/training/further_metrics.ts";
import { DEFAULT_SECTIONS, reportSections } from "../faces/evaluation/report_sections.ts";
import { definedChoices } from "../packages/pipeline/define.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { checkInputs } from "./input_checks.ts";
import { archives, dataset, faces, model, reference, report, splits, table } from "./kinds.ts";

const columnPair = z.string().array().length(2)
  .refine(([a, b]) => a !== b, "expected two different columns");

export default defineStage({
  name: "evaluate",
  summary: "Evaluate every model on all splits and write the report",
  inputs: {
    dataset,
    splits,
    models: all(model),
    // Optional sources of additional report sections.
    references: all(reference, { orNone: true }),
    faces: all(faces, { orNone: true }),
    tables: all(table, { orNone: true }),
    archives: all(archives, { orNone: true }),
  },
  outputs: { report },
  params: z.strictObject({
    examples: z.int().min(0).max(200).default(12).describe(
      "Test faces to show per model and kind: random, best and worst predictions. Also the " +
        "number of photos without a face",
    ),
    crops: z.int().min(0).max(500).default(48).describe("Random crops to show"),
    sensitivity: z.int().min(0).max(10000).default(200).describe(
      "Test images, drawn at random, on which each model's metric is measured again after blur, JPEG " +
        "compression, changes of brightness, shift and rotation; fewer for large networks. 0: none",
    ),
    framing: z.int().min(0).max(1000).default(8).describe(
      "Test photos, drawn at random, that are detected and cropped as serving does, to compare the " +
        "framing of training, test and serving. 0: none",
    ),
    metrics: metricsParam.default([]).describe(
      "Metrics beside accuracy and MAE, on every split, in metrics.json, the report, runs, sweeps " +
        "and `compare`; each applies to models of classes or of years",
    ),
    gate: z.strictObject({
      threshold: z.number().min(1).max(120).default(18).describe("Legal age, years"),
      limit: z.number().min(1).max(120).describe(
        "Estimated age from which a person is let in, years; above the threshold, errors let fewer " +
          "minors in",
      ),
    }).optional().describe(
      "Age gate: shares of models of years that let in or refuse wrongly, by true age and group",
    ),
    groups: z.union([z.string(), columnPair]).array().min(1).refine(
      (groups) =>
        new Set(groups.map((one) => [one].flat().toSorted().join("\n"))).size === groups.length,
      "expected each column, and each pair, once",
    ).optional().describe(
      "Columns whose groups are compared, such as [gender, age, site], and pairs of columns for their " +
        "crossings, as [[gender, site]]; each adds tests, which weaken all by Holm's correction. " +
        "Default: gender, age bands, attributes of 2 to 12 values, and all pairs",
    ),
    sections: definedChoices("reportSection", reportSections).optional().describe(
      `Sections of the report, in order, between summary and glossary. Default: ${
        DEFAULT_SECTIONS.join(", ")
      }`,
    ),
  }),
  check: (_params, { inputs }) => Promise.resolve(checkInputs(inputs)),
  compute: true,
  lineage: true,
  callsPlugins: true,
  async run(inputs, params, context) {
    const { evaluate } = await import("../faces/evaluation/evaluation.ts");
    return await evaluate(inputs, params, context);
  },
});
