/**
 * Compiles the detector's kernels to kernels.wasm (relaxed SIMD) and kernels.simd.wasm (for runtimes
 * without relaxed SIMD): deno task build:dlib
 */
import { compile } from "../../../../packages/assemblyscript/compile.ts";

const source = new URL("./assembly/", import.meta.url);

/** Compiler flags. -O3 is slower, as in packages/engine/build_engine.ts. */
const flags = ["-O2", "--noAssert", "--runtime", "stub", "--use", "abort=", "--importMemory"];

/** Returns the two builds by file name. */
export async function build(): Promise<Record<"kernels.wasm" | "kernels.simd.wasm", Uint8Array>> {
  return {
    "kernels.wasm": await compile(source, [...flags, "--enable", "simd,relaxed-simd"]),
    "kernels.simd.wasm": await compile(source, [...flags, "--enable", "simd"]),
  };
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    await Deno.writeFile(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length.toLocaleString("en")} bytes`);
  }
}
