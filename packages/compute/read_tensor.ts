/**
 * Reads values of tensors. WebGPU reports errors (a lost device, too little memory) to the device, not to
 * the computation: here, the next read throws them.
 */
import type { Tensor } from "@tensorflow/tfjs-core";

let failure: Error | undefined;

/** Records an error of a device. The first one counts: the others follow from it. */
export function deviceFailed(error: Error): void {
  failure ??= error;
}

/** Clears the recorded error, after another device was opened. */
export function deviceOpened(): void {
  failure = undefined;
}

/**
 * Reads a copy of the values of a tensor.
 * @throws the error of the device since it was opened
 */
export async function readTensor(tensor: Tensor): Promise<Float32Array> {
  let values;
  try {
    values = new Float32Array(await tensor.data()); // the cpu backend returns its own
  } catch (error) {
    // The device reports the reason after the rejection.
    await new Promise((resolve) => setTimeout(resolve));
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
  return values;
}
