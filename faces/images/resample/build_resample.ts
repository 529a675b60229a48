/** Compiles the kernels of `resample.ts` into resample_kernels.ts: deno task build:resample */
import { compile } from "../../../packages/assemblyscript/compile.ts";

const source = new URL("./assembly/", import.meta.url);
const flags = [
  ...["-O2", "--noAssert", "--runtime", "stub", "--use", "abort=", "--importMemory"],
  ...["--enable", "simd"],
];

/** Returns the text of resample_kernels.ts. */
export async function build(): Promise<string> {
  const bytes = await compile(source, flags);
  const lines = bytes.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}"`);
  return "/** WebAssembly of assembly/ in base64, for server and page. Written by build_resample.ts. */\n" +
    `export const kernels =\n${lines.join(" +\n")};\n`;
}

if (import.meta.main) {
  const text = await build();
  await Deno.writeTextFile(new URL("./resample_kernels.ts", import.meta.url), text);
  console.log(`resample_kernels.ts: ${text.length.toLocaleString("en")} bytes`);
}
