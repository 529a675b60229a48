import assert from "node:assert/strict";
import { join } from "node:path";
import { writePictures } from "../../bench/crop_bench.ts";

Deno.test("writePictures() gives as many names as are wanted to the pictures", async () => {
  const folder = await Deno.makeTempDir();
  const pictures = [1, 2, 3].map((byte) => new Uint8Array([byte]));
  await writePictures(folder, pictures, 1002);
  const lines = (await Deno.readTextFile(join(folder, "labels.csv"))).trim().split("\n").slice(1);
  assert.equal(lines.length, 1002);
  for (const i of [0, 2, 3, 1001]) {
    const path = lines[i].split(",")[0];
    assert.deepEqual(await Deno.readFile(join(folder, path)), pictures[i % 3], path);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the bench's watcher tells the memory and work of a process with all its children", async () => {
  if (Deno.build.os !== "linux") return;
  const script = (code: string) => ["eval", "--quiet", code];
  const run = new Deno.Command(Deno.execPath(), {
    args: script(`
      const bytes = new Uint8Array(2e8).fill(1);
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", "const all = new Uint8Array(2e8).fill(1); setTimeout(() => all, 3000)"],
      });
      await child.output();
      console.log(bytes.length);
    `),
    stdout: "null",
  }).spawn();
  const watcher = new URL("../../bench/peers/process_tree.ts", import.meta.url).href;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", watcher, String(run.pid)],
  }).output();
  await run.status;
  const { bytes, seconds } = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(bytes > 4e8 && bytes < 2e9, `${bytes} bytes`);
  assert.ok(seconds > 0.02 && seconds < 1000, `${seconds} s`);
});
