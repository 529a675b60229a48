import assert from "node:assert/strict";
import { join } from "node:path";
import { RandomAccessFiles } from "../../../packages/formats/random_access_file.ts";

Deno.test("RandomAccessFiles reads any file and keeps the last one open alone", async () => {
  const folder = await Deno.makeTempDir(), { openSync } = Deno;
  const names = ["a", "b", "a", "a", "c"];
  for (const name of names) await Deno.writeTextFile(join(folder, name), `of ${name}`);
  const opened: Deno.FsFile[] = [];
  Deno.openSync = (...options) => {
    const file = openSync(...options);
    opened.push(file);
    return file;
  };
  const areOpen = () =>
    opened.filter((file) => {
      try {
        return file.statSync().isFile;
      } catch {
        return false;
      }
    }).length;
  try {
    {
      using files = new RandomAccessFiles();
      const read = (name: string, length: number) =>
        new TextDecoder().decode(files.read(join(folder, name), 0, length));
      assert.deepEqual(names.map((name) => read(name, 4)), names.map((name) => `of ${name}`));
      assert.throws(() => read("none", 1), /Cannot open ".*none"/);
      assert.equal(read("c", 4), "of c");
      assert.deepEqual([opened.length, areOpen()], [4, 1]);
    }
    assert.equal(areOpen(), 0);
  } finally {
    Deno.openSync = openSync;
    await Deno.remove(folder, { recursive: true });
  }
});
