/** Labels, and photos, in Parquet tables of other programs. */
import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { z } from "zod";
import { lookAt } from "../../../faces/commands/data/look_at.ts";
import { proposePipeline } from "../../../faces/commands/data/propose_pipeline.ts";
import { dataPage } from "../../../faces/evaluation/data_page.ts";
import { openArchives } from "../../../faces/datasets/archives.ts";
import { readParquet, writeParquet } from "../../../packages/formats/parquet.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";
import download from "../../../stages/download.ts";
import matParse from "../../../stages/matParse.ts";
import { testContext } from "../../context.ts";
import { withFiles } from "./preset_folders.ts";

const fixture = (name: string) =>
  Deno.readFileSync(
    new URL(`../../packages/formats/fixtures/${name}.parquet`, import.meta.url),
  );

/** Runs download and matParse. Returns the table, warnings, and sizes of the photos. */
async function parse(folder: string, more: Record<string, unknown> = {}) {
  using loaded = testContext(download);
  await loaded.run({}, { datasets: [{ folder, ...more }] });
  const archives = loaded.artifact("archives");
  using parsed = testContext(matParse);
  await parsed.run({ archives }, { require: [] });
  const table = await readParquet(join(parsed.outputs.table, "table.parquet"));
  using opened = await openArchives(archives);
  const sizes = (table.full_path as string[]).map((path) => opened.read("mine", path)?.length);
  deepStrictEqual(Deno.readDirSync(loaded.scratch).map(({ name }) => name).toArray(), [
    "folder_mine.tar",
  ], "nothing is left of the unpacked table");
  return { table, sizes, warnings: [...loaded.warnings, ...parsed.warnings] };
}

Deno.test("photos in the rows of Parquet become a data set, with the words of its classes", async () => {
  const photos = fixture("photos");
  const files = {
    "data/train-00000-of-00002.parquet": photos,
    "data/train-00001-of-00002.parquet": photos,
    "data/test-00000-of-00001.parquet": photos,
    "README.md": "---\nlicense: cc-by-4.0\n---\n",
  };
  await withFiles(files, async (folder) => {
    const preset = {
      labels: "data/(?<part>train|test)-.*\\.parquet",
      columns: { gender: "label" },
    };
    const { table, sizes, warnings } = await parse(folder, { preset });
    const shard = "data/test-00000-of-00001";
    deepStrictEqual(table.full_path.slice(0, 6), [
      ...[`${shard}/a.jpg`, `${shard}/2-a.jpg`, `${shard}/3.webp`, `${shard}/cut.jpg`],
      ...[`${shard}/5.jpeg`, "gone.jpg"],
    ]);
    strictEqual(table.full_path.length, 16, "the photo without bytes is named once");
    deepStrictEqual(table.gender.slice(0, 6), [0, 1, null, 1, 0, 1]);
    deepStrictEqual(table.age.slice(0, 6), [31, null, 20, 4, 5, 6]);
    deepStrictEqual(table.part.slice(4, 7), ["test", "test", "train"]);
    strictEqual(table.id[0], String(2n ** 60n), "exact");
    deepStrictEqual(sizes.slice(0, 6), [631, 631, 44, 200, 631, undefined]);
    match(warnings.join("\n"), /1 of 16 photos are missing: gone\.jpg/);

    const plain = await parse(folder);
    deepStrictEqual(plain.table.full_path, table.full_path, "without a preset: all tables");
    deepStrictEqual(plain.table.part, table.part);
    deepStrictEqual(plain.table.label.slice(0, 3), ["female", "male", null]);
    const one = await parse(folder, { labels: "data/train-00001-of-00002.parquet" });
    strictEqual(one.table.full_path.length, 6);

    const external = () => download.external(z.parse(download.params, { datasets: [{ folder }] }));
    const before = await external();
    await Deno.writeFile(join(folder, `${shard}.parquet`), fixture("codecs"));
    deepStrictEqual(Object.keys(before), ["a file of mine"]);
    strictEqual((await external())["a file of mine"] === before["a file of mine"], false);
  });
  await withFiles({ "mine.parquet": photos }, async (folder) => {
    const { table } = await parse(join(folder, "mine.parquet"));
    deepStrictEqual(table.full_path.slice(0, 2), ["mine/a.jpg", "mine/2-a.jpg"]);
  });
});

