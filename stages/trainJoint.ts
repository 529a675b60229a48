import { z } from "zod";
import {
  abstain,
  initializerParam,
  jointAliases,
  jointParams,
} from "../faces/training/training_params.ts";
import { jointTasks } from "../faces/training/tasks.ts";
import { networks } from "../models/mod.ts";
import { joinWords, quote } from "../packages/pipeline/errors.ts";
import { defineStage, type ParamProblem } from "../packages/pipeline/stage.ts";
import { model } from "./kinds.ts";
import {
  labelsAhead,
  networkParam,
  trainingCheck,
  trainingStage,
  trainingStageParams,
} from "./training_stage.ts";

type JointParams = Pick<
  z.output<z.ZodObject<typeof jointParams>>,
  "classes" | "numbers" | "heads" | "weights"
>;

const checkTraining = trainingCheck(({ heads = {}, ...params }: JointParams) =>
  Object.entries(jointTasks(params)).map(([column, task]) => ({
    task,
    loss: heads[column]?.loss,
    path: ["heads", column, "loss"],
  }))
);

function columnProblems(
  { classes = ["gender"], numbers = ["age"], heads = {}, weights }: JointParams,
): ParamProblem[] {
  const all = [...classes, ...numbers], twice = all.find((one, i) => all.indexOf(one) < i);
  const at = [numbers.length > 0 ? "numbers" : "classes"];
  const weighed = Object.entries(weights).flatMap(([column, one]) => one === 1 ? [] : [column]);
  const named = (place: string, columns: string[]) => columns.map((column) => [place, column]);
  const without = [...named("heads", Object.keys(heads)), ...named("weights", weighed)]
    .filter(([, column]) => !all.includes(column));
  return [
    ...twice === undefined ? [] : [{ path: at, message: `${quote(twice)} is there twice` }],
    ...all.length > 1 ? [] : [{
      path: at,
      message: "expected at least two columns, in classes and numbers together; trainClassifier " +
        "and trainRegressor learn one",
    }],
    ...without.map(([place, column]) => ({
      path: [place, column],
      message:
        `there is no such head: the network learns ${joinWords(all)}. Add ${quote(column)} to ` +
        "classes or numbers.",
    })),
  ];
}

export default defineStage({
  ...trainingStage,
  name: "trainJoint",
  summary: "Train one network for gender and age jointly, or for any columns of the labels",
  outputs: { gender: model, age: model },
  outputsOf: (params) =>
    Object.fromEntries(Object.keys(jointTasks(params)).map((column) => [column, model])),
  params: trainingStageParams(
    z.strictObject({
      network: networkParam("deep").default("best").describe(
        "Network, which ends in a head for each column",
      ),
      ...jointParams,
      abstain,
      initializer: initializerParam.optional().describe(
        "Distribution of the initial weights. Default: heNormal before ReLU and glorotUniform, " +
          "Keras's default, in the heads; for gender2021, glorotUniform; for age2021, heNormal",
      ),
    }),
    jointAliases,
    ({ age, heads, classes, numbers }): Record<string, string> => {
      const ofClasses: Record<string, string> = classes?.length === 0
        ? { abstain: "without classes" }
        : {};
      if (numbers && !numbers.includes("age")) {
        const without = "where numbers lacks age";
        return { ...ofClasses, age: without, ageSpread: without, ageReading: without };
      }
      const loss = heads?.age?.loss;
      const used = (typeof loss === "object" ? loss.use : loss) ??
        (age === "years" ? "years" : "ageDistribution");
      const reason = used === "years"
        ? "with age: years, because only distribution uses it"
        : `with the loss ${used} of age`;
      return {
        ...ofClasses,
        ...loss === undefined ? {} : { age: "with heads.age.loss, which names the loss of age" },
        ...used === "ageDistribution" ? {} : { ageSpread: reason, ageReading: reason },
      };
    },
  ),
  check: async (params, context) => [
    ...columnProblems(params),
    ...await checkTraining(params, context),
  ],
  checkAhead: labelsAhead((params) => Object.values(jointTasks(params))),
  async run(inputs, params, context) {
    const { trainJoint } = await import("../faces/training/train_model.ts");
    return await trainJoint(inputs, { networks, params, context });
  },
});
