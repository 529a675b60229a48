/** Each built-in preset on a drawn folder in its layout, through the stages up to the dataset. */
import {
  deepStrictEqual,
  match,
  notDeepStrictEqual,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { parse } from "yaml";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { readTextIfExists } from "../../../packages/pipeline/paths.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import { stages } from "../../../stages/mod.ts";
import { applyPreset } from "../../../faces/datasets/apply_preset.ts";
import { parseLabels } from "../../../faces/datasets/labels.ts";
import { checkDefinition } from "../../../packages/pipeline/check_definition.ts";
import { choosePreset, definePreset } from "../../../faces/datasets/presets.ts";
import { openFaces } from "../../../faces/detection/faces_artifact.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";
import { readNpy } from "../../../packages/formats/npy.ts";
import { readParquet } from "../../../packages/formats/parquet.ts";
import download from "../../../stages/download.ts";
import faceCrop from "../../../stages/faceCrop.ts";
import matParse from "../../../stages/matParse.ts";
import resize32 from "../../../stages/resize32.ts";
import split from "../../../stages/split.ts";
import { testContext } from "../../context.ts";
import * as folders from "./preset_folders.ts";

/** Returns the pipelines of docs/guide/data.md. */
async function guide(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("../../../docs/guide/data.md", import.meta.url));
  return [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => yaml);
}

/** Returns the presets of the guide that are maps, by the folder's name. */
async function recipes(): Promise<Record<string, unknown>> {
  const datasets = (await guide()).flatMap((yaml) => parse(yaml).stages.download.datasets);
  return Object.fromEntries(
    datasets.map(({ folder, preset }: { folder: string; preset: unknown }) => [
      folder.split("/").at(-1),
      preset,
    ]),
  );
}

interface Made {
  table: Record<string, unknown[]>;
  archives: { layout: string; detect?: boolean; terms?: string; nonCommercial?: boolean };
  warnings: string[];
  problems: string;
  /** Box of each face, and side of its crop. */
  crops: number[][];
  /** Rows of the sets of each seed. */
  sets: number[][][];
  /** copies.csv of the last seed, without the photos and with them. */
  copies: (string | undefined)[];
}

/** Runs the stages up to resize32. */
async function make(
  dataset: Record<string, unknown>,
  { parse: filter, crop, seeds = [] }:
    & { [stage in "parse" | "crop"]?: Record<string, unknown> }
    & { seeds?: readonly number[] } = {},
): Promise<Made> {
  using loaded = testContext(download);
  await loaded.run({}, { datasets: [dataset] });
  const archives = loaded.artifact("archives");
  const { datasets } = JSON.parse(await Deno.readTextFile(join(archives.path, "archives.json")));
  using parsed = testContext(matParse);
  await parsed.run({ archives }, filter);
  using cut = testContext(faceCrop);
  const inputs = { archives, table: parsed.artifact("table") };
  await cut.run(inputs, { detector: "metadata", workers: 1, margin: 0.1, maxSize: 0, ...crop });
  using scaled = testContext(resize32);
  await scaled.run({ faces: cut.artifact("faces") }, {});
  using faces = await openFaces(cut.outputs.faces);
  const sets: number[][][] = [];
  let copies: Made["copies"] = [];
  for (const seed of seeds) {
    using divided = testContext(split, { seed });
    copies = [];
    for (const photos of [[], [archives]]) {
      await divided.run({ dataset: scaled.artifact("dataset"), archives: photos }, {
        test: 0.3,
        validation: 0.3,
      });
      copies.push(await readTextIfExists(join(divided.outputs.splits, "copies.csv")));
    }
    sets.push(
      ["train", "validation", "test"].map((name) => [
        ...readNpy(join(divided.outputs.splits, `${name}.npy`), "int32").data,
      ]),
    );
  }
  return {
    sets,
    copies,
    table: await readParquet(join(scaled.outputs.dataset, "table.parquet")),
    archives: datasets[0],
    warnings: [...loaded.warnings, ...parsed.warnings],
    problems: await Deno.readTextFile(join(cut.outputs.faces, "problems.csv")),
    crops: await Promise.all(faces.rows.map(async (row) => [
      ...[row.box_x, row.box_y, row.box_width, row.box_height].map(Math.round),
      (await sharp(faces.png(row)).metadata()).width,
    ])),
  };
}

Deno.test("utkface: labels from names, in the project's codes; the photo is the face", async () => {
  await folders.withFiles(await folders.utkface(), async (folder) => {
    const { table, archives, warnings, crops } = await make(
      { folder, preset: "utkface", name: "utk" },
      { parse: { require: ["age"] }, crop: { detector: "ssdMobilenetv1" } },
    );
    deepStrictEqual(table.age, [26, 26, 53, 5, 61], "110 is above matParse.maxAge");
    deepStrictEqual(table.gender, [1, 1, null, 0, 0]);
    deepStrictEqual(table.ethnicity, ["Black", "Black", "White", "Asian", null]);
    deepStrictEqual(Object.keys(table).sort(), [
      ...["age", "dataset", "ethnicity", "gender", "identity", "name", "path"],
    ]);
    deepStrictEqual([archives.layout, archives.nonCommercial], ["aligned", true]);
    match(warnings[0], /1 photo without a label in the path, such as UTKFace\/contact.jpg/);
    deepStrictEqual(crops[0], [0, 0, 64, 64, 64], "no detector, and no margin");
  });
});

