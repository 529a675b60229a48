import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { writeMat } from "../../packages/formats/mat_write.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { type ArchivesDescription, openArchives } from "../../faces/datasets/archives.ts";
import download from "../../stages/download.ts";
import { copyFile } from "../../faces/datasets/local_files.ts";
import { testContext } from "../context.ts";
import { mounted } from "../mount.ts";
import { file, serve } from "../packages/download/server.ts";

const text = (bytes?: Uint8Array) => bytes && new TextDecoder().decode(bytes);
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

/** A folder for a mirror, which goes afterwards. */
async function withMirror(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes an archive of small texts, and gives its bytes. */
function tar(path: string, files: Record<string, string | Uint8Array>): Uint8Array<ArrayBuffer> {
  {
    using writer = new TarWriter(path);
    for (const [name, data] of Object.entries(files)) {
      writer.add(name, typeof data === "string" ? new TextEncoder().encode(data) : data);
    }
    writer.close();
  }
  return Deno.readFileSync(path);
}

const wikiCrop = {
  "wiki_crop/17/a_1.jpg": "first",
  "wiki_crop/18/b_2.jpg": "second",
  "wiki_crop/wiki.mat": writeMat("wiki", { dob: [1] }),
};

function sums(folder: string): void {
  const lines = Array.from(
    Deno.readDirSync(folder),
    ({ name }) => `${md5(Deno.readFileSync(join(folder, name)))}  ${name}\n`,
  );
  Deno.writeTextFileSync(join(folder, "MD5SUMS"), lines.join(""));
}

function files(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

Deno.test("download takes an archive from a folder and tells where each photo lies", async () => {
  await withMirror(async (mirror) => {
    const bytes = tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    sums(mirror);
    using context = testContext(download);
    await context.run({}, { datasets: ["wiki_crop"], mirror });

    const folder = context.outputs.archives;
    deepStrictEqual(files(folder), ["archives.json", "index.parquet", "wiki_crop.tar"]);
    deepStrictEqual(Deno.readFileSync(join(folder, "wiki_crop.tar")), bytes);
    const index = await readParquet(join(folder, "index.parquet"));
    deepStrictEqual(index.path, ["17/a_1.jpg", "18/b_2.jpg", "wiki.mat"]);
    deepStrictEqual(index.dataset, ["wiki_crop", "wiki_crop", "wiki_crop"]);
    deepStrictEqual(index.size.slice(0, 2), [5, 6]);
    const description: ArchivesDescription = JSON.parse(
      Deno.readTextFileSync(join(folder, "archives.json")),
    );
    deepStrictEqual(
      description.datasets.map(({ name, layout, tars }) => ({ name, layout, tars })),
      [
        {
          name: "wiki_crop",
          layout: "crop",
          tars: [{
            file: "wiki_crop.tar",
            source: "wiki_crop.tar",
            md5: md5(bytes),
            verified: true,
          }],
        },
      ],
    );
    ok(!JSON.stringify(description).includes(mirror), "where it came from is not what it is");
    deepStrictEqual(context.warnings, []);
    deepStrictEqual(context.done, { total: bytes.length, unit: "bytes", items: bytes.length });

    using archives = await openArchives(context.artifact("archives"));
    strictEqual(text(archives.read("wiki_crop", "18/b_2.jpg")), "second");
    strictEqual(archives.read("wiki_crop", "18/none.jpg"), undefined);
    throws(() => archives.read("imdb", "x"), /dataset "imdb": the archives hold wiki_crop/);
    deepStrictEqual(
      archives.readPlace(archives.datasets[0].metadata),
      new Uint8Array(wikiCrop["wiki_crop/wiki.mat"]),
    );
  });
});

Deno.test("download takes archives packed in more folders or on a Mac, and says what they lack", async () => {
  await withMirror(async (mirror) => {
    const path = join(mirror, "wiki_crop.tar");
    const take = async (files: Record<string, string | Uint8Array>) => {
      tar(path, files);
      using context = testContext(download);
      await context.run({}, { datasets: ["wiki_crop"], mirror, checksums: false });
      const index = await readParquet(join(context.outputs.archives, "index.parquet"));
      return index.path;
    };
    const nested = Object.entries(wikiCrop).map(([name, data]) => [`my/data/${name}`, data]);
    deepStrictEqual(await take(Object.fromEntries(nested)), [
      "17/a_1.jpg",
      "18/b_2.jpg",
      "data/wiki_crop/wiki.mat",
    ]);
    deepStrictEqual(
      await take({
        "._wiki_crop": "x",
        "wiki_crop/._17": "x",
        "wiki_crop/17/._a_1.jpg": "x",
        ...wikiCrop,
        "wiki_crop/._wiki.mat": "x",
      }),
      ["17/a_1.jpg", "18/b_2.jpg", "wiki.mat"],
    );
    await rejects(
      take({ "photos/a_1.jpg": "first", "wiki.mat": wikiCrop["wiki_crop/wiki.mat"] }),
      /Cannot use "wiki_crop.tar": photos must be in folders of two digits .*the 2 files are elsewhere: "photos\/a_1.jpg", "wiki.mat"/,
    );
  });
});

Deno.test("download checks a mirror by BSD's MD5SUMS, and warns of lines it does not understand", async () => {
  await withMirror(async (mirror) => {
    const bytes = tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    const written = `MD5 (wiki_crop.tar) = ${md5(bytes)}\nSHA1 (wiki_crop.tar) = 00\n`;
    Deno.writeTextFileSync(join(mirror, "MD5SUMS"), written);
    using context = testContext(download);
    await context.run({}, { datasets: ["wiki_crop"], mirror });
    deepStrictEqual(context.warnings, [
      'MD5SUMS: 1 line not understood or in conflict with another, the first "SHA1 (wiki_crop.tar) = ' +
      '00". Expected is an MD5 and a file name, as md5sum and md5 write them.',
    ]);
    using archives = await openArchives(context.artifact("archives"));
    strictEqual(archives.datasets[0].tars[0].verified, true);
  });
});

Deno.test("download keeps the query and the last folder of a mirror's address", async () => {
  await withMirror(async (folder) => {
    const bytes = tar(join(folder, "t"), wikiCrop);
    await using server = await serve((request) => {
      const { pathname, search } = new URL(request.url);
      if (search !== "?sig=a/b&v=1") return new Response(null, { status: 403 });
      return pathname.endsWith("MD5SUMS")
        ? new Response(`${md5(bytes)}  wiki_crop.tar\n`)
        : file(request, bytes);
    });
    for (const path of ["static", "static/"]) {
      using context = testContext(download);
      const mirror = `${server.url}mirrors/${path}?sig=a/b&v=1#part`;
      await context.run({}, { datasets: ["wiki_crop"], mirror });
      deepStrictEqual(context.warnings, []);
    }
    deepStrictEqual(
      new Set(server.requests),
      new Set([
        "/mirrors/static/MD5SUMS?sig=a/b&v=1",
        "HEAD /mirrors/static/wiki_crop.tar?sig=a/b&v=1",
        "/mirrors/static/wiki_crop.tar?sig=a/b&v=1",
      ]),
    );
    const external = await download.external(z.parse(download.params, {
      datasets: ["wiki_crop"],
      mirror: "https://me:pw@example.org/x?sig=hidden&flag",
    }));
    deepStrictEqual(external, { mirror: "https://***@example.org/x?sig=***&***" });
  });
});

Deno.test("download takes no file that changes while it is copied", async () => {
  await withMirror(async (folder) => {
    const from = join(folder, "a"), to = join(folder, "b");
    Deno.writeFileSync(from, new Uint8Array(3 << 20));
    await rejects(
      copyFile(from, to, { onBytes: () => Deno.utimeSync(from, 1, 1) }),
      /it changed during the copy. Run again/,
    );
    deepStrictEqual(files(folder), ["a"]);
  });
});

Deno.test("download stops within a file that is copied", async () => {
  await withMirror(async (folder) => {
    const from = join(folder, "a"), interrupt = new AbortController();
    Deno.writeFileSync(from, new Uint8Array(40 << 20));
    const onStart = () => void setTimeout(() => interrupt.abort(new Error("interrupted")));
    const options = { signal: interrupt.signal, onStart };
    await rejects(copyFile(from, join(folder, "b"), options), /interrupted/);
  });
});

Deno.test("download copies, so that a changed mirror does not change the artifact", async () => {
  await withMirror(async (mirror) => {
    const path = join(mirror, "wiki_crop.tar");
    const bytes = tar(path, wikiCrop);
    sums(mirror);
    using context = testContext(download);
    await context.run({}, { datasets: ["wiki_crop"], mirror });
    using writer = Deno.openSync(path, { write: true });
    writer.writeSync(new Uint8Array(100));
    deepStrictEqual(Deno.readFileSync(join(context.outputs.archives, "wiki_crop.tar")), bytes);
  });
});

Deno.test("download makes no artifact of a file with a wrong MD5", async () => {
  await withMirror(async (mirror) => {
    const bytes = tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    using context = testContext(download);
    const run = (checksums?: unknown) =>
      context.run({}, { datasets: ["wiki_crop"], mirror, ...(checksums ? { checksums } : {}) });

    // Without MD5SUMS, the authors' counts.
    await rejects(
      run(),
      /Cannot copy ".*wiki_crop.tar": its MD5 is [0-9a-f]{32}, expected f536eb7f5eae.*"checksums"/,
    );
    Deno.writeTextFileSync(join(mirror, "MD5SUMS"), `${"0".repeat(32)} *wiki_crop.tar\r\n`);
    await rejects(run(), /expected 0{32}/);
    deepStrictEqual(files(context.outputs.archives), []);
    deepStrictEqual(files(context.scratch), []);

    // What the user says comes first.
    await run({ "wiki_crop.tar": md5(bytes).toUpperCase() });
    deepStrictEqual(context.warnings, []);
  });
});

Deno.test("download says what could not be verified", async () => {
  await withMirror(async (mirror) => {
    tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    using context = testContext(download);
    await context.run({}, { datasets: ["wiki_crop"], mirror, checksums: false });
    strictEqual(context.warnings.length, 1);
    match(
      context.warnings[0],
      /^wiki_crop.tar: checksums are off, so only its length was checked. Its MD5 is [0-9a-f]{32}.$/,
    );
    using archives = await openArchives(context.artifact("archives"));
    strictEqual(archives.datasets[0].tars[0].verified, false);
  });
});

Deno.test("download takes the metadata and the ten archives of imdb, over the network", async () => {
  await withMirror(async (folder) => {
    const served: Record<string, Uint8Array<ArrayBuffer>> = {
      "imdb_meta.tar": tar(join(folder, "t"), { "imdb/imdb.mat": writeMat("imdb", { dob: [1] }) }),
    };
    for (let i = 0; i < 10; i++) {
      served[`imdb_${i}.tar`] = tar(join(folder, "t"), {
        [`imdb/${i}0/nm1_rm${i}.jpg`]: `face ${i}`,
      });
    }
    const md5s = `${md5(served["imdb_meta.tar"])}  imdb_meta.tar\n${
      md5(served["imdb_3.tar"])
    }  ./imdb_3.tar\n`;
    await using server = await serve((request) => {
      const name = basename(new URL(request.url).pathname);
      if (name === "MD5SUMS") return new Response(md5s);
      return served[name] ? file(request, served[name]) : new Response(null, { status: 404 });
    });
    using context = testContext(download);
    await context.run({}, { datasets: ["imdb"], mirror: `${server.url}mirrored` });
    deepStrictEqual(server.requests.slice(0, 2), [
      "/mirrored/MD5SUMS",
      "HEAD /mirrored/imdb_meta.tar",
    ]);
    deepStrictEqual(server.requests.filter((asked) => /^\/.*tar$/.test(asked)).slice(0, 2), [
      "/mirrored/imdb_meta.tar",
      "/mirrored/imdb_0.tar",
    ]);
    match(context.infos[0], /^\d+ kB to download; [\d.]+ [MGT]B are free\.$/);
    using archives = await openArchives(context.artifact("archives"));
    strictEqual(archives.datasets[0].layout, "full");
    strictEqual(archives.datasets[0].metadata.tar, "imdb_meta.tar");
    strictEqual(text(archives.read("imdb", "70/nm1_rm7.jpg")), "face 7");
    strictEqual(context.warnings.length, 9, "all but two have an MD5");
    match(
      context.warnings[0],
      /^imdb_0.tar: no MD5 is known, so only its length was checked/,
    );

    // Another attempt finds the files that this one got.
    const asked = server.requests.length;
    const again = testContext(download, { folder: context.folder });
    await again.run({}, { datasets: ["imdb"], mirror: `${server.url}mirrored` });
    deepStrictEqual(server.requests.slice(asked), ["/mirrored/MD5SUMS"]);
    strictEqual(files(again.outputs.archives).length, 13);
  });
});

Deno.test("download unpacks wiki.tar.gz once", async () => {
  await withMirror(async (mirror) => {
    const bytes = tar(join(mirror, "wiki.tar"), {
      "wiki/wiki.mat": wikiCrop["wiki_crop/wiki.mat"],
      "wiki/17/a_1.jpg": "whole photo",
    });
    Deno.removeSync(join(mirror, "wiki.tar"));
    const packed = gzipSync(bytes);
    Deno.writeFileSync(join(mirror, "wiki.tar.gz"), packed);
    sums(mirror);
    using context = testContext(download);
    await context.run({}, { datasets: ["wiki"], mirror });
    deepStrictEqual(Deno.readFileSync(join(context.outputs.archives, "wiki.tar")), bytes);
    using archives = await openArchives(context.artifact("archives"));
    const [{ layout, tars }] = archives.datasets;
    deepStrictEqual([layout, tars], [
      "full",
      [{ file: "wiki.tar", source: "wiki.tar.gz", md5: md5(packed), verified: true }],
    ]);
    strictEqual(text(archives.read("wiki", "17/a_1.jpg")), "whole photo");
  });
});

Deno.test("download refuses a bomb and a damaged .gz", async () => {
  await withMirror(async (mirror) => {
    const path = join(mirror, "wiki.tar.gz");
    for (
      const [bytes, message] of [
        [
          gzipSync(new Uint8Array(100 << 20)),
          /Cannot unpack ".*wiki.tar.gz": its [\d,]+ bytes unpack to more than/,
        ],
        [
          gzipSync(new Uint8Array(100_000)).subarray(0, 80),
          /Cannot unpack .*unexpected end of file; it is damaged or cut short\. Download it again\.$/,
        ],
        [
          Buffer.concat([gzipSync(new Uint8Array(100_000)), new TextEncoder().encode("<html>")]),
          /Cannot unpack .*incorrect header check; it is damaged .*again\.$/,
        ],
        [
          new TextEncoder().encode("<html>Moved</html>"),
          /Cannot unpack .*incorrect header check; .* name it \.tar\.$/,
        ],
      ] as const
    ) {
      Deno.writeFileSync(path, bytes);
      using context = testContext(download);
      const run = (checksums: boolean | Record<string, string>) =>
        context.run({}, { datasets: ["wiki"], mirror, checksums });
      await rejects(run({ "wiki.tar.gz": md5(bytes) }), message);
      deepStrictEqual(files(context.outputs.archives), []);
      deepStrictEqual(files(context.scratch), ["wiki.tar.gz"], "it would come again as it is");
      await rejects(run(false), message);
      deepStrictEqual(files(context.scratch), [], "another attempt begins with a new file");
    }
  });
});

Deno.test("download refuses archives that lead outside, are cut short or lack the .mat", async () => {
  const outside = (path: string) => {
    const bytes = tar(path, { ...wikiCrop, "zzzz/x.jpg": "" });
    // A symbolic link in place of the last file, its checksum mended.
    const at = bytes.lastIndexOf("z".charCodeAt(0)) - 3;
    bytes[at + 156] = "2".charCodeAt(0);
    const sum = parseInt(new TextDecoder().decode(bytes.subarray(at + 148, at + 154)), 8) + 2;
    bytes.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0")), at + 148);
    Deno.writeFileSync(path, bytes);
  };
  const cut = (path: string) => Deno.writeFileSync(path, tar(path, wikiCrop).subarray(0, -1024));
  const bare = (path: string) => void tar(path, { "wiki_crop/17/a.jpg": "x" });
  for (
    const [spoil, message] of [
      [outside, /"zzzz\/x.jpg" is a symbolic link; only files and folders are supported/],
      [cut, /truncated at byte [\d,]+ \(no end marker\); download it again/],
      [bare, /Cannot use "wiki_crop.tar": none of 1 file is "wiki.mat"/],
    ] as const
  ) {
    await withMirror(async (mirror) => {
      spoil(join(mirror, "wiki_crop.tar"));
      using context = testContext(download);
      const run = context.run({}, { datasets: ["wiki_crop"], mirror, checksums: false });
      await rejects(run, message);
      deepStrictEqual(files(context.outputs.archives), []);
      deepStrictEqual(files(context.scratch), [], "another attempt begins with a new file");
    });
  }
});

Deno.test("download looks for room before it begins, and for what is left of it later", async () => {
  await withMirror(async (mirror) => {
    tar(join(mirror, "wiki_crop.tar"), { ...wikiCrop, "wiki_crop/big.jpg": new Uint8Array(3e6) });
    sums(mirror);
    const { size } = Deno.statSync(join(mirror, "wiki_crop.tar"));
    await using server = await serve((request) => {
      const path = join(mirror, basename(new URL(request.url).pathname));
      return file(request, Deno.readFileSync(path));
    });
    await using small = await mounted("size=2m", join(mirror, "small"));
    if (!small) return; // this user may not mount file systems; checkSpace() has a test of its own
    for (const from of [mirror, server.url]) {
      const context = testContext(download, { folder: join(mirror, "small") });
      await rejects(
        context.run({}, { datasets: ["wiki_crop"], mirror: from }),
        /Cannot write wiki_crop.tar: 3.0 MB more are needed, .* has 2.1 MB left. Free some space/,
      );
      ok(!server.requests.includes("/wiki_crop.tar"), "nothing was fetched in vain");
    }
    // A third of it is there, and the rest fits.
    const context = testContext(download, { folder: join(mirror, "small") });
    const part = { url: `${server.url}wiki_crop.tar`, validator: '"v1"', size };
    const there = join(context.scratch, "wiki_crop.tar.part");
    await Deno.writeFile(there, Deno.readFileSync(join(mirror, "wiki_crop.tar")).subarray(0, 1e6));
    await Deno.writeTextFile(`${there}.json`, JSON.stringify(part));
    const left = context.run({}, { datasets: ["wiki_crop"], mirror: server.url });
    await rejects(left, /2.0 MB more are needed|No space left|1\.\d MB left/);
  });
});

Deno.test("download says which file a mirror lacks", async () => {
  await withMirror(async (mirror) => {
    using context = testContext(download);
    await rejects(
      context.run({}, { datasets: ["imdb_crop"], mirror }),
      /Cannot copy "imdb_crop.tar" from the mirror ".*": it is not there\. Put it there, or remove/,
    );
    await rejects(
      context.run({}, { datasets: ["imdb_crop"], mirror: "ftp://example.org/" }),
      /Cannot use the mirror "ftp:\/\/example.org\/": it is neither a folder nor an HTTP URL/,
    );
  });
});

Deno.test("download stops when it is told to", async () => {
  await withMirror(async (mirror) => {
    tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    sums(mirror);
    using context = testContext(download, { signal: AbortSignal.abort(new Error("stopped")) });
    await rejects(context.run({}, { datasets: ["wiki_crop"], mirror }), /^Error: stopped$/);
  });
});

Deno.test("download.external tells a mirror's files apart by their content, whatever their dates", async () => {
  await withMirror(async (mirror) => {
    const path = join(mirror, "wiki_crop.tar");
    tar(path, wikiCrop);
    const external = (datasets: string[], mirror?: string) =>
      download.external(z.parse(download.params, { datasets, mirror }));
    const before = await external(["wiki_crop"], mirror);
    deepStrictEqual(Object.keys(before), ["mirror's wiki_crop.tar"]);
    deepStrictEqual(await external(["wiki_crop"], mirror), before);
    Deno.utimeSync(path, 1, 1);
    deepStrictEqual(await external(["wiki_crop"], mirror), before);
    using file = await Deno.open(path, { write: true });
    await file.write(new Uint8Array([1]));
    ok(JSON.stringify(await external(["wiki_crop"], mirror)) !== JSON.stringify(before));
    deepStrictEqual(await external(["wiki_crop"]), {});
    deepStrictEqual(await external(["sample"], mirror), {}, "takes nothing from it");
    await rejects(
      () => external(["wiki_crop", "imdb_crop"], mirror),
      /Cannot copy "imdb_crop.tar" from the mirror ".*": it is not there\. Put it there, or/,
    );
    await rejects(() => external(["wiki_crop"], `${mirror}/none`), /": there is no such folder\./);
    deepStrictEqual(await external(["wiki_crop"], "https://example.org/x"), {
      mirror: "https://example.org/x",
    });
  });
});

Deno.test("download draws the sample again where an earlier one is damaged, in whatever way", async () => {
  const { damageEach } = await import("../damages.ts");
  const archive = (context: ReturnType<typeof testContext>) =>
    md5(Deno.readFileSync(join(context.outputs.archives, "sample_crop.tar")));
  using first = testContext(download);
  await first.run({}, { sampleFaces: 1 });
  const left = await Deno.makeTempDir();
  for (const { name } of Deno.readDirSync(first.scratch)) {
    await Deno.copyFile(join(first.scratch, name), join(left, name));
  }
  await damageEach(left, archive(first), async () => {
    using again = testContext(download);
    Object.assign(again, { scratch: left });
    await again.run({}, { sampleFaces: 1 });
    return { made: archive(again), infos: again.infos };
  });
  await Deno.remove(left, { recursive: true });
});

Deno.test("download cautions against what is learned from drawn faces", async () => {
  await withMirror(async (mirror) => {
    tar(join(mirror, "wiki_crop.tar"), wikiCrop);
    sums(mirror);
    const photos = join(mirror, "photos");
    await Deno.mkdir(photos);
    await Deno.writeTextFile(join(photos, "labels.csv"), "path,age,gender\na.jpg,3,m\n");
    await Deno.writeFile(join(photos, "a.jpg"), Uint8Array.of(0xff, 0xd8, 0xff, 0xd9));
    const caution = async (...datasets: unknown[]) => {
      using context = testContext(download);
      const faces = datasets.includes("sample") ? { sampleFaces: 1 } : {};
      return (await context.run({}, { datasets, mirror, ...faces }) ?? {}).caution;
    };
    match(
      (await caution("sample"))!,
      /^The faces are synthetic: scores .* do not carry over to real people\.$/,
    );
    match((await caution("sample", "wiki_crop"))!, /^Some of the faces are synthetic/);
    match(
      (await caution("wiki_crop"))!,
      /^No commercial use: data of wiki_crop \(IMDB-WIKI, for/,
    );
    strictEqual(await caution({ folder: photos }), undefined);
  });
});

Deno.test("download draws the sample, the same from the same seed", async () => {
  const draw = async (seed: number) => {
    using context = testContext(download, { seed });
    await context.run({}, { sampleFaces: 4 });
    using archives = await openArchives(context.artifact("archives"));
    const [{ name, layout, metadata }] = archives.datasets;
    deepStrictEqual([name, layout], ["sample", "crop"]);
    ok("variable" in metadata && metadata.variable === "sample");
    return md5(Deno.readFileSync(join(context.outputs.archives, "sample_crop.tar")));
  };
  const first = await draw(1);
  strictEqual(await draw(1), first);
  ok(await draw(2) !== first);
});

Deno.test("download's parameters are checked", () => {
  const parse = (params: unknown) => z.parse(download.params, params);
  deepStrictEqual(parse({}).datasets, ["sample"]);
  throws(() => parse({ datasets: ["wiki", "wiki"] }), /is listed twice/);
  throws(() => parse({ checksums: { "wiki.tar.gz": "abc" } }), /an MD5 is 32 hexadecimal digits/);
  const sums = { "wiki_corp.tar": "f536eb7f5eae229ae8f286184364b42b" };
  throws(() => parse({ checksums: sums }), /is no file of IMDB-WIKI, which has wiki_crop\.tar,/);
  ok(download.seeded({ datasets: ["sample", "wiki"] }));
  ok(!download.seeded({ datasets: ["wiki"] }));
  deepStrictEqual(download.ignoreInCacheKey, ["mirror"]);
});
