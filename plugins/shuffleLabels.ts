/**
 * A control experiment: permutes the labels of the images. A network that is trained on the result
 * must not exceed the constant baseline on the test set. If it does, labels leak.
 *
 * ```yaml
 * plugins: [./plugins/shuffleLabels.ts]
 * stages:
 *   resize32:
 *   shuffleLabels: { replaces: resize32 }
 *   split:
 * ```
 *
 * All stages that take resize32's dataset then take this one.
 */
import { join } from "node:path";
import { z } from "zod";
import { random } from "../packages/random/random.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { dataset } from "../stages/kinds.ts";

export default defineStage({
  name: "shuffleLabels",
  summary: "Permute the labels of the images: a control experiment",
  inputs: { dataset },
  outputs: { dataset },
  params: z.strictObject({}),
  seeded: true,
  async run({ dataset }, _params, context) {
    const { readParquet, writeParquet } = await import("../packages/formats/parquet.ts");
    const { attributeColumns, labelColumn, readRowAttributes } = await import(
      "../faces/datasets/attributes.ts"
    );
    const from = (file: string) => join(dataset.path, file);
    const to = (file: string) => join(context.outputs.dataset, file);
    const { age, gender, name, identity, dataset: source, path } = await readParquet(
      from("table.parquet"),
      {
        name: "string?",
        age: "int32?",
        gender: "int32?",
        identity: "string?",
        dataset: "string",
        path: "string",
      },
    );
    const attributes = await readRowAttributes(from("table.parquet"));
    // Age, gender and attributes stay together. Names and identities stay with the images, so that a split by
    // identity still keeps all images of a person on one side.
    const owner = Int32Array.from(age, (_, row) => row);
    random(context.seed, "labels").shuffle(owner);
    await writeParquet(to("table.parquet"), {
      name: { type: "string", values: name, nullable: true },
      age: labelColumn(Array.from(owner, (row) => age[row])),
      gender: labelColumn(Array.from(owner, (row) => gender[row])),
      identity: { type: "string", values: identity, nullable: true },
      dataset: { type: "string", values: source },
      path: { type: "string", values: path },
      ...attributeColumns(Array.from(owner, attributes)),
    });
    await Deno.copyFile(from("images.npy"), to("images.npy"));
    await Deno.copyFile(from("preprocessing.json"), to("preprocessing.json"));
  },
});
