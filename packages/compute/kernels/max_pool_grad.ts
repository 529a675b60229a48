/** Gradient of max pooling: the first maximum of each window receives the gradient of the output. */
import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import { allocate, type ConvolutionAttributes, type KernelCall, view } from "./heap.ts";

type Call = KernelCall<
  { dy: TensorInfo; input: TensorInfo; output: TensorInfo },
  ConvolutionAttributes & { filterSize: [number, number] | number }
>;

export function maxPoolGrad({ inputs: { dy, input, output }, backend, attrs }: Call): TensorInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attrs;
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, ...info } = backend_util
    .computePool2DInfo(
      input.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;

  const out = allocate(backend, input.shape);
  const x = view(backend, input);
  const y = view(backend, output);
  const gradient = view(backend, dy);
  const to = view(backend, out).fill(0);
  for (let n = 0, source = 0; n < batchSize; n++) {
    for (let outY = 0; outY < outHeight; outY++) {
      const top = Math.max(0, outY * strideHeight - padInfo.top);
      const bottom = Math.min(inHeight, outY * strideHeight - padInfo.top + filterHeight);
      for (let outX = 0; outX < outWidth; outX++) {
        const left = Math.max(0, outX * strideWidth - padInfo.left);
        const right = Math.min(inWidth, outX * strideWidth - padInfo.left + filterWidth);
        const corner = ((n * inHeight + top) * inWidth + left) * inChannels;
        const line = (right - left) * inChannels;
        for (let channel = 0; channel < inChannels; channel++, source++) {
          const maximum = y[source];
          let from = corner + channel;
          search: for (let row = top; row < bottom; row++, from += inWidth * inChannels) {
            for (let i = from; i < from + line; i += inChannels) {
              if (x[i] === maximum) { // never true for NaN: its gradient is lost, as in TensorFlow.js
                to[i] += gradient[source];
                break search;
              }
            }
          }
        }
      }
    }
  }
  return out;
}
