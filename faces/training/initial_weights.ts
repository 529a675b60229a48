/** Initial weights from a trained model: the parameter `init`. */
import { dirname } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { type ModelParams, modelsNamed, readManifest } from "./trained_models.ts";
import type { Tf } from "./training_definitions.ts";

/**
 * Gives a network the weights of the model that `init` names, and freezes layers.
 * @returns the frozen layers' names, and a sentence about the weights
 * @throws if the model does not exist or no layer matches
 */
export async function applyInit(
  network: LayersModel,
  init: NonNullable<ModelParams["init"]>,
  artifacts: string,
  tf: Tf,
): Promise<{ frozen: string[]; summary: string }> {
  const [model] = await modelsNamed("init", { init }, artifacts);
  const { file, weights } = await readManifest(model);
  const bytes = await Deno.readFile(file);
  const values = new Map<string, { shape: number[]; data: Float32Array }>();
  let at = 0;
  for (const { name, shape, dtype } of weights) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (dtype !== "float32" || at + size * 4 > bytes.length) {
      throw new Error(
        `Cannot start from "${model}": weight "${name}" is ${dtype} at byte ${at} of ${bytes.length}. ` +
          "Expected float32 within the file; train the model again.",
      );
    }
    values.set(name, { shape, data: new Float32Array(bytes.slice(at, at += size * 4).buffer) });
  }
  const matched = new Set<string>(), fresh: string[] = [];
  for (const layer of network.layers) {
    for (const weight of layer.weights) {
      const found = values.get(weight.originalName);
      if (found && `${found.shape}` === `${weight.shape}`) {
        tf.tidy(() => void weight.write(tf.tensor(found.data, found.shape)));
        matched.add(layer.name);
      } else fresh.push(weight.originalName);
    }
  }
  const kernels = network.weights.filter(({ originalName }) => /kernel$/.test(originalName));
  if (kernels.every(({ originalName }) => fresh.includes(originalName))) {
    throw new Error(
      `Cannot start "${network.name}" from "${model}": no kernel has the same name and shape. It has ` +
        `${[...values.keys()].slice(0, 5).join(", ")} and others. Choose the same network.`,
    );
  }
  const freeze = typeof init === "string" ? undefined : init.freeze;
  const patterns = Array.isArray(freeze)
    ? freeze.map((name) => ({ name, pattern: globPattern(name) }))
    : [];
  const frozen: string[] = [];
  for (const layer of network.layers) {
    const named = patterns.some(({ pattern }) => pattern.test(layer.name));
    if (!named && !(freeze === "matched" && matched.has(layer.name))) continue;
    layer.trainable = false;
    frozen.push(layer.name);
  }
  const missed = patterns.find(({ pattern }) => !frozen.some((name) => pattern.test(name)));
  if (missed) {
    throw new Error(
      `Cannot freeze "${missed.name}": no layer has that name. There are ` +
        `${network.layers.map(({ name }) => name).join(", ")}.`,
    );
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
