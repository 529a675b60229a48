/** From kernels in AssemblyScript to WebAssembly, in a process with a configuration of its own. */
import { fileURLToPath } from "node:url";

/**
 * Flags of all kernels. -O3 moves each multiplication to where its sum is used, which leaves too few
 * registers: microkernels take half as long again.
 */
const FLAGS = ["-O2", "--noAssert", "--runtime", "stub", "--use", "abort=", "--importMemory"];

/**
 * Compiles the index.ts of the folder assembly/ beside a module.
 * @param module its import.meta.url
 * @param features of WebAssembly, separated by commas
 * @param flags further ones of the compiler, asc
 * @throws with the compiler's words if it fails
 */
export async function compile(
  module: string,
  features: string,
  flags: readonly string[] = [],
): Promise<Uint8Array> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const folder = fileURLToPath(new URL("./assembly/", module));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--config", path("asc.json")],
      ...["--allow-read", "--allow-env", path("asc.ts"), folder],
      ...[...FLAGS, "--enable", features, ...flags],
    ],
  }).output();
  if (success) return stdout;
  throw new Error(`Cannot compile "${folder}":\n${new TextDecoder().decode(stderr).trim()}`);
}

/** Compiles, as `compile`, NAME.wasm with relaxed SIMD and NAME.simd.wasm for runtimes without it. */
export async function writeBuilds(
  name: string,
  ...[module, features, flags]: Parameters<typeof compile>
): Promise<void> {
  const all = { [name]: `${features},relaxed-simd`, [`${name}.simd`]: features };
  for (const [file, enabled] of Object.entries(all)) {
    const bytes = await compile(module, enabled, flags);
    await Deno.writeFile(new URL(`${file}.wasm`, module), bytes);
    console.log(`${file}.wasm: ${bytes.length.toLocaleString("en")} bytes`);
  }
}
