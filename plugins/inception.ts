/**
 * An example of a network from outside: convolutions of several sizes beside each other (Szegedy et
 * al., "Going deeper with convolutions", 2015).
 *
 * ```yaml
 * plugins: [./plugins/inception.ts]
 * stages:
 *   trainGender: { network: { use: inception, modules: [32, 64] } }
 * ```
 */
import { z } from "zod";
import type { SymbolicTensor } from "@tensorflow/tfjs-layers";
import { defineNetwork } from "../faces/training/training_definitions.ts";

export default defineNetwork({
  name: "inception",
  summary: "Modules of parallel 1×1, 3×3 and 5×5 convolutions",
  params: z.strictObject({
    modules: z.array(z.int().min(4).max(512)).min(1).default([32, 64, 96]).describe(
      "Filters of each module; each one halves the image",
    ),
  }),
  trunk({ modules, dropout, batchNormMomentum: momentum, initializer }, { layers }, image) {
    let x = image;
    for (const [m, filters] of modules.entries()) {
      // A quarter each, and the rest for 3×3.
      const quarter = Math.floor(filters / 4);
      const sizes = { 1: quarter, 3: filters - 2 * quarter, 5: quarter };
      const branches = Object.entries(sizes).map(([size, filters]) =>
        layers.conv2d({
          name: `module${m + 1}_${size}x${size}`,
          filters,
          kernelSize: Number(size),
          padding: "same",
          activation: "relu",
          kernelInitializer: initializer,
        }).apply(x) as SymbolicTensor
      );
      const end = [
        layers.batchNormalization({ name: `module${m + 1}_norm`, momentum }),
        layers.maxPooling2d({ name: `module${m + 1}_pool`, poolSize: 2, padding: "same" }),
      ];
      const joined = layers.concatenate({ name: `module${m + 1}` }).apply(branches);
      x = end.reduce(
        (value, layer) => layer.apply(value) as SymbolicTensor,
        joined as SymbolicTensor,
      );
    }
    const features = layers.globalAveragePooling2d({ name: "features" }).apply(x);
    return layers.dropout({ name: "dropout", rate: dropout }).apply(features) as SymbolicTensor;
  },
});
