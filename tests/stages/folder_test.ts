/** A folder of pictures with a CSV, as a data set like the others. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { readParquet } from "../../packages/formats/parquet.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { ConfigError } from "../../packages/pipeline/errors.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { pipelineJsonSchema } from "../../packages/pipeline/config/json_schema.ts";
import { openArchives } from "../../faces/datasets/archives.ts";
import { packFolder } from "../../faces/datasets/pack_folder.ts";
import download from "../../stages/download.ts";
import faceCrop from "../../stages/faceCrop.ts";
import matParse from "../../stages/matParse.ts";
import { stages } from "../../stages/mod.ts";
import blur from "../../plugins/blur.ts";
import shuffleLabels from "../../plugins/shuffleLabels.ts";
import resize32 from "../../stages/resize32.ts";
import split from "../../stages/split.ts";
import { gradient } from "../faces/detection/fixture.ts";
import { testContext } from "../context.ts";
import { Project } from "../packages/pipeline/toy/project.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A folder with these files, which goes afterwards. */
async function withFolder(
  files: Record<string, string | Uint8Array>,
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir();
  const folder = join(parent, "mine");
  try {
    await Deno.mkdir(folder);
    for (const [name, data] of Object.entries(files)) await write(folder, name, data);
    await test(folder);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

async function write(folder: string, name: string, data: string | Uint8Array): Promise<void> {
  await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
  await Deno.writeFile(join(folder, name), typeof data === "string" ? bytes(data) : data);
}

/** Runs download and matParse on a folder, and returns the paths and ages that are kept. */
async function parse(folder: string, more: Record<string, unknown> = {}) {
  using loaded = testContext(download);
  await loaded.run({}, { datasets: [{ folder, ...more }] });
  using parsed = testContext(matParse);
  const archives = loaded.artifact("archives");
  await parsed.run({ archives }, {});
  const { full_path, age } = await readParquet(join(parsed.outputs.table, "table.parquet"));
  using opened = await openArchives(archives);
  const found = (full_path as string[]).map((path) => opened.read("mine", path) !== undefined);
  return {
    rows: Object.fromEntries((full_path as string[]).map((path, i) => [path, age[i]])),
    found,
  };
}

Deno.test("a picture is dropped as repeated only if a row before it is kept", async () => {
  const files = {
    "0.jpg": "0",
    "l.csv": "path,age,gender\n0.jpg,,m\n0.jpg,150,m\n0.jpg,34,m\n0.jpg,35,m\n",
  };
  await withFolder(files, async (folder) => {
    deepStrictEqual(await parse(folder), { rows: { "0.jpg": 34 }, found: [true] });
  });
});

Deno.test("labels may lie in a folder below, and what only looks like a second CSV does not count", async () => {
  const csv = "path,age,gender\n0.jpg,34,m\n";
  const files = { "0.jpg": "0", "notes/train.csv": csv, "train.csv": csv.replace("34", "35") };
  await withFolder(files, async (folder) => {
    await write(folder, "old.csv/x.jpg", "a folder");
    await write(folder, "._train.csv", "what macOS adds");
    await write(folder, "~$train.csv", "what Excel adds");
    await Deno.symlink("nowhere", join(folder, "dead.csv"));
    deepStrictEqual((await parse(folder)).rows, { "0.jpg": 35 });
    const labelled = async (labels: string) => (await parse(folder, { labels })).rows["0.jpg"];
    strictEqual(await labelled("./train.csv"), 35);
    strictEqual(await labelled("notes/train.csv"), 34);
    strictEqual(await labelled("./notes/../notes/train.csv"), 34);
    await rejects(labelled("old.csv"), /"old.csv" cannot be read \(it is not a regular file\)/);
    await rejects(labelled("notes/test.csv"), /it has no "notes\/test.csv"; it has train.csv/);
  });
});

Deno.test("names are found in whichever form of Unicode the CSV and the disk have them", async () => {
  const one = "jos\u00e9.jpg", two = "jose\u0301.jpg", below = "Zo\u00eb/Zo\u00eb.jpg";
  for (const [csv, disk] of [[one, two], [two, one], [below, below.normalize("NFD")]]) {
    const files = { [disk]: "x", "l.csv": `path,age,gender\n${csv},34,m\n` };
    await withFolder(files, async (folder) => {
      deepStrictEqual(await parse(folder), { rows: { [csv]: 34 }, found: [true] });
      const external = () =>
        download.external(z.parse(download.params, { datasets: [{ folder }] }));
      const before = await external();
      await write(folder, disk, "another");
      ok((await external())["a picture of mine"] !== before["a picture of mine"], "is looked at");
    });
  }
  for (const [csv, packed] of [[one, two], [two, one], [below, below.normalize("NFD")]]) {
    await withFolder({ "l.csv": `path,age,gender\n${csv},34,m\n` }, async (folder) => {
      using tar = new TarWriter(join(folder, "photos.tar"));
      tar.add(packed, bytes("x"));
      tar.close();
      deepStrictEqual(await parse(folder), { rows: { [csv]: 34 }, found: [true] }, "in an archive");
    });
  }
  await withFolder({ "l.csv": "path,age,gender\na.jpg,34,m\n" }, async (folder) => {
    for (const [name, photo] of [["1.tar", "x"], ["2.tar", "y"], ["3.tar", "another"]]) {
      using tar = new TarWriter(join(folder, name));
      tar.add("a.jpg", bytes(photo));
      tar.close();
      if (name !== "3.tar") deepStrictEqual((await parse(folder)).found, [true]);
    }
    await rejects(
      parse(folder),
      /Cannot read "a\.jpg": it is in "2\.tar" and another one in "3\.tar"\. Leave one .* or unpack each into a folder/,
    );
  });
  const both = { [one]: "x", "l.csv": `path,age,gender\n${one},34,m\n${two},35,m\n` };
  await withFolder(both, async (folder) => {
    deepStrictEqual((await parse(folder)).rows, { [one]: 34 }, "one picture");
  });
});

Deno.test("download stops within an archive that is packed again", async () => {
  await withFolder({}, async (folder) => {
    const archive = join(folder, "photos.tar"), interrupt = new AbortController();
    const names = Array.from({ length: 300 }, (_, i) => `${i}.jpg`);
    using tar = new TarWriter(archive);
    for (const name of names) tar.add(name, bytes("x"));
    tar.add("l.csv", bytes(["path,age", ...names.map((name) => `${name},3`)].join("\n")));
    tar.close();
    using context = testContext(download, { signal: interrupt.signal });
    const start = () => void setTimeout(() => interrupt.abort(new Error("interrupted")));
    const progress = { ...context.progress, start };
    const to = join(folder, "packed.tar");
    await rejects(packFolder({ folder: archive }, to, { ...context, progress }), /interrupted/);
  });
});

Deno.test("paths in a zip may have backslashes, as some programs of Windows pack", async () => {
  const fixture = new URL("../packages/formats/fixtures/archive.zip", import.meta.url);
  const zip = Buffer.from(await Deno.readFile(fixture)).toString("latin1");
  const packed = zip.replaceAll("folder/packed.txt", "folder\\packed.txt");
  const files = {
    "mine.zip": Buffer.from(packed, "latin1"),
    "l.csv": "path,age,gender\nfolder/packed.txt,1,m\n",
  };
  await withFolder(files, async (folder) => {
    deepStrictEqual(await parse(folder), { rows: { "folder/packed.txt": 1 }, found: [true] });
  });
});

Deno.test("photos are found in another case if there is one", async () => {
  const csv = "path,age,gender\nA/b.jpg,1,m\nc.jpg,2,f\nd.jpg,3,f\n";
  const files = {
    "a/B.JPG": "x",
    "c.jpg": "y",
    "C.JPG": "z",
    "D.jpg": "",
    "d.JPG": "",
    "l.csv": csv,
  };
  await withFolder(files, async (folder) => {
    deepStrictEqual(await parse(folder), {
      rows: { "A/b.jpg": 1, "c.jpg": 2, "d.jpg": 3 },
      found: [true, true, false],
    });
  });
});

Deno.test("matParse logs texts among the numbers of a column, with the way out", async () => {
  const rows = ["1.5", "k.A.", "2", "3"].map((mass, i) => `${i}.jpg,${mass}\n`).join("");
  const photos = Object.fromEntries([0, 1, 2, 3].map((i) => [`${i}.jpg`, `${i}`]));
  await withFolder({ ...photos, "l.csv": `path,mass\n${rows}` }, async (folder) => {
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder }] });
    using parsed = testContext(matParse);
    await parsed.run({ archives: loaded.artifact("archives") }, {});
    const found =
      'mine: mass is text: 1 of 4 values are no numbers, such as "k.A.". Empty texts by ' +
      'the preset: values: { mass: { "k.A.": "" } } (docs/guide/own_data.md).';
    ok(parsed.infos.includes(found), parsed.infos.join("\n"));
  });
});

