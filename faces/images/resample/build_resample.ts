/** Compiles the kernels of `resample.ts` into resample_kernels.ts: deno task build:resample */
import { compile } from "../../../packages/assemblyscript/compile.ts";

const bytes = await compile(import.meta.url, "simd");
const lines = bytes.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}"`);
const text =
  "/** WebAssembly of assembly/ in base64, for server and page. Written by build_resample.ts. */\n" +
  `export const kernels =\n${lines.join(" +\n")};\n`;
await Deno.writeTextFile(new URL("./resample_kernels.ts", import.meta.url), text);
console.log(`resample_kernels.ts: ${text.length.toLocaleString("en")} bytes`);
