/** From kernels in AssemblyScript to WebAssembly, in a process with a configuration of its own. */
import { fileURLToPath } from "node:url";

/**
 * Compiles a folder's index.ts.
 * @param flags of the compiler, asc
 * @throws with the compiler's words if it fails
 */
export async function compile(folder: URL, flags: readonly string[]): Promise<Uint8Array> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--config", path("asc.json")],
      ...["--allow-read", "--allow-env", path("asc.ts"), fileURLToPath(folder), ...flags],
    ],
  }).output();
  if (success) return stdout;
  throw new Error(
    `Cannot compile "${fileURLToPath(folder)}":\n${new TextDecoder().decode(stderr).trim()}`,
  );
}
