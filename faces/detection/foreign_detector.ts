/** Detectors of third-party plugins. The page of `webcamServe` has none of this. */
import { pluginName } from "../../packages/pipeline/paths.ts";
import { openPlugin, type PluginProcess } from "../../packages/pipeline/sandbox.ts";
import type { Call } from "../../packages/pipeline/third_party.ts";
import type { Detection, DetectorDefinition, DetectorModel, ForeignDetector } from "./detector.ts";
import { checked, type DetectorOptions, ownOptions } from "./detectors.ts";

/** Opens the detector of a third-party plugin in a process of its own, replaced after an error. */
export async function openForeign(
  definition: string,
  { sandbox, own }: ForeignDetector,
  options: DetectorOptions,
): Promise<DetectorModel> {
  const of = ownOptions(own, options);
  const call: Call = { kind: "detector", definition, method: "detect", of };
  let process: Promise<PluginProcess> | undefined;
  const close = async () => {
    const last = process;
    process = undefined;
    await (await last)?.[Symbol.asyncDispose]();
  };
  const detect: DetectorModel["detect"] = async (...args) => {
    try {
      return await (await (process ??= openPlugin(sandbox))).call(call, args) as Detection[];
    } catch (error) {
      await close();
      throw error;
    }
  };
  const open = () => Promise.resolve({ detect, close: () => void close() });
  const shown = `the detector "${definition}" of the plugin "${pluginName(sandbox.specifier)}"`;
  return await checked({ open } as unknown as DetectorDefinition, shown).open({});
}
