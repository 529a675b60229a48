/** Time of each kernel of a training step of the engine, on one thread. */
import process from "node:process";
import { openBackend } from "../packages/compute/open_backend.ts";
import { random } from "../packages/random/random.ts";
import { Control, Kernel, RECORD } from "../packages/engine/assembly/abi.ts";
import { type Plan, plan } from "../packages/engine/engine_plan.ts";
import { Threads } from "../packages/engine/run/threads.ts";
import { engineLoss } from "../faces/training/engine_trainer.ts";
import { toEngineNetwork } from "../faces/training/to_engine_network.ts";
import { defineBench, names, table } from "./harness.ts";
import { type NetworkName, NETWORKS } from "./peer.ts";
import { kinds } from "./peers/networks.ts";

const help = `deno task bench profile [options]

Runs the stages of the engine's training step one by one, on one thread, and prints the least
processor time that each kernel took. A kernel that shares images with others in a stage is measured
by what the stage takes more with it. The roofline is what bounds a step: products at the rate of
the first convolution, transforms of Winograd's algorithm and packing around them, and passes over
memory. Bytes are the part of these shares that memory alone takes: reading and writing all of the
step's memory once, at the rate of a copy. Waits are what two threads lose at barriers, measured on
top: twice their time, less that of one. They take an idle machine to measure.

  --network NAME  ${NETWORKS.join(", ")}, or all: one table (gender)
  --batch N       images in a step (64)
  --predict       a step of predictions in place of training
  --rounds N      how often each is measured (25)`;

const defaults = {
  network: names([...NETWORKS, "all"], ["gender"]),
  batch: 64,
  predict: false,
  rounds: 25,
} as const;
export const bench = defineBench(help, defaults, async ({ network, batch, predict, rounds }) => {
  await openBackend("wasm");
  const program = predict ? "infer" : "train";
  const chosen = network.includes("all") ? NETWORKS : network as NetworkName[];
  const profiled: Profile[] = [], parts: string[] = [];
  for (const name of chosen) {
    const { build, objective } = kinds[name];
    const described = toEngineNetwork(build(), engineLoss(objective));
    const [alone, both] = [1, 2].map((threads) =>
      plan(described, { batch, threads, divisor: 255 })
    );
    const timings = await profile(alone, rounds, program), { bytes } = alone;
    const copy = copyTime(bytes, rounds);
    const waits = await measureWaits([alone, both], rounds, program);
    profiled.push({ name, plan: { bytes, batch }, timings, copy, waits });
    const total = timings.reduce((sum, { ms }) => sum + ms, 0);
    if (chosen.length > 1) continue;
    parts.push(
      table(
        ["stage and kernel", "ms", "share", "GFLOP/s"],
        timings.map(({ stage, kernels, ms, operations }) => [
          ...[`${stage} ${kernels.join(", ")}`, ms.toFixed(3)],
          `${(ms / total * 100).toFixed(1)} %`,
          operations > 0 ? (operations / ms / 1e6).toFixed(1) : "",
        ]),
      ),
      `${total.toFixed(2)} ms in all`,
    );
  }
  return { text: [...parts, roofline(profiled)].join("\n\n"), json: { profile: profiled } };
});

/**
 * Timings of a network's step; `copy`: milliseconds in which its memory is read and written once;
 * `waits`: milliseconds that two threads wait for each other.
 */
interface Profile {
  readonly name: string;
  readonly plan: Pick<Plan, "bytes" | "batch">;
  readonly timings: readonly Timing[];
  readonly copy: number;
  readonly waits: number;
}

/** Divides the steps of networks by what bounds them, as a Markdown table. */
export function roofline(profiles: readonly Profile[]): string {
  const rows = profiles.map(({ name, plan: { bytes, batch }, timings, copy, waits }) => {
    const sum = (some: readonly Timing[], key: "ms" | "operations") =>
      some.reduce((sum, timing) => sum + timing[key], 0);
    // The first convolution has no transforms.
    const stem = timings.find(({ kernels }) => kernels.includes("convolve"));
    const rate = stem ? stem.operations / stem.ms : Infinity;
    const multiplies = timings.filter(({ operations }) => operations > 0);
    const products = sum(multiplies, "operations") / rate, all = sum(timings, "ms");
    const transforms = sum(multiplies, "ms") - products, passes = all - sum(multiplies, "ms");
    return [
      ...[name, (sum(timings, "operations") / batch / 1e6).toFixed(1), (rate / 1e6).toFixed(1)],
      ...[`${new Set(timings.map(({ stage }) => stage)).size}`, `${(bytes / 1e6).toFixed(0)} MB`],
      (all / batch).toFixed(3),
      ...[products, transforms, passes, copy, waits].map((ms) =>
        `${(ms / all * 100).toFixed(0)} %`
      ),
    ];
  });
  return table([
    ...["network", "million operations", "GFLOP/s", "barriers", "memory", "ms per image"],
    ...["products", "transforms", "passes", "bytes", "waits"],
  ], rows);
}

/** Measures the processor time of some work in ms: the least of rounds, each prepared. */
function leastTime(rounds: number, work: () => void, prepare = () => {}): number {
  return Math.min(...Array.from({ length: rounds }, () => {
    prepare();
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }));
}

/** Measures how many milliseconds of the processor it takes to read and write `bytes` once. */
function copyTime(bytes: number, rounds: number): number {
  const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes)];
  return leastTime(rounds, () => to.set(from));
}

/**
 * Measures how long two threads wait at barriers, in turns with one thread: the least of rounds.
 * `now` returns milliseconds.
 */
