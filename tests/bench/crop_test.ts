import assert from "node:assert/strict";
import { join } from "node:path";
import { chart, type CropRow, toMarkdown, writePictures } from "../../bench/crop_bench.ts";

const cores = [{ detector: "metadata", photos: 1000, one: [3, 2, 4], all: [1.5, 1, 1], ratio: 2 }];
const scale: CropRow[] = [
  { photos: 1000, faceCrop: 4, resize32: 1, photosPerSecond: 200, work: 2.5, memory: 3e8 },
  { photos: 10_000, faceCrop: 40, resize32: 10, photosPerSecond: 200, work: null, memory: null },
];

Deno.test("toMarkdown() of the bench of crops has a row for each detector and each size", () => {
  const text = toMarkdown(cores, scale);
  assert.match(
    text,
    /\| metadata \| +1,000 \| 3\.00 ms per photo \| +1\.00 ms per photo \| +2\.00 \|/,
  );
  assert.match(text, /\| 1,000 +\| +4\.0 s \| +1\.0 s \| +200 \| +2\.50 ms \| +300 MB \|/);
  assert.match(text, /\| 10,000 +\| +40\.0 s \| +10\.0 s \| +200 \| +– \| +– \|/);
});

Deno.test("chart() of the bench of crops has a bar for each size and figure", () => {
  const svg = chart(scale);
  assert.equal(svg.match(/<rect x=/g)?.length, 4);
  assert.match(svg, />10,000 photos<\/text>/);
  assert.equal(svg.match(/>unknown<\/text>/g)?.length, 2);
});

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
        args: ["eval", "const all = new Uint8Array(2e8).fill(1); console.log('full'); " +
          "await Deno.stdin.read(new Uint8Array(1)); all.at(0)"],
        stdin: "piped",
      }).spawn();
      await Deno.stdin.read(new Uint8Array(1));
      await child.stdin.close();
      await child.status;
      bytes.at(0);
    `),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = run.stdout.getReader();
  await output.read(); // both have filled their memory
  const watcher = new URL("../../bench/peers/process_tree.ts", import.meta.url).href;
  const watch = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", watcher, String(run.pid), ...args],
    }).output().then(({ stdout }) => JSON.parse(new TextDecoder().decode(stdout)));
  const { bytes, seconds } = await watch("--once");
  assert.ok(bytes > 4e8 && bytes < 2e9, `${bytes} bytes`);
  assert.ok(seconds >= 0, `${seconds} s`);
  const watching = watch();
  await run.stdin.close();
  await Promise.all([run.status, output.cancel()]);
  assert.ok((await watching).bytes >= 0);
});
