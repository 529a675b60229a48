import { z } from "zod";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { selection } from "../faces/datasets/select_rows.ts";
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
        "many values count by deciles",
    ),
    by: z.enum(["image", "identity"]).default("image").describe(
      "Unit of the split: image, as in the 2021 paper, or identity, which keeps all images " +
        "of a person in one set. An image without an identity counts as a person of its own",
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
  seeded: true,
  async run(inputs, params, context) {
    const { writeSplits } = await import("../faces/datasets/write_splits.ts");
    await writeSplits(inputs, params, context);
  },
});