Deno.test("fairface: bins stay intervals, parts become a column, the margin is known", async () => {
  await folders.withFiles(await folders.fairface(), async (folder) => {
    const preset = (await recipes()).fairface;
    const { table, archives, crops } = await make({ folder, preset });
    deepStrictEqual(table.bin, ["50-59", "3-9", "more than 70", "10-19", "0-2"]);
    deepStrictEqual(table.age, [null, null, null, null, null]);
    deepStrictEqual([table.age_low, table.age_high], [[50, 3, 70, 10, 0], [59, 9, 100, 19, 2]]);
    deepStrictEqual(table.part, ["train", "train", "train", "val", "val"]);
    deepStrictEqual(table.ethnicity.slice(0, 2), ["East Asian", "Latino_Hispanic"]);
    deepStrictEqual(table.gender, [1, 0, 0, 1, 0]);
    deepStrictEqual([archives.layout, archives.nonCommercial], ["crop", undefined]);
    deepStrictEqual(crops[0], [11, 11, 43, 43, 51], "the middle 1/1.5, and faceCrop's margin");
  });
});

Deno.test("adience: folds, bands with the odd ages of the labels, albums", async () => {
  await folders.withFiles(await folders.adience(), async (folder) => {
    const { table } = await make({ folder, preset: "adience" }, { parse: { require: [] } });
    deepStrictEqual([table.age_low, table.age_high], [
      [25, 25, 38, null, 60],
      [32, 32, 43, null, 100],
    ]);
    deepStrictEqual(table.gender, [0, 1, null, 0, null]);
    deepStrictEqual([table.part[0], table.part[4], table.fold[4]], ["fold_0", "fold_1", 1]);
    deepStrictEqual(table.album[0], "30601258@N03");
    deepStrictEqual(table.identity[0], null);
    ok(!("dx" in table) && !("face_id" in table));
  });
});

Deno.test("imdbClean: boxes of whole photos, people of the file names", async () => {
  await folders.withFiles(await folders.imdbClean(), async (folder) => {
    const { table, crops } = await make({ folder, preset: "imdbClean", name: "clean" });
    deepStrictEqual(table.age, [21, 69, 30]);
    deepStrictEqual(table.part, ["test", "train", "val"]);
    deepStrictEqual(table.identity[0], "clean:nm0000003");
    deepStrictEqual(crops[0].slice(0, 4), [57, 57, 142, 142]);
  });
});

