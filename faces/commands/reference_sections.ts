/** The app's own sections of docs/reference.md: networks and detectors, from their registries. */
import {
  chooseNetwork,
  multiHeadModel,
  multiplyAdds,
  singleHeadModel,
} from "../training/build_network.ts";
import { networks as definitions } from "../../models/mod.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { detectors as detectorDefinitions } from "../detection/detectors.ts";
import type { DetectorConfig } from "../images/preprocessing.ts";
import { describeNetwork } from "../evaluation/describe_network.ts";
import { count } from "../evaluation/format_result.ts";
import { ageBins } from "../training/network_options.ts";

/** Returns sections as Markdown with headings of level 2. */
export async function reference(): Promise<string> {
  await openBackend("wasm");
  return [networks(), detectors()].join("\n\n");
}

function networks(): string {
  const seed = 1, size = 32;
  const outputs = 2 + ageBins.length;
  // The layers of `layers` are written in YAML.
  const shared = definitions.filter(({ name }) => name !== "layers").map(({ name, summary }) => {
    const network = chooseNetwork(undefined, definitions, name, {});
    const classes = { gender2021: 2, age2021: null }[name];
    const model = classes === undefined
      ? multiHeadModel(name, network.trunk(size), outputs, network.initializer, seed)
      : singleHeadModel(name, network.trunk(size), classes, network.initializer, seed);
    return [name, summary, model] as const;
  });
  return [
    "## Networks",
    "Values of `network`. Sizes are those of images of 32×32 pixels and default options, with the heads " +
    "of trainGender, of trainAge, else of trainJoint.",
    ...shared.map(([name, summary, model]) => {
      const operations = count(multiplyAdds(model));
      const { layers, weights } = describeNetwork(model);
      model.dispose();
      const size = `${count(weights)} parameters, ${operations} multiply-adds per image`;
      return [
        `### Network ${name}\n\n${summary}; ${size}.\n`,
        "| layer | operation | output | parameters |\n| --- | --- | --- | ---: |",
        ...layers.map(({ name, what, output, weights }) =>
          `| \`${name}\` | ${what} | ${output} | ${count(weights)} |`
        ),
      ].join("\n");
    }),
  ].join("\n\n");
}

function detectors(): string {
  const rows = detectorDefinitions.map(({ name, params, needsLabels, tensorFlow }) => {
    const { minConfidence = "", inputSizes = [] } = params?.parse({}) as Partial<DetectorConfig>;
    const computes = needsLabels
      ? "nothing: takes the data set's boxes"
      : tensorFlow
      ? "TensorFlow.js"
      : "kernels of its own";
    return `| \`${name}\` | ${minConfidence} | ${inputSizes.join(", ")} | ${computes} |`;
  });
  return [
    "## Detectors\n\nValues of `faceCrop.detector`; a plugin may add more.\n",
    "| detector | minConfidence | inputSizes | computes with |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}
