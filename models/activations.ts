/** Activations and normalizations that networks offer. */
import type { layers } from "@tensorflow/tfjs-layers";
import type { Tfjs } from "../faces/training/training_definitions.ts";

/** Activations, by their names in TensorFlow.js, and leakyRelu. */
export const activations = [
  ...["relu", "relu6", "leakyRelu", "elu", "swish", "gelu", "mish", "tanh", "sigmoid"] as const,
  ...["softplus"] as const,
] as const;
export type Activation = typeof activations[number];

export const normalizations = ["batch", "layer", "none"] as const;

/** Returns an activation as a layer of its own. */
export function activationLayer(
  { layers }: Tfjs,
  name: string,
  activation: Activation,
): layers.Layer {
  return activation === "leakyRelu"
    ? layers.leakyReLU({ name, alpha: 0.2 })
    : layers.activation({ name, activation: activation as "relu" });
}
