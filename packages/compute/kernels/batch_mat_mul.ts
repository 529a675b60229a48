/**
 * Matrix products with a transposed argument, as every gradient of a dense layer is one. XNNPACK
 * multiplies only what is not transposed, and tfjs's way around it is 25 times slower than
 * transposing first.
 */
import {
  getKernel,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { free, type KernelCall, runKernel } from "./heap.ts";

type Call = KernelCall<
  { a: TensorInfo; b: TensorInfo },
  { transposeA: boolean; transposeB: boolean }
>;

/** Made from the kernel that it replaces. */
export function batchMatMulConfig(): KernelConfig {
  const original = getKernel("BatchMatMul", "wasm");
  const kernelFunc = ({ inputs, backend, attrs: { transposeA, transposeB } }: Call) => {
    const a = transposeA ? transpose(backend, inputs.a) : inputs.a;
    const b = transposeB ? transpose(backend, inputs.b) : inputs.b;
    const out = original.kernelFunc({
      inputs: { a, b },
      backend,
      attrs: { transposeA: false, transposeB: false },
    });
    if (transposeA) free(backend, a);
    if (transposeB) free(backend, b);
    return out;
  };
  return { ...original, kernelFunc: kernelFunc as unknown as KernelFunc };
}

/** Swaps the last two axes. */
function transpose(backend: BackendWasm, x: TensorInfo): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  return runKernel("Transpose", backend, { x }, { perm });
}
