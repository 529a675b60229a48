/** Imports a plugin's detector by name and module, such as in a worker or a service. */
import type { Detection, DetectorDefinition, DetectorModel } from "./detector.ts";

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
  if (found) return checked(found, `the detector "${name}" of the plugin "${module}"`);
  throw new Error(
    `${cannot}: no default export has that name. Write: export default defineDetector({ ` +
      `name: "${name}", ... }).`,
  );
}

/** Returns a detector whose model and detections are checked, as a plugin may lack types. */
function checked(definition: DetectorDefinition, shown: string): DetectorDefinition {
  return {
    ...definition,
    async open(options): Promise<DetectorModel> {
      const model = await definition.open(options);
      if (typeof model?.detect !== "function" || typeof model.close !== "function") {
        throw new Error(`Cannot use ${shown}: open() returned no { detect, close }.`);
      }
      return {
        async detect(image) {
          const found: unknown = await Promise.try(() => model.detect(image)).catch(
            (error: unknown) => {
              throw error instanceof Error
                ? error
                : new Error(`Cannot use ${shown}: it threw ${error}`);
            },
          );
          if (Array.isArray(found) && found.every(isDetection)) return found;
          const got = JSON.stringify(found)?.slice(0, 80) ?? String(found);
          throw new Error(
            `Cannot use ${shown}: detect() returned ${got}. Return a list of ` +
              "{ box: { x, y, width, height }, score } with finite numbers.",
          );
        },
        close: () => model.close(),
      };
    },
  };
}

function isDetection(value: unknown): value is Detection {
  const { box, score } = (value ?? {}) as Partial<Detection>;
  const { x, y, width, height } = box ?? {};
  return [x, y, width, height, score].every(Number.isFinite) && width! > 0 && height! > 0;
}
