import { z } from "zod";
import { importedFolder } from "../faces/training/trained_models.ts";
import type { LearnedFrom } from "../faces/training/trained_on.ts";
import { problemsOf } from "../packages/pipeline/errors.ts";
import { cautionsOf, defineStage, pathParam } from "../packages/pipeline/stage.ts";
import { model } from "./kinds.ts";

export default defineStage({
  name: "importModel",
  summary: "Take a model that was trained before, to evaluate or serve it",
  inputs: {},
  outputs: { model },
  params: z.strictObject({
    model: pathParam().describe(
      "Folder of a model, its model.json, or RUN/STAGE of an earlier run. `deno task evaluate` " +
        "writes such a pipeline",
    ),
  }),
  async external({ model }, { artifacts }) {
    const { digestFolder } = await import("../packages/pipeline/digest.ts");
    return { model: (await digestFolder(await importedFolder(model, artifacts))).digest };
  },
  check: ({ model }, { artifacts }) =>
    problemsOf([[["model"], () => importedFolder(model, artifacts)]], "Cannot import the model: "),
  async run(_inputs, { model }, context) {
    const { artifactsOf } = await import("../faces/training/training_data.ts");
    const { familyOf, writeTrainedOn } = await import("../faces/training/trained_on.ts");
    const { dropModuleBeside } = await import("../faces/images/preprocessing.ts");
    const { readHistory, readRecord } = await import("../faces/training/training_record.ts");
    const { cp } = await import("node:fs/promises");
    const folder = await importedFolder(model, artifactsOf(context));
    const foreign = dropModuleBeside(folder, (await readRecord(folder)).preprocessing);
    if (foreign !== undefined) {
      throw new Error(
        `Cannot import the model "${folder}": its detector is "${foreign}", a module beside it. If ` +
          "you trust it, move it to plugins/ and name it in training.json.",
      );
    }
    await readHistory(folder); // one that was written by hand would fail later
    // The time of the training is that of its files.
    await cp(folder, context.outputs.model, { recursive: true, preserveTimestamps: true });
    const family = await familyOf(folder), records = family.get(folder)!;
    for (const unknown of await writeTrainedOn(context.outputs.model, family, context)) {
      context.warn(
        `it is not known which images "${unknown}" was trained on: its dataset and splits are not ` +
          "stored beside it. An evaluation cannot leave them out",
      );
    }
    // Those of a training are of its test set, and of the data of models that it learned from.
    const own = cautionsOf(records.filter(({ observed }) => !observed?.validation));
    const learnedFrom = records[0]?.observed?.learnedFrom as LearnedFrom[] | undefined;
    const cautions = new Set([own, learnedFrom?.map(({ cautions }) => cautions) ?? []].flat(2));
    return {
      ...cautions.size > 0 && { caution: [...cautions].join(" ") },
      ...learnedFrom && { observed: { learnedFrom } },
    };
  },
});