Deno.test("benchmark2024: folders become parts, rotated boxes upright ones", async () => {
  await folders.withFiles(await folders.benchmark2024(), async (folder) => {
    const { table, crops, sets } = await make({ folder, preset: "benchmark2024", name: "b" }, {
      parse: { require: [] },
      seeds: [1, 2, 3, 4, 5, 6],
    });
    deepStrictEqual(table.age, [30, 31, null, 33, 60, 24]);
    deepStrictEqual(table.gender, [1, 0, 0, null, 1, 0]);
    deepStrictEqual([table.part, table.folder], [
      ["train", "val", "test", "test", "train", "train"],
      [0, 7, 9, 8, 1, 1],
    ]);
    deepStrictEqual(table.identity[0], "b:UTKFace:p0");
    deepStrictEqual(crops[0].slice(0, 4), [57, 57, 142, 142], "center and side of the corners");
    deepStrictEqual(crops[1].slice(0, 4), [-12, -12, 280, 280], "beyond the photo's border");
    // Two faces of a photo, each with its label and box; its third row repeats the first.
    deepStrictEqual(table.path.slice(4), [
      "photos/UTKFace/two.jpg",
      "photos/UTKFace/two.jpg#face2",
    ]);
    deepStrictEqual(table.identity.slice(4), ["b:UTKFace:p4", "b:UTKFace:p5"]);
    deepStrictEqual([crops[4].slice(0, 4), crops[5].slice(0, 4)], [
      [57, 57, 142, 142],
      [313, 57, 142, 142],
    ]);
    // No copies of each other, but in one set.
    for (const parts of sets) {
      deepStrictEqual(parts.flat().length, 6);
      ok(parts.every((rows) => rows.includes(4) === rows.includes(5)));
    }
    ok(new Set(sets.map((parts) => parts.findIndex((rows) => rows.includes(4)))).size > 1);
    // A detector's faces are matched by overlap.
    const found = await make({ folder, preset: "benchmark2024", name: "b" }, {
      parse: { require: ["gender", "age"] },
      crop: { detector: "tinyFaceDetector" },
    });
    deepStrictEqual(found.table.age.slice(-2), [60, 24]);
    const [left, right] = found.crops.slice(-2).map(([x, , width]) => x + width / 2);
    ok(Math.abs(left - 128) < 30 && Math.abs(right - 384) < 30, `${left}, ${right}`);
    match(found.problems, /two\.jpg,several_faces,2 detected.*\n.*two\.jpg#face2,several_faces/);
  });
});

/** Applies a preset to texts. */
async function apply(
  preset: Parameters<typeof choosePreset>[0],
  files: folders.Files,
  only?: string,
) {
  return await applyPreset(choosePreset(preset), {
    paths: Object.keys(files),
    read: (path) => Promise.resolve(Buffer.from(files[path] as string)),
    sourceOf: (path) => path,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }, only);
}

/** Returns the lines of the labels that a preset reads from texts. */
async function labelsOf(...given: Parameters<typeof apply>) {
  const { csv } = await apply(...given);
  return new TextDecoder().decode(csv).trim().split("\n");
}

Deno.test("values of all tables are trimmed, paths are not", async () => {
  const rows = [{ path: " a.jpg", race: "White ", sex: "w " }, { path: "b.jpg", race: "White" }];
  const values = { race: { "White ": "white" }, sex: { w: "female" } };
  const files = { "l.jsonl": rows.map((row) => JSON.stringify(row)).join("\n"), " a.jpg": "" };
  const labels = "l\\.jsonl";
  deepStrictEqual(await labelsOf({ labels }, files), [
    "path,race,sex",
    '" a.jpg",White,w',
    "b.jpg,White,",
  ]);
  deepStrictEqual(await labelsOf({ labels, values }, files), [
    "path,race,sex",
    '" a.jpg",white,female',
    "b.jpg,White,",
  ], "values of the preset may have the blank");
});

Deno.test("a preset fits folders, columns and values in either Unicode form, and keeps paths", async () => {
  for (const form of ["NFC", "NFD"]) {
    const path = "Z\u00fcrich/\u00e9.jpg".normalize(form), city = "Z\u00fcrich|Bern";
    deepStrictEqual(await labelsOf({ photos: `(?<part>${city})/.*` }, { [path]: "" }), [
      "path,part",
      `${path},Z\u00fcrich`,
    ]);
    const rows = [{ file: "\u00e9.jpg", größe: "gro\u00df" }, { file: path, größe: "?" }];
    const files = { "f\u00fcr.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") };
    const stored = Object.fromEntries(
      Object.entries(files).map((file) => file.map((text) => text.normalize(form))),
    );
    const preset = {
      labels: "f\u00fcr\\.jsonl",
      columns: { path: "file", size: "gr\u00f6\u00dfe" },
      values: { size: { groß: "large" } },
    };
    for (const only of [undefined, "f\u00fcr.jsonl"]) {
      deepStrictEqual(await labelsOf(preset, { ...stored, [path]: "" }, only), [
        "path,size",
        `${path},large`,
        `${path},?`,
      ]);
    }
  }
});

Deno.test("benchmark2024: sets of a published division keep it", async () => {
  const rows = ["UTKFace", "CACD", "CLAP2016", "ChaLearn2016"].flatMap((database) =>
    [0, 1, 2].map((folder) => ({ img_path: `${database}${folder}`, database, folder }))
  );
  deepStrictEqual(
    (await labelsOf("benchmark2024", { "a.json": JSON.stringify(rows) })).slice(1)
      .map((line) => line.split(",")[2]),
    ["train", "train", "train", ...[1, 2, 3].flatMap(() => ["train", "val", "test"])],
  );
});

Deno.test("benchmark2024: people are those of a database, by number or name; FG-NET is for tests", async () => {
  const rows = [
    // As the benchmark's scripts write them: `name` is the person of AgeDB and IMDB-Clean.
    { img_path: "1.jpg", id_num: 12, database: "AFAD-Full", folder: 9 },
    { img_path: "2.jpg", id_num: 12, name: "Robin Williams", database: "CACD", folder: 0 },
    { img_path: "3.jpg", name: "MariaCallas", database: "AgeDB", folder: 6 },
    { img_path: "4.jpg", name: "0000012", database: "IMDB-CLEAN", folder: 2 },
    { img_path: "5.jpg", name: "0000012", database: "IMDB-CLEAN", folder: 1 },
    { img_path: "6.jpg", database: "UTKFace", folder: 3 },
    { img_path: "7.jpg", id_num: -1, database: "UTKFace", folder: 3 },
    { img_path: "8.jpg", id_num: 12, database: "FG-NET", folder: 12 },
  ];
  const { csv, warnings } = await apply("benchmark2024", { "a.json": JSON.stringify(rows) });
  const { rows: labels } = parseLabels(csv, "labels.csv");
  deepStrictEqual(
    labels.map(({ identity, name, attributes }) => [
      ...[identity, name, attributes?.part, attributes?.database],
    ]),
    [
      ["AFAD-Full:12", null, "test", "AFAD-Full"],
      ["CACD:12", "Robin Williams", "train", "CACD"],
      ["AgeDB:MariaCallas", "MariaCallas", "val", "AgeDB"],
      ["IMDB-CLEAN:0000012", "0000012", "test", "IMDB-CLEAN"],
      ["IMDB-CLEAN:0000012", "0000012", "val", "IMDB-CLEAN"],
      [null, null, "train", "UTKFace"],
      [null, null, "train", "UTKFace"],
      ["FG-NET:12", null, "test", "FG-NET"],
    ],
  );
  ok(labels.every(({ attributes }) => !("id_num" in attributes!)));
  deepStrictEqual(warnings.filter((warning) => /"name"|"id_num"/.test(warning)), []);
});

