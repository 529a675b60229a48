/** The GPU that Deno's WebGPU would use. Apart from the rest, since asking needs no TensorFlow.js. */

export const noAdapter =
  "there is no GPU that Deno can use. Linux needs the Vulkan driver of the GPU (NVIDIA's own, or " +
  "Mesa's: apt install mesa-vulkan-drivers); Windows and macOS have DirectX 12 and Metal.";

/** A GPU, or undefined if there is none. */
export async function findAdapter(): Promise<GPUAdapter | undefined> {
  return await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? undefined;
}

export interface AdapterDescription {
  readonly name: string;
  /** Whether it is no GPU at all, but a processor that does the work of one. */
  readonly software: boolean;
}

export function describeAdapter({ info }: Pick<GPUAdapter, "info">): AdapterDescription {
  const name = info.description || [info.vendor, info.architecture].filter(Boolean).join(" ") ||
    "a GPU without a name";
  const { isFallbackAdapter = false } = info as { isFallbackAdapter?: boolean };
  return { name, software: isFallbackAdapter || /llvmpipe|swiftshader|basic render/i.test(name) };
}

// As a program, it says what it finds as one line of JSON, or null: looking for a GPU loads its
// driver, which may write to the terminal or crash, and had better do so in a process of its own.
if (import.meta.main) {
  const adapter = await findAdapter();
  console.log(JSON.stringify(adapter === undefined ? null : describeAdapter(adapter)));
}
