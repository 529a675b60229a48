/**
 * What the wasm backend of tfjs lacks to train convolutional networks, and what it has but too slow.
 * A faster engine may replace this folder as a whole: nothing but `packages/compute/open_backend.ts` imports it.
 */
import {
  getKernel,
  type KernelConfig,
  registerKernel,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import { batchMatMulConfig } from "./batch_mat_mul.ts";
import { conv2DBackpropFilterConfig } from "./conv2d_backprop_filter.ts";
import { conv2DBackpropInputConfig } from "./conv2d_backprop_input.ts";
import { depthwiseBackpropConfigs } from "./depthwise_backprop.ts";
import { castConfig, identityConfig } from "./identity.ts";
import { maxPoolGradConfig } from "./max_pool_grad.ts";
import { samePaddingConfig } from "./same_padding.ts";
import { sumConfig } from "./sum.ts";

let registered = false;

/** Registers the kernels, once. The wasm backend's own must be there already. */
export function registerTrainingKernels(): void {
  if (registered) return;
  registered = true;
  const kernels: KernelConfig[] = [
    batchMatMulConfig(),
    castConfig(),
    conv2DBackpropFilterConfig,
    conv2DBackpropInputConfig,
    ...depthwiseBackpropConfigs,
    identityConfig,
    maxPoolGradConfig,
    samePaddingConfig("Conv2D"),
    samePaddingConfig("FusedConv2D"),
    sumConfig(),
  ];
  for (const kernel of kernels) {
    if (getKernel(kernel.kernelName, "wasm")) unregisterKernel(kernel.kernelName, "wasm");
    registerKernel(kernel);
  }
}