Deno.test("a pipe in place of a picture or a CSV is told, and not waited for", async () => {
  const files = { "0.jpg": "0", "l.csv": "path,age,gender\n0.jpg,34,m\nx.jpg,35,f\ny.jpg,36,f\n" };
  await withFolder(files, async (folder) => {
    await new Deno.Command("mkfifo", { args: ["x.jpg", "p.csv"], cwd: folder }).output();
    await write(folder, "y.jpg/z", "a folder");
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder }] });
    deepStrictEqual(loaded.warnings, [
      "mine: 2 of 3 photos are of another type, such as a folder: x.jpg (line 3), y.jpg (line 4)",
    ]);
    await rejects(
      loaded.run({}, { datasets: [{ folder, labels: "p.csv" }] }),
      /"p.csv" cannot be read \(it is not a regular file\)/,
    );
  });
});

Deno.test("download, matParse, faceCrop, resize32 and split take a folder like any data set", async () => {
  const pictures = Object.fromEntries(
    await Promise.all(
      Array.from({ length: 9 }, async (_, i) => [`${i % 2}/p${i}.jpg`, await gradient(i)] as const),
    ),
  );
  const people = Object.keys(pictures).map((path, i) => `${path},${20 + i},${i % 2},who${i % 4}`);
  const files = {
    ...pictures,
    "broken.jpg": "no picture",
    "people.csv": [
      "\ufeffpath,age,gender,identity",
      ...people,
      ...["gone.jpg,30,m,x", "broken.jpg,31,f,", "0/p0.jpg,20,0,who0", "0/p2.jpg,150,0,who2"],
      ...["0/none.jpg,30,x,", ",30,m,", "high.jpg,150,m,"],
      "",
    ].join("\r\n"),
  };
  await withFolder(files, async (folder) => {
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder, layout: "crop" }] });
    deepStrictEqual(loaded.warnings, [
      "mine: 3 of 13 photos are missing: gone.jpg (line 11), 0/none.jpg (line 15), " +
      "high.jpg (line 17)",
    ]);
    const archives = loaded.artifact("archives");
    {
      using opened = await openArchives(archives);
      deepStrictEqual(opened.read("mine", "1/p3.jpg"), new Uint8Array(pictures["1/p3.jpg"]));
    }

    using parsed = testContext(matParse);
    await parsed.run({ archives }, {});
    const summary = JSON.parse(
      await Deno.readTextFile(join(parsed.outputs.table, "summary.json")),
    );
    deepStrictEqual([summary.read, summary.kept], [16, 11]);
    const { dropped, notUnderstood } = summary.datasets.mine;
    const reasons = Object.fromEntries(Object.entries(dropped).filter(([, n]) => n !== 0));
    deepStrictEqual(reasons, { unknownGender: 1, ageOutside: 2, noPath: 1, repeated: 1 });
    deepStrictEqual(notUnderstood, [{ line: 15, column: "gender", value: "x" }]);
    match(
      parsed.warnings[0],
      /1 value not understood and treated as unknown: line 15 gender "x"/,
    );
    const table = await readParquet(join(parsed.outputs.table, "table.parquet"));
    deepStrictEqual(table.identity.slice(0, 5), [0, 1, 2, 3, 0].map((i) => `mine:who${i}`));
    strictEqual(table.identity.at(-1), null, "nobody says who it is");

    using cut = testContext(faceCrop);
    const inputs = { archives, table: parsed.artifact("table") };
    await cut.run(inputs, { detector: "metadata", workers: 1 });
    const problems = await Deno.readTextFile(join(cut.outputs.faces, "problems.csv"));
    match(problems, /mine,gone.jpg,missing,/);
    match(problems, /mine,broken.jpg,unreadable,/);

    using scaled = testContext(resize32);
    await scaled.run({ faces: cut.artifact("faces") }, {});
    const rows = await readParquet(join(scaled.outputs.dataset, "table.parquet"));
    deepStrictEqual(rows.age, [20, 21, 22, 23, 24, 25, 26, 27, 28]);
    deepStrictEqual(new Set(rows.dataset), new Set(["mine"]));

    using divided = testContext(split);
    const shares = { by: "identity", test: 0.3, validation: 0.3 };
    await divided.run({ dataset: scaled.artifact("dataset"), archives: [] }, shares);
  });
});