Deno.test("tables of a preset that name no photo are an error with their columns", async () => {
  const read = (name: string, text: string, columns?: Record<string, string>) =>
    labelsOf({ labels: ".*(?:json|csv)", columns }, { [name]: text });
  const end = /no row has a path; there are (.*)\. Name theirs in columns\.path$/;
  for (
    const [name, text, there] of [
      ["l.csv", "file,age\na.jpg,3\n", "file and age"],
      ["l.csv", "path,age\n,3\n", "path and age"],
      ["l.csv", "path,age\n", "no rows"],
      ["l.json", "[]", "no rows"],
      ["l.json", '{"a.jpg": 31}', "no rows"],
      ["l.json", '[["a.jpg", 31]]', "0 and 1"],
    ]
  ) {
    await rejects(read(name, text), (error: Error) => end.exec(error.message)?.[1] === there);
  }
  await rejects(read("l.csv", "file,age\na.jpg,3\n", { path: "flie" }), end);
});

Deno.test("the header of a preset may stand before any separator", async () => {
  const header = ["path", "age"];
  for (const rows of ["a.jpg\t31\n", "a.jpg;31\n", "a.jpg,31\n", "a.jpg  31\n"]) {
    for (const skip of [0, 1]) {
      const table = `${skip ? "a list\n" : ""}${rows}`;
      const labels = [{ files: "l\\.txt", header, skip }];
      deepStrictEqual(await labelsOf({ labels }, { "l.txt": table }), ["path,age", "a.jpg,31"]);
    }
  }
});

Deno.test("a table may be JSON lines", async () => {
  const lines = '{"path": "a.jpg", "age": 3}\r\n\n {"path": "b, }\\n{.jpg", "age": NaN}\n';
  deepStrictEqual(await labelsOf({ labels: ".*jsonl" }, { "metadata.jsonl": lines }), [
    ...["path,age", "a.jpg,3", '"b, }', '{.jpg",'],
  ]);
  await rejects(
    labelsOf({ labels: ".*jsonl" }, { "metadata.jsonl": '{"path": "a.jpg"\n{"path": 3}' }),
    /"metadata\.jsonl" is not valid JSON/,
  );
});

Deno.test("JSON of Python may have NaN, which is unknown", async () => {
  const json = '[{"path": "a, NaN.jpg", "age": NaN, "box": [NaN, -Infinity]}, ' +
    '{"path": "b.jpg", "age": 3}]';
  deepStrictEqual(await labelsOf({ labels: ".*json" }, { "l.json": json }), [
    ...["path,age,box", '"a, NaN.jpg",,', "b.jpg,3,"],
  ]);
  await rejects(
    labelsOf({ labels: ".*json" }, { "l.json": '[{"path": Nan}]' }),
    /"l\.json" is not valid JSON/,
  );
});

Deno.test("imdbClean: the CSVs of the crops of 1024 pixels beside the others are not read", async () => {
  const csv = "filename,age,gender,x_min,y_min,x_max,y_max\n01/nm1_rm1.jpg,69,M,57,57,199,199\n";
  const names = ["train", "valid", "test"].flatMap((part) => [
    `imdb_${part}_new.csv`,
    `imdb_${part}_new_1024.csv`,
  ]);
  const lines = await labelsOf("imdbClean", Object.fromEntries(names.map((name) => [name, csv])));
  deepStrictEqual(lines.length, 1 + 3);
});

Deno.test("a table that is given in place of a preset's is read once", async () => {
  const skip = 1, header = ["path", "age"];
  const labels = [{ files: "a\\.csv", skip }, { files: "b\\.csv", header }, { files: "c" }];
  const files = { "a.csv": "a list\npath,age\na.jpg,1\n", "b.csv": "b.jpg,2\n", "c": "" };
  deepStrictEqual(await labelsOf({ labels }, files, "a.csv"), ["path,age", "a.jpg,1"]);
  deepStrictEqual(await labelsOf({ labels }, files, "b.csv"), ["path,age", "b.jpg,2"]);
});

Deno.test("a path that several files fit is a warning, and not only a missing photo", async () => {
  const files = { "1/x.png": "", "2/x.png": "", "l.csv": "path,age\n1/x.png,3\nx.png,4\n" };
  const { warnings } = await apply({ labels: ".*csv" }, files);
  deepStrictEqual(warnings.length, 1);
  match(warnings[0], /^1 row whose path several files fit, such as "x\.png": 1\/x\.png and 2\/x/);
  deepStrictEqual((await apply({ labels: ".*csv" }, { ...files, "x.png": "" })).warnings, []);
});

