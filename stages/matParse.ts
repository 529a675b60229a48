import { z } from "zod";
import { defineStage, pathParam } from "../packages/pipeline/stage.ts";
import { archives, table } from "./kinds.ts";

export default defineStage({
  name: "matParse",
  summary: "Read the data sets' MATLAB files or CSVs and filter their rows",
  inputs: { archives },
  outputs: { table },
  params: z.strictObject({
    minFaceScore: z.number().default(1).describe(
      "Rows with a lower face_score are dropped, as are rows without a face",
    ),
    allowSecondFace: z.boolean().default(false).describe(
      "Keep rows with a second face, whose label may belong to the other person",
    ),
    minAge: z.int().default(0).describe("Minimum age in years; rows below are dropped"),
    maxAge: z.int().default(100).describe("Maximum age in years; rows above are dropped"),
    require: z.array(z.string().min(1)).optional().describe(
      "Labels that a row must have: gender, age (an interval counts), identity, name or an " +
        "attribute; the others may be unknown. Default: gender and age, where the data set has a column of them",
    ),
    sample: z.int().min(1).optional().describe(
      "Keep at most this many rows, a random subset of those that pass the filter",
    ),
    verdicts: pathParam().optional().describe(
      "verdicts.csv of the page of auditLabels: labels judged wrong get their correction, or their " +
        "rows are dropped",
    ),
  }).refine(({ minAge, maxAge }) => minAge <= maxAge, {
    path: ["minAge"],
    error: ({ input }) => `expected at most maxAge, ${(input as { maxAge: number }).maxAge}`,
  }),
  // `external` identifies the content.
  ignoreInCacheKey: ["verdicts"],
  async external({ verdicts }) {
    if (verdicts === undefined) return {};
    return await (await import("../faces/datasets/verdicts.ts")).verdictFacts(verdicts);
  },
  seeded: ({ sample }) => sample !== undefined,
  async run({ archives }, params, context) {
    const { writeTable } = await import("../faces/datasets/write_table.ts");
    await writeTable(archives, params, context);
  },
});
