/** Published results of the 2021 networks. There are none for age groups. */
import type { ModelMetrics } from "./score_model.ts";

const GENDER = {
  train: "0.92",
  validation: "0.88",
  unit: "",
  where: "42,255 faces of wiki_crop, 27,042 of them for training; values of epoch 11",
};
const AGE = {
  train: "9.94",
  validation: "10.05",
  unit: "\u00a0years",
  where: "100,122 faces of wiki_crop and imdb_crop",
};

/** Returns the published accuracy or MAE for a model's task, with data set and epoch, if any. */
export function published({ task, classes }: ModelMetrics): typeof GENDER | undefined {
  if (task === "gender") return GENDER;
  return task === "age" && !classes ? AGE : undefined;
}
