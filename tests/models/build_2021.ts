/** The whole 2021 networks with initial weights, for probes, benchmarks and tests. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { chooseNetwork, singleHeadModel } from "../../faces/training/build_network.ts";
import type { NetworkOptions } from "../../faces/training/training_definitions.ts";
import type { GenderDense } from "../../faces/training/network_options.ts";
import { networks } from "../../models/mod.ts";

/** Options; those of training have the defaults of the 2021 networks. */
export interface Network2021Options extends Partial<NetworkOptions> {
  size: number;
  seed: number;
}

/** Returns the network for gender: [batch, size, size, 3], 0 to 1 → [batch, classes], probabilities. */
export function buildGender2021(
  { size, seed, classes, ...options }: Network2021Options & {
    classes: number;
    leaveOut?: readonly GenderDense[];
  },
): LayersModel {
  const { name, trunk, initializer } = chooseNetwork(undefined, networks, "gender2021", options);
  return singleHeadModel(name, trunk(size), classes, initializer, seed);
}

/** Returns the network for age: [batch, size, size, 3], 0 to 1 → [batch, 1], years. */
export function buildAge2021(
  { size, seed, ...options }: Network2021Options & { convolutionL2?: number; denseL2?: number },
): LayersModel {
  const { name, trunk, initializer } = chooseNetwork(undefined, networks, "age2021", options);
  return singleHeadModel(name, trunk(size), null, initializer, seed);
}

/** Returns the layers of the network `deep`. */
export function deepTrunk({ size, ...options }: Partial<NetworkOptions> & { size: number }) {
  return chooseNetwork(undefined, networks, "deep", options).trunk(size)();
}
