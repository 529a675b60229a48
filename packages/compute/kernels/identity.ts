/**
 * Copies of tensors that nothing changes, which saving values for a gradient makes by the hundred:
 * tfjs copies the memory on wasm; here, both share it until the last one is disposed of.
 */
import {
  type DataType,
  getKernel,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { KernelCall } from "./heap.ts";

type Call = KernelCall<{ x: TensorInfo }, { dtype?: DataType }>;

function share({ inputs: { x }, backend }: Call): TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

export const identityConfig: KernelConfig = {
  kernelName: "Identity",
  backendName: "wasm",
  kernelFunc: share as unknown as KernelFunc,
};

/** A cast to the type that a tensor has. Made from the kernel that it replaces. */
export function castConfig(): KernelConfig {
  const original = getKernel("Cast", "wasm");
  const kernelFunc = (call: Call) =>
    call.inputs.x.dtype === call.attrs.dtype && call.attrs.dtype !== "string"
      ? share(call)
      : original.kernelFunc(call as never);
  return { ...original, kernelFunc: kernelFunc as unknown as KernelFunc };
}