Deno.test("codes of a preset are those of numbers with a decimal point, too", async () => {
  const preset = { labels: ".*csv", values: { gender: { "0": "male", "1": "female" } } };
  const csv = "path,gender\na.jpg,0.0\nb.jpg,1.0\nc.jpg,\nd.jpg,1\ne.jpg,toString\n";
  deepStrictEqual(await labelsOf(preset, { "l.csv": csv }), [
    ...["path,gender", "a.jpg,male", "b.jpg,female", "c.jpg,", "d.jpg,female", "e.jpg,toString"],
  ]);
});

Deno.test("codes of a preset are those of a column in any case, as labels without a preset are", async () => {
  const files = { "l.csv": "path,Gender,Site\na.jpg,0,x\nb.jpg,1,y\n" };
  const values = {
    gender: { "0": "male", "1": "female" },
    site: { x: "lab" },
    Site: { y: "home" },
  };
  deepStrictEqual(await labelsOf({ values }, files), [
    ...["path,Gender,Site", "a.jpg,male,x", "b.jpg,female,home"],
  ]);
  deepStrictEqual((await apply({ values }, files)).warnings, [
    'values of the preset names "site", which no table has; there are path, Gender and Site',
  ]);
});

Deno.test("tables of a preset may be UTF-16, have nested values, and no two columns of one name", async () => {
  const preset = { labels: ".*(?:json|txt|csv)" };
  const nested = '{"path": "ä.jpg", "box": [[1, 2], [3, null]], "pose": {"yaw": 1}, "age": 3}';
  deepStrictEqual(
    await labelsOf(preset, { "L.JSON": `[${nested}]` }),
    ["path,box,pose,age", 'ä.jpg,1 2 3,"{""yaw"":1}",3'],
  );
  const byPath = { "a.jpg": { age: 3 }, "b.jpg": { path: "c.jpg", age: 4 } };
  deepStrictEqual(await labelsOf(preset, { "l.json": JSON.stringify(byPath) }), [
    ...["path,age", "a.jpg,3", "c.jpg,4"],
  ]);
  const utf16 = (text: string) => Uint8Array.from(Buffer.from(`\ufeff${text}`, "utf16le"));
  for (
    const [name, table] of [["l.json", '[{"path": "ä.jpg", "age": "3"}]'], ["l.txt", "ä.jpg 3"]]
  ) {
    const labels = [{ files: name, ...name === "l.txt" && { header: ["path", "age"] } }];
    deepStrictEqual(await labelsOf({ labels }, { [name]: utf16(table) }), ["path,age", "ä.jpg,3"]);
  }
  await rejects(
    labelsOf(preset, { "l.csv": "path,smile,smile\na.jpg,1,0\n" }),
    /Cannot read "l\.csv": it has two columns "smile"; rename one\.$/,
  );
});

Deno.test("copies are found by their photos where a detector places the boxes", async () => {
  const faces = await Promise.all(
    Array.from({ length: 12 }, (_, i) => folders.drawFace(20 + 3 * i, i % 2 === 0, true)),
  );
  const changed = await Promise.all([
    sharp(faces[0]).flop().jpeg().toBuffer(),
    sharp(faces[1]).resize(150).jpeg().toBuffer(),
    sharp(faces[2]).jpeg({ quality: 20 }).toBuffer(),
    sharp(faces[3]).modulate({ brightness: 1.15 }).jpeg().toBuffer(),
  ]);
  const photos = [...faces, ...changed].map((face, i) => [`${i}.jpg`, new Uint8Array(face)]);
  const labels = photos.map((_, i) => `${i}.jpg,30,m\n`).join("");
  await folders.withFiles(
    { ...Object.fromEntries(photos), "labels.csv": `path,age,gender\n${labels}` },
    async (folder) => {
      const { copies: [crops = "", both = ""], sets: [parts] } = await make(
        { folder, name: "drawn" },
        { crop: { detector: "tinyFaceDetector", margin: 0.2 }, seeds: [1] },
      );
      const pairs = (csv: string) =>
        csv.trim().split("\n").slice(1).map((line) => line.split(",").slice(0, 2).join());
      deepStrictEqual(pairs(both), ["12,0", "13,1", "14,2", "15,3"]);
      ok(pairs(crops).length < 4, "crops alone do not show them");
      for (let i = 0; i < 4; i++) {
        ok(parts.some((rows) => rows.includes(i) && rows.includes(12 + i)));
      }
    },
  );
});

