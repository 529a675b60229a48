/**
 * Backend of `compute: auto`: the fastest usable one on this machine. It is measured once, if there
 * is a choice, and kept in the cache folder until the environment changes, so results of later runs
 * come from the same backend.
 */
import { join } from "node:path";
import { z } from "zod";
import {
  type Backend,
  defaultPlaces,
  findInstallation,
  type Places,
} from "../../packages/compute/backends.ts";
import type { AdapterDescription } from "../../packages/compute/webgpu_adapter.ts";
import { readState, writeState } from "../../packages/pipeline/state.ts";
import type { BackendStatus } from "./compute/measure_backend.ts";

interface Choice {
  readonly backend: Backend;
  readonly why: string;
}

/** Measurements; tests replace them. */
export interface Probes {
  lookForGpu(): Promise<AdapterDescription | undefined>;
  measureBackend(backend: Backend, gpu: AdapterDescription | undefined): Promise<BackendStatus>;
}

/** Everything that a measurement depends on. */
interface Environment {
  /** Machines may share a home folder. Undefined without permission. */
  host?: string;
  target: string;
  cores: number;
  deno: string;
  /** Versions of TensorFlow.js, and the size of the engine's kernels. */
  project: string;
  /** Installations of node and node-gpu. */
  installations: string;
}

/** Content of `compute.json` in the cache folder. */
interface Benchmark {
  circumstances: Environment;
  at: string;
  chosen: Choice;
  findings: BackendStatus[];
}

const shape = z.looseObject({
  circumstances: z.looseObject({
    ...{ target: z.string(), cores: z.number(), deno: z.string() },
    ...{ project: z.string(), installations: z.string(), host: z.string().optional() },
  }),
  at: z.string(),
  chosen: z.looseObject({ backend: z.string(), why: z.string() }),
  findings: z.array(z.looseObject({ name: z.string(), usable: z.boolean(), why: z.string() })),
});

/**
 * Minimum speedup over wasm. The wasm backend comes with the project and gives the same bytes with
 * any number of threads; smaller speedups are noise.
 */
const MIN_SPEEDUP = 1.15;

/** Returns the backend of the last measurement in this environment; default: wasm. */
export async function recallAuto(places: Places = defaultPlaces()): Promise<Choice> {
  const { current } = await loadBenchmark(places);
  return current?.chosen ?? { backend: "wasm", why: "nothing was measured here" };
}

/**
 * Returns the backend of `compute: auto`. Measures it, if necessary, in about 1 s without a choice
 * and 10 s with several backends.
 */
export async function chooseAuto(
  log: (line: string) => void,
  places: Places = defaultPlaces(),
  probes?: Probes,
): Promise<Choice> {
  const { environment, current, last } = await loadBenchmark(places);
  if (current) return current.chosen;
  const { lookForGpu, measureBackend } = probes ?? await import("./compute/measure_backend.ts");
  const gpu = await lookForGpu();
  const candidates: Backend[] = ["wasm"];
  if (gpu !== undefined && !gpu.software) candidates.push("webgpu");
  for (const backend of ["node", "node-gpu"] as const) {
    if (await findInstallation(backend, places)) candidates.push(backend);
  }
  const findings: BackendStatus[] = [];
  if (candidates.length > 1) {
    log(`measuring ${candidates.join(", ")} once, to choose the fastest (deno task compute)`);
    for (const backend of candidates) findings.push(await measureBackend(backend, gpu));
  }
  const chosen = pickFastest(findings);
  if (last && last.chosen.backend !== chosen.backend) {
    log(
      `compute: auto now chooses ${chosen.backend} instead of ${last.chosen.backend}: ` +
        `${chosen.why}. Earlier results stay cached; compute: ${last.chosen.backend} uses them`,
    );
  }
  await saveBenchmark(environment, chosen, findings, places).catch((error) => {
    // Without permission to write, the next run measures again.
    if (!(error instanceof Deno.errors.NotCapable)) {
      log(`cannot save the measurement: ${error.message}`);
    }
  });
  return chosen;
}

/**
 * Picks the fastest usable backend by its best step, or wasm if the speedup is small. Never picks
 * plain JavaScript or GPUs in software.
 */
export function pickFastest(findings: readonly BackendStatus[]): Choice {
  const usable = findings
    .filter((finding) => finding.usable)
    .filter(({ name, software }) => name !== "cpu" && !software)
    .sort((a, b) => a.bestMsPerStep - b.bestMsPerStep);
  const failed = findings.flatMap((finding) =>
    finding.usable || finding.missing ? [] : [`${finding.name} does not run: ${finding.why}`]
  );
  if (usable.length < 2 && failed.length === 0) {
    return { backend: "wasm", why: "no other is installed or has a GPU" };
  }
  const wasm = usable.find(({ name }) => name === "wasm");
  const [fastest] = usable;
  const taken = wasm && wasm.bestMsPerStep < fastest.bestMsPerStep * MIN_SPEEDUP ? wasm : fastest;
  const times = usable.map(({ name, bestMsPerStep }) => `${name} ${formatMs(bestMsPerStep)}`);
  const why = `${taken === fastest ? "the fastest" : "about as fast as the fastest"} ` +
    `(best step: ${times.join(", ")} ms)`;
  return { backend: taken.name, why: [why, ...failed].join("; ") };
}

/** Formats milliseconds: "14.0", "120". */
export function formatMs(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

/** Loads the last benchmark, which is also the current one if its environment is today's. */
export async function loadBenchmark(
  places: Places = defaultPlaces(),
): Promise<{ environment: Environment; last?: Benchmark; current?: Benchmark }> {
  const environment = await currentEnvironment(places);
  // A damaged file counts as none: the next run measures again.
  const { value: last } = await readState<Benchmark>(join(places.cache, "compute.json"), { shape });
  if (!last) return { environment };
  const { host: a, ...before } = last.circumstances, { host: b, ...now } = environment;
  const same = JSON.stringify(before) === JSON.stringify(now) &&
    (a === undefined || b === undefined || a === b);
  return { environment, last, ...(same && { current: last }) };
}

/** Saves a benchmark in the cache folder. */
export async function saveBenchmark(
  circumstances: Environment,
  chosen: Choice,
  findings: BackendStatus[],
  { cache }: Places = defaultPlaces(),
): Promise<void> {
  await Deno.mkdir(cache, { recursive: true });
  const benchmark: Benchmark = { circumstances, at: new Date().toISOString(), chosen, findings };
  await writeState(join(cache, "compute.json"), benchmark);
}

/** Reads files and versions only, because every run needs it. */
async function currentEnvironment(places: Places): Promise<Environment> {
  const { imports } = JSON.parse(await Deno.readTextFile(join(places.root, "deno.json")));
  const tfjs = Object.values(imports as Record<string, string>)
    .filter((specifier) => specifier.includes("@tensorflow/"));
  const engine = await Deno.stat(new URL("../../packages/engine/engine.wasm", import.meta.url));
  const installed = [
    await findInstallation("node", places),
    await findInstallation("node-gpu", places),
  ];
  return {
    host: host(),
    target: Deno.build.target,
    cores: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    project: [...tfjs, `engine ${engine.size}`].join(" "),
    installations: installed.map((found) => found?.signature ?? "none").join("\n"),
  };
}

function host(): string | undefined {
  try {
    return Deno.hostname();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
