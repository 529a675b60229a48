/** Plans a network of any layers, in any order: one tensor per layer, gradients added up over its readers. */
import { Activation, Update } from "../assembly/abi.ts";
import { type Network, UnsupportedNetwork } from "../engine_network.ts";
import { Allocator } from "./allocator.ts";
import { GraphBuilder } from "./graph_builder.ts";
import { activationOf } from "./layers/pointwise.ts";
import { denseUpdates } from "./layers/dense_layer.ts";
import { chunksOf, type PlanOptions } from "./layout.ts";
import { lossRecords } from "./dense_layers.ts";
import { collectParameters, layOutAverages, optimizerTable } from "./parameters.ts";
import { overItems, type Plan, record, type Stage, writePrograms } from "./program.ts";
import { Buffer, Schedule } from "./operations.ts";
import { product } from "./shapes.ts";
import type { GraphLayer, GraphTensor } from "./graph_layer.ts";

/** Lays out memory and writes the programs. @throws {UnsupportedNetwork} */
export function planGraph(network: Network, options: PlanOptions): Plan {
  const { batch, threads, divisor, clips = false } = options;
  const { layers, outputs, logits } = fuse(withJoinedOutputs(network));
  const memory = new Allocator(), chunks = chunksOf(batch);
  const pixels = product(network.input), floats = divisor === undefined;
  const input = { address: memory.allocate(batch * pixels * (floats ? 4 : 1)), floats };
  const weights = collectParameters(memory);
  const builder = new GraphBuilder(memory, weights, { batch, threads, chunks });
  builder.declare(network.input, layers);
  const { moments, gradient } = weights.end();
  builder.gradientOffset = gradient;

  const { columns } = endOf(network, builder.shapes[outputs], logits);
  const width = Math.ceil(columns / 8) * 32;
  const fixed = (address: number) => Object.assign(new Buffer(width, "fixed"), { address });
  const activated = memory.allocate(batch * width), outGradient = memory.allocate(batch * width);
  const labels = memory.allocate(batch * columns * 4),
    results = memory.allocate(batch * columns * 4);
  const heads = typeof network.loss === "object" ? network.loss : [];
  const headLosses = memory.allocate(heads.length * 8);
  const outside = typeof network.loss === "function";
  const lossOf = (training: boolean) =>
    lossRecords(network.loss, columns, {
      ...{ activated, gradient: training ? outGradient : 0, row: width / 4 },
      ...{ labels, outputs: results, headLosses },
    });

  const build = (training: boolean) => {
    const schedule = new Schedule();
    const prepared = builder.start(schedule, training);
    const end = fixed(activated), endGradient = fixed(outGradient);
    const image = builder.readInput({ ...input, divisor }, network.input);
    const tensors = new Map<number, GraphTensor>([[-1, image]]);
    for (const [n, layer] of layers.entries()) {
      const value = n === outputs ? end : undefined;
      tensors.set(n, builder.forward(layer, layer.inputs.map((i) => tensors.get(i)!), value));
    }
    const output = tensors.get(outputs)!;
    if (!outside) {
      schedule.add({
        ...{ reads: [end], writes: training ? [endGradient] : [] },
        items: (first) =>
          lossOf(training).map(([kernel, , , ...words], n) => [kernel, first + n, 1, ...words]),
      });
    }
    const ahead = schedule.depth;
    if (training) {
      schedule.base = ahead;
      output.slot.gradient = endGradient;
      endGradient.level = ahead;
      builder.backward();
    }
    return { schedule, prepared, ahead };
  };
  const train = build(true), infer = build(false);
  const sizes = { batch, threads, chunks };
  builder.shared; // is allocated before the arena
  const arena = {
    train: train.schedule.place(memory, sizes),
    infer: infer.schedule.place(memory, sizes),
  };
  const start = memory.allocate(Math.max(arena.train.bytes, arena.infer.bytes));

  const { table, norms, penalties, panels } = optimizerTable(
    memory,
    weights.parameters,
    (address) => builder.parts.get(address),
    chunks,
    clips,
  );
  const others = Math.min(penalties.count, ...panels.values());
  const update = (count: number, kind: Update) =>
    record("updateWeights", 0, count, [
      ...[table, ...moments, gradient, penalties.address, kind, norms],
    ]);
  // Gives buffers their addresses, which the updates of dense layers read.
  const stages = arena.train.stages(start);
  const updates = overItems([
    update(others, norms === 0 ? Update.step : Update.gather),
    ...denseUpdates(builder, others, {
      table,
      moments,
      penalties: penalties.address,
      norms,
      panels,
    }),
  ], norms === 0 ? [] : [record("clip", 0, 1, [norms, penalties.count])]);
  const { averages, stages: averaging } = layOutAverages(
    memory,
    options.averages ? weights.tensors : [],
  );
  const whole = (stages: Stage[]) => stages.filter(({ count }) => count > 0);
  const ahead = whole([...train.prepared.stages(), ...stages.slice(0, train.ahead).flat()]);
  const behind = whole([
    ...stages.slice(train.ahead).flat(),
    updates,
    ...(norms === 0 ? [] : [overItems([update(penalties.count, Update.apply)])]),
    ...averaging,
  ]);
  const { addresses: [trainAt, inferAt, penalty, back], counters } = writePrograms(memory, [
    outside ? ahead : [...ahead, ...behind],
    whole([...infer.prepared.stages(), ...arena.infer.stages(start).flat()]),
    [overItems([update(penalties.count, Update.penaltyOnly)])],
    ...(outside ? [behind] : []),
  ]);
  return {
    ...{ network, batch, threads, bytes: memory.end, tensors: weights.tensors, moments, gradient },
    ...{ averages, labels, penalties, counters, words: memory.words },
    programs: { train: trainAt, infer: inferAt, penalty, back },
    input: { ...input, bytes: pixels * (floats ? 4 : 1) },
    outputs: {
      ...{ columns, gradient: outGradient },
      ...(outside ? { address: activated, row: width } : { address: results, row: columns * 4 }),
    },
    heads: { address: headLosses, count: heads.length },
  };
}

