/** Exports of trained networks. */
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { checkOnnx, toOnnx } from "./onnx/convert.ts";
import type { ExportFormat } from "./training_params.ts";
import type { TrainingRecord } from "./training_record.ts";

/**
 * Checks before training that a network can be exported in all formats.
 * @throws if it cannot, with the reason
 */
export function checkExports(model: LayersModel, formats: readonly ExportFormat[]): void {
  if (formats.includes("onnx")) checkOnnx(model);
}

/** Writes a trained network into a model's folder, in all formats. */
export async function writeExports(
  model: LayersModel,
  folder: string,
  record: Pick<TrainingRecord, "task" | "classes" | "input" | "preprocessing">,
  formats: readonly ExportFormat[],
): Promise<void> {
  if (!formats.includes("onnx")) return;
  const { task, classes, input, preprocessing } = record;
  const { size, divisor, mirror } = input;
  const bytes = await toOnnx(model, {
    description: `${task[0].toUpperCase()}${task.slice(1)} of a face, from RGB bytes of ` +
      `${size} x ${size} pixels`,
    divisor,
    mirror,
    outputs: [
      classes === null
        ? task === "age"
          ? { name: "years", description: "Age in years; what is below 0 means 0" }
          : { name: "value", description: `${task}, in the unit of its labels` }
        : {
          name: "probabilities",
          description: `Of the classes ${classes.map(({ label }) => `"${label}"`).join(", ")}`,
        },
    ],
    metadata: {
      task,
      classes: JSON.stringify(classes),
      input: `images: uint8 [batch, ${size}, ${size}, 3], RGB, 0 to 255; the graph divides by ` +
        `${divisor} and puts the channels first itself` +
        (mirror ? ", and gives the mean of what it says of each image and its mirror image" : ""),
      preprocessing: JSON.stringify(preprocessing),
    },
  });
  await Deno.writeFile(join(folder, "model.onnx"), bytes);
}