Deno.test("attributes, intervals and missing labels reach every table", async () => {
  const pictures = Object.fromEntries(
    await Promise.all([0, 1, 2, 3, 4].map(async (i) => [`${i}.jpg`, await gradient(i)] as const)),
  );
  const csv = "path,age,ethnicity,glasses,photo,identity\n0.jpg,20-29,Black,1,p,i\n" +
    "1.jpg,30,White,0,q,j\n2.jpg,31,,1,r,\n3.jpg,,Asian,1,s,k\n4.jpg,200,White,1,t,l\n";
  await withFolder({ ...pictures, "l.csv": csv }, async (folder) => {
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder, layout: "crop" }] });
    const archives = loaded.artifact("archives");
    const kept = async (params: Record<string, unknown>) => {
      using parsed = testContext(matParse);
      await parsed.run({ archives }, params);
      const { full_path } = await readParquet(join(parsed.outputs.table, "table.parquet"));
      return full_path.map((path) => String(path)[0]).join("");
    };
    strictEqual(await kept({}), "012", "gender has no column, so it is not required");
    strictEqual(await kept({ require: [] }), "0123");
    strictEqual(await kept({ require: ["ethnicity"] }), "013");
    strictEqual(await kept({ require: ["identity", "photo"] }), "013");
    strictEqual(await kept({ minAge: 25 }), "012", "a part of the interval suffices");
    strictEqual(await kept({ minAge: 30 }), "12");
    await rejects(
      () => kept({ require: ["mood"] }),
      /4 of 5: without a required label - short/,
    );

    using parsed = testContext(matParse);
    await parsed.run({ archives }, { require: [] });
    using cut = testContext(faceCrop);
    const inputs = { archives, table: parsed.artifact("table") };
    await cut.run(inputs, { detector: "metadata", workers: 1 });
    using blurred = testContext(blur);
    await blurred.run({ faces: cut.artifact("faces") }, {});
    using scaled = testContext(resize32);
    await scaled.run({ faces: blurred.artifact("faces") }, {});
    const table = await readParquet(join(scaled.outputs.dataset, "table.parquet"));
    const { age, gender, age_low, age_high, ethnicity, glasses, photo_ } = table;
    deepStrictEqual({ age, gender, age_low, age_high, ethnicity, glasses, photo_ }, {
      age: [null, 30, 31, null],
      gender: [null, null, null, null],
      age_low: [20, null, null, null],
      age_high: [29, null, null, null],
      ethnicity: ["Black", "White", null, "Asian"],
      glasses: [1, 0, 1, 1],
      photo_: ["p", "q", "r", "s"],
    });
    using shuffled = testContext(shuffleLabels);
    const dataset = scaled.artifact("dataset");
    await shuffled.run({ dataset });
    const after = await readParquet(join(shuffled.outputs.dataset, "table.parquet"));
    for (const row of [0, 1, 2, 3]) {
      const from = table.photo_.indexOf(after.photo_[row]);
      for (const name of ["age", "age_low", "age_high", "ethnicity"]) {
        strictEqual(after[name][row], table[name][from], "all labels of a row move together");
      }
    }
  });
});

