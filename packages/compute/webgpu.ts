/**
 * TensorFlow.js on Deno's WebGPU. The device is opened here instead of in its package, so its errors are
 * reported: no adapter, a lost device, too little memory.
 */
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { describeAdapter, findAdapter, noAdapter } from "./webgpu_adapter.ts";
import { webGpuModule } from "./npm_package.ts";
import { deviceFailed, deviceOpened } from "./read_tensor.ts";

/** The used part of the package's module. */
interface WebGpuModule {
  WebGPUBackend: new (device: GPUDevice, adapter: GPUAdapterInfo) => tf.KernelBackend;
}

/** Limits of a device, whose default is below what the adapter has. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

const OTHERWISE = "Or choose compute: wasm.";

/** Registers the backend `webgpu`. The first call downloads its package into the cache. */
export async function loadWebGpu(): Promise<void> {
  const adapter = await findAdapter();
  if (adapter === undefined) throw cannot(`${noAdapter} ${OTHERWISE}`);
  const path = await webGpuModule();
  // Its imports are bare names, which resolve to the project's tfjs-core.
  const { WebGPUBackend }: WebGpuModule = await import(pathToFileURL(path).href);
  const device = await openDevice(adapter);
  tf.removeBackend("webgpu"); // the package's own opens a device without error handling
  tf.registerBackend("webgpu", () => new WebGPUBackend(device, adapter.info));
}

async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const { name } = describeAdapter(adapter);
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits }).catch((cause) => {
    throw cannot(`cannot open ${name} (${(cause as Error).message}). ${OTHERWISE}`, { cause });
  });
  deviceOpened();
  watch(device, name);
  return device;
}

/** Makes the next read of a tensor throw the errors of a device. */
export function watch(device: GPUDevice, name: string): void {
  device.lost.then(({ reason, message }) =>
    deviceFailed(cannot(
      `${name} was lost (${reason || "unknown reason"}: ${message}). Its driver may have ` +
        `restarted, or it was removed. Run again; training resumes from the last epoch. ${OTHERWISE}`,
    ))
  );
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as GPUUncapturedErrorEvent;
    const tooLarge = error instanceof GPUOutOfMemoryError || /size|memory/i.test(error.message);
    const line = error.message.split("\n")[0].trim();
    const why = tooLarge
      ? `the memory of ${name} is too small (${line}). Lower batchSize.`
      : `${name} failed (${line}).`;
    deviceFailed(cannot(`${why} ${OTHERWISE}`, { cause: error }));
  });
}

function cannot(why: string, options?: ErrorOptions): Error {
  return new Error(`Cannot compute on "webgpu": ${why}`, options);
}
