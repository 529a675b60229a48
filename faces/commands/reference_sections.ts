/** The app's own sections of docs/reference.md: networks and detectors, from their registries. */
import { layers as tfLayers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { age2021 } from "../../models/age_2021.ts";
import { deepTrunk } from "../../models/deep.ts";
import { gender2021 } from "../../models/gender_2021.ts";
import { configureDetector, detectorNames, usesTensorFlow } from "../detection/detectors.ts";
import { describeNetwork } from "../evaluation/describe_network.ts";
import { HELP } from "./compute.ts";
import { ageBins } from "../training/network_options.ts";

/** Returns sections as Markdown with headings of level 2, and the help of `deno task compute`. */
export async function reference() {
  await openBackend("wasm");
  return { sections: [networks(), detectors()].join("\n\n"), commands: { compute: HELP } };
}

function networks(): string {
  const seed = 1, size = 32;
  const outputs = 2 + ageBins.length;
  const shared: [string, string, LayersModel][] = [
    ["gender_2021", "`trainGender`", gender2021({ size, classes: 2, seed })],
    ["age_2021", "`trainAge` with `variant: regression`", age2021({ size, seed })],
    [
      "deep",
      "`trainJoint` with `network: best`",
      sequential({
        layers: [
          ...deepTrunk({ size, dropout: 0.3, batchNormMomentum: 0.9, initializer: "heNormal" }),
          tfLayers.dense({ name: "heads", units: outputs }),
        ],
      }),
    ],
  ];
  return [
    "## Networks",
    "Each is one file of `models/`. Sizes are those of images of 32×32 pixels and default parameters.",
    ...shared.map(([name, used, model]) => {
      const { layers, weights } = describeNetwork(model);
      const rows = layers.map(({ name, what, output, weights }) =>
        `| \`${name}\` | ${what} | ${output} | ${weights.toLocaleString("en")} |`
      );
      model.dispose();
      return `### Network ${name}\n\nUsed by ${used}; ${
        weights.toLocaleString("en")
      } parameters.\n\n${
        ["| layer | operation | output | parameters |", "| --- | --- | --- | ---: |", ...rows]
          .join("\n")
      }`;
    }),
  ].join("\n\n");
}

function detectors(): string {
  const rows = detectorNames.map((name) => {
    const { minConfidence, inputSizes } = configureDetector(name);
    const computes = name === "metadata"
      ? "nothing: takes the data set's boxes"
      : usesTensorFlow(name)
      ? "TensorFlow.js"
      : "kernels of its own";
    return `| \`${name}\` | ${name === "metadata" ? "" : minConfidence} | ${
      inputSizes.join(", ")
    } | ${computes} |`;
  });
  return [
    "## Detectors",
    "Values of `faceCrop.detector`; a plugin may add more.",
    [
      "| detector | minConfidence | inputSizes | computes with |",
      "| --- | --- | --- | --- |",
      ...rows,
    ]
      .join("\n"),
  ].join("\n\n");
}