Deno.test("a column may have a name that objects have", async () => {
  const files = { "0.jpg": "0", "l.csv": "path,age,constructor\n0.jpg,34,Ada\n" };
  await withFolder(files, async (folder) => {
    await write(folder, "../other/0.jpg", "0");
    await write(folder, "../other/l.csv", "path,age,mood\n0.jpg,35,good\n");
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder }, { folder: join(folder, "../other") }] });
    const rows = async (params: Record<string, unknown>) => {
      using parsed = testContext(matParse);
      await parsed.run({ archives: loaded.artifact("archives") }, params);
      return (await readParquet(join(parsed.outputs.table, "table.parquet"))).constructor;
    };
    deepStrictEqual(await rows({}), ["Ada", null]);
    deepStrictEqual(await rows({ require: ["constructor"] }), ["Ada"]);
  });
});

Deno.test("download.external tells a folder's content from another's", async () => {
  const files = { "a.jpg": "A", "b.jpg": "B", "l.csv": "path,age,gender\na.jpg,1,m\nb.jpg,2,f\n" };
  await withFolder(files, async (folder) => {
    const external = () => download.external(z.parse(download.params, { datasets: [{ folder }] }));
    const before = await external();
    deepStrictEqual(Object.keys(before), ["mine's l.csv", "a picture of mine"]);
    await write(folder, "unnamed.jpg", "what the CSV does not name");
    deepStrictEqual(await external(), before);
    await write(folder, "b.jpg", "BB");
    const after = await external();
    Deno.utimeSync(join(folder, "b.jpg"), 1, 1);
    deepStrictEqual(await external(), after, "whatever its dates");
    strictEqual(after["mine's l.csv"], before["mine's l.csv"]);
    ok(after["a picture of mine"] !== before["a picture of mine"]);
    await write(folder, "l.csv", "path,age,gender\na.jpg,1,m\nb.jpg,3,f\n");
    ok((await external())["mine's l.csv"] !== before["mine's l.csv"]);
    await Deno.remove(join(folder, "b.jpg"));
    ok((await external())["a picture of mine"] !== after["a picture of mine"]);
  });
});

