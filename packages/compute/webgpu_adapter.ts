/** The GPU of Deno's WebGPU, without TensorFlow.js. As a program, prints its description as JSON. */

export const noAdapter =
  "there is no GPU that Deno can use. Linux needs the Vulkan driver of the GPU (NVIDIA's own, or " +
  "Mesa's: apt install mesa-vulkan-drivers); Windows and macOS have DirectX 12 and Metal.";

/** Finds a GPU. Returns undefined if there is none. */
export async function findAdapter(): Promise<GPUAdapter | undefined> {
  return await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? undefined;
}

export interface AdapterDescription {
  readonly name: string;
  /** True for software rendering on the CPU. */
  readonly software: boolean;
}

export function describeAdapter({ info }: Pick<GPUAdapter, "info">): AdapterDescription {
  const name = info.description || [info.vendor, info.architecture].filter(Boolean).join(" ") ||
    "a GPU without a name";
  const { isFallbackAdapter = false } = info as { isFallbackAdapter?: boolean };
  return { name, software: isFallbackAdapter || /llvmpipe|swiftshader|basic render/i.test(name) };
}

// In a process of its own: the search loads the GPU's driver, which may write to the terminal or crash.
if (import.meta.main) {
  const adapter = await findAdapter();
  console.log(JSON.stringify(adapter === undefined ? null : describeAdapter(adapter)));
}
