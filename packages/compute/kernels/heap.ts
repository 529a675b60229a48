/** Tensors on the heap of the wasm backend, for the kernels in this folder. */
import {
  backend_util,
  getKernel,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";

export interface KernelCall<Inputs, Attributes> {
  inputs: Inputs;
  backend: BackendWasm;
  attrs: Attributes;
}

/** Declares a kernel of the wasm backend. */
export function wasmKernel<I, A>(
  kernelName: string,
  kernelFunc: (call: KernelCall<I, A>) => TensorInfo,
): KernelConfig {
  return { kernelName, backendName: "wasm", kernelFunc: kernelFunc as unknown as KernelFunc };
}

/** Allocates a tensor without initializing its memory. */
export function allocate(backend: BackendWasm, shape: number[]): TensorInfo {
  return backend.makeOutput(shape, "float32");
}

/**
 * Returns a view of a tensor's memory. Allocations may grow the heap, which detaches all views: create
 * views last.
 */
export function view(backend: BackendWasm, tensor: TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** Runs another kernel of the wasm backend, outside of any gradient tape. */
export function runKernel(
  name: string,
  backend: BackendWasm,
  inputs: Record<string, TensorInfo>,
  attrs: Record<string, unknown>,
): TensorInfo {
  const kernel = getKernel(name, "wasm");
  return kernel.kernelFunc({ inputs, backend, attrs: attrs as never }) as TensorInfo;
}

export function free(backend: BackendWasm, ...tensors: TensorInfo[]): void {
  for (const { dataId } of tensors) backend.disposeData(dataId);
}

/** Attributes of both gradients of a convolution. */
export interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: "valid" | "same" | number | backend_util.ExplicitPadding;
  dataFormat?: "NHWC" | "NCHW";
  dimRoundingMode?: "floor" | "round" | "ceil";
  /** Dilations of the convolution itself; TensorFlow.js has gradients of depthwise dilated ones only. */
  dilations?: [number, number] | number | null;
}

/** Call for the gradient of a convolution by its filter. */
export type FilterCall = KernelCall<
  { x: TensorInfo; dy: TensorInfo },
  ConvolutionAttributes & { filterShape: number[] }
>;

/** Call for the gradient of a convolution by its input. */
export type InputCall = KernelCall<
  { dy: TensorInfo; filter: TensorInfo },
  ConvolutionAttributes & { inputShape: number[] }
>;

/** Returns sizes, strides and padding of a convolution, channels last. */
export function convolutionInfo(
  kernel: string,
  inputShape: number[],
  filterShape: number[],
  { strides, pad, dataFormat = "NHWC", dimRoundingMode, dilations }: ConvolutionAttributes,
): backend_util.Conv2DInfo {
  if (dataFormat !== "NHWC") {
    throw new Error(
      `Cannot compute ${kernel} of data format "${dataFormat}" on wasm: only "NHWC" is supported.`,
    );
  }
  type Shape = [number, number, number, number];
  return backend_util.computeConv2DInfo(
    inputShape as Shape,
    filterShape as Shape,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    kernel.includes("Depthwise"),
    "channelsLast",
  );
}
