/** Checks of the stages that others take from, before anything runs. */
import { joinWords } from "../packages/pipeline/errors.ts";
import type { CheckContext, InputStage, ParamProblem } from "../packages/pipeline/stage.ts";

type Inputs = CheckContext["inputs"];

/** Returns stages and all that they come from. */
export function lineageOf(stages: readonly InputStage[] = []): InputStage[] {
  const before = stages.flatMap(({ inputs }) => Object.values(inputs).flat());
  return stages.length === 0 ? [] : [...new Set([...stages, ...lineageOf(before)])];
}

/**
 * Finds splits of other photos than those of the dataset, and models of another image size. Splits of
 * other crops or labels of the same photos may serve.
 */
export function checkInputs(inputs: Inputs): ParamProblem[] {
  const { dataset, splits = [], models = [], teachers = [] } = inputs, size = sizeOf(inputs);
  const divided = splits.flatMap(({ inputs }) => inputs.dataset ?? []);
  const [own, theirs] = [dataset, divided].map((stages) =>
    lineageOf(stages).filter(({ use }) => use === "download").map(({ id }) => id)
  );
  const foreign = own.length > 0 && theirs.length > 0 && !theirs.some((id) => own.includes(id));
  const message = `Cannot use the splits of ${splits[0]?.id}: they divide photos of ` +
    `${joinWords(theirs)}, and the dataset has those of ${joinWords(own)}. Name other splits.`;
  const others = Object.entries({ models, teachers }).flatMap(([input, stages]) =>
    stages.flatMap(({ id, plugin, inputs }) => {
      const its = sizeOf(inputs) ?? size;
      if (plugin || size === undefined || its === size) return [];
      const why = `it takes images of ${its} pixels, and the dataset has ${size}`;
      const message = `Cannot take ${id}: ${why}. Name ${input} and a dataset of one size.`;
      return [{ path: ["inputs", input], message }];
    })
  );
  return [...foreign ? [{ path: ["inputs", "splits"], message }] : [], ...others];
}

function sizeOf({ dataset }: Inputs): unknown {
  return dataset?.find(({ use }) => use === "resize32")?.params.size;
}