Deno.test("labels may be Parquet beside photos", async () => {
  const photos = { "p/a.jpg": "A", "p/b.jpg": "BB" };
  await withFiles(photos, async (folder) => {
    await writeParquet(join(folder, "labels.parquet"), {
      path: { type: "string", values: ["p/a.jpg", "p/b.jpg"] },
      age: { type: "float64", values: [31.5, NaN] },
      gender: { type: "int32", values: [1, null], nullable: true },
      scores: { type: "float64[]", values: [[1, 2], []] },
      'a ";" name': { type: "string", values: ["x, y", 'a "z"'] },
    });
    for (const labels of [undefined, "labels.parquet"]) {
      const { table, sizes } = await parse(folder, { labels });
      deepStrictEqual([table.age, table.gender, sizes], [[31, null], [1, null], [1, 2]]);
      deepStrictEqual(table.scores, ["1 2", null]);
      deepStrictEqual(table['a ";" name'], ["x, y", 'a "z"']);
    }
    await Deno.writeTextFile(join(folder, "own.csv"), "path,age\np/a.jpg,7\n");
    deepStrictEqual((await parse(folder)).table.age, [7], "a CSV counts where there is one");
    deepStrictEqual((await parse(folder, { labels: "labels.parquet" })).table.age, [31, null]);
  });
});

Deno.test("a Parquet table that cannot be read is an error where it is read", async () => {
  const whole = fixture("photos");
  await withFiles({ "a.parquet": whole, "b.parquet": whole.slice(0, 4000) }, async (folder) => {
    const truncated =
      /Cannot use the folder ".*": Cannot read ".*b\.parquet": it is not a Parquet file, or is truncated\. Download or write it again\.$/;
    await rejects(parse(folder), truncated);
    strictEqual((await parse(folder, { labels: "a.parquet" })).table.age.length, 6);
    await Deno.writeFile(join(folder, "b.parquet"), fixture("lz4"));
    await rejects(
      parse(folder),
      /packed by LZ4_RAW, which is not read\. Write it with ZSTD or SNAPPY/,
    );
  });
  const written = Buffer.from(whole).toString("latin1").replace('{"info"', '["info"');
  const noted = Buffer.from(written, "latin1");
  await withFiles({ "a.parquet": noted }, async (folder) => {
    await rejects(
      parse(folder),
      /Cannot read ".*a\.parquet": its note "huggingface" of the names of classes is not JSON \(.*\)\. Write it again without the note; in Python, .*\.$/,
    );
  });
  await withFiles({ "a.parquet": fixture("codecs") }, async (folder) => {
    await rejects(
      parse(folder),
      /no row has a path; there are zstd, split, .* Name theirs in columns/,
    );
    {
      using tar = new TarWriter(join(folder, "mine.tar"));
      tar.add("a.parquet", whole);
      tar.close();
    }
    await rejects(
      parse(join(folder, "mine.tar"), { labels: "a.parquet" }),
      /"a\.parquet" is in an archive\. Unpack the archive\.$/,
    );
  });
});

Deno.test("objects of JSON beside the photos of a WebDataset are their labels", async () => {
  await withFiles({}, async (folder) => {
    await Deno.mkdir(folder);
    {
      using tar = new TarWriter(join(folder, "mine.tar"));
      for (const [key, age] of [["000000", 31], ["000001", 32]]) {
        tar.add(`${key}.jpg`, new TextEncoder().encode(`${key}`));
        tar.add(`${key}.json`, new TextEncoder().encode(`{"age": ${age}, "box": [1, 2]}`));
      }
      tar.close();
    }
    const preset = { labels: "(?<key>\\d+)\\.json", columns: { path: "{key}.jpg" }, omit: ["key"] };
    const { table } = await parse(join(folder, "mine.tar"), { preset });
    deepStrictEqual(table.full_path, ["000000.jpg", "000001.jpg"]);
    deepStrictEqual(table.age, [31, 32]);
  });
});

