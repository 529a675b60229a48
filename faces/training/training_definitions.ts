/** Declarations of networks. Independent of TensorFlow.js, which a definition gets as an argument. */
import { z } from "zod";
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { define, type Definition } from "../../packages/pipeline/define.ts";
import { type Initializer, initializers } from "./network_options.ts";

/** The module `@tensorflow/tfjs-layers`. */
export type Tfjs = typeof import("@tensorflow/tfjs-layers");

/** Options that every network takes; a stage's parameters of these names are their defaults. */
export interface NetworkOptions {
  /** Height and width of the input image. */
  size: number;
  dropout: number;
  batchNormMomentum: number;
  /** Distribution of initial kernels. */
  initializer: Initializer;
}

const networkOptions = {
  dropout: z.number().min(0).lt(1).optional().describe("Dropout rate"),
  batchNormMomentum: z.number().min(0).lt(1).optional().describe(
    "Momentum of batch normalization's moving averages",
  ),
  initializer: z.enum(initializers).optional().describe("Distribution of the initial weights"),
};

/** A network, without the last layers, which stages append for their tasks. */
export interface NetworkDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params: P;
  /** Initial weights of trunk and heads. Default: heNormal, suited to ReLU, and glorotUniform. */
  readonly initializers?: { readonly trunk: Initializer; readonly heads: Initializer };
  /** Name of the whole model with one head or several. Default: the network's name. */
  modelName?(heads: number): string;
  /**
   * Builds the layers from [batch, size, size, 3], 0 to 1, to features, [batch, n]: a list of layers
   * in sequence, or the output computed from `image`. Layers need names: initial weights depend on
   * them. Called once per model; each call returns new layers.
   */
  trunk(
    options: NetworkOptions & z.output<P>,
    tfjs: Tfjs,
    image: SymbolicTensor,
  ): layers.Layer[] | SymbolicTensor;
}

/**
 * Declares a network. Built-in ones are listed in `models/mod.ts`; a plugin's is its default export.
 * @example
 * ```ts
 * import { z } from "zod";
 * const linear = defineNetwork({
 *   name: "linear", summary: "Linear features of all pixels",
 *   params: z.strictObject({ units: z.int().default(64).describe("Number of features") }),
 *   trunk: ({ units, initializer }, { layers }) => [
 *     layers.flatten({ name: "flatten" }),
 *     layers.dense({ name: "dense", units, kernelInitializer: initializer }),
 *   ],
 * });
 * console.assert(linear.extends === "network");
 * ```
 */
export function defineNetwork<P extends z.ZodObject>(
  network: Omit<NetworkDefinition<P>, "extends">,
): NetworkDefinition {
  const params = z.strictObject({ ...network.params.shape, ...networkOptions });
  return define({ kind: "network", ...network, params }) as never;
}
