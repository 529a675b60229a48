/**
 * Sums over every axis but the last, as the gradient of every bias is one, and the statistics of
 * batch normalisation are. tfjs moves the summed axes to the end first; here, each line is added to
 * the sums as it lies, in double precision.
 */
import {
  getKernel,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { allocate, type KernelCall, view } from "./heap.ts";

type Call = KernelCall<{ x: TensorInfo }, { axis?: number | number[]; keepDims?: boolean }>;

/** Made from the kernel that it replaces, which still does all other sums. */
export function sumConfig(): KernelConfig {
  const original = getKernel("Sum", "wasm");
  const kernelFunc = (call: Call): TensorInfo => {
    const { inputs: { x }, backend, attrs: { axis, keepDims } } = call;
    const rank = x.shape.length;
    const axes = new Set([axis ?? []].flat().map((axis) => axis < 0 ? axis + rank : axis));
    const allButLast = rank > 1 && axes.size === rank - 1 && !axes.has(rank - 1);
    if (!allButLast || x.dtype !== "float32") {
      return original.kernelFunc(call as never) as TensorInfo;
    }
    const channels = x.shape[rank - 1];
    const shape = keepDims ? x.shape.map((size, i) => i === rank - 1 ? size : 1) : [channels];
    const out = allocate(backend, shape);
    const values = view(backend, x);
    const sums = new Float64Array(channels);
    for (let i = 0; i < values.length; i += channels) {
      for (let channel = 0; channel < channels; channel++) sums[channel] += values[i + channel];
    }
    view(backend, out).set(sums);
    return out;
  };
  return { ...original, kernelFunc: kernelFunc as unknown as KernelFunc };
}