Deno.test("damaged labels beside a photo of a WebDataset are left out with a warning", async () => {
  await withFiles({}, async (folder) => {
    await Deno.mkdir(folder);
    const pack = (broken: readonly number[]) => {
      using tar = new TarWriter(join(folder, "7.tar"));
      for (let i = 0; i < 4; i++) {
        tar.add(`00${i}.jpg`, new TextEncoder().encode(`${i}`));
        tar.add(
          `00${i}.json`,
          new TextEncoder().encode(broken.includes(i) ? "{broken" : `{"age": 3${i}}`),
        );
      }
      tar.close();
    };
    pack([0, 2]);
    const signal = new AbortController().signal;
    const { preset, hints, present } = await lookAt(folder, { photos: 0, signal });
    deepStrictEqual(present.map(({ path, age }) => [path, age]), [["001.jpg", 31], [
      "003.jpg",
      33,
    ]]);
    const left =
      /^2 files beside a photo left out: "7\.tar.000\.json" is not valid JSON \(.*\); .*002\.json".*\. Mend or remove it: its photo lacks these labels\.$/;
    match(hints.at(-1)!, left);
    const { table, warnings } = await parse(folder, { preset });
    deepStrictEqual([table.full_path, table.age], [["001.jpg", "003.jpg"], [31, 33]]);
    match(warnings[0], /^mine: 2 files beside a photo left out: "7\.tar.000\.json" is not/);
    pack([0, 1, 2, 3]);
    await rejects(
      parse(folder, { preset }),
      /Cannot use the folder ".*": "7\.tar.000\.json"/,
    );
  });
});

Deno.test("values without names beside a photo are named with what is expected", async () => {
  const photo = new TextEncoder().encode("photo");
  const lists = { "1.jpg": photo, "1.json": '["male", 31]', "2.jpg": photo, "2.json": "[]" };
  const preset = { labels: "(?<key>\\d+)\\.(?:cls|json)", columns: { path: "{key}.jpg" } };
  const why =
    /"1\.json" has \["male",31\], whose values have no names: expected an object of labels, such as \{"age": 31\}, or a list of these/;
  const signal = new AbortController().signal;
  await withFiles(lists, async (folder) => {
    await rejects(parse(folder, { preset }), why);
    match((await lookAt(folder, { photos: 0, signal })).summary, why);
  });
  const others = { "3.jpg": photo, "3.json": '{"age": 40}' };
  await withFiles({ ...lists, ...others }, async (folder) => {
    const { table, warnings } = await parse(folder, { preset });
    deepStrictEqual(table.full_path, ["3.jpg"]);
    match(warnings[0], why);
  });
  await withFiles({ ...lists, "1.cls": "0", "2.cls": "1" }, async (folder) => {
    const { labels } = await lookAt(folder, { photos: 0, signal });
    deepStrictEqual(labels?.rows.map(({ path }) => path), ["1.jpg", "2.jpg"]);
  });
});

Deno.test("a value that is not understood is named with its photo where a preset has no table", async () => {
  const files = Object.fromEntries([..."ab"].map((name) => [`x/30_${name}.jpg`, name]));
  await withFiles(files, async (folder) => {
    const photos = "(?<age>\\d+)_(?<gender>[ab])\\.jpg";
    const { warnings } = await parse(folder, { preset: { photos } });
    match(warnings[0], /: line 2 gender "a" of x\/30_a\.jpg, line 3 gender "b" of x\/30_b\.jpg/);
    const found = await lookAt(folder, {
      photos: 0,
      preset: JSON.stringify({ photos }),
      signal: new AbortController().signal,
    });
    match(proposePipeline(found), /such as the gender "a" of x\/30_a\.jpg\./);
    match(dataPage(found), /x\/30_a\.jpg gender: a/);
  });
});

Deno.test("paths of tables of one name are those of their own folders", async () => {
  const table = (age: number) => `{"file_name": "0.jpg", "age": ${age}}\n`;
  const files = { "train/0.jpg": "a", "test/0.jpg": "bb" };
  await withFiles(
    { ...files, "train/metadata.jsonl": table(31), "test/metadata.jsonl": table(32) },
    async (folder) => {
      const preset = {
        labels: "(?<part>train|test)/metadata\\.jsonl",
        columns: { path: "file_name" },
      };
      const { table, sizes, warnings } = await parse(folder, { preset });
      deepStrictEqual([table.full_path, table.age, sizes], [
        ["test/0.jpg", "train/0.jpg"],
        [32, 31],
        [2, 1],
      ]);
      deepStrictEqual(warnings, []);
    },
  );
});
