import { z } from "zod";
import { defineStage } from "../packages/pipeline/stage.ts";
import { dataset, splits } from "./kinds.ts";

const share = z.number().gt(0).lt(1);

export default defineStage({
  name: "split",
  summary: "Divide the dataset into train, validation and test sets",
  inputs: { dataset },
  outputs: { splits },
  params: z.strictObject({
    test: share.default(0.2).describe(
      "Share of all images in the test set",
    ),
    validation: share.default(0.2).describe(
      "Share of the remaining images in the validation set",
    ),
    by: z.enum(["image", "identity"]).default("image").describe(
      "Unit of the split: image, as in the 2021 paper, or identity, which keeps all images " +
        "of a person in one set. An image without an identity counts as a person of its own",
    ),
    copies: z.enum(["group", "ignore"]).default("group").describe(
      "Copies among the images: the same photo, resized, recompressed, mirrored or slightly cropped. " +
        "group: they are in one set, listed in copies.csv and the report; ignore: not looked for",
    ),
    sample: z.int().min(3).optional().describe(
      "Use at most this many images, a random subset. Default: all",
    ),
  }),
  seeded: true,
  async run({ dataset }, params, context) {
    const { writeSplits } = await import("../faces/datasets/write_splits.ts");
    await writeSplits(dataset, params, context);
  },
});
