/**
 * The gradient of a convolution's input: tfjs's own on wasm is a plain loop. Here, a matrix product
 * gives what each position sends back to its patch, and the patches are added up.
 */
import type { KernelConfig, KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import {
  allocate,
  type ConvolutionAttributes,
  convolutionInfo,
  free,
  type KernelCall,
  runKernel,
  view,
} from "./heap.ts";

type Call = KernelCall<
  { dy: TensorInfo; filter: TensorInfo },
  ConvolutionAttributes & { inputShape: number[] }
>;

function conv2DBackpropInput({ inputs: { dy, filter }, backend, attrs }: Call): TensorInfo {
  const info = convolutionInfo("Conv2DBackpropInput", attrs.inputShape, filter.shape, attrs);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const positions = batchSize * outHeight * outWidth;
  const taps = filterHeight * filterWidth * inChannels;

  // [positions, outChannels] × [outChannels, taps]
  const patches = runKernel("BatchMatMul", backend, {
    a: { ...dy, shape: [positions, outChannels] },
    b: { ...filter, shape: [taps, outChannels] },
  }, { transposeA: false, transposeB: true });

  const out = allocate(backend, attrs.inputShape);
  const from = view(backend, patches);
  const to = view(backend, out).fill(0);
  for (let n = 0, source = 0; n < batchSize; n++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++) {
        for (let y = 0; y < filterHeight; y++) {
          const inY = outY * strideHeight - padInfo.top + y;
          if (inY < 0 || inY >= inHeight) {
            source += filterWidth * inChannels;
            continue;
          }
          // Taps of one line lie side by side, in the patch and in the input.
          const inX = outX * strideWidth - padInfo.left;
          const first = Math.max(0, -inX) * inChannels;
          const last = Math.min(filterWidth, inWidth - inX) * inChannels;
          const target = ((n * inHeight + inY) * inWidth + inX) * inChannels;
          for (let i = first; i < last; i++) to[target + i] += from[source + i];
          source += filterWidth * inChannels;
        }
      }
    }
  }
  free(backend, patches);
  return out;
}

export const conv2DBackpropInputConfig: KernelConfig = {
  kernelName: "Conv2DBackpropInput",
  backendName: "wasm",
  kernelFunc: conv2DBackpropInput as unknown as KernelFunc,
};