/** Writes out each layer's inputs, and appends a layer that joins several outputs. */
function withJoinedOutputs({ layers, outputs = [layers.length - 1], loss }: Network) {
  const all: GraphLayer[] = layers.map((layer, n) => ({
    ...layer,
    inputs: layer.inputs ?? [n - 1],
  }));
  if (outputs.length > 1) {
    all.push({ kind: "concatenate", inputs: [...outputs] });
    return { layers: all, output: all.length - 1 };
  }
  const [output] = outputs, last = all[output];
  if (last?.kind !== "softmax") return { layers: all, output };
  // Losses take the logits, which is stable.
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
function fuse(
  { layers, output, logits = false }: { layers: GraphLayer[]; output: number; logits?: boolean },
) {
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
    if (
      !activation || !before || uses.filter((n) => n === from).length !== 1 || from === output ||
      before.activation
    ) {
      continue;
    }
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
    outputs: at(output),
    logits,
  };
}

/** Checks that the network's end suits its loss. @throws {UnsupportedNetwork} */
function endOf({ loss }: Network, shape: readonly number[], logits: boolean): { columns: number } {
  const refuse = (why: string): never => {
    throw new UnsupportedNetwork(`The fast engine cannot train this network: its end ${why}`);
  };
  if (shape.length !== 1) return refuse(`has the shape ${shape.join(" x ")}, not one axis`);
  const [columns] = shape;
  if (loss === "categoricalCrossentropy" && !logits) return refuse("is not a softmax");
  if (typeof loss === "object") {
    const all = loss.reduce((sum, head) => sum + head.columns, 0);
    if (columns !== all) return refuse(`has ${columns} units for heads of ${all} columns`);
  }
  return { columns };
}
