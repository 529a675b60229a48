/** Networks written in YAML, layer by layer. */
import { z } from "zod";
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { defineNetwork, type NetworkDefinition } from "../faces/training/training_definitions.ts";
import { initializers } from "../faces/training/network_options.ts";
import { joinWords } from "../packages/pipeline/errors.ts";

const count = z.int().min(1).max(4096);
const margin = z.int().min(0).max(4096);
const sides = z.union([count, z.tuple([count, count])]);
const activation = z.enum([
  ...["linear", "relu", "relu6", "elu", "selu", "swish", "gelu"] as const,
  ...["mish", "tanh", "sigmoid", "hardSigmoid", "softplus", "softsign"] as const,
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
const strides = sides.optional();
const window = { ...named, poolSize: sides.optional(), strides, padding };
const kernels = { ...named, kernelSize: sides, strides, padding, activation, useBias };
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
    ...kernels,
    depthMultiplier: count.optional(),
    depthwiseInitializer: initializer,
  }),
  separableConv2d: z.strictObject({
    ...kernels,
    filters: count,
    depthMultiplier: count.optional(),
    depthwiseInitializer: initializer,
    pointwiseInitializer: initializer,
  }),
  dense: z.strictObject({
    ...named,
    units: count,
    activation,
    useBias,
    kernelInitializer: initializer,
    l2,
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
  zeroPadding2d: z.strictObject({
    ...named,
    padding: z.union([count, z.tuple([margin, margin])]).optional(),
  }),
  add: merge,
  multiply: merge,
  concatenate: merge,
};

const layer = z.strictObject(
  Object.fromEntries(Object.entries(kinds).map(([name, options]) => [name, options.optional()])),
).refine(
  (map) => Object.keys(map).length === 1,
  {
    message: "expected one layer per item, as in - flatten: {}",
    when: ({ issues }) => issues.length === 0, // unknown names are refused by themselves
  },
).meta({ minProperties: 1, maxProperties: 1 });

/** Returns the parts of an item; a layer without a name has its kind's and its position's. */
function readItem(map: z.output<typeof layer>, i: number) {
  const [[kind, written]] = Object.entries(map) as [keyof typeof kinds, Record<string, unknown>][];
  const { name = `${kind}${i + 1}`, input, inputs, ...options } = Array.isArray(written)
    ? { inputs: written } as Record<string, unknown>
    : written;
  return {
    kind,
    options,
    name: name as string,
    input: input as string | undefined,
    inputs: inputs as string[] | undefined,
    /** Path of the inputs within the list. */
    path: [i, kind, ...Array.isArray(written) ? [] : [inputs ? "inputs" : "input"]],
  };
}

/** Refuses inputs that are no layers above, names that occur twice, and layers that lead nowhere. */
const list = z.array(layer).min(1).superRefine((items, context) => {
  // Refused already.
  if (items.length === 0 || items.some((map) => Object.keys(map).length !== 1)) return;
  const above = new Set(["image"]), taken = new Set<string>();
  let last = "image";
  const refuse = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  for (const [i, map] of items.entries()) {
    const { kind, name, input, inputs, path } = readItem(map, i);
    for (const [j, of] of (inputs ?? [input ?? last]).entries()) {
      taken.add(of);
      if (above.has(of)) continue;
      const names = joinWords([...above], "or");
      refuse(inputs ? [...path, j] : path, `expected a layer above it, ${names}`);
    }
    if (above.has(name)) refuse([i, kind, "name"], "expected a name that no layer above has");
    above.add(name);
    last = name;
  }
  for (const [i, map] of items.entries()) {
    const { kind, name } = readItem(map, i);
    if (name === last || taken.has(name)) continue;
    refuse(
      [i, kind],
      "expected a layer below that takes it, as the network ends otherwise without it",
    );
  }
});

const listed = defineNetwork({
  name: "layers",
  summary: "Layers of TensorFlow.js, one by one; the stage appends the head",
  params: z.strictObject({
    layers: list.describe(
      "One-key maps: layer → its options. A layer follows the one above, or the one that `input` " +
        "names; add, multiply and concatenate take a list of names",
    ),
  }),
  trunk({ layers: items, batchNormMomentum, initializer }, tfjs, image) {
    const values = new Map<string, SymbolicTensor>([["image", image]]);
    let last = "image";
    for (const [i, map] of items.entries()) {
      const { kind, name, input, inputs, options: { l2, ...options } } = readItem(map, i);
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
      const valueOf = (name: string) => values.get(name)!;
      // A copy where a layer takes a value twice, which TensorFlow.js frees too early.
      const copy = (name: string) => tfjs.layers.activation({ name, activation: "linear" });
      const from = inputs?.map((one, j) =>
        inputs.indexOf(one) === j ? valueOf(one) : copy(`${name}.${j}`).apply(valueOf(one))
      ) as SymbolicTensor[] | undefined ?? valueOf(input ?? last);
      const refuse = (reason: string, cause?: unknown): never => {
        throw new Error(`Cannot build the network: layer ${i + 1} (${kind}) ${reason}`, { cause });
      };
      try {
        values.set(name, create(config).apply(from) as SymbolicTensor);
      } catch (cause) {
        refuse(`does not fit: ${(cause as Error).message}`, cause);
      }
      const [given, asked] = [[from].flat()[0], valueOf(name)].map(({ shape }) =>
        (shape.slice(1) as number[]).reduce((a, b) =>
          a * b, 1)
      );
      if (kind === "reshape" && given !== asked) {
        refuse(`makes ${asked} numbers of ${given}. Change its targetShape.`);
      }
      last = name;
    }
    return values.get(last)!;
  },
});

/** Layers have dropout rates of their own. */
export const layerList: NetworkDefinition = {
  ...listed,
  params: listed.params.omit({ dropout: true }),
};
