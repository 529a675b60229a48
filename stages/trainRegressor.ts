import { z } from "zod";
import { quantityTask } from "../faces/training/tasks.ts";
import { quantityLoss } from "../faces/training/training_params.ts";
import { defineTraining, networkParam } from "./training_stage.ts";

export default defineTraining({
  name: "trainRegressor",
  summary: "Train a network for the numbers of any column of the labels",
  first: {
    target: z.string().min(1).refine((name) => name !== "gender", {
      message: "expected a column of numbers; trainGender trains classes",
    }).describe("Column of numbers, such as age. Images without a number are left out"),
  },
  network: networkParam("plain").default("plain").describe("Network"),
  last: { loss: quantityLoss },
  learn: ({ target }) => ({ task: quantityTask(target), network: "plain" }),
});
