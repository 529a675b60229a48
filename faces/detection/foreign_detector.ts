/** Detectors of third-party plugins. The page of `webcamServe` has none of this. */
import { nameOf, openPlugin, type Sandbox } from "../../packages/pipeline/sandbox.ts";
import { callDefinition } from "../../packages/pipeline/third_party.ts";
import type { Detection, DetectorDefinition, DetectorModel } from "./detector.ts";
import { checked } from "./detectors.ts";

/** The detector of a third-party plugin, with its own options. */
export interface ForeignDetector {
  readonly sandbox: Sandbox;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Opens the detector of a third-party plugin in a process of its own. */
export async function openForeign(
  definition: string,
  { sandbox, options: of }: ForeignDetector,
): Promise<DetectorModel> {
  const process = await openPlugin(sandbox);
  const call = { kind: "detector", definition, method: "detect", of };
  const open = () =>
    Promise.resolve(
      {
        detect: (...args) => callDefinition(process, call, args) as Promise<Detection[]>,
        close: () => void process[Symbol.asyncDispose](),
      } satisfies DetectorModel,
    );
  const shown = `the detector "${definition}" of the plugin "${nameOf(sandbox.specifier)}"`;
  return await checked({ open } as unknown as DetectorDefinition, shown).open({});
}
