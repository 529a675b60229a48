/**
 * Compiles engine/assembly to packages/engine/engine.wasm (relaxed SIMD) and packages/engine/engine.simd.wasm (for
 * runtimes without relaxed SIMD): deno task build:engine
 */
import { compile } from "../assemblyscript/compile.ts";

const source = new URL("./assembly/", import.meta.url);

/** To be compiled with, but for the features. */
const flags = [
  // -O3 moves each multiplication to where its sum is used, which leaves too few registers: the
  // microkernels take half as long again.
  ...["-O2", "--noAssert", "--runtime", "stub", "--use", "abort=", "--importMemory"],
  ...["--sharedMemory", "--memoryBase", "8192", "--initialMemory", "1"],
  ...["--maximumMemory", "65536"],
];

/** The two builds, by file name in engine/. */
export async function build(): Promise<Record<"engine.wasm" | "engine.simd.wasm", Uint8Array>> {
  return {
    "engine.wasm": await compile(source, [...flags, "--enable", "simd,threads,relaxed-simd"]),
    "engine.simd.wasm": await compile(source, [...flags, "--enable", "simd,threads"]),
  };
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    await Deno.writeFile(new URL(name, import.meta.url), bytes);
    console.log(`engine/${name}: ${bytes.length.toLocaleString("en")} bytes`);
  }
}
