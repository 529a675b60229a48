/** What the kernels in this folder share: tensors on the heap of the wasm backend. */
import { backend_util, type DataType, getKernel, type TensorInfo } from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";

/** What tfjs hands a kernel. */
export interface KernelCall<Inputs, Attributes> {
  inputs: Inputs;
  backend: BackendWasm;
  attrs: Attributes;
}

/** A new tensor; its memory holds whatever was there before. */
export function allocate(backend: BackendWasm, shape: number[]): TensorInfo {
  return backend.makeOutput(shape, "float32" satisfies DataType);
}

/**
 * The numbers of a tensor, in place. Allocating may grow the heap, which detaches every view of it:
 * take views last.
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

/** The attributes that the two gradients of a convolution have in common. */
export interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: "valid" | "same" | number | backend_util.ExplicitPadding;
  dataFormat: "NHWC" | "NCHW";
  dimRoundingMode?: "floor" | "round" | "ceil";
  /** Of the convolution itself; tfjs refuses to derive dilated ones. */
  dilations?: [number, number] | number;
}

/** Sizes, strides and padding of a convolution, channels last. */
export function convolutionInfo(
  kernel: string,
  inputShape: number[],
  filterShape: number[],
  { strides, pad, dataFormat, dimRoundingMode, dilations = 1 }: ConvolutionAttributes,
): backend_util.Conv2DInfo {
  const format = backend_util.convertConv2DDataFormat(dataFormat);
  if (format !== "channelsLast") {
    throw new Error(
      `Cannot compute ${kernel} of data format "${dataFormat}" on wasm: only "NHWC" is written.`,
    );
  }
  return backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
    format,
  );
}
