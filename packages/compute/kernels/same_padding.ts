/**
 * Convolutions with padding "same" whose stride is larger than their filter, as the 1×1 shortcuts of
 * residual networks have: tfjs's kernels compute a negative padding there, and then write to memory
 * that is not theirs. Here, they get the padding in numbers.
 */
import {
  getKernel,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { type ConvolutionAttributes, convolutionInfo, type KernelCall } from "./heap.ts";

type Call = KernelCall<{ x: TensorInfo; filter: TensorInfo }, ConvolutionAttributes>;

/** Made from the kernel that it wraps: Conv2D or FusedConv2D. */
export function samePaddingConfig(kernelName: "Conv2D" | "FusedConv2D"): KernelConfig {
  const original = getKernel(kernelName, "wasm");
  const kernelFunc = (call: Call) => {
    const { inputs: { x, filter }, attrs } = call;
    if (attrs.pad === "same") {
      const info = convolutionInfo(kernelName, x.shape, filter.shape, attrs);
      const { strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth } = info;
      if (strideHeight > effectiveFilterHeight || strideWidth > effectiveFilterWidth) {
        const { top, bottom, left, right } = info.padInfo;
        const pad = [[0, 0], [top, bottom], [left, right], [0, 0]];
        return original.kernelFunc({ ...call, attrs: { ...attrs, pad } } as never);
      }
    }
    return original.kernelFunc(call as never);
  };
  return { ...original, kernelFunc: kernelFunc as unknown as KernelFunc };
}
