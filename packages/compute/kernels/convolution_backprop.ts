/**
 * Gradients of convolutions. Those of all channels are matrix products of XNNPACK: that of the filter,
 * which TensorFlow.js lacks on wasm, and that of the input, where its kernel is a plain loop. It lacks
 * both gradients of depthwise convolutions.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import {
  allocate,
  type ConvolutionAttributes,
  convolutionInfo,
  type FilterCall,
  free,
  type InputCall,
  runKernel,
  view,
  wasmKernel,
} from "./heap.ts";

/** Multiplies patches of the input, one column per position, by the gradient of the output. */
function conv2DBackpropFilter({ inputs: { x, dy }, backend, attrs }: FilterCall): TensorInfo {
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
          const end = Math.ceil((inWidth - inX) / strideWidth);
          const last = Math.max(first, Math.min(outWidth, end));
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

/** Multiplies the gradient of the output by the filter, and adds the resulting patches. */
function conv2DBackpropInput({ inputs: { dy, filter }, backend, attrs }: InputCall): TensorInfo {
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

/** Calls `visit` with the addresses of each product of a depthwise convolution: input, filter, output. */
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

function depthwiseBackpropInput({ inputs: { dy, filter }, backend, attrs }: InputCall): TensorInfo {
  const out = allocate(backend, attrs.inputShape);
  const gradient = view(backend, dy), kernel = view(backend, filter);
  const to = view(backend, out).fill(0);
  walk(attrs.inputShape, filter.shape, attrs, (input, tap, output) => {
    to[input] += gradient[output] * kernel[tap];
  });
  return out;
}

function depthwiseBackpropFilter({ inputs: { x, dy }, backend, attrs }: FilterCall): TensorInfo {
  const out = allocate(backend, attrs.filterShape);
  const gradient = view(backend, dy), from = view(backend, x);
  const to = view(backend, out).fill(0);
  walk(x.shape, attrs.filterShape, attrs, (input, tap, output) => {
    to[tap] += gradient[output] * from[input];
  });
  return out;
}

export const convolutionBackpropConfigs = [
  wasmKernel("Conv2DBackpropFilter", conv2DBackpropFilter),
  wasmKernel("Conv2DBackpropInput", conv2DBackpropInput),
  wasmKernel("DepthwiseConv2dNativeBackpropInput", depthwiseBackpropInput),
  wasmKernel("DepthwiseConv2dNativeBackpropFilter", depthwiseBackpropFilter),
];
