/** What was measured is remembered in the person's cache folder, for this machine and these versions. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import {
  type Backend,
  defaultPlaces,
  findInstallation,
  type Places,
} from "../../../packages/compute/backends.ts";
import { readState, writeState } from "../../../packages/pipeline/state.ts";
import type { BackendStatus } from "./measure_backend.ts";

/** What a measurement depends on. */
export interface Environment {
  /** Homes may be shared by machines. Undefined where the process may not ask. */
  host?: string;
  target: string;
  cores: number;
  deno: string;
  /** Versions of TensorFlow.js, and the size of the engine's kernels. */
  project: string;
  /** Which node and node-gpu are installed. */
  installations: string;
}

export interface Memory {
  circumstances: Environment;
  at: string;
  /** What `auto` takes, and why. */
  chosen: { backend: Backend; why: string };
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

/** Files and versions are looked at, nothing is loaded: this is asked in every run. */
export async function currentEnvironment(places: Places = defaultPlaces()): Promise<Environment> {
  const { imports } = JSON.parse(await Deno.readTextFile(join(places.root, "deno.json")));
  const tfjs = Object.values(imports as Record<string, string>)
    .filter((specifier) => specifier.includes("@tensorflow/"));
  const engine = await Deno.stat(new URL("../../../packages/engine/engine.wasm", import.meta.url));
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

/** Whether what was measured then still says something now. */
export function sameEnvironment(then: Environment, now: Environment): boolean {
  const { host: a, ...before } = then, { host: b, ...after } = now;
  return JSON.stringify(before) === JSON.stringify(after) &&
    (a === undefined || b === undefined || a === b);
}

/** What is remembered, of whatever circumstances; undefined if there is nothing that can be read. */
export async function loadBenchmark(
  { cache }: Places = defaultPlaces(),
): Promise<Memory | undefined> {
  // A file that was damaged is as good as none: it is measured again.
  return (await readState<Memory>(join(cache, "compute.json"), { shape })).value;
}

export async function saveBenchmark(
  memory: Memory,
  { cache }: Places = defaultPlaces(),
): Promise<void> {
  await Deno.mkdir(cache, { recursive: true });
  await writeState(join(cache, "compute.json"), memory);
}

export const projectFolder = fileURLToPath(new URL("../../../", import.meta.url));
