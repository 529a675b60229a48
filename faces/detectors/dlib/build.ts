/**
 * Compiles the detector's kernels to kernels.wasm (relaxed SIMD) and kernels.simd.wasm (for runtimes
 * without relaxed SIMD): deno task build:dlib
 */
import asc from "assemblyscript/asc";

const source = new URL("./assembly/", import.meta.url);

/** The two builds, by file name. */
export async function build(): Promise<Record<"kernels.wasm" | "kernels.simd.wasm", Uint8Array>> {
  return {
    "kernels.wasm": await compile("simd,relaxed-simd"),
    "kernels.simd.wasm": await compile("simd"),
  };
}

async function compile(features: string): Promise<Uint8Array> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main([
    "index.ts",
    ...["--outFile", "kernels.wasm", "-O3", "--noAssert", "--runtime", "stub"],
    ...["--use", "abort=", "--enable", features, "--importMemory"],
  ], {
    async readFile(name) {
      if (!/^[a-z]+\.ts$/.test(name)) return null;
      return await Deno.readTextFile(new URL(name, source)).catch(() => null);
    },
    writeFile(_name, contents) {
      if (typeof contents !== "string") wasm = contents;
    },
    listFiles: () => [],
  });
  if (error || !wasm) {
    throw new Error(`Cannot build the detector's kernels:\n${stderr}`, { cause: error });
  }
  return wasm;
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    await Deno.writeFile(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length.toLocaleString("en")} bytes`);
  }
}
