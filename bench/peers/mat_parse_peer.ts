/**
 * Our side of `deno task bench mat`: the whole stage, from an archive to table.parquet.
 *
 *     mat_parse_peer.ts FILE    prints seconds, the most memory held in bytes, and rows as JSON
 */
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { TarWriter } from "../../packages/formats/tar.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import type { ArchivesDescription } from "../../faces/datasets/archives.ts";
import matParse from "../../stages/matParse.ts";

const folder = await Deno.makeTempDir({ prefix: "matParse-" });
try {
  using tar = new TarWriter(join(folder, "imdb.tar"));
  const { path, offset, size } = tar.add("imdb/imdb.mat", await Deno.readFile(Deno.args[0]));
  tar.close();
  const metadata = { tar: "imdb.tar", path, offset, size, variable: "imdb" };
  const description: ArchivesDescription = {
    datasets: [{ name: "imdb", layout: "crop", tars: [], metadata }],
  };
  await Deno.writeTextFile(join(folder, "archives.json"), JSON.stringify(description));
  const context = {
    id: "matParse",
    outputs: { table: folder },
    scratch: folder,
    signal: new AbortController().signal,
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
  const { read } = JSON.parse(await Deno.readTextFile(join(folder, "summary.json")));
  const bytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, bytes, rows: read }));
} finally {
  await Deno.remove(folder, { recursive: true });
}
