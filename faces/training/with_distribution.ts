/** A network that outputs its age distribution beside the age. */
import { layers, type LayersModel, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";

/** Returns true if a network estimates an age from a distribution over bins. */
export function hasDistribution(network: LayersModel): boolean {
  const names = network.layers.map(({ name }) => name);
  return names.includes("older") && names.includes("probabilities");
}

/** Returns a network of the same layers and weights: [batch, 1 + bins], the age and its distribution. */
export function withDistribution(network: LayersModel): LayersModel {
  const both = [network.outputs[0], network.getLayer("probabilities").output as SymbolicTensor];
  return model({
    name: `${network.name}-distribution`,
    inputs: network.inputs,
    outputs: layers.concatenate({ name: "ageAndDistribution" }).apply(both) as SymbolicTensor,
  });
}