export async function measureWaits(
  plans: readonly Plan[],
  rounds: number,
  program: "train" | "infer",
  now = () => performance.now(),
): Promise<number> {
  const module = new WebAssembly.Module(await Deno.readFile(KERNELS));
  const runners = await Promise.all(plans.map(async (plan) => {
    const memory = memoryOf(plan);
    fill(plan, memory.buffer);
    return await Threads.start(plan.threads, module, memory, plan.counters);
  }));
  const least = plans.map(() => Infinity);
  for (let round = -5; round < rounds; round++) {
    for (const [i, runner] of runners.entries()) {
      const before = now();
      await runner.run(plans[i].programs[program], plans[i].batch);
      const took = now() - before;
      if (round >= 0) least[i] = Math.min(least[i], took);
    }
  }
  for (const runner of runners) await runner.close();
  return Math.max(0, 2 * least[1] - least[0]);
}

const KERNELS = new URL("../packages/engine/engine.wasm", import.meta.url);

function memoryOf({ bytes }: Plan): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65536) + 1;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

interface Timing {
  stage: number;
  /** One, or all that share a stage's items. */
  kernels: string[];
  /** The least of all rounds. */
  ms: number;
  /** Multiplications and additions; 0 for kernels that hardly have any. */
  operations: number;
}

export async function profile(
  plan: Plan,
  rounds: number,
  program: "train" | "infer",
): Promise<Timing[]> {
  const memory = memoryOf(plan);
  const { instance } = await WebAssembly.instantiate(await Deno.readFile(KERNELS), {
    env: { memory },
  });
  const ints = new Int32Array(memory.buffer);
  fill(plan, memory.buffer);
  const { counters, batch } = plan;
  const run = instance.exports.run as (program: number, thread: number) => void;
  const reset = () =>
    ints.fill(0, counters.address / 4, counters.address / 4 + counters.count * 16);
  // A program of one stage, and of its first kernels only, is put behind all that the plan uses.
  const own = memory.buffer.byteLength - 65536;
  const cut = (stage: number, kernels: number) => {
    ints.copyWithin(own / 4, stage / 4, stage / 4 + RECORD * (1 + kernels));
    // What ends a stage is counted as one of its kernels.
    const before = ints[stage / 4 + 3];
    ints[own / 4 + 3] = Math.min(kernels, before);
    ints[own / 4 + 5] = Math.max(kernels - before, 0);
    ints[own / 4 + RECORD * (1 + kernels)] = 0;
  };
  const timings: Timing[] = [];
  leastTime(10, () => run(plan.programs[program], 0), reset); // until the runtime has optimised it
  for (let stage = plan.programs[program], s = 0; ints[stage / 4] !== 0; s++) {
    const kernels = ints[stage / 4 + 3] + ints[stage / 4 + 5], overImages = ints[stage / 4] === 1;
    const records = Array.from(
      { length: kernels },
      (_, k) => ints.slice(stage / 4 + RECORD * (k + 1), stage / 4 + RECORD * (k + 2)),
    );
    let before = 0;
    for (let k = overImages ? 1 : kernels; k <= kernels; k++) {
      const of = overImages ? [records[k - 1]] : records;
      const least = leastTime(rounds, () => run(own, 0), () => {
        cut(stage, k);
        reset();
      });
      timings.push({
        stage: s,
        kernels: [...new Set(of.map(nameOf))],
        ms: least - before,
        operations: of.reduce((sum, record) => sum + operations(record, batch), 0),
      });
      before = least;
    }
    stage += (1 + kernels) * RECORD * 4;
  }
  return timings;
}

/** Random weights and images, and what else a step needs. */
function fill({ words, tensors, input, batch }: Plan, buffer: ArrayBufferLike): void {
  const ints = new Int32Array(buffer), floats = new Float32Array(buffer);
  for (const [address, values] of words) ints.set(values, address / 4);
  ints[Control.rows / 4] = batch;
  floats[Control.rate / 4] = 1e-3;
  floats[Control.beta1 / 4] = 0.1;
  floats[Control.beta2 / 4] = 0.001;
  floats[Control.epsilon / 4] = 1e-7;
  const rng = random(1, "profile");
  for (const { address, groups, paddedRows, columns, trainable } of tensors) {
    const count = groups * paddedRows * Math.ceil(columns / 8) * 8;
    for (let n = 0; n < count; n++) floats[address / 4 + n] = trainable ? 0.1 * rng.normal() : 1;
  }
  const images = new Uint8Array(buffer, input.address, input.bytes * batch);
  for (let n = 0; n < images.length; n++) images[n] = rng.int(256);
}

function nameOf(record: Int32Array): string {
  return Kernel[record[0]];
}

/** Returns the multiplications and additions of a record's kernel. */
function operations(record: Int32Array, batch: number): number {
  switch (nameOf(record)) {
    case "convolve":
    case "filterGradient": {
      const [runs, run, , height, width, panels] = record.subarray(7);
      return 2 * batch * height * width * panels * 8 * runs * run;
    }
    case "winograd":
    case "winogradGradient": {
      const [step, taps, , , height, width, panels] = record.subarray(6);
      const side = record[nameOf(record) === "winograd" ? 27 : 24], outputs = side - taps + 1;
      const tiles = height * width / outputs ** 2;
      return 2 * batch * tiles * side ** 2 * panels * 8 * (step / 4);
    }
    case "denseForward":
    case "denseInputGradient":
    case "denseUpdate":
      return 2 * batch * record[4] * record[2] * 8;
    default:
      return 0;
  }
}
