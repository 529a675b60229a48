import { z } from "zod";
import { problemsOf } from "../packages/pipeline/errors.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { type Selection, selection, selectRows } from "../faces/datasets/select_rows.ts";
import { type FolderDataset, nameOf } from "../faces/datasets/sources.ts";
import { lineageOf } from "./input_checks.ts";
import { archives, dataset, splits } from "./kinds.ts";

export default defineStage({
  name: "split",
  summary: "Divide the dataset into train, validation and test sets",
  inputs: { dataset, archives: all(archives, { orNone: true }) },
  outputs: { splits },
  params: z.strictObject({
    test: selection.default(0.2).describe(
      "Test set: a share of all images, { part: NAME } of the data set's own division, " +
        "{ dataset: NAME }, or { fold: 1, of: 5 }, which a sweep varies: --sweep split.test.fold=1,2",
    ),
    validation: selection.default(0.2).describe(
      "Validation set, chosen alike from the remaining images",
    ),
    calibration: z.number().gt(0).lt(1).optional().describe(
      "Calibration set: a share of the images that test and validation leave. Models of years and " +
        "other numbers then predict 90 % intervals. Default: none",
    ),
    stratify: z.array(z.string().min(1)).default([]).describe(
      "Columns whose values shares and folds keep in proportion, such as [gender, age]; numbers of " +
        "many values count by deciles, and of a person in one set, the first image",
    ),
    by: z.enum(["image", "identity"]).default("image").describe(
      "Unit of the split: image, as in the 2021 paper, or identity, which keeps all images " +
        "of a person in one set. An image without an identity counts as a person of its own; where " +
        "all are without, it is an error",
    ),
    copies: z.enum(["group", "ignore"]).default("group").describe(
      "Copies among the images: the same photo, resized, recompressed, mirrored or slightly cropped; " +
        "after a detector, photos are compared as well. " +
        "group: they are in one set, listed in copies.csv and the report; ignore: not looked for",
    ),
    sample: z.int().min(3).optional().describe(
      "Use at most this many images, a random subset. Default: all",
    ),
    only: z.enum(["all", "train", "validation", "test"]).optional().describe(
      "Use these images alone, as the test set: all, or a set as divided without this. Nothing is " +
        "left to train on: for evaluations of imported models",
    ),
  }),
  async check({ test, validation }, { inputs }) {
    const behind = lineageOf(inputs.dataset);
    const dataset = behind.filter(({ use }) => use === "download")
      .flatMap(({ params }) => (params.datasets as FolderDataset[]).map(nameOf));
    // A plugin may have data sets of its own.
    if (dataset.length === 0 || behind.some(({ plugin }) => plugin)) return [];
    const sets = Object.entries({ test, validation }) as ["test" | "validation", Selection][];
    return await problemsOf(sets.map(([set, wanted]) => [[set, "dataset"], () => {
      if (Object.hasOwn(Object(wanted), "dataset")) selectRows(set, wanted, [], { dataset });
    }]));
  },
  seeded: true,
  async run(inputs, params, context) {
    const { writeSplits } = await import("../faces/datasets/write_splits.ts");
    await writeSplits(inputs, params, context);
  },
});
