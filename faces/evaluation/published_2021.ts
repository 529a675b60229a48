/** What the university report of 2021 got; it tells nothing of its networks for age groups. */
import type { ModelMetrics } from "./score_model.ts";

/** Figures as they were published: percent, or years. */
export interface Published {
  train: string;
  validation: string;
  /** With their unit. */
  unit: string;
  /** On which faces, and when. */
  where: string;
}

/** What the report got with a network of the kind, if it says. */
export function published({ task, classes }: ModelMetrics): Published | undefined {
  if (task === "gender") {
    return {
      train: "92",
      validation: "88",
      unit: "\u00a0%",
      where: "42,255 faces of wiki_crop, 27,042 of them to learn from, and tells of epoch 11",
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
