/** Compiles engine/assembly to engine.wasm and engine.simd.wasm: deno task build:engine */
import { writeBuilds } from "../assemblyscript/compile.ts";

await writeBuilds("engine", import.meta.url, "simd,threads", [
  ...["--sharedMemory", "--memoryBase", "8192", "--initialMemory", "1"],
  ...["--maximumMemory", "65536"],
]);
