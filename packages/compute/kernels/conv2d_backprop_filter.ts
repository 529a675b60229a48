/**
 * The gradient of a convolution's filter, which tfjs lacks on wasm: patches of the input, one column
 * a position, times the gradient of the output. The product is a matrix product that XNNPACK has.
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
  { x: TensorInfo; dy: TensorInfo },
  ConvolutionAttributes & { filterShape: number[] }
>;

function conv2DBackpropFilter({ inputs: { x, dy }, backend, attrs }: Call): TensorInfo {
  const info = convolutionInfo("Conv2DBackpropFilter", x.shape, attrs.filterShape, attrs);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const positions = batchSize * outHeight * outWidth;
  const taps = filterHeight * filterWidth * inChannels;

  const patches = allocate(backend, [taps, positions]);
  const from = view(backend, x);
  const to = view(backend, patches);
  // One line of output positions after the other: its few lines of input stay in the cache.
  for (let n = 0, position = 0; n < batchSize; n++) {
    for (let outY = 0; outY < outHeight; outY++, position += outWidth) {
      let row = position;
      for (let y = 0; y < filterHeight; y++) {
        const inY = outY * strideHeight - padInfo.top + y;
        const line = (n * inHeight + inY) * inWidth;
        const outside = inY < 0 || inY >= inHeight;
        for (let x = 0; x < filterWidth; x++) {
          const inX = x - padInfo.left;
          // Output columns whose tap falls inside the input: first ≤ column < last.
          const first = outside
            ? outWidth
            : Math.min(outWidth, Math.ceil(-Math.min(inX, 0) / strideWidth));
          const last = Math.max(
            first,
            Math.min(outWidth, Math.ceil((inWidth - inX) / strideWidth)),
          );
          const step = strideWidth * inChannels;
          for (let channel = 0; channel < inChannels; channel++, row += positions) {
            for (let column = 0; column < first; column++) to[row + column] = 0;
            let source = (line + inX + first * strideWidth) * inChannels + channel;
            for (let column = first; column < last; column++, source += step) {
              to[row + column] = from[source];
            }
            for (let column = last; column < outWidth; column++) to[row + column] = 0;
          }
        }
      }
    }
  }

  // [taps, positions] × [positions, outChannels]
  const out = runKernel("BatchMatMul", backend, {
    a: patches,
    b: { ...dy, shape: [positions, outChannels] },
  }, { transposeA: false, transposeB: false });
  free(backend, patches);
  return { ...out, shape: attrs.filterShape };
}

export const conv2DBackpropFilterConfig: KernelConfig = {
  kernelName: "Conv2DBackpropFilter",
  backendName: "wasm",
  kernelFunc: conv2DBackpropFilter as unknown as KernelFunc,
};
