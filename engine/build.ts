/**
 * Compiles engine/assembly to engine/engine.wasm (relaxed SIMD) and engine/engine.simd.wasm (for
 * runtimes without relaxed SIMD): deno task build:engine
 */
import asc from "assemblyscript/asc";

const source = new URL("./assembly/", import.meta.url);

/** The two builds, by file name in engine/. */
export async function build(): Promise<Record<"engine.wasm" | "engine.simd.wasm", Uint8Array>> {
  return {
    "engine.wasm": await compile("simd,threads,relaxed-simd"),
    "engine.simd.wasm": await compile("simd,threads"),
  };
}

async function compile(features: string): Promise<Uint8Array> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main([
    "index.ts",
    // -O3 moves each multiplication to where its sum is used, which leaves too few registers: the
    // microkernels take half as long again.
    ...["--outFile", "engine.wasm", "-O2", "--noAssert", "--runtime", "stub"],
    ...["--use", "abort=", "--enable", features],
    ...[
      "--importMemory",
      "--sharedMemory",
      "--memoryBase",
      "8192",
      "--initialMemory",
      "1",
      "--maximumMemory",
      "65536",
    ],
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
    throw new Error(`Cannot build the engine's kernels:\n${stderr}`, { cause: error });
  }
  return wasm;
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    await Deno.writeFile(new URL(name, import.meta.url), bytes);
    console.log(`engine/${name}: ${bytes.length.toLocaleString("en")} bytes`);
  }
}