Deno.test("photos of linked folders are read, once, and count for the fingerprint", async () => {
  const chip = "26_0_1_20170116174525125.jpg.chip.jpg", face = await folders.drawFace(26, true);
  await folders.withFiles({ [chip]: face }, async (disk) => {
    await folders.withFiles({ [`one/9${chip}`]: face }, async (folder) => {
      await Deno.symlink(disk, join(folder, "part2"));
      await Deno.symlink(disk, join(folder, "part3"));
      await Deno.symlink("one", join(folder, "also"));
      await Deno.symlink("..", join(disk, "around"));
      await Deno.symlink(".", join(disk, "again"));
      const { table } = await make({ folder, preset: "utkface", name: "utk" }, {
        parse: { maxAge: 1000 },
      });
      deepStrictEqual(table.path, [`one/9${chip}`, `part2/${chip}`]);
      const datasets = [{ folder, preset: "utkface", name: "utk" }];
      const facts = () => download.external(download.params.parse({ datasets }) as never);
      const before = await facts();
      await Deno.writeFile(join(disk, chip), await folders.drawFace(60, true));
      notDeepStrictEqual(await facts(), before);
    });
  });
});

Deno.test("a preset of the pipeline's own joins tables, and overrides a built-in one", async () => {
  const face = await folders.drawFace(30, true);
  const celeba = {
    "list_attr_celeba.txt":
      "2\nMale Smiling\n000001.jpg  1 -1\n000002.jpg -1  1\n000001.jpg 1 -1\n",
    "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 2\n",
    "identity_CelebA.txt": "000001.jpg 2880\n000002.jpg 2937\n",
    "img_align_celeba/000001.jpg": face,
    "img_align_celeba/000002.jpg": face,
  };
  await folders.withFiles(celeba, async (folder) => {
    const preset = (await recipes()).celeba;
    const { table } = await make({ folder, name: "celeba", preset });
    deepStrictEqual(table.gender, [1, 0]);
    deepStrictEqual(table.part, ["train", "test"]);
    deepStrictEqual(table.Smiling, [-1, 1]);
    deepStrictEqual(table.identity, ["celeba:2880", "celeba:2937"]);
    // Different rows of a table stay apart, each with the values of others.
    const twice = "2\nMale Smiling\n000001.jpg 1 -1\n000002.jpg -1 1\n000002.jpg 1 -1\n";
    await Deno.writeTextFile(join(folder, "list_attr_celeba.txt"), twice);
    const apart = await make({ folder, name: "celeba", preset });
    deepStrictEqual(apart.table.part, ["train", "test"], "the photo's second row is dropped");
    await rejects(
      make({ folder, preset: "fairface" }),
      /Cannot use the folder.*: no table fits its preset's.*fairface_label.*"identity_CelebA\.txt"/s,
    );
    await rejects(make({ folder, preset: { photos: "x(?<age>\\d+)" } }), /no photo fits/);
  });
  await folders.withFiles(await folders.utkface(), async (folder) => {
    using loaded = testContext(download);
    const preset = { use: "utkface", layout: "full", values: { ethnicity: { "4": "Latin" } } };
    const result = await loaded.run({}, { datasets: [{ folder, preset, name: "utk" }] });
    match(result!.caution!, /^No commercial use: data of utk \(UTKFace, for non-commercial/);
    const text = await Deno.readTextFile(join(loaded.outputs.archives, "archives.json"));
    const [{ layout, detect, terms, labelledBy }] = JSON.parse(text).datasets;
    deepStrictEqual([layout, detect], ["full", undefined], "a detector runs");
    match(terms, /^UTKFace/);
    match(labelledBy, /network DEX/);
  });
});

Deno.test("joined tables of different values for a photo are a warning, and the last counts", async () => {
  const face = await folders.drawFace(30, true);
  const files = {
    "a.csv": "path,kss\n1.png,1\n2.png,2\n",
    "b.csv": "path,kss,sex\n1.png,4,m\n2.png,2,f\n",
  };
  await folders.withFiles({ ...files, "1.png": face, "2.png": face }, async (folder) => {
    const preset = { labels: [{ files: "a\\.csv" }, { files: "b\\.csv" }], join: true };
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder, preset }] });
    ok(
      /1 photo with different values in joined tables, such as kss of 1\.png: 1 and 4\. The last/
        .test(loaded.warnings.join()),
      loaded.warnings.join(),
    );
    const { table } = await make({ folder, layout: "aligned", preset });
    deepStrictEqual(table.kss, [4, 2]);
  });
});

Deno.test("labels beside a photo may have objects among them, and ids of many digits", async () => {
  const face = await folders.drawFace(30, true);
  const labels = '{"age": 30, "sex": "m", "id": 12345678901234567, "exif": {"iso": 100}}';
  await folders.withFiles({ "1.jpg": face, "1.json": labels }, async (folder) => {
    const columns = { path: "{key}.jpg", gender: "sex" };
    const preset = { labels: "(?<key>\\d+)\\.json", columns };
    const { table } = await make({ folder, layout: "aligned", preset });
    deepStrictEqual([table.age, table.gender], [[30], [1]]);
    deepStrictEqual([table.id, table.exif], [["12345678901234567"], ['{"iso":100}']]);
  });
});

