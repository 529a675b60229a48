/** Layers that are computed at once: blocks of a sequence, or an activation with the layer before it. */
import { Activation } from "../assembly/abi.ts";
import { type Layer, type Network, UnsupportedNetwork } from "../engine_network.ts";
import type { GraphLayer } from "./graph_layer.ts";
import { activationOf } from "./layers/pointwise.ts";

type Of<K extends Layer["kind"]> = Extract<Layer, { kind: K }>;

/** A convolution or dense layer with the layers up to the next one: they have kernels of their own. */
export type Block =
  & { readonly norm?: Of<"batchNorm">; readonly frozen?: false }
  & (
    | { readonly kind: "convolutionBlock"; readonly linear: Of<"conv2d">; pool?: Of<"maxPool"> }
    | { readonly kind: "denseBlock"; readonly linear: Of<"dense">; readonly dropout: number }
  );

/** Layers to plan, and the index of the one whose values the loss takes. */
interface Fused {
  readonly layers: GraphLayer[];
  readonly output: number;
  /** True if a softmax followed: losses take its inputs, which is stable. */
  readonly logits: boolean;
}

/** @throws {UnsupportedNetwork} if the loss does not fit a final softmax */
export function fuse(network: Network): Fused {
  checkOptions(network);
  return fuseBlocks(network) ?? fuseActivations(withJoinedOutputs(network));
}

const SIZES = ["units", "filters", "depthMultiplier", "kernelSize", "strides", "poolSize", "shape"];

/** @throws {RangeError} if a size, a rate or the name of a function is impossible */
function checkOptions({ input, layers }: Network): void {
  for (const layer of [{ name: "input", shape: input }, ...layers]) {
    for (const [key, value] of Object.entries(layer)) {
      const fits = SIZES.includes(key)
        ? [value].flat().every((n) => Number.isInteger(n) && n > 0)
        : key === "rate"
        ? value >= 0 && value < 1
        : key !== "function" || value in Activation;
      if (!fits) {
        const name = "name" in layer ? layer.name : layer.kind;
        throw new RangeError(`Cannot compile "${name}": its ${key} is ${value}`);
      }
    }
  }
}

/** Groups the layers of a sequence into blocks. Returns undefined if the network is none. */
function fuseBlocks({ layers, outputs, loss }: Network): Fused | undefined {
  if (outputs || layers.some(({ inputs, frozen }) => inputs || frozen)) return undefined;
  const blocks: GraphLayer[] = [];
  let at = 0, flat = false, logits = false, last: Of<"dense"> | undefined;
  /** Consumes the next layer if it is of this kind. */
  const take = <K extends Layer["kind"]>(kind: K) =>
    layers[at]?.kind === kind ? layers[at++] as Of<K> : undefined;
  while (at < layers.length) {
    if (!flat && take("flatten")) {
      flat = true;
      continue;
    }
    const conv = flat ? undefined : take("conv2d"), dense = flat ? take("dense") : undefined;
    const follows = take("relu") ?? take("leakyRelu");
    if (!conv && !dense || follows?.kind === "leakyRelu" && !(follows.alpha > 0)) return undefined;
    const norm = take("batchNorm"), salt = blocks.length;
    const common = { norm, salt, inputs: [salt - 1], activation: follows && activationOf(follows) };
    if (conv) {
      const pool = take("maxPool");
      // The place of a maximum has a byte.
      if (pool && pool.poolSize[0] * pool.poolSize[1] > 255) return undefined;
      blocks.push({ ...common, kind: "convolutionBlock", linear: conv, pool });
      continue;
    }
    const { rate: dropout, noiseShape } = take("dropout") ?? { rate: 0 }, plain = !norm && !dropout;
    if (noiseShape) return undefined; // a block draws each value by itself
    blocks.push({ ...common, kind: "denseBlock", linear: dense!, dropout });
    logits = plain && !follows && take("softmax") !== undefined;
    if (logits && at < layers.length) return undefined;
    last = plain && !(follows && typeof loss === "object") ? dense : undefined;
  }
  const classes = loss === "categoricalCrossentropy";
  if (!last || typeof loss !== "function" && classes !== logits) return undefined;
  return { layers: blocks, output: blocks.length - 1, logits };
}

/** Writes out each layer's inputs, and appends a layer that joins several outputs. */
function withJoinedOutputs({ layers, outputs = [layers.length - 1], loss }: Network): Fused {
  const all: GraphLayer[] = layers.map((layer, n) => ({
    ...layer,
    inputs: layer.inputs ?? [n - 1],
  }));
  if (outputs.length > 1) {
    all.push({ kind: "concatenate", inputs: [...outputs] });
    return { layers: all, output: all.length - 1, logits: false };
  }
  const [output] = outputs, last = all[output];
  if (last?.kind !== "softmax") return { layers: all, output, logits: false };
  if (typeof loss !== "function" && loss !== "categoricalCrossentropy") {
    const what = typeof loss === "string" ? loss : "a loss of heads";
    throw new UnsupportedNetwork(
      `The fast engine cannot train this network: its end is a softmax, with which ${what} is not computed`,
    );
  }
  return { layers: all, output: last.inputs[0], logits: true };
}

/**
 * Fuses activations with the layer before, where nothing else reads that: any with a batch
 * normalization, and those whose gradient follows from the output with a convolution or dense layer.
 */
function fuseActivations({ layers, output, logits }: Fused): Fused {
  const used = new Set<number>(), uses: number[] = [];
  const use = (n: number) => {
    if (n < 0 || used.has(n)) return;
    used.add(n);
    uses.push(...layers[n].inputs);
    layers[n].inputs.forEach(use);
  };
  use(output);
  const moved = new Map<number, number>();
  for (const [n, layer] of layers.entries()) {
    const activation = activationOf(layer), [from] = layer.inputs, before = layers[from];
    const alone = uses.filter((n) => n === from).length === 1 && from !== output;
    if (!activation || !before || !alone || before.activation) continue;
    const { kind, alpha } = activation;
    const simple = kind === Activation.relu || kind === Activation.leakyRelu && alpha > 0;
    const fits = before.kind === "batchNorm" ||
      simple && (before.kind === "conv2d" || before.kind === "dense");
    if (!fits) continue;
    layers[from] = { ...before, activation };
    moved.set(n, from);
  }
  const kept = layers.map((_, n) => n).filter((n) => used.has(n) && !moved.has(n));
  const at = (n: number) => n < 0 ? n : kept.indexOf(moved.get(n) ?? n);
  return {
    layers: kept.map((n) => ({ ...layers[n], salt: n, inputs: layers[n].inputs.map(at) })),
    output: at(output),
    logits,
  };
}
