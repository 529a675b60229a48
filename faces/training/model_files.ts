/** Networks in TensorFlow.js's file format: `model.json` and `weights.bin`. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type LayersModel, loadLayersModel } from "@tensorflow/tfjs-layers";
import { keepWeights } from "./initialize.ts";
import { readRecord, type TrainingRecord } from "./training_record.ts";

/** Writes `model.json` and `weights.bin` into a folder. */
export async function saveModel(model: LayersModel, folder: string): Promise<void> {
  await model.save(tf.io.withSaveHandler(async (artifacts) => {
    const weights = tf.io.CompositeArrayBuffer.join(artifacts.weightData);
    await Deno.writeFile(join(folder, "weights.bin"), new Uint8Array(weights));
    const manifest = {
      modelTopology: withMultipliers(artifacts.modelTopology!, artifacts.weightSpecs!),
      format: artifacts.format,
      generatedBy: artifacts.generatedBy,
      convertedBy: null,
      weightsManifest: [{ paths: ["weights.bin"], weights: artifacts.weightSpecs }],
    };
    await Deno.writeTextFile(join(folder, "model.json"), JSON.stringify(manifest));
    return {
      modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" },
    } as tf.io.SaveResult;
  }));
}

/**
 * Loads a trained model: its network, on the open backend, and its training.json.
 * @param folder folder of a `model` artifact
 */
export async function loadModel(
  folder: string,
): Promise<{ model: LayersModel; record: TrainingRecord }> {
  const { modelTopology, weightsManifest } = JSON.parse(
    await Deno.readTextFile(join(folder, "model.json")),
  );
  const weights = await Deno.readFile(join(folder, "weights.bin"));
  const [{ weights: weightSpecs }] = weightsManifest;
  const model = await loadLayersModel(tf.io.fromMemory({
    modelTopology: withMultipliers(modelTopology, weightSpecs),
    weightSpecs,
    weightData: weights.buffer,
  }));
  return { model: keepWeights(model), record: await readRecord(folder) };
}

/** Adds depthMultipliers of separableConv2d, which TensorFlow.js does not store and needs to load it. */
function withMultipliers(topology: object, weights: tf.io.WeightsManifestEntry[]): object {
  return JSON.parse(JSON.stringify(topology), (_, value) => {
    const kernel = value?.class_name === "SeparableConv2D" &&
      weights.find(({ name }) => name === `${value.config.name}/depthwise_kernel`);
    if (kernel && kernel.shape[3] !== 1) value.config.depth_multiplier = kernel.shape[3];
    return value;
  });
}
