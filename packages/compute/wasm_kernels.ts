/** Kernels that the wasm backend of TensorFlow.js lacks for training, or has but too slow. */
import {
  type DataType,
  getKernel,
  type KernelConfig,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { convolutionBackpropConfigs } from "./kernels/convolution_backprop.ts";
import {
  allocate,
  type ConvolutionAttributes,
  convolutionInfo,
  free,
  type KernelCall,
  runKernel,
  view,
  wasmKernel,
} from "./kernels/heap.ts";
import { maxPoolGrad } from "./kernels/max_pool_grad.ts";

let registered = false;

/** Registers the kernels once, after those of the wasm backend. */
export function registerTrainingKernels(): void {
  if (registered) return;
  registered = true;
  const kernels: KernelConfig[] = [
    replaced("BatchMatMul", batchMatMul),
    replaced("Cast", cast),
    ...convolutionBackpropConfigs,
    wasmKernel("Identity", share),
    wasmKernel("MaxPoolGrad", maxPoolGrad),
    ...CONVOLUTIONS.map((name) => replaced(name, samePadding)),
    replaced("Prelu", prelu),
    replaced("Sum", sum),
  ];
  for (const kernel of kernels) {
    if (getKernel(kernel.kernelName, "wasm")) unregisterKernel(kernel.kernelName, "wasm");
    registerKernel(kernel);
  }
}

/** Computes a kernel; `original` is that of TensorFlow.js. */
type Replacement<C> = (call: C, original: (call: C) => TensorInfo, name: string) => TensorInfo;

/** Declares a kernel in place of that of TensorFlow.js, with its setup. */
function replaced<C>(kernelName: string, compute: Replacement<C>): KernelConfig {
  const original = getKernel(kernelName, "wasm");
  const kernelFunc = (call: C) => compute(call, original.kernelFunc as never, kernelName);
  return { ...original, kernelFunc: kernelFunc as never };
}

type PreluCall = KernelCall<{ x: TensorInfo; alpha: TensorInfo }, object>;
type MatMulCall = KernelCall<
  { a: TensorInfo; b: TensorInfo },
  { transposeA: boolean; transposeB: boolean }
>;
type CastCall = KernelCall<{ x: TensorInfo }, { dtype?: DataType }>;
type ConvolutionCall = KernelCall<{ x: TensorInfo; filter: TensorInfo }, ConvolutionAttributes>;
type SumCall = KernelCall<{ x: TensorInfo }, { axis?: number | number[]; keepDims?: boolean }>;

/**
 * Transposes an argument before a matrix product, as in every gradient of a dense layer: XNNPACK supports
 * only products without transposition, and the original kernel is 25 times slower otherwise.
 */
const batchMatMul: Replacement<MatMulCall> = (call, original) => {
  const { inputs, backend, attrs: { transposeA, transposeB } } = call;
  const a = transposeA ? transpose(backend, inputs.a) : inputs.a;
  const b = transposeB ? transpose(backend, inputs.b) : inputs.b;
  const attrs = { transposeA: false, transposeB: false };
  const out = original({ inputs: { a, b }, backend, attrs });
  if (transposeA) free(backend, a);
  if (transposeB) free(backend, b);
  return out;
};

/** Swaps the last two axes. */
function transpose(backend: BackendWasm, x: TensorInfo): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  return runKernel("Transpose", backend, { x }, { perm });
}

/** Copies a tensor without copying its memory, which is freed with the last copy. */
function share({ inputs: { x }, backend }: CastCall): TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** Casts to the dtype of the tensor itself copy nothing. */
const cast: Replacement<CastCall> = (call, original) =>
  call.inputs.x.dtype === call.attrs.dtype && call.attrs.dtype !== "string"
    ? share(call)
    : original(call);

const CONVOLUTIONS = ["Conv2D", "FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2D"];

/**
 * Passes explicit padding to convolutions with padding "same" whose stride exceeds their filter, such as
 * the 1×1 shortcuts of residual networks: the original kernels compute a negative padding there, and write
 * outside of their memory.
 */
const samePadding: Replacement<ConvolutionCall> = (call, original, kernelName) => {
  const { inputs: { x, filter }, attrs } = call;
  if (attrs.pad !== "same") return original(call);
  const info = convolutionInfo(kernelName, x.shape, filter.shape, attrs);
  const { strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth } = info;
  const exceeds = strideHeight > effectiveFilterHeight || strideWidth > effectiveFilterWidth;
  if (!exceeds) return original(call);
  const { top, bottom, left, right } = info.padInfo;
  return original({
    ...call,
    attrs: { ...attrs, pad: [[0, 0], [top, bottom], [left, right], [0, 0]] },
  });
};

/**
 * Repeats slopes of PReLU along axes that share them, behind axes that do not: the original kernel takes
 * those of other positions.
 */
const prelu: Replacement<PreluCall> = (call, original) => {
  const { inputs: { x, alpha }, backend } = call, own = alpha.shape;
  const sizes = x.shape.slice(-own.length), first = own.findIndex((size) => size > 1);
  const reps = sizes.map((size, axis) => first >= 0 && axis > first && own[axis] === 1 ? size : 1);
  if (Math.max(...reps) === 1) return original(call);
  const whole = runKernel("Tile", backend, { x: alpha }, { reps });
  const out = original({ ...call, inputs: { x, alpha: whole } });
  free(backend, whole);
  return out;
};

/**
 * Sums over all axes but the last without transposing first, in double precision: gradients of biases,
 * and statistics of batch normalization. The original kernel computes all other sums.
 */
const sum: Replacement<SumCall> = (call, original) => {
  const { inputs: { x }, backend, attrs: { axis, keepDims } } = call;
  const rank = x.shape.length;
  const axes = new Set([axis ?? []].flat().map((axis) => axis < 0 ? axis + rank : axis));
  const allButLast = rank > 1 && axes.size === rank - 1 && !axes.has(rank - 1);
  if (!allButLast || x.dtype !== "float32") return original(call);
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