Deno.test("a text of columns is unknown where one is; an expression that fits nothing is a warning", async () => {
  const face = await folders.drawFace(30, true);
  const csv = "path,site,sex,night,day,taken\na.png,Köln,m,7,5,2024\nb.png,Köln,,7,,2024\n";
  await folders.withFiles({ "l.csv": csv, "a.png": face, "b.png": face }, async (folder) => {
    const columns = { group: "{site}-{sex}", either: "{night}{day}" };
    const { table } = await make({
      folder,
      layout: "aligned",
      preset: { columns, match: { taken: "(?<year>\\d+)" } },
    });
    deepStrictEqual([table.group, table.either], [["Köln-m", null], [75, 7]]);
    using loaded = testContext(download);
    const match = { taken: "(?<year>\\d\\d)" };
    await loaded.run({}, { datasets: [{ folder, preset: { columns, match } }] });
    using unread = testContext(download);
    const both = { photos: "(?<night>.)\\.png", labels: "l\\.csv" };
    await unread.run({}, { datasets: [{ folder, preset: both }] });
    ok(/labels of the preset has no effect beside photos/.test(unread.warnings.join()));
    const [warning] = loaded.warnings;
    ok(/match\.taken of the preset fits none of 2 values, such as "2024"\. It has/.test(warning));
  });
});

Deno.test("a preset's column that no table has is a warning, and not only an unknown label", async () => {
  const face = await folders.drawFace(30, true);
  const files = { "l.csv": "file,Years,sex\na.png,30,m\n", "a.png": face };
  await folders.withFiles(files, async (folder) => {
    const warningsOf = async (columns: Record<string, string>) => {
      using loaded = testContext(download);
      await loaded.run({}, { datasets: [{ folder, preset: { labels: "l\\.csv", columns } }] });
      return loaded.warnings;
    };
    const path = "{file}", gender = "sex";
    deepStrictEqual(await warningsOf({ path, gender, age: "Years" }), []);
    const [warning] = await warningsOf({ path, gender, age: "Yeras" });
    match(
      warning,
      /: columns\.age of the preset names "Yeras", which no table has; there are file, Years and sex$/,
    );
  });
});

Deno.test("the guide's other recipes read drawn folders of these layouts", async () => {
  const face = await folders.drawFace(30, false);
  const all = await recipes();
  const read = async (name: string, files: folders.Files) => {
    let table: Record<string, unknown[]> = {};
    await folders.withFiles(files, async (folder) => {
      using loaded = testContext(download);
      await loaded.run({}, { datasets: [{ folder, name, preset: all[name] }] });
      using parsed = testContext(matParse);
      await parsed.run({ archives: loaded.artifact("archives") }, {});
      table = await readParquet(join(parsed.outputs.table, "table.parquet"));
    });
    return table;
  };
  const afad = await read("AFAD-Full", { "AFAD-Full/18/112/460087-0.jpg": face });
  deepStrictEqual([afad.age, afad.gender, afad.identity], [[18], [0], ["AFAD-Full:460087"]]);
  const appa = await read("appa-real", {
    "gt_avg_train.csv": "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n" +
      "000000.jpg,36,5.05,1.6,4\n",
    "gt_avg_valid.csv": "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n" +
      "004113.jpg,40,30.5,2.5,31\n",
    "train/000000.jpg_face.jpg": face,
    "valid/004113.jpg_face.jpg": face,
  });
  deepStrictEqual([appa.age, appa.part], [[4, 31], ["train", "val"]]);
  deepStrictEqual(appa.apparent_age_avg, [5.05, 30.5]);
  const lagenda = await read("lagenda", {
    "lagenda_annotation.csv": "img_name,age,gender,face_x0,face_y0,face_x1,face_y1,person_x0\n" +
      "a.jpg,30,F,10,10,50,50,0\nb.jpg,25;32,M,10,10,50,50,0\nc.jpg,-1,F,10,10,50,50,0\n",
    "images/a.jpg": face,
    "images/b.jpg": face,
    "images/c.jpg": face,
  });
  deepStrictEqual([lagenda.age, lagenda.age_high], [[30, null], [null, 32]]);
  const morph = await read("morph2", { "Album2/009055_1M54.JPG": face });
  deepStrictEqual([morph.age, morph.gender, morph.identity], [[54], [1], ["morph2:009055"]]);
  const agedb = await read("agedb", { "0_MariaCallas_35_f.jpg": face });
  deepStrictEqual([agedb.age, agedb.gender, agedb.identity], [[35], [0], ["agedb:MariaCallas"]]);
  const shards = await read("shards", { "000123.jpg": face, "000123.json": '{"age": 31}' });
  deepStrictEqual([shards.full_path, shards.age], [["000123.jpg"], [31]]);
});