Deno.test("download packs a folder into the same bytes whatever its dates, and again after a kill", async () => {
  const files = { "a.jpg": "A", "l.csv": "path,age,gender\na.jpg,1,m\n" };
  await withFolder(files, async (folder) => {
    const pack = async (left?: string) => {
      using context = testContext(download);
      if (left) await Deno.writeTextFile(join(context.scratch, "folder_mine.tar.part"), left);
      await context.run({}, { datasets: [{ folder }] });
      return await Deno.readFile(join(context.outputs.archives, "folder_mine.tar"));
    };
    const first = await pack();
    Deno.utimeSync(join(folder, "a.jpg"), 1, 1);
    deepStrictEqual(await pack("x".repeat(10_000)), first);
  });
});

Deno.test("download says what a folder lacks", async () => {
  let warnings: readonly string[] = [];
  const run = async (folder: string, more = {}) => {
    using context = testContext(download);
    warnings = context.warnings;
    await context.run({}, { datasets: [{ folder, ...more }] });
  };
  await withFolder({ "photos.rar": "", "l.csv": "path,age\na.jpg,1\n" }, async (folder) => {
    await rejects(run(folder), /none of 1 photo/);
    match(warnings[1], /photos in photos\.rar are not read: unpack them/);
    await rejects(
      run(join(folder, "photos.rar"), { preset: "utkface" }),
      /photos\.rar": it is neither a folder nor a \.zip, .* Unpack it into a folder\.$/,
    );
  });
  await withFolder({}, async (folder) => {
    await rejects(run(folder + "x"), /Cannot use the folder ".*minex": there is no such folder/);
    await rejects(
      run(folder),
      /it has no CSV of labels \(columns path, age, gender\)/,
    );
    await write(folder, "l.csv", "path,age,gender\na.jpg,1,m\n");
    await rejects(
      run(folder),
      /none of 1 photo in "l.csv" can be read, such as a.jpg \(line 2\)/,
    );
    await write(folder, "m.csv", "");
    await rejects(run(folder), /it has 2 CSVs \(l.csv, m.csv\); select one with "labels"/);
    await rejects(run(folder, { labels: "n.csv" }), /it has no "n.csv"; it has l.csv, m.csv/);
  });
});

Deno.test("download opens archives beside photos only if one is missing, and names a CSV without rows", async () => {
  const csv = "path,age\na.jpg,30\n";
  const files = { "l.csv": csv, "a.jpg": await gradient(1), "old.zip": "<html>", "old.tar.gz": "" };
  await withFolder(files, async (folder) => {
    using loaded = testContext(download);
    await loaded.run({}, { datasets: [{ folder }] });
    await write(folder, "l.csv", `${csv}b.jpg,31\n`);
    await rejects(loaded.run({}, { datasets: [{ folder }] }), /Cannot unpack ".*old\.tar\.gz"/);
    for (const rows of ["", ",30\n"]) {
      await write(folder, "l.csv", `path,age\n${rows}`);
      await rejects(
        loaded.run({}, { datasets: [{ folder }] }),
        /Cannot use the folder ".*": no row of "l\.csv" has a path\.$/,
      );
    }
  });
});

