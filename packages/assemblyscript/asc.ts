/**
 * The AssemblyScript compiler: a folder's index.ts as WebAssembly on stdout. It has a config of
 * its own, since only those who change kernels need its 100 MB; what the project's deno.json names,
 * every first run downloads.
 *
 *     deno run --config packages/assemblyscript/asc.json --allow-read packages/assemblyscript/asc.ts FOLDER FLAGS...
 */
import asc from "assemblyscript/asc";

const [folder, ...flags] = Deno.args;
let wasm: Uint8Array | undefined;
const { error, stderr } = await asc.main(["index.ts", "--outFile", "out.wasm", ...flags], {
  async readFile(name) {
    if (!/^([a-z]+\/)?[a-z0-9]+\.ts$/.test(name)) return null;
    return await Deno.readTextFile(`${folder}/${name}`).catch(() => null);
  },
  writeFile(_name, contents) {
    if (typeof contents !== "string") wasm = contents;
  },
  listFiles: () => [],
});
if (error || !wasm) {
  console.error(`${stderr}${error ?? ""}`);
  Deno.exit(1);
}
for (let at = 0; at < wasm.length;) at += Deno.stdout.writeSync(wasm.subarray(at));
