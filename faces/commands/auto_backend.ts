/**
 * Which backend `compute: auto` means on this machine: the fastest that is usable. It is measured
 * once, and only where there is something to compare; then it stays until something changes, so that
 * results do not move from backend to backend between runs.
 */
import {
  type Backend,
  defaultPlaces,
  findInstallation,
  type Places,
} from "../../packages/compute/backends.ts";
import type { AdapterDescription } from "../../packages/compute/webgpu_adapter.ts";
import type { BackendStatus } from "./compute/measure_backend.ts";
import {
  currentEnvironment,
  loadBenchmark,
  type Memory,
  sameEnvironment,
  saveBenchmark,
} from "./compute/benchmark_cache.ts";

export interface Choice {
  readonly backend: Backend;
  readonly why: string;
}

/** What finds out; tests have their own. */
export interface Probes {
  lookForGpu(): Promise<AdapterDescription | undefined>;
  measureBackend(backend: Backend, gpu: AdapterDescription | undefined): Promise<BackendStatus>;
}

/**
 * How many times as fast another backend has to be before it is taken over wasm, which comes with
 * the project and gives the same bytes with any number of threads. Less than this is noise.
 */
const WORTHWHILE = 1.15;

/** Returns what `auto` was found to mean under these circumstances; wasm, if it never was. Measures nothing. */
export async function recallAuto(places: Places = defaultPlaces()): Promise<Choice> {
  const memory = await loadBenchmark(places);
  return memory && sameEnvironment(memory.circumstances, await currentEnvironment(places))
    ? memory.chosen
    : { backend: "wasm", why: "nothing was measured here" };
}

/**
 * What `auto` means here. Remembered; where it is not, it is found out, which takes a second where
 * there is nothing but wasm, and some ten where backends have to be measured.
 */
export async function chooseAuto(
  say: (line: string) => void,
  places: Places = defaultPlaces(),
  eyes?: Probes,
): Promise<Choice> {
  const now = await currentEnvironment(places);
  const memory = await loadBenchmark(places);
  if (memory && sameEnvironment(memory.circumstances, now)) return memory.chosen;
  const { lookForGpu, measureBackend } = eyes ?? await import("./compute/measure_backend.ts");
  const gpu = await lookForGpu();
  const candidates: Backend[] = ["wasm"];
  if (gpu !== undefined && !gpu.software) candidates.push("webgpu");
  for (const backend of ["node", "node-gpu"] as const) {
    if (await findInstallation(backend, places)) candidates.push(backend);
  }
  const findings: BackendStatus[] = [];
  if (candidates.length > 1) {
    say(`measuring ${candidates.join(", ")}, once, to take the fastest (deno task compute)`);
    for (const backend of candidates) findings.push(await measureBackend(backend, gpu));
  }
  const chosen = pickFastest(findings);
  if (memory && memory.chosen.backend !== chosen.backend) {
    say(
      `compute: auto means ${chosen.backend} now, not ${memory.chosen.backend} as before: ` +
        `${chosen.why}. Results of the other stay; compute: ${memory.chosen.backend} uses them`,
    );
  }
  const kept: Memory = { circumstances: now, at: new Date().toISOString(), chosen, findings };
  await saveBenchmark(kept, places).catch((error) => {
    // A run that may not write there can do without; the next one looks again.
    if (!(error instanceof Deno.errors.NotCapable)) say(`not remembered: ${error.message}`);
  });
  return chosen;
}

/**
 * The fastest usable backend that is worth it, by the best step of each. Plain JavaScript and GPUs in
 * software are never taken.
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
  const taken = wasm && wasm.bestMsPerStep < fastest.bestMsPerStep * WORTHWHILE ? wasm : fastest;
  const times = usable.map(({ name, bestMsPerStep }) => `${name} ${round(bestMsPerStep)}`)
    .join(", ");
  const why = `${taken === fastest ? "the fastest" : "hardly slower than the fastest"} ` +
    `(best step: ${times} ms)`;
  return { backend: taken.name, why: [why, ...failed].join("; ") };
}

export function round(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}
