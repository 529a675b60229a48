/**
 * Numbers of a tensor, from wherever it is. On WebGPU they can only be waited for, and what goes
 * wrong on the device (it is lost, its memory is full) is told to the device, not to who computes:
 * here it becomes an error of whoever reads.
 */
import type { Tensor } from "@tensorflow/tfjs-core";

let failure: Error | undefined;

/** Remembers what went wrong on a device. The first failure counts: the others follow from it. */
export function deviceFailed(error: Error): void {
  failure ??= error;
}

/** Forgets a failure, since another device was opened. */
export function deviceOpened(): void {
  failure = undefined;
}

/**
 * The numbers of a tensor; may be its own memory, so copy what is kept.
 * @throws what went wrong on the device since it was opened: nothing on it can be trusted then
 */
export async function readTensor(tensor: Tensor): Promise<Float32Array> {
  let values;
  try {
    values = await tensor.data<"float32">();
  } catch (error) {
    // The device tells why only after it has refused.
    await new Promise((resolve) => setTimeout(resolve));
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
  return values;
}

/** The number of a scalar, which is disposed of. */
export async function readScalar(scalar: Tensor): Promise<number> {
  try {
    return (await readTensor(scalar))[0];
  } finally {
    scalar.dispose();
  }
}