Deno.test("every pipeline of the guide is valid", async () => {
  const registry = new Registry().add(stages);
  const folder = await Deno.makeTempDir(), file = join(folder, "p.yaml");
  const base = fileURLToPath(new URL("../../../experiments/faces.yaml", import.meta.url));
  try {
    for (const yaml of await guide()) {
      await Deno.writeTextFile(file, `extends: ${base}\n${yaml}`);
      const { stages } = await readConfig(file, { project: folder, cwd: folder, registry });
      ok(stages.length > 0);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("archives are read as they were downloaded", async () => {
  const files = await folders.utkface();
  await folders.withFiles({ "empty/x": "" }, async (folder) => {
    const tar = join(folder, "UTKFace.tar");
    {
      using writer = new TarWriter(tar);
      for (const [path, data] of Object.entries(files)) {
        writer.add(path, typeof data === "string" ? new TextEncoder().encode(data) : data);
      }
      writer.close();
    }
    const gz = join(folder, "UTKFace.tar.gz");
    const packed = new Blob([await Deno.readFile(tar)]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(gz, packed);
    const ages = [26, 26, 53, 5, 61];
    const options = { parse: { require: ["age"] } };
    for (const path of [tar, gz]) {
      const { table } = await make({ folder: path, preset: "utkface" }, options);
      deepStrictEqual(table.age, ages);
      deepStrictEqual(table.dataset[0], "UTKFace", "named after the archive");
    }
    await Deno.remove(tar);
    const beside = await make({ folder, preset: "utkface" }, options);
    deepStrictEqual(beside.table.age, ages, "an archive in the folder");
    deepStrictEqual(beside.table.path[3], "UTKFace/5_1_2_2017011915163112 .jpg.chip.jpg");
    deepStrictEqual([...Deno.readDirSync(folder)].length, 2, "nothing is unpacked there");
  });
});

/** True if Python writes zips here. */
async function hasPython(): Promise<boolean> {
  try {
    return (await new Deno.Command("python3", { args: ["--version"] }).output()).success;
  } catch { // there is no such command
    return false;
  }
}
const python = await hasPython();

Deno.test({
  name: "a zip with a CSV of the project's columns is a data set" +
    (python ? "" : " (skipped: no python3 here, which writes the zip)"),
  ignore: !python,
  async fn() {
    const face = await folders.drawFace(30, true);
    await folders.withFiles(
      { "mine/a.jpg": face, "mine/l.csv": "path,age\na.jpg,30\n" },
      async (folder) => {
        const { stderr, success } = await new Deno.Command("python3", {
          args: ["-m", "zipfile", "-c", "mine.zip", "mine"],
          cwd: folder,
        }).output();
        ok(success, new TextDecoder().decode(stderr));
        await Deno.remove(join(folder, "mine"), { recursive: true });
        const { table } = await make({ folder: join(folder, "mine.zip"), layout: "aligned" });
        deepStrictEqual([table.age, table.path, table.dataset], [[30], ["a.jpg"], ["mine"]]);
        // A photo that is damaged in the archive costs its row.
        const both = {
          "two/a.jpg": face,
          "two/b.jpg": face,
          "two/l.csv": "path,age\na.jpg,1\nb.jpg,2\n",
        };
        await folders.withFiles(both, async (place) => {
          const args = ["-m", "zipfile", "-c", "two.zip", "two"];
          ok((await new Deno.Command("python3", { args, cwd: place }).output()).success);
          await Deno.remove(join(place, "two"), { recursive: true });
          const path = join(place, "two.zip"), bytes = await Deno.readFile(path);
          bytes[500] ^= 0xff;
          await Deno.writeFile(path, bytes);
          const { table } = await make({ folder: path, layout: "aligned" });
          deepStrictEqual([table.age, table.path], [[2], ["b.jpg"]]);
        });
        // Photos in an archive beside their CSV.
        await Deno.writeTextFile(join(folder, "l.csv"), "path,age\nmine/a.jpg,31\n");
        const beside = await make({ folder, name: "b", layout: "aligned" });
        deepStrictEqual([beside.table.age, beside.table.path], [[31], ["mine/a.jpg"]]);
      },
    );
  },
});

Deno.test("a plugin's preset is found, and its folder is described without it", async () => {
  const mine = definePreset({
    name: "mine",
    summary: "Photos named AGE_GENDER.jpg",
    preset: { photos: "(?<age>\\d+)_(?<gender>[mf])\\.jpg", layout: "aligned" },
  });
  await folders.withFiles({ "31_m.jpg": await folders.drawFace(31, true) }, async (folder) => {
    const params = { datasets: [{ folder, preset: "mine" }] };
    const extension = { kind: "preset", module: "mine.ts", definition: mine, ...mine };
    using loaded = testContext(download, { extensions: [extension] });
    await loaded.run({}, params);
    const { datasets } = JSON.parse(
      await Deno.readTextFile(join(loaded.outputs.archives, "archives.json")),
    );
    strictEqual(datasets[0].layout, "aligned");
    const facts = await download.external(params);
    await Deno.writeTextFile(join(folder, "32_f.jpg"), "new");
    ok(JSON.stringify(await download.external(params)) !== JSON.stringify(facts));
  });
});

Deno.test("a plugin's preset has no fields that no preset has", () => {
  const mine = definePreset({ name: "mine", summary: "Mine", preset: { label: "x" } as object });
  throws(
    () => checkDefinition(mine, "mine.ts"),
    /preset "mine" of plugin "mine\.ts": preset has no "label"\. Did you mean "labels"\?/,
  );
});
