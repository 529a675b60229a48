/** The network's kernels, compiled from assembly/ by build.ts. */

/** The WebAssembly's functions; see assembly/. Addresses and distances are in bytes. */
export type Kernels = Record<
  "normalise" | "reduce" | "convolve" | "winograd" | "score",
  (...args: number[]) => void
>;

/**
 * The kernels over a memory: with relaxed SIMD if that is wanted and the runtime has it, else with
 * plain SIMD.
 */
export async function openKernels(memory: WebAssembly.Memory, relaxed: boolean): Promise<Kernels> {
  const { exports } = await WebAssembly.instantiate(await load(relaxed), { env: { memory } });
  return exports as unknown as Kernels;
}

async function load(relaxed: boolean): Promise<WebAssembly.Module> {
  if (relaxed) {
    const bytes = await Deno.readFile(new URL(import.meta.resolve("./kernels.wasm")));
    if (WebAssembly.validate(bytes)) return await WebAssembly.compile(bytes);
  }
  return await WebAssembly.compile(
    await Deno.readFile(new URL(import.meta.resolve("./kernels.simd.wasm"))),
  );
}
