/**
 * TensorFlow.js on Deno's WebGPU, on a device that is opened here and not by its package, so that
 * what goes wrong on it is heard: no adapter, a lost device, too little memory.
 */
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { describeAdapter, findAdapter, noAdapter } from "./webgpu_adapter.ts";
import { webGpuModule } from "./npm_package.ts";
import { deviceFailed, deviceOpened } from "./read_tensor.ts";

/** What of the package's module is used here. */
interface WebGpuModule {
  WebGPUBackend: new (device: GPUDevice, adapter: GPUAdapterInfo) => tf.KernelBackend;
}

const OTHERWISE = "Or choose compute: wasm.";

/** Registers the backend `webgpu`. Fetches its package into the cache the first time. */
export async function loadWebGpu(): Promise<void> {
  const adapter = await findAdapter();
  if (adapter === undefined) throw new Error(`${cannot(noAdapter)} ${OTHERWISE}`);
  const path = await webGpuModule();
  // Its imports are bare names, so that it gets the project's own tfjs-core.
  const { WebGPUBackend }: WebGpuModule = await import(pathToFileURL(path).href);
  const device = await openDevice(adapter);
  tf.removeBackend("webgpu"); // the one that it registers opens a device which nobody watches
  tf.registerBackend("webgpu", () => new WebGPUBackend(device, adapter.info));
}

async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const { name } = describeAdapter(adapter);
  const { limits } = adapter;
  let device;
  try {
    device = await adapter.requestDevice({
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      },
    });
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Error(cannot(`${name} does not open (${why}). ${OTHERWISE}`), { cause });
  }
  deviceOpened();
  watch(device, name);
  return device;
}

/** Turns what a device tells into an error of whoever reads from it next. */
export function watch(device: GPUDevice, name: string): void {
  device.lost.then(({ reason, message }) =>
    deviceFailed(
      new Error(cannot(
        `${name} was lost (${reason || "unknown reason"}: ${message}). Its driver may have ` +
          `restarted, or it was taken away; run again, and training goes on from the last epoch. ` +
          OTHERWISE,
      )),
    )
  );
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as GPUUncapturedErrorEvent;
    const tooLarge = error instanceof GPUOutOfMemoryError || /size|memory/i.test(error.message);
    deviceFailed(
      new Error(
        cannot(
          tooLarge
            ? `the memory of ${name} does not suffice (${firstLine(error.message)}). Lower ` +
              `batchSize. ${OTHERWISE}`
            : `${name} refuses the work (${firstLine(error.message)}). ${OTHERWISE}`,
        ),
        { cause: error },
      ),
    );
  });
}

function cannot(why: string): string {
  return `Cannot compute on "webgpu": ${why}`;
}

function firstLine(message: string): string {
  return message.split("\n")[0].trim();
}
