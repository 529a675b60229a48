/** Published results of the 2021 networks. There are none for age groups. */
import type { ModelMetrics } from "./score_model.ts";

/** Published figures: accuracy, or MAE in years. */
export interface Published {
  train: string;
  validation: string;
  /** Unit, appended to a value; empty for an accuracy. */
  unit: string;
  /** Data set and epoch of the figures. */
  where: string;
}

/** Returns the published result for a model's task, if there is one. */
export function published({ task, classes }: ModelMetrics): Published | undefined {
  if (task === "gender") {
    return {
      train: "0.92",
      validation: "0.88",
      unit: "",
      where: "42,255 faces of wiki_crop, 27,042 of them for training; values of epoch 11",
    };
  }
  if (task === "age" && !classes) {
    return {
      train: "9.94",
      validation: "10.05",
      unit: "\u00a0years",
      where: "100,122 faces of wiki_crop and imdb_crop",
    };
  }
  return undefined;
}
