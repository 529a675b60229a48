/** Compiles the detector's kernels to kernels.wasm and kernels.simd.wasm: deno task build:dlib */
import { writeBuilds } from "../../../../packages/assemblyscript/compile.ts";

await writeBuilds("kernels", import.meta.url, "simd");
