/** Imports a plugin's detector by name and module, such as in a worker or a service. */
import type { DetectorDefinition } from "./detector.ts";

const project = new URL("../../", import.meta.url);

/**
 * Imports the detector of a plugin.
 * @param module its path, relative to the project, or its package, as `context.extension` returns it
 * @throws if the module does not load or has no such detector
 */
export async function importDetector(name: string, module: string): Promise<DetectorDefinition> {
  const isFile = /\.[cm]?[jt]sx?$/.test(module) && !module.startsWith("npm:");
  const cannot = `Cannot open the detector "${name}" of the plugin "${module}"`;
  let exported: unknown[];
  try {
    exported = [(await import(isFile ? new URL(module, project).href : module)).default].flat();
  } catch (cause) {
    throw new Error(`${cannot}: it does not load (${(cause as Error).message}).`, { cause });
  }
  const found = exported.find((one): one is DetectorDefinition => {
    const { extends: kind, name: its, open } = (one ?? {}) as Record<string, unknown>;
    return kind === "detector" && its === name && typeof open === "function";
  });
  if (found) return found;
  throw new Error(
    `${cannot}: no default export has that name. Write: export default defineDetector({ ` +
      `name: "${name}", ... }).`,
  );
}
