/** Initial weights from a trained model: the parameter `init`. */
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { readTextIfExists } from "../../packages/pipeline/paths.ts";
import type { LearnedTask } from "./learning.ts";
import type { Task } from "./tasks.ts";
import { type ModelParams, modelsNamed, readManifest } from "./trained_models.ts";

/** Names of last dense layers: of several heads, of one of classes, of one of years. */
const HEAD_LAYERS = ["heads", "logits", "years"];

/** Returns the last dense layer of a network to train. Layers of the trunk may have such names, too. */
export function headLayerOf({ layers }: LayersModel): layers.Layer {
  return layers.findLast(({ name }) => HEAD_LAYERS.includes(name))!;
}

/**
 * Gives a network the weights of the model that `init` names, and freezes layers.
 * @param tasks those of its heads; columns of one are taken from a head of the same task, classes and
 *   shape
 * @returns the frozen layers' names, and a sentence about the weights
 * @throws if the model does not exist or no layer matches
 */
export async function applyInit(
  network: LayersModel,
  init: NonNullable<ModelParams["init"]>,
  tasks: readonly LearnedTask[],
  artifacts: string,
): Promise<{ frozen: string[]; summary: string }> {
  const [{ path: model }] = await modelsNamed({ init }, artifacts);
  const { file, weights } = await readManifest(model);
  const bytes = await Deno.readFile(file);
  const values = new Map<string, { shape: number[]; data: Float32Array; whole: boolean }>();
  let at = 0;
  for (const { name, shape, dtype } of weights) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (dtype !== "float32" || at + size * 4 > bytes.length) {
      throw new Error(
        `Cannot start from "${model}": weight "${name}" is ${dtype} at byte ${at} of ${bytes.length}. ` +
          "Expected float32 within the file; train the model again.",
      );
    }
    const data = new Float32Array(bytes.slice(at, at += size * 4).buffer);
    values.set(name, { shape, data, whole: true });
  }
  const matched = new Set<string>(), fresh: string[] = [];
  const record = await readTextIfExists(join(dirname(model), "training.json"));
  const theirs: Partial<Task> | undefined = record && JSON.parse(record);
  const labelsOf = ({ classes }: Partial<Task>) => classes?.map(({ label }) => label).join();
  /**
   * Returns the values of a weight of the heads' layer: trained ones where a head is the same, with all
   * weights. The last layer of an ordinal model has the bias of a mean of years, and another kernel.
   */
  const headOf = async (name: string, current: tf.Tensor, { weights }: layers.Layer) => {
    const shape = current.shape, all = await readTensor(current);
    const columns = shape.at(-1)!;
    let same = 0;
    for (const { task, columns: own, start, standardized } of tasks) {
      const from = (layer: unknown, weight: string) =>
        values.get(weight.replace(/^[^/]*/, String(layer)));
      const known = [theirs!.task, ...HEAD_LAYERS].find((layer) =>
        weights.every(({ originalName, shape }) =>
          `${from(layer, originalName)?.shape}` === `${[...shape.slice(0, -1), own]}`
        )
      );
      const found = from(known, name);
      if (found && task.task === theirs!.task && labelsOf(task) === labelsOf(theirs!)) {
        same++;
        const { mean, deviation } = standardized ?? { mean: 0, deviation: 1 };
        const center = /bias$/.test(name) ? mean : 0;
        for (const [i, value] of found.data.entries()) {
          all[Math.floor(i / own) * columns + start + i % own] = (value - center) / deviation;
        }
      }
    }
    return same > 0 ? { shape, data: all, whole: same === tasks.length } : undefined;
  };
  const head = headLayerOf(network);
  for (const layer of network.layers) {
    let all = layer.weights.length > 0;
    for (const weight of layer.weights) {
      const found = theirs && layer === head
        ? await headOf(weight.originalName, weight.read(), layer)
        : values.get(weight.originalName);
      if (!found || `${found.shape}` !== `${weight.shape}`) {
        fresh.push(weight.originalName);
        all = false;
        continue;
      }
      tf.tidy(() => void weight.write(tf.tensor(found.data, found.shape)));
      if (!found.whole) fresh.push(`part of ${weight.originalName}`);
      all &&= found.whole;
    }
    if (all) matched.add(layer.name);
  }
  const kernels = network.weights.filter(({ originalName }) => /kernel$/.test(originalName));
  if (kernels.every(({ originalName }) => fresh.includes(originalName))) {
    throw new Error(
      `Cannot start from "${model}": no kernel has the name and shape of the network's. It has ` +
        `${[...values.keys()].slice(0, 5).join(", ")} and others. Choose the same network.`,
    );
  }
  const freeze = typeof init === "string" ? undefined : init.freeze;
  const globs = Array.isArray(freeze) ? freeze : [], names = network.layers.map(({ name }) => name);
  const frozen = names.filter((name) =>
    freeze === "matched" ? matched.has(name) : globs.some((glob) => globPattern(glob).test(name))
  );
  for (const name of frozen) network.getLayer(name).trainable = false;
  const missed = globs.find((glob) => !frozen.some((name) => globPattern(glob).test(name)));
  if (missed !== undefined) {
    const all = names.join(", ");
    throw new Error(`Cannot freeze "${missed}": no layer has that name. There are ${all}.`);
  }
  const total = network.weights.length;
  return {
    frozen,
    summary: `initial weights: ${total - fresh.length} of ${total} from ${dirname(model)}` +
      (fresh.length > 0 ? `; new: ${fresh.join(", ")}` : "") +
      (frozen.length > 0 ? `; frozen: ${frozen.join(", ")}` : ""),
  };
}

function globPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split("*").map(RegExp.escape).join(".*")}$`);
}
