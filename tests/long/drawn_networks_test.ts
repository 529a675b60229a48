/** Ten times the drawn networks of tests/faces/training/graph_test.ts. */
import { compareDrawn } from "../faces/training/compare_networks.ts";

for (let from = 30; from < 330; from += 50) {
  Deno.test(`the engine trains drawn networks from ${from} on as TensorFlow.js does`, () =>
    compareDrawn(from, from + 50));
}