Deno.test("a pipeline names folders beside other data sets, and the schema agrees", async (t) => {
  const valid = new Ajv({ strict: false }).compile(pipelineJsonSchema([download]));
  const cases: Record<string, RegExp | null> = {
    "[{ folder: mine }]": null,
    "[sample, { folder: mine, name: ours, labels: l.csv, layout: crop }, wiki_crop]": null,
    "[{ foldr: mine }]": /download.datasets.0.folder: expected a text, it is missing/,
    "[sample, { folder: mine, nam: x }]":
      /datasets.1 has no "nam". Did you mean "name"\? It has folder, labels, name, layout and preset/,
    "[{ folder: mine, layout: ful }]": /datasets.0.layout: .*Did you mean "full"/,
    "[wiki_cop]": /Did you mean "wiki_crop"/,
    "[{ folder: mine, preset: utkface }]": null,
    "[{ folder: mine, preset: { photos: '(?<age>\\d+)_.*', layout: aligned } }]": null,
    "[{ folder: mine, preset: { use: fairface, margin: 1.25 } }]": null,
    "[{ folder: mine, preset: utkfase }]": /Did you mean "utkface"/,
    "[{ folder: mine, preset: { photo: x } }]": /no "photo". Did you mean "photos"/,
    "[{ folder: 3 }]": /datasets.0.folder: expected a text, got 3/,
  };
  await withFolder({}, async (folder) => {
    const file = join(folder, "p.yaml");
    const config = async (datasets: string) => {
      const yaml = `stages:\n  download:\n    datasets: ${datasets}\n`;
      await Deno.writeTextFile(file, yaml);
      const registry = new Registry().add(stages);
      const config = readConfig(file, { project: folder, cwd: "/elsewhere", registry });
      return { yaml: parseYaml(yaml), config };
    };
    for (const [datasets, why] of Object.entries(cases)) {
      await t.step(datasets, async () => {
        const { yaml, config: read } = await config(datasets);
        strictEqual(valid(yaml), why === null, "schema");
        if (why) {
          return await rejects(
            read,
            (error) => error instanceof ConfigError && why.test(error.message),
          );
        }
        const { stages: [{ params }] } = await read;
        const named = (params.datasets as unknown[]).find((dataset) => typeof dataset === "object");
        strictEqual((named as { folder: string }).folder, join(folder, "mine"), "from the YAML");
      });
    }
    // Of two data sets of one name, the schema knows nothing.
    await rejects(
      (await config("[{ folder: a/x }, { folder: b/x }]")).config,
      /"x" is listed twice; give the folder another name/,
    );
    await rejects((await config("[{ folder: sample }]")).config, /"sample" is the name of another/);
  });
});

const ROOT = new URL("../..", import.meta.url).href.replace(/\/$/, "");
/** The stage `download`, whose photo changes after its digest if there is another one to take. */
const CHANGING = `import { defineStage } from "ROOT/packages/pipeline/stage.ts";
import download from "ROOT/stages/download.ts";
const { outputs, params, external } = download;
export default defineStage({
  name: "own",
  summary: "Download",
  inputs: {},
  outputs,
  params,
  external,
  async run(inputs, given, context) {
    await Deno.rename("FOLDER/later.jpg", "FOLDER/mine/0.jpg").catch(() => {});
    return await download.run(inputs, given, context);
  },
});
`;

Deno.test("a folder that changes between its digest and its packing is not kept", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "plugins: [own.ts]\nstages: { own: { datasets: [{ folder: mine }] } }\n",
    "mine/l.csv": "path,age,gender\n0.jpg,34,m\n",
    "mine/0.jpg": "1",
    "later.jpg": "2",
  });
  await project.write({
    "own.ts": CHANGING.replaceAll("ROOT", ROOT).replaceAll("FOLDER", project.folder),
  });
  const changed = await project.run();
  deepStrictEqual(changed.statuses, { own: "failed" });
  match(changed.text, /a picture of mine changed while it was read\. Run again\./);
  await project.write({ "mine/0.jpg": "1" });
  const { statuses, report } = await project.run();
  deepStrictEqual(statuses, { own: "ran" });
  const path = project.path(report.stages[0].outputs.archives);
  using archives = await openArchives({ path });
  deepStrictEqual(archives.read("mine", "0.jpg"), bytes("1"));
});
