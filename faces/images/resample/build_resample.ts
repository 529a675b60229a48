/** Compiles the kernels of scaling into kernels.ts: deno task build:resample */
import { compile } from "../../../packages/assemblyscript/compile.ts";

const source = new URL("./assembly/", import.meta.url);
const flags = [
  ...["-O2", "--noAssert", "--runtime", "stub", "--use", "abort=", "--importMemory"],
  ...["--enable", "simd"],
];

/** The text of kernels.ts. */
export async function build(): Promise<string> {
  const bytes = await compile(source, flags);
  const lines = bytes.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}"`);
  return "/** What assembly/ compiles to, in base64, so that the page has it as well. By build.ts. */\n" +
    `export const kernels =\n${lines.join(" +\n")};\n`;
}

if (import.meta.main) {
  const text = await build();
  await Deno.writeTextFile(new URL("./resample_kernels.ts", import.meta.url), text);
  console.log(`kernels.ts: ${text.length.toLocaleString("en")} bytes`);
}
