/** Networks written in YAML, layer by layer. */
import { z } from "zod";
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { defineNetwork } from "../faces/training/training_definitions.ts";
import { initializers } from "../faces/training/network_options.ts";

const count = z.int().min(1).max(4096);
const sides = z.union([count, z.tuple([count, count])]);
const activation = z.enum([
  ...[
    "linear",
    "relu",
    "relu6",
    "elu",
    "selu",
    "swish",
    "gelu",
    "mish",
    "tanh",
    "sigmoid",
  ] as const,
  ...["hardSigmoid", "softplus", "softsign"] as const,
]).optional();
const initializer = z.enum(initializers).optional();
const l2 = z.number().min(0).optional().describe("L2 penalty on the kernel");
const useBias = z.boolean().optional();
const padding = z.enum(["same", "valid"]).optional();
const named = {
  name: z.string().regex(/^[A-Za-z]\w*$/, "expected a letter, then letters, digits and _")
    .optional(),
  input: z.string().optional().describe("Name of the layer before. Default: the one above"),
};
const window = { ...named, poolSize: sides.optional(), strides: sides.optional(), padding };
const kernels = {
  ...named,
  kernelSize: sides,
  strides: sides.optional(),
  padding,
  activation,
  useBias,
};
const momentum = z.number().min(0).lt(1).optional();
const epsilon = z.number().gt(0).optional();
/** Names of the layers to merge, or a map with them as `inputs`. */
const merge = z.union([
  z.array(z.string()).min(2),
  z.strictObject({ name: named.name, inputs: z.array(z.string()).min(2) }),
]);

/** Options of each layer, by the names of TensorFlow.js. */
const kinds = {
  conv2d: z.strictObject({ ...kernels, filters: count, kernelInitializer: initializer, l2 }),
  depthwiseConv2d: z.strictObject({
    ...{ ...kernels, depthMultiplier: count.optional(), depthwiseInitializer: initializer },
  }),
  separableConv2d: z.strictObject({
    ...{ ...kernels, filters: count, depthMultiplier: count.optional() },
    ...{ depthwiseInitializer: initializer, pointwiseInitializer: initializer },
  }),
  dense: z.strictObject({
    ...{ ...named, units: count, activation, useBias, kernelInitializer: initializer, l2 },
  }),
  batchNormalization: z.strictObject({ ...named, momentum, epsilon }),
  layerNormalization: z.strictObject({ ...named, epsilon }),
  maxPooling2d: z.strictObject(window),
  averagePooling2d: z.strictObject(window),
  globalAveragePooling2d: z.strictObject(named),
  globalMaxPooling2d: z.strictObject(named),
  flatten: z.strictObject(named),
  reshape: z.strictObject({ ...named, targetShape: z.array(count).min(1) }),
  dropout: z.strictObject({ ...named, rate: z.number().min(0).lt(1) }),
  activation: z.strictObject({ ...named, activation: activation.unwrap() }),
  reLU: z.strictObject({ ...named, maxValue: z.number().gt(0).optional() }),
  leakyReLU: z.strictObject({ ...named, alpha: z.number().min(0).optional() }),
  prelu: z.strictObject(named),
  elu: z.strictObject(named),
  zeroPadding2d: z.strictObject({ ...named, padding: sides.optional() }),
  add: merge,
  multiply: merge,
  concatenate: merge,
};
type LayerName = keyof typeof kinds;

const layer = z.strictObject(
  Object.fromEntries(
    Object.entries(kinds).map(([name, options]) => [name, options.optional()]),
  ),
).refine(
  (map) => Object.keys(map).length === 1,
  "expected one layer per item, as in - flatten: {}",
);

export const layerList = defineNetwork({
  name: "layers",
  summary: "Layers of TensorFlow.js, one by one; the stage appends the head",
  params: z.strictObject({
    layers: z.array(layer).min(1).describe(
      "One-key maps: layer → its options. A layer follows the one above, or the one that `input` " +
        "names; add, multiply and concatenate take a list of names",
    ),
  }),
  trunk({ layers: list, batchNormMomentum, initializer }, tfjs, image) {
    const values = new Map<string, SymbolicTensor>([["image", image]]);
    let last = image;
    for (const [i, map] of list.entries()) {
      const [[kind, written]] = Object.entries(map) as [LayerName, Record<string, unknown>][];
      const { name = `${kind}${i + 1}`, input, inputs, l2, ...options } = Array.isArray(written)
        ? { inputs: written } as Record<string, unknown>
        : written;
      const at = `layer ${i + 1} (${kind})`;
      const find = (of: string) => {
        const value = values.get(of);
        if (value) return value;
        throw new Error(
          `Cannot build the network: ${at} follows "${of}", which is no layer above it. There are ` +
            `${[...values.keys()].join(", ")}.`,
        );
      };
      const random = Object.keys(kinds[kind] instanceof z.ZodObject ? kinds[kind].shape : {})
        .filter((key) => key.endsWith("Initializer"));
      const create = tfjs.layers[kind] as (config: object) => layers.Layer;
      const config = {
        ...Object.fromEntries(random.map((key) => [key, initializer])),
        ...(kind === "batchNormalization" ? { momentum: batchNormMomentum } : {}),
        ...options,
        name,
        ...(l2 ? { kernelRegularizer: tfjs.regularizers.l2({ l2: l2 as number }) } : {}),
      };
      const from = inputs
        ? (inputs as string[]).map(find)
        : input === undefined
        ? last
        : find(input as string);
      if (values.has(name as string)) {
        throw new Error(`Cannot build the network: ${at} has the name "${name}" of another layer.`);
      }
      try {
        last = create(config).apply(from) as SymbolicTensor;
      } catch (cause) {
        const reason = (cause as Error).message;
        throw new Error(`Cannot build the network: ${at} does not fit: ${reason}`, { cause });
      }
      values.set(name as string, last);
    }
    return last;
  },
});
