/** Gradients of a depthwise convolution, which tfjs lacks on wasm: by its input and by its filter. */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import {
  allocate,
  type ConvolutionAttributes,
  convolutionInfo,
  type FilterCall,
  type InputCall,
  view,
  wasmKernel,
} from "./heap.ts";

/** Calls `visit` with the addresses of each product: input, filter, output. */
function walk(
  inputShape: number[],
  filterShape: number[],
  attributes: ConvolutionAttributes,
  visit: (input: number, filter: number, output: number) => void,
): void {
  const info = convolutionInfo("DepthwiseConv2dNative", inputShape, filterShape, attributes);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  const multiplier = outChannels / inChannels;
  for (let n = 0, output = 0; n < batchSize; n++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++, output += outChannels) {
        for (let y = 0; y < info.filterHeight; y++) {
          const inY = outY * info.strideHeight - info.padInfo.top + y * info.dilationHeight;
          if (inY < 0 || inY >= inHeight) continue;
          for (let x = 0; x < info.filterWidth; x++) {
            const inX = outX * info.strideWidth - info.padInfo.left + x * info.dilationWidth;
            if (inX < 0 || inX >= inWidth) continue;
            const input = ((n * inHeight + inY) * inWidth + inX) * inChannels;
            const filter = (y * info.filterWidth + x) * outChannels;
            for (let c = 0; c < outChannels; c++) {
              const own = multiplier === 1 ? c : Math.floor(c / multiplier);
              visit(input + own, filter + c, output + c);
            }
          }
        }
      }
    }
  }
}

function backpropInput({ inputs: { dy, filter }, backend, attrs }: InputCall): TensorInfo {
  const out = allocate(backend, attrs.inputShape);
  const gradient = view(backend, dy), kernel = view(backend, filter);
  const to = view(backend, out).fill(0);
  walk(attrs.inputShape, filter.shape, attrs, (input, tap, output) => {
    to[input] += gradient[output] * kernel[tap];
  });
  return out;
}

function backpropFilter({ inputs: { x, dy }, backend, attrs }: FilterCall): TensorInfo {
  const out = allocate(backend, attrs.filterShape);
  const gradient = view(backend, dy), from = view(backend, x);
  const to = view(backend, out).fill(0);
  walk(x.shape, attrs.filterShape, attrs, (input, tap, output) => {
    to[tap] += gradient[output] * from[input];
  });
  return out;
}

export const depthwiseBackpropConfigs = [
  wasmKernel("DepthwiseConv2dNativeBackpropInput", backpropInput),
  wasmKernel("DepthwiseConv2dNativeBackpropFilter", backpropFilter),
];
