/** Archives of earlier results of `download` are not downloaded again. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeMat } from "../../../packages/formats/mat_write.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";
import type { EarlierResult, StageResult } from "../../../packages/pipeline/stage.ts";
import download from "../../../stages/download.ts";
import { type TestContext, testContext } from "../../context.ts";
import { file, serve } from "../../packages/download/server.ts";

const digest = (algorithm: string, bytes: Uint8Array) =>
  createHash(algorithm).update(bytes).digest("hex");

function tar(files: Record<string, string | Uint8Array>): Uint8Array<ArrayBuffer> {
  const path = Deno.makeTempFileSync();
  {
    using writer = new TarWriter(path);
    for (const [name, data] of Object.entries(files)) {
      writer.add(name, typeof data === "string" ? new TextEncoder().encode(data) : data);
    }
    writer.close();
  }
  const bytes = Deno.readFileSync(path);
  Deno.removeSync(path);
  return bytes;
}

/** A finished context as the store would hand it to a later one. */
function asResult({ folder, outputs }: TestContext, result: StageResult | void): EarlierResult {
  const files = Object.fromEntries(
    Array.from(Deno.readDirSync(outputs.archives), ({ name }) => {
      const bytes = Deno.readFileSync(join(outputs.archives, name));
      return [name, { size: bytes.length, sha256: digest("sha256", bytes) }];
    }),
  );
  const observed = result?.observed ?? {};
  return { path: folder, outputs: { archives: { files } }, observed, differences: [] };
}

const labels = (name: string) => writeMat(name, { dob: [1] });
const wikiCrop = tar({ "wiki_crop/17/a_1.jpg": "face", "wiki_crop/wiki.mat": labels("wiki") });
const wiki = Uint8Array.from(
  gzipSync(tar({ "wiki/17/a_1.jpg": "photo", "wiki/wiki.mat": labels("wiki") })),
);
const imdb = Object.fromEntries([
  ["imdb_meta.tar", tar({ "imdb/imdb.mat": labels("imdb") })],
  ...Array.from(
    { length: 10 },
    (_, i) => [`imdb_${i}.tar`, tar({ [`imdb/${i}0/nm1_rm${i}.jpg`]: `face ${i}` })] as const,
  ),
]);

/** Serves files, and the MD5s of some of them. */
function serveFiles(files: Record<string, Uint8Array<ArrayBuffer>>, summed: readonly string[]) {
  const sums = summed.map((name) => `${digest("md5", files[name])}  ${name}\n`).join("");
  return serve((request) => {
    const name = basename(new URL(request.url).pathname);
    if (name === "MD5SUMS") return new Response(sums);
    return files[name] ? file(request, files[name]) : new Response(null, { status: 404 });
  });
}

Deno.test("download reuses archives of earlier results whose MD5 agrees, unpacked ones too", async () => {
  const all: Record<string, Uint8Array<ArrayBuffer>> = {
    "wiki_crop.tar": wikiCrop,
    "wiki.tar.gz": wiki,
  };
  await using server = await serveFiles(all, Object.keys(all));
  const params = { datasets: ["wiki_crop", "wiki"], mirror: server.url };
  using first = testContext(download);
  const earlier = asResult(first, await first.run({}, params));
  const asked = server.requests.length;

  using second = testContext(download, { earlierResults: [earlier] });
  await second.run({}, { ...params, datasets: ["wiki", "wiki_crop"] });
  deepStrictEqual(server.requests.slice(asked), ["/MD5SUMS"]);
  match(second.infos[0], /^reuses wiki_crop.tar, wiki.tar.gz of an earlier result/);
  for (const name of ["wiki_crop.tar", "wiki.tar"]) {
    deepStrictEqual(
      Deno.readFileSync(join(second.outputs.archives, name)),
      Deno.readFileSync(join(first.outputs.archives, name)),
    );
  }

  // A damaged one is downloaded; so is one that is to have another MD5.
  Deno.writeTextFileSync(join(first.outputs.archives, "wiki.tar"), "damaged", { append: true });
  using third = testContext(download, { earlierResults: [earlier] });
  await third.run({}, params);
  ok(server.requests.includes("HEAD /wiki.tar.gz"));
  match(third.infos[0], /^does not use ".*wiki.tar" of an earlier result: it is damaged/);
  match(third.infos[1], /^reuses wiki_crop.tar of/);
  const other = tar({ "wiki_crop/17/b_1.jpg": "other", "wiki_crop/wiki.mat": labels("wiki") });
  await using changed = await serveFiles({ "wiki_crop.tar": other }, ["wiki_crop.tar"]);
  using fourth = testContext(download, { earlierResults: [earlier] });
  await fourth.run({}, { datasets: ["wiki_crop"], mirror: changed.url });
  deepStrictEqual(Deno.readFileSync(join(fourth.outputs.archives, "wiki_crop.tar")), other);
});

Deno.test("download reuses archives without an MD5 while the server has the same version", async () => {
  const files = { ...imdb };
  let tag = '"v1"';
  await using server = await serve(async (request) => {
    const name = basename(new URL(request.url).pathname);
    if (!files[name]) return new Response(null, { status: 404 });
    const response = await file(request, files[name]);
    response.headers.set("etag", tag);
    return response;
  });
  const params = { datasets: ["imdb"], mirror: server.url, checksums: false };
  using first = testContext(download);
  const earlier = asResult(first, await first.run({}, params));
  const downloads = earlier.observed.downloads as Record<string, unknown>;
  strictEqual(Object.keys(downloads).length, 11);
  const size = files["imdb_3.tar"].length;
  deepStrictEqual(downloads["imdb_3.tar"], {
    url: `${server.url}imdb_3.tar`,
    validator: tag,
    size,
  });

  const run = async (results: readonly EarlierResult[]) => {
    const asked = server.requests.length;
    using context = testContext(download, { earlierResults: results });
    const result = await context.run({}, params);
    strictEqual(context.warnings.length, 11, "their MD5s were not verified");
    deepStrictEqual(Object.keys(result!.observed!.downloads as object).length, 11);
    return server.requests.slice(asked).filter((request) => request.startsWith("/imdb")).length;
  };
  strictEqual(await run([earlier]), 0);
  strictEqual(await run([{ ...earlier, observed: {} }]), 11, "versions unknown");
  tag = '"v2"';
  strictEqual(await run([earlier]), 11, "other versions");
});
