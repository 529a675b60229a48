import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { openPhotoFiles } from "../../../faces/datasets/photo_files.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";

Deno.test({
  name: "openPhotoFiles() leaves no unpacked archive behind a process that is killed",
  ignore: Deno.build.os === "windows", // which removes no open file
  async fn() {
    const folder = await Deno.makeTempDir(), scratch = await Deno.makeTempDir();
    const tar = join(scratch, "photos.tar"), photo = new Uint8Array(1000).fill(7);
    {
      using writer = new TarWriter(tar);
      writer.add("faces/a.jpg", photo);
      writer.close();
    }
    await Deno.writeFile(join(folder, "photos.tar.gz"), gzipSync(await Deno.readFile(tar)));
    await Deno.remove(tar);
    {
      await using files = await openPhotoFiles(join(folder, "photos.tar.gz"), scratch);
      assert.deepEqual([...Deno.readDirSync(scratch)], []); // also while it is read
      assert.deepEqual(await files.read("a.jpg"), photo);
    }
    for (const path of [folder, scratch]) await Deno.remove(path, { recursive: true });
  },
});
