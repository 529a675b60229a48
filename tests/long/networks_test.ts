/** More drawn networks, and the networks of `models/` in their default size. */
import { compareGradients } from "../models/network_gradients.ts";
import { compareDrawnNetwork } from "../packages/engine/drawn_network.ts";

for (const relaxed of [true, false]) {
  Deno.test(`Engine computes what tfjs does, 30 more networks, ${relaxed ? "relaxed" : "plain"} SIMD`, async () => {
    for (let n = 10; n < 40; n++) await compareDrawnNetwork(n, relaxed);
  });
}

for (const network of ["residual", "mobile"]) {
  Deno.test(`${network} can be trained, and its gradients on wasm are those of the cpu backend`, async () => {
    await compareGradients(network);
  });
}
