/** Temporary folders that are gone when the module's tests end. */
import { existsSync } from "node:fs";

/** Makes a temporary folder, which its test may remove earlier. */
export function temporaryFolder(prefix: string): string {
  const folder = Deno.makeTempDirSync({ prefix });
  addEventListener("unload", () => {
    if (existsSync(folder)) Deno.removeSync(folder, { recursive: true });
  });
  return folder;
}
