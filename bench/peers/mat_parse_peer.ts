/**
 * Our side of `deno task bench mat`: the whole stage, from an archive to table.parquet.
 *
 *     matParse.ts FILE          prints seconds, the most memory held in bytes, and rows as JSON
 */
import { join } from "node:path";
import { z } from "zod";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import type { ArchivesDescription } from "../../faces/datasets/archives.ts";
import matParse from "../../stages/matParse.ts";

const [file] = Deno.args;
const folder = await Deno.makeTempDir({ prefix: "matParse-" });
try {
  {
    using mat = new RandomAccessFile(file);
    using tar = new TarWriter(join(folder, "imdb.tar"));
    const { path, offset, size } = tar.add("imdb/imdb.mat", mat.read(0, mat.size));
    tar.close();
    const metadata = { tar: "imdb.tar", path, offset, size, variable: "imdb" };
    const description: ArchivesDescription = {
      datasets: [{ name: "imdb", layout: "crop", tars: [], metadata }],
    };
    await Deno.writeTextFile(join(folder, "archives.json"), JSON.stringify(description));
  }
  const table = join(folder, "table");
  await Deno.mkdir(table);
  const context = {
    ...{
      id: "matParse",
      outputs: { table },
      scratch: folder,
      signal: new AbortController().signal,
    },
    progress: { start() {}, advance() {} },
    info() {},
    warn: console.error,
  };
  const archives = { kind: "archives", stage: "download", path: folder, digest: "" };
  const began = performance.now();
  await matParse.run(
    { archives },
    z.parse(matParse.params, {}),
    context as unknown as StageContext,
  );
  const seconds = (performance.now() - began) / 1000;
  const { read } = JSON.parse(await Deno.readTextFile(join(table, "summary.json")));
  // Linux keeps the most that was ever held; elsewhere, what is held at the end has to do.
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  const bytes = peak === undefined ? Deno.memoryUsage().rss : Number(peak) * 1024;
  console.log(JSON.stringify({ seconds, bytes, rows: read }));
} finally {
  await Deno.remove(folder, { recursive: true });
}
