/** The built-in networks. */
import type { NetworkDefinition } from "../faces/training/training_definitions.ts";
import { age2021 } from "./age_2021.ts";
import { gender2021 } from "./gender_2021.ts";
import { layerList } from "./layer_list.ts";
import { mobile } from "./mobile.ts";
import { deep, plain } from "./plain.ts";
import { residual } from "./residual.ts";

export const networks: readonly NetworkDefinition[] = [
  ...[gender2021, age2021, deep, plain, residual, mobile, layerList],
];
