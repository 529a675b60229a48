/** The networks of the benchmark and their drawn data. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { random, type Rng } from "../../packages/random/random.ts";
import {
  chooseNetwork,
  multiHeadModel,
  singleHeadModel,
} from "../../faces/training/build_network.ts";
import { networks } from "../../models/mod.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../tests/models/build_2021.ts";
import { classHead, distributionHead } from "../../faces/training/losses.ts";
import { jointHead, type Objective } from "../../faces/training/objective.ts";
import { classification, regression } from "../../tests/faces/training/plain_objectives.ts";
import type { NetworkName } from "../peer.ts";

interface Kind {
  build(): LayersModel;
  objective: Objective;
  weightDecay?: number;
  /** Draws the labels of an image: one per head. */
  draw(rng: Rng): number[];
}

/** The deep network of experiments/shared/best.yaml. */
const heads = jointHead([classHead(2, 1), distributionHead(3, 1, "median")]);
const trunk = () =>
  deepTrunk({ size: 32, dropout: 0.3, batchNormMomentum: 0.9, initializer: "heNormal" });

export const kinds: Record<NetworkName, Kind> = {
  gender: {
    build: () => buildGender2021({ size: 32, classes: 2, seed: 1 }),
    objective: classification(2),
    draw: (rng) => [rng.int(2)],
  },
  age: {
    build: () => buildAge2021({ size: 32, seed: 1 }),
    objective: regression(),
    draw: (rng) => [rng.int(90)],
  },
  best: {
    build: () => multiHeadModel("best", trunk, heads.outputs, "glorotUniform", 1),
    objective: heads,
    weightDecay: 0.05,
    draw: (rng) => [rng.int(2), rng.int(90)],
  },
  residual: builtIn("residual"),
  mobile: builtIn("mobile"),
};

/** A built-in network for gender, with its default options. */
function builtIn(name: string): Kind {
  const build = () => {
    const { trunk, initializer } = chooseNetwork(undefined, networks, name, {});
    return singleHeadModel(name, trunk(32), 2, initializer, 1);
  };
  return { build, objective: classification(2), draw: (rng) => [rng.int(2)] };
}

/** Draws random images, [rows, 32, 32, 3], and labels. */
export function draw(network: NetworkName, rows: number) {
  const rng = random(1, "bench", network, rows);
  return {
    images: Uint8Array.from({ length: rows * 3072 }, () => rng.int(256)),
    targets: Array.from({ length: rows }, () => kinds[network].draw(rng)).flat(),
  };
}
