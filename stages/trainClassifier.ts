import { z } from "zod";
import { classTask } from "../faces/training/tasks.ts";
import { abstain, classLoss } from "../faces/training/training_params.ts";
import { defineTraining, networkParam } from "./training_stage.ts";

export default defineTraining({
  name: "trainClassifier",
  summary: "Train a network for the classes of any column of the labels",
  first: {
    target: z.string().min(1).refine((name) => name !== "age", {
      message: "expected another column; trainAge has variant: multiclass for groups of ages",
    }).describe(
      "Column whose values are the classes, such as ethnicity; those of the training set, sorted. " +
        "Images without a value are left out",
    ),
  },
  network: networkParam("plain").default("plain").describe("Network"),
  last: { abstain, loss: classLoss },
  learn: ({ target }) => ({ task: classTask(target), network: "plain" }),
});
