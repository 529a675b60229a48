import type { StageOutcome } from "../packages/pipeline/stage_record.ts";

/** Facts about a stage's run that a record must have, and few tests ask for. */
export const OUTCOME: Omit<StageOutcome, "id"> = {
  warnings: [],
  pipeline: "p",
  startedAt: "",
  seconds: 1,
  deno: "",
  platform: "",
};
