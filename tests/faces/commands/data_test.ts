/** `deno task data`: what it understands, proposes and shows. */
import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { parse } from "yaml";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import data from "../../../faces/commands/data.ts";
import { lookAt } from "../../../faces/commands/data/look_at.ts";
import { proposePipeline } from "../../../faces/commands/data/propose_pipeline.ts";
import { dataPage } from "../../../faces/evaluation/data_page.ts";
import type { Preset } from "../../../faces/datasets/presets.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import { createReporter } from "../../../packages/pipeline/reporter.ts";
import { stages } from "../../../stages/mod.ts";
import { mounted } from "../../mount.ts";
import {
  adience,
  drawFace,
  fairface,
  imdbClean,
  utkface,
  withFiles,
} from "../datasets/preset_folders.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const look = (folder: string) =>
  lookAt(folder, { photos: 100, signal: new AbortController().signal });

Deno.test("data prints all of a pipeline where a write takes a part, as on a disk that fills up", async () => {
  await withFiles(await utkface(), async (folder) => {
    const { stdout } = Deno, decoder = new TextDecoder();
    let printed = "";
    const writeSync = (bytes: Uint8Array) => {
      printed += decoder.decode(bytes.subarray(0, 100), { stream: true });
      return Math.min(100, bytes.length);
    };
    using restored = new DisposableStack();
    restored.defer(() => {
      for (const name of ["write", "writeSync"]) Reflect.deleteProperty(stdout, name);
    });
    Object.assign(stdout, {
      write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)),
      writeSync,
    });
    const output = { write() {}, terminal: false, columns: () => 80, color: false };
    const context = { cwd: folder, project: folder, reporter: createReporter(output) };
    strictEqual(await data.run([folder, "--page", join(folder, "page.html")], context as never), 0);
    match(printed, /\n {2}webcamServe:\n$/);
  });
});

Deno.test("data prints a pipeline that is valid, and writes a page of what it found", async () => {
  await withFiles(await utkface(), async (folder) => {
    await Deno.writeTextFile(join(folder, "UTKFace/9_0_0_20170116174525125.jpg"), "broken <b>");
    const run = async (...more: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "-q", "data", folder, ...more],
        cwd: root,
        env: { NO_COLOR: "1" },
      }).output();
      const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out, errors };
    };
    const page = join(folder, "page.html");
    const { code, out, errors } = await run("--page", page);
    strictEqual(code, 0, errors);
    match(errors, /8 photos in 8 files; 7 rows of labels with a photo/);
    match(out, /\n {2}trainEthnicity:\n {4}use: trainClassifier\n {4}target: ethnicity\n/);
    match(errors, /\nNext: deno task run experiments\/mine, or where the YAML went\n$/);
    match(out, /^# yaml-language-server: \$schema=\.\.\/pipeline\.schema\.json\n/);
    const typo = await run("--preset", "utkfce");
    strictEqual(typo.code, 2);
    match(typo.errors, /no preset "utkfce"\. Did you mean "utkface"\? Take .*\butkface, /);
    for (
      const [preset, why] of Object.entries({
        "{photos: x":
          /error: --preset \{photos: x: Flow map must end with a \} at line 1, column 11\n/,
        '{photos: "("}': /error: --preset \{photos: "\("\}: photos: Invalid regular expression/,
        "{photo: x}": /error: --preset \{photo: x\}: Unrecognized key: "photo"/,
      })
    ) {
      const wrong = await run("--preset", preset);
      match(wrong.errors, why);
      strictEqual(wrong.code, 2);
    }
    const file = join(folder, "p.yaml");
    await Deno.writeTextFile(file, out);
    const registry = new Registry().add(stages);
    const config = await readConfig(file, { project: root, cwd: root, registry });
    const { datasets } = config.stages.find(({ id }) => id === "download")!.params as {
      datasets: unknown[];
    };
    deepStrictEqual(datasets, [{ folder, preset: "utkface" }]);
    deepStrictEqual(config.stages.find(({ id }) => id === "matParse")!.params.require, [
      "gender",
      "age",
    ]);
    const html = await Deno.readTextFile(page);
    match(html, /people<\/th><td>unknown</);
    match(html, /photos without a row<\/th><td>1</);
    match(html, /unreadable, of 7 opened<\/th><td>1</);
    match(html, /groups of exact copies among them<\/th><td>1</);
    match(html, /UTKFace\/26_0_1_20170116174525125.* = UTKFace\/26_0_1_201701161745251253/);
    match(html, /<h3>ethnicity<\/h3>.*Black<\/th><td>2</s);
    strictEqual(
      [...html.matchAll(/<img src="data:image\/jpeg/g)].length,
      8,
      "six photos, two of them copies",
    );
    doesNotMatch(html, /<script|https?:\/\/(?!www\.w3\.org)/, "self-contained");

    await Deno.remove(join(folder, "UTKFace"), { recursive: true });
    const empty = await run("--page", page);
    strictEqual(empty.code, 1, "no labels");
    match(empty.out, /# Write a CSV with the columns path, age and gender/);
    doesNotMatch(empty.out, /evaluate|webcamServe/, "nothing is trained");
    doesNotMatch(empty.errors, /Next:/);
    strictEqual((await run("--photos", "x")).code, 2);
    await Deno.remove(folder, { recursive: true });
    const nowhere = await run();
    strictEqual(nowhere.code, 2);
    match(nowhere.errors, /^error: there is no such folder or archive: /);
  });
});

Deno.test("data writes the page into the project's artifacts, named after the folder", async () => {
  const pages = {
    photos: "photos",
    "my photos (2)": "my_photos_2_",
    "写真": "写真",
    "Фото": "Фото",
    ["写".repeat(80)]: "写".repeat(76),
  };
  const files = Object.keys(pages).map((name) => [`${name}/notes.txt`, "none"]);
  await withFiles(Object.fromEntries(files), async (folder) => {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const reporter = {
      log,
      startProgress: (id: string) => ({
        start: (total: number, unit: string) => log(`${id}: ${total} ${unit}`),
        advance: () => {},
        [Symbol.dispose]: () => log("end"),
      }),
    };
    const context = { cwd: folder, project: folder, reporter } as unknown;
    for (const [name, file] of Object.entries(pages)) {
      strictEqual(await data.run([name], context as Parameters<typeof data.run>[1]), 1);
      const page = join(folder, "artifacts", "data", `${file}.html`);
      match(await Deno.readTextFile(page), /<html/);
      const summary = "0 photos in 1 file; no labels found.";
      deepStrictEqual(lines.slice(-4), ["data: 0 photos", "end", summary, `Page: ${page}`]);
    }
  });
});

Deno.test("lookAt() takes the preset that fits, and proposes no regression of intervals", async () => {
  await withFiles(await fairface(), async (folder) => {
    const found = await look(folder);
    deepStrictEqual([found.preset, found.present.length], ["fairface", 5]);
    const yaml = proposePipeline(found);
    match(yaml, /trainGender/);
    match(yaml, /split:\n +test:\n +part: val\n/);
    match(yaml, /# Ages are intervals/);
    doesNotMatch(yaml, /trainAge:|require/, "no label of what is trained is missing");
  });
});

Deno.test("lookAt() ends between two layouts when it is interrupted", async () => {
  await withFiles({ "1_0_a.jpg": "no photo" }, async (folder) => {
    const controller = new AbortController(), { signal } = controller;
    const started: string[] = [];
    const progress = {
      start: (_: number, unit: string) => started.push(unit),
      advance: () => controller.abort(new Error("interrupted")),
    };
    await rejects(lookAt(folder, { photos: 5, signal, progress }), /^Error: interrupted/);
    deepStrictEqual(started, ["layouts"]);
  });
});

Deno.test("proposePipeline() takes published divisions, and requires what it trains", async () => {
  await withFiles(await imdbClean(), async (folder) => {
    const yaml = proposePipeline(await look(folder));
    match(yaml, /split:\n +test:\n +part: test\n +validation:\n +part: val\n +by: identity\n/);
  });
  await withFiles(await adience(), async (folder) => {
    const yaml = proposePipeline(await look(folder));
    match(yaml, /require:\n +- gender\n {2}faceCrop/);
    match(yaml, /test:\n +part: fold_0\n/);
  });
  const { "imdb/02/nm0000002_rm2_1924-9-16_1955.jpg": _, ...partly } = await imdbClean();
  await withFiles(partly, async (folder) => {
    const found = await look(folder), yaml = proposePipeline(found);
    match(yaml, /\n# Ages: 2, genders: 2, people: 2; 1 photo missing, /);
    const page = dataPage(found).replaceAll(/<[^>]+>/g, " ");
    match(page, /rows of labels +3 +rows with a photo +2 +rows without an age +0 /);
    match(page, /people +2 [^]* Ages +2 rows, [^]* Women and men +2 rows/);
    match(yaml, /split:\n +test:\n +part: test\n +by: identity\n/, "no photo of val is there");
  });
});

Deno.test("proposePipeline() requires no column whose values are not understood, and names one", async () => {
  const face = await drawFace(30, true), photos = { "a.png": face, "b.png": face };
  const csv = "path,born,taken,gender\na.png,1/3/1980,2010,m\nb.png,1/3/1980,2010,f\n";
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const yaml = proposePipeline(await look(folder));
    match(yaml, /\n# 2 values not understood, such as the born "1\/3\/1980" on line 2\.\n/);
    match(yaml, /matParse:\n +require:\n +- gender\n {2}faceCrop/);
  });
  const rows = [{ file: "a.png", age: 30, sex: "m" }, { file: "b.png", age: 40, sex: "f" }];
  await withFiles({ ...photos, "l.json": JSON.stringify(rows) }, async (folder) => {
    const { preset } = await look(folder);
    deepStrictEqual(preset, { labels: "l\\.json", columns: { path: "file", gender: "sex" } });
  });
  await withFiles(
    { ...photos, "l.csv": "path,age,sex\na.png,30,m\nb.png,40,f\n" },
    async (folder) => {
      const { preset } = await look(folder);
      deepStrictEqual(preset, { labels: "l\\.csv", columns: { gender: "sex" } });
    },
  );
});

Deno.test("proposePipeline() keeps rows that have attributes alone, and names what learns them", async () => {
  const face = await drawFace(30, true), photos = { "a.png": face, "b.png": face };
  for (const csv of ["path,smile\na.png,1\nb.png,0\n", "file;smile\na.png;1\nb.png;0\n"]) {
    await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
      const yaml = proposePipeline(await look(folder));
      match(yaml, /\n# Networks of smile are guesses: remove those that are no labels\.\n/);
      match(yaml, /\n {2}matParse:\n {2}faceCrop/);
      match(yaml, /\n {2}trainSmile:\n {4}use: trainClassifier\n {4}target: smile\n/);
      match(yaml, /\n {2}evaluate:\n/);
    });
  }
  const lines = Array.from(
    { length: 13 },
    (_, i) => `${i % 2 ? "a" : "b"}.png,train,3,${i < 12 ? i / 3 : 1.1}`,
  );
  const csv = `path,part,group,score\n${lines.join("\n")}\n`;
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const found = await look(folder);
    match(
      proposePipeline(found),
      /\n {2}trainScore_:\n {4}use: trainRegressor\n {4}target: score_\n/,
    );
    match(
      dataPage(found),
      /<b>score_<\/b>13 rows, from 0 to 3\.667<[^]*aria-label="Histogram of score_"/,
    );
    match(dataPage(found), /<h1>[^]*?<h2[^]*?<h3>Understood[^]*Contact sheet/);
    doesNotMatch(dataPage({ ...found, shown: [] }), /Contact sheet/);
    doesNotMatch(dataPage(found), /0\.333\d*<\/th>/, "no table of its values");
  });
});

Deno.test("proposePipeline() takes more and smaller steps for few photos", async () => {
  await withFiles(await fairface(), async (folder) => {
    const found = await look(folder);
    const yaml = proposePipeline(found);
    match(yaml, /batchSize: 8\n {4}epochs: 40\n.*\n {4}earlyStopping:\n {6}patience: 12\n/);
    const many = Array.from({ length: 800 }, () => found.present[0]);
    const more = proposePipeline({ ...found, present: many });
    match(more, /batchSize: 32\n.*\n {4}earlyStopping:\n {6}patience: 5\n/);
  });
});

Deno.test("lookAt() guesses columns of other tables and labels in names", async () => {
  const face = await drawFace(30, true);
  const table = "id,img_name,Age_years,sex,subject_id\n7,0001.png,31,F,a\n8,0002.png,32,M,b\n";
  const files = { "list.csv": table, "img/0001.png": face, "img/0002.png": face };
  await withFiles(files, async (folder) => {
    const found = await look(folder), { labels, preset, copies } = found;
    deepStrictEqual(preset, {
      labels: "list\\.csv",
      columns: { path: "img_name", age: "Age_years", gender: "sex", identity: "subject_id" },
    });
    match(dataPage(found), />preset:\n {2}labels: list\\\.csv\n {2}columns:\n {4}path: img_name\n/);
    deepStrictEqual(labels!.rows.map(({ age, gender }) => [age, gender]), [[31, 0], [32, 1]]);
    deepStrictEqual(copies.map(({ length }) => length), [2]);
  });
  const mirrored = new Uint8Array(await sharp(face).resize(90).flop().jpeg().toBuffer());
  const csv = "path,age\na.jpg,30\nb.jpg,30\n";
  await withFiles({ "l.csv": csv, "a.jpg": face, "b.jpg": mirrored }, async (folder) => {
    const { near, copies, pairs } = await look(folder);
    match(pairs.lines.join(), /^[ab]\.jpg ≈ \(mirrored\) [ab]\.jpg$/);
    deepStrictEqual([near, copies, pairs.shown.length], [1, [], 2]);
    match(pairs.shown[1].name, /^≈ \(mirrored\) [ab]\.jpg, 30$/);
  });
  const twice = "path,age,gender\na.jpg,30,f\nb.jpg,40,m\n./a.jpg,50,f\nb.jpg,40,m\n,9,f\n,9,f\n";
  await withFiles({ "l.csv": twice, "a.jpg": face, "b.jpg": mirrored }, async (folder) => {
    const found = await look(folder);
    deepStrictEqual(found.repeated, ["a.jpg: 2 rows of different labels", "b.jpg: 2 rows"]);
    match(
      proposePipeline(found),
      /\n# 2 photos of several rows, .* such as a\.jpg: 2 rows of diff/,
    );
  });
  for (
    const [name, age, gender, identity] of [
      ["AFAD/18/112/460087-0.jpg", 18, 0, "460087"],
      ["0_MariaCallas_35_f.jpg", 35, 0, "MariaCallas"],
      ["009055_1M54.JPG", 54, 1, "009055"],
      ["001A02.JPG", 2, NaN, "001"],
    ] as const
  ) {
    await withFiles({ [name]: face }, async (folder) => {
      const [row] = (await look(folder)).labels!.rows;
      deepStrictEqual([row.age, row.gender, row.identity], [age, gender, identity], name);
    });
  }
  for (
    const column of ["patient id", "Patient_ID", "PatientID", "participant", "proband nr.", "pid"]
  ) {
    await withFiles(
      { "l.csv": `file,${column},age\na.jpg,7,30\n`, "a.jpg": face },
      async (folder) => {
        strictEqual((await look(folder)).labels?.rows[0].identity, "7", column);
      },
    );
  }
  await withFiles({ "l.csv": "path,age\na.jpg,30\n", "a.jpg": face }, async (folder) => {
    strictEqual((await look(folder)).preset, undefined, "the project's columns need no preset");
  });
});

Deno.test("lookAt() takes years for ages if they may be, and names labels without a network", async () => {
  const face = await drawFace(30, true), photos = { "a.png": face, "b.png": face };
  const table = (...rows: string[]) => ({ ...photos, "l.csv": rows.join("\n") + "\n" });
  for (const [photo, sex] of [["photo", "sex"], ["path", "note"]]) {
    const header = `${photo};Years;${sex};mood;part`;
    await withFiles(table(header, "a.png;31;f;glad;x", "b.png;;m;sad;y"), async (folder) => {
      const found = await look(folder);
      strictEqual((found.preset as { columns: Record<string, string> }).columns.age, "Years");
      deepStrictEqual(found.labels!.rows.map(({ age }) => age), [31, NaN]);
      const named = sex === "sex" ? "mood" : "note and mood";
      ok(proposePipeline(found).includes(`\n# Networks of ${named} are guesses: `));
    });
  }
  await withFiles(table("path,years,sex", "a.png,1999,f", "b.png,2001,m"), async (folder) => {
    const { labels } = await look(folder);
    deepStrictEqual(labels!.rows.map(({ age }) => age), [NaN, NaN]);
  });
  const rows = Array.from(
    { length: 26 },
    (_, i) =>
      `${i % 2 ? "a" : "b"}.png,${i % 2},${i / 2},${i},u${i},c${i % 13},${i ? "" : 7.5},${i % 5}`,
  );
  const header = "path,flag,light,number,user,city,rare,rating";
  await withFiles(table(header, ...rows, "a.png,0,1,27,u27,c0,8,"), async (folder) => {
    const found = await look(folder), yaml = proposePipeline(found);
    const way = "Add the stage with a label as target.";
    const hint = `No network is proposed for city and rare (trainClassifier). ${way}`;
    deepStrictEqual(found.hints, [hint]);
    ok(yaml.includes(`\n# ${hint}\n`));
    match(yaml, /\n {2}trainFlag:\n {4}use: trainClassifier\n/);
    match(yaml, /\n# Numbers of few values, rating, are classes here\. .* use: trainRegressor\.\n/);
    match(yaml, /\n {2}trainLight:\n {4}use: trainRegressor\n {4}target: light\n/);
    doesNotMatch(yaml, /number|user/, "identifiers");
  });
  await withFiles(table("file,age_bin,sex", "a.png,20-29,f", "b.png,3-9,m"), async (folder) => {
    const found = await look(folder), { columns } = found.preset as { columns: unknown };
    deepStrictEqual(columns, { path: "file", age: "age_bin", gender: "sex", age_bin: "age_bin" });
    match(proposePipeline(found), /\n {2}trainAge_bin:\n {4}use: trainClassifier\n/);
  });
});

Deno.test("lookAt() takes no months, codes or certainty of an age for years", async () => {
  const face = await drawFace(30, true), photos = { "a.png": face, "b.png": face };
  for (
    const [header, first, second, column, doubtful = false] of [
      ["age_months", "30", "90", undefined],
      ["age_confidence,years", "0.9,31", "0.5,32", "years"],
      ["age_std,age_years", "3,31", "4,32", "age_years"],
      ["ageMonths,Age (years),age_group_id", "90,31,3", "80,32,3", "Age (years)"],
      ["age_group", "3", "4", undefined],
      ["age_group", "20-29", "3-9", "age_group"],
      ["apparent_age", "31", "32", "apparent_age", true],
      ["age_low,age_high", "3,9", "20,29", undefined],
      ["inferred_age", "1999", "2001", undefined],
      ["agent", "3", "4", undefined],
      ["proband_age", "31", "unknown", "proband_age", true],
      ["confirmedAge", "31", "NaN", "confirmedAge", true],
      ["Alter (Jahre)", "31", "32", "Alter (Jahre)"],
      ["возраст", "31", "32", "возраст"],
      ["年齢", "31", "32", "年齢"],
      ["a\u0302ge", "31", "32", "\u00e2ge"],
    ] as const
  ) {
    const csv = `file,${header},sex\na.png,${first},f\nb.png,${second},m\n`;
    await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
      const found = await look(folder);
      strictEqual((found.preset as Preset).columns?.age, column, header);
      const doubt =
        `The age is taken from ${column}. If that is no age in years, remove age from ` +
        "the columns of the preset.";
      strictEqual(found.hints.includes(doubt), doubtful, header);
      strictEqual(proposePipeline(found).includes(`\n# ${doubt}\n`), doubtful);
    });
  }
});

Deno.test("lookAt() names misspelt classes and ages of nobody, on the page and in the YAML", async () => {
  const face = await drawFace(30, true),
    counts = Object.entries({
      White: 24,
      Black: 20,
      Wihte: 2,
      white: 2,
      Blak: 1,
      Other: 1,
    });
  const races = counts.flatMap(([race, count]) => Array.from({ length: count }, () => race));
  const rows = races.map((race, i) => {
    const smile = i < 20 ? "yes" : i < 46 ? "no" : ["y", "N", "TRUE", "N"][i - 46];
    const age = i === 0 ? -3 : i === 1 ? 240 : 30;
    return `a.png,${age},${race},${smile},${i % 2 ? "a1" : "a2"},${
      ["Slovakia", "Slovenia", "left ear", "AB", "youth"][i - 44] ??
        ["Slovakia", "left eye", "A", "young"][i % 4]
    }\n`;
  });
  const csv = `path,age,race,smile,code,mood\n${rows.join("")}a.png,30,White,yes,a3,blonde\n`;
  await withFiles({ "a.png": face, "l.csv": csv }, async (folder) => {
    const found = await look(folder), page = dataPage(found);
    const same = "values that resemble more frequent ones. If they mean these, set by the preset: ";
    const strays = [
      `race has ${same}values: { race: { "Wihte": "White", "white": "White", "Blak": "Black" } } ` +
      "(docs/guide/own_data.md).",
      `smile has ${same}values: { smile: { "N": "no", "y": "yes", "TRUE": "yes" } } ` +
      "(docs/guide/own_data.md).",
      "age is below 0 or above 120 in 2 of 51 rows, such as -3 of a.png, 240 of a.png. Empty one that " +
      'means unknown by the preset: values: { age: { "-3": "" } } (docs/guide/own_data.md).',
    ];
    deepStrictEqual(found.hints.slice(-3), strays);
    for (const stray of strays) ok(proposePipeline(found).includes(`\n# ${stray}\n`));
    match(page, /columns and paths in doubt<[^]*?<td>3<[^]*<li>race has values that resemble/);
    match(page, />rows without an age<[^]*?<td>2<[^]*Ages<\/b>49 rows/);
  });
});

Deno.test("proposePipeline() keeps genders in proportion where people are divided", async () => {
  const face = await drawFace(30, true);
  const split = (more: string) => new RegExp(`\n {2}split:\n {4}by: identity\n${more} {2}train`);
  for (
    const [header, more] of [["gender", " {4}stratify:\n {6}- gender\n"], ["mood", ""]] as const
  ) {
    const csv = `path,${header},identity\na.png,f,p\nb.png,m,q\n`;
    await withFiles({ "a.png": face, "b.png": face, "l.csv": csv }, async (folder) => {
      match(proposePipeline(await look(folder)), split(more));
    });
  }
});

Deno.test("lookAt() reads metadata.jsonl of Hugging Face's folders of images", async () => {
  const face = await drawFace(30, true);
  const lines = '{"file_name": "a.jpg", "age": 31}\n{"file_name": "b.jpg", "age": 32}\n';
  const files = { "train/metadata.jsonl": lines, "train/a.jpg": face, "train/b.jpg": face };
  await withFiles(files, async (folder) => {
    const { labels } = await look(folder);
    deepStrictEqual(labels?.rows.map(({ path, age }) => [path, age]), [
      ["train/a.jpg", 31],
      ["train/b.jpg", 32],
    ]);
  });
});

Deno.test("lookAt() reads all pieces and parts of Hugging Face's data sets, and divides by them", async () => {
  const photos = await Deno.readFile(
    new URL("../../packages/formats/fixtures/photos.parquet", import.meta.url),
  );
  const hub = {
    "data/train-00000-of-00002.parquet": photos,
    "data/train-00001-of-00002.parquet": photos,
    "data/validation-00000-of-00001.parquet": photos,
    "data/test-00000-of-00001.parquet": photos,
  };
  const parts = "(?<part>train|test|val|valid|validation|dev)";
  const divided =
    /split:\n +test:\n +part: test\n +validation:\n +part: validation\n {2}trainGender:/;
  await withFiles(hub, async (folder) => {
    const found = await look(folder), { preset, present, labels } = found;
    deepStrictEqual(preset, {
      labels: `data/${parts}-\\d+-of-\\d+\\.parquet`,
      columns: { gender: "label" },
    });
    deepStrictEqual([found.photos.length, present.length, labels!.rows.length], [20, 20, 28]);
    match(proposePipeline(found), divided);
  });
  await withFiles(
    { "0.25/train.parquet": photos, "1.25/train.parquet": photos },
    async (folder) => {
      strictEqual((await look(folder)).present.length, 5, "one of two versions of the data set");
    },
  );
  await withFiles({ "a-1.parquet": photos, "a-2.parquet": photos.slice(9) }, async (folder) => {
    match(
      (await look(folder)).summary,
      /labels found\. Cannot read ".*a-2\.parquet": it is damaged/,
    );
  });
  const face = await drawFace(30, true);
  const csv = "file_name,age,gender\n0.png,31,f\n1.png,32,m\n";
  const folders = ["train", "validation", "test"];
  const images = folders.flatMap((part) => [
    ...["0", "1"].map((name) => [`${part}/${name}.png`, face] as const),
    [`${part}/metadata.csv`, csv] as const,
  ]);
  await withFiles(Object.fromEntries(images), async (folder) => {
    const found = await look(folder);
    deepStrictEqual(found.preset, {
      labels: `${parts}/metadata\\.csv`,
      columns: { path: "file_name" },
    });
    strictEqual(found.present.length, 6);
    match(proposePipeline(found), divided);
  });
  const tables = folders.flatMap((part) => [
    [`photos/${part}.png`, face] as const,
    [
      `${part}.csv`,
      part === "test" ? "path\ntest.png\n" : `path,years,sex\n${part}.png,31,f\n`,
    ] as const,
  ]);
  await withFiles(Object.fromEntries(tables), async (folder) => {
    const { preset, present, labels } = await look(folder);
    deepStrictEqual(preset, { labels: `${parts}\\.csv`, columns: { age: "years", gender: "sex" } });
    deepStrictEqual([present.length, labels!.rows.filter(({ age }) => age === 31).length], [3, 2]);
  });
  const classes = folders.flatMap((part) =>
    ["male", "female"].map((name) => [`${part}/${name}/0.png`, face] as const)
  );
  await withFiles(Object.fromEntries(classes), async (folder) => {
    match(proposePipeline(await look(folder)), divided);
  });
});

Deno.test("proposePipeline() takes a column of parts for the division, and scores of few rows for numbers", async () => {
  const face = await drawFace(30, true);
  const names = Array.from({ length: 14 }, (_, i) => `${i}.png`);
  const photos = Object.fromEntries(names.map((name) => [name, face]));
  const rows = names.map((name, i) =>
    `${name},${20 + i},m,${i < 9 ? "train" : "test"},${(i * 37) % 101},${i + 5},${i % 5}`
  );
  const csv = ["path,age,gender,split,score,row,fold", ...rows].join("\n");
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const found = await look(folder), yaml = proposePipeline(found);
    deepStrictEqual(found.preset, { labels: "l\\.csv", columns: { part: "split" } });
    const coded = { labels: "l\\.csv", values: { gender: { m: "female" } } };
    const signal = new AbortController().signal;
    const again = await lookAt(folder, { photos: 1, signal, preferred: [coded] });
    deepStrictEqual(again.preset, coded, "that of the training, whose codes it has");
    match(yaml, /split:\n +test:\n +part: test\n/);
    match(yaml, /\n {2}trainScore_:\n {4}use: trainRegressor\n/);
    doesNotMatch(yaml, /trainSplit|trainFold|trainRow/);
  });
});

Deno.test("lookAt() finds photos by paths of another machine, in another case, and without ending", async () => {
  const face = await drawFace(30, true);
  const photos = { "train/0.JPG": face, "val/0.JPG": face, "val/1.JPG": face };
  const paths = ["train/0.jpg", "val/0.jpg", "val/1.jpg"];
  const below = (folders: number) => String.raw`(?:[^\/\\]*[\/\\]){${folders}}(?<below>.+)`;
  for (
    const [header, prefix, preset] of [
      ["path,age", "", undefined],
      ["path,age", "/home/bob/faces/", {
        labels: "l\\.csv",
        match: { path: below(4) },
        columns: { path: "{below}" },
      }],
      ["img,age", "C:\\faces\\", {
        labels: "l\\.csv",
        match: { img: below(2) },
        omit: ["img"],
        columns: { path: "{below}" },
      }],
    ] as const
  ) {
    const rows = paths.map((path, i) => {
      const written = prefix.includes("\\") ? path.replaceAll("/", "\\") : path;
      return `${prefix}${written},${30 + i}\n`;
    });
    await withFiles({ ...photos, "l.csv": `${header}\n${rows.join("")}` }, async (folder) => {
      const found = await look(folder);
      deepStrictEqual(found.preset, preset, prefix);
      deepStrictEqual([found.present.length, found.unlabelled, found.missing], [3, [], []]);
    });
  }
  const numbered = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.png`, face]));
  const csv = "age,id,sex\n30,1,f\n30,2,m\n31,3,f\n";
  await withFiles({ ...numbered, "l.csv": csv }, async (folder) => {
    const { preset, labels } = await look(folder);
    deepStrictEqual((preset as { columns: unknown }).columns, { path: "{id}.png", gender: "sex" });
    deepStrictEqual(labels!.rows.map(({ path }) => path), ["1.png", "2.png", "3.png"]);
  });
});

Deno.test("lookAt() restores intervals that a spreadsheet took for dates", async () => {
  const face = await drawFace(30, true);
  const names = ["a.png", "b.png", "c.png"],
    photos = Object.fromEntries(names.map((n) => [n, face]));
  const csv = "path,age\na.png,03-Sep\nb.png,Oct-19\nc.png,20-29\n";
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const found = await look(folder), dates = { "03-Sep": "3-9", "Oct-19": "10-19" };
    deepStrictEqual(found.preset, {
      labels: "l\\.csv",
      columns: { age: "age", age_bin: "age" },
      values: { age: dates, age_bin: dates },
    });
    deepStrictEqual(found.labels!.rows.map(({ attributes }) => attributes!.age_high), [9, 19, 29]);
  });
});

Deno.test("lookAt() translates genders, and keeps two unknown words beside an attribute", async () => {
  const face = await drawFace(30, true), names = ["a.png", "b.png", "c.png"];
  const photos = Object.fromEntries(names.map((name) => [name, face]));
  const table = (header: string, words: readonly string[], rest = "") => ({
    ...photos,
    "l.csv": `${header}\n${names.map((name, i) => `${name},${words[i]}${rest}\n`).join("")}`,
  });
  const german = ["weiblich", "männlich", "divers"];
  const french = ["femme", "homme", "femme"];
  for (
    const [header, words, columns, values, rest] of [
      ["path,gender", german, {}, { weiblich: "female", männlich: "male" }, ""],
      ["Datei,Geschlecht", german, { path: "Datei", gender: "Geschlecht" }, {
        weiblich: "female",
        männlich: "male",
      }, ""],
      ["path,Sex,age", french, { gender: "Sex" }, { femme: "female", homme: "male" }, ",30"],
      ["path,sex", ["w", "m", "w"], { gender: "sex" }, { w: "female" }, ""],
      ["path,性别", ["女", "男", "女"], { gender: "性别" }, { 女: "female", 男: "male" }, ""],
      ["path,sexe", ["F", "H", "F"], { gender: "sexe" }, { H: "male" }, ""],
      ["path,sexo", ["M", "H", "M"], { gender: "sexo" }, { H: "male", M: "female" }, ""],
      ["path,sex", ["d", "u", "d"], { gender: "sex" }, { d: "female", u: "male" }, ""],
      ["path,sexe", ["femme", "H", "f"], { gender: "sexe" }, { femme: "female", H: "male" }, ""],
    ] as const
  ) {
    await withFiles(table(header, words, rest), async (folder) => {
      const found = await look(folder), genders = found.labels!.rows.map(({ gender }) => gender);
      deepStrictEqual(found.preset, { labels: "l\\.csv", columns, values: { gender: values } });
      deepStrictEqual(genders.slice(0, 2), [0, 1]);
      match(proposePipeline(found), /\n {2}trainGender:\n/);
    });
  }
  const unknown = ["nainen", "mies", "nainen"];
  for (const [header, kept] of [["path,gender,age", "gender_words"], ["path,sex,age", "sex"]]) {
    await withFiles(table(header, unknown, ",30"), async (folder) => {
      const found = await look(folder), yaml = proposePipeline(found);
      const rows = found.labels!.rows.map(({ attributes }) => attributes![kept]);
      deepStrictEqual(rows, unknown);
      match(yaml, /\n# Write female or male in place of "\?" in values\.gender/);
      match(yaml, /\n +values:\n +gender:\n +nainen: "?\?"?\n +mies: "?\?"?\n/);
      match(yaml, new RegExp(`\n +use: trainClassifier\n +target: ${kept}\n`));
      const filled = { ...found.preset as Preset };
      filled.values = { gender: { nainen: "female", mies: "male" } };
      const { labels } = await lookAt(folder, {
        preset: JSON.stringify(filled),
        photos: 0,
        signal: new AbortController().signal,
      });
      deepStrictEqual(labels!.rows.map(({ gender }) => gender), [0, 1, 0]);
    });
  }
  for (const third of ["x", "h", "k"]) {
    await withFiles(table("path,gender", ["m", "f", third]), async (folder) => {
      strictEqual((await look(folder)).preset, undefined);
    });
  }
});

Deno.test("lookAt() finds photos of one name in several parts, or names what is ambiguous", async () => {
  const face = await drawFace(30, true);
  const photos = Object.fromEntries(
    ["train/0.png", "train/1.png", "test/0.png", "test/1.png"].map((path) => [path, face]),
  );
  const paths = ["train/0.png", "train/1.png", "test/0.png", "test/1.png"];
  const marked = "file,age,set\n0.png,30,train\n1.png,31,train\n0.png,40,test\n1.png,41,test\n";
  await withFiles({ ...photos, "l.csv": marked }, async (folder) => {
    const { preset, labels, present, hints } = await look(folder);
    deepStrictEqual(preset, {
      labels: "l\\.csv",
      columns: { path: "file", part: "set" },
    });
    deepStrictEqual(labels!.rows.map(({ path, age }) => [path, age]), [
      [paths[0], 30],
      [paths[1], 31],
      [paths[2], 40],
      [paths[3], 41],
    ]);
    deepStrictEqual([present.length, hints], [4, []]);
  });
  const tables = {
    "train.csv": "id,age\n0,30\n1,31\n",
    "test.csv": "id,age\n0,40\n1,41\n",
  };
  await withFiles({ ...photos, ...tables }, async (folder) => {
    const { preset, labels } = await look(folder);
    deepStrictEqual((preset as Preset).columns, { path: "{id}.png" });
    deepStrictEqual(labels!.rows.map(({ path }) => path).sort(), paths.toSorted());
    deepStrictEqual(labels!.rows.map(({ attributes }) => attributes!.part).sort(), [
      ...["test", "test", "train", "train"],
    ]);
  });
  const bare = "file,age\n0.png,30\n1.png,31\n";
  const ambiguous =
    '2 rows whose path several files fit, such as "0.png": test/0.png and train/0.png. Remove ' +
    "others, or write the folder in columns.path of the preset";
  await withFiles({ ...photos, "l.csv": bare }, async (folder) => {
    const { labels, summary } = await look(folder);
    strictEqual(labels, undefined);
    ok(summary.endsWith(`none of a photo that is there, such as "0.png". ${ambiguous}.`), summary);
  });
  const more = `${bare}2.png,32\n3.png,33\n4.png,34\n`;
  const known = { "test/2.png": face, "test/3.png": face, "train/4.png": face };
  await withFiles({ ...photos, ...known, "l.csv": more }, async (folder) => {
    const found = await look(folder);
    deepStrictEqual([found.present.length, found.missing], [3, ["0.png", "1.png"]]);
    deepStrictEqual(found.hints, [`${ambiguous}.`]);
  });
});

Deno.test("lookAt() reads the classes and objects beside the photos of a WebDataset", async () => {
  const face = await drawFace(30, true), bytes = (text: string) => new TextEncoder().encode(text);
  await withFiles({ "notes.txt": "" }, async (folder) => {
    for (const [shard, keys] of [["0.tar", ["000", "001"]], ["1.tar", ["100", "101"]]] as const) {
      using tar = new TarWriter(join(folder, shard));
      for (const key of keys) {
        tar.add(`${key}.cls`, bytes(`${Number(key) % 2}\n`));
        tar.add(`${key}.png`, face);
        tar.add(`${key}.json`, bytes(`{"Age": ${20 + Number(key)}, "sex": "${key[2]}"}`));
      }
      tar.close();
    }
    const found = await look(folder);
    deepStrictEqual(found.preset, {
      labels: "(?<key>[^\\/]+)\\.(?:cls|json)",
      join: true,
      columns: { path: "{key}.png", age: "Age", gender: "sex" },
    });
    const labels = found.labels!.rows.map(({ path, age, gender, attributes }) =>
      [path, age, gender, attributes] as const
    );
    deepStrictEqual(labels, [
      ["000.png", 20, 0, { cls: 0 }],
      ["001.png", 21, 1, { cls: 1 }],
      ["100.png", 120, 0, { cls: 0 }],
      ["101.png", 121, 1, { cls: 1 }],
    ]);
    match(proposePipeline(found), /\n {2}trainCls:\n {4}use: trainClassifier\n/);
  });
  const unpacked = ["0", "1"].flatMap((shard) => [
    [`${shard}/7.jpg`, face] as const,
    [`${shard}/7.json`, `{"age": 3${shard}}`] as const,
  ]);
  await withFiles(Object.fromEntries(unpacked), async (folder) => {
    const { labels } = await look(folder);
    deepStrictEqual(labels!.rows.map(({ path, age }) => [path, age]), [
      ["0/7.jpg", 30],
      ["1/7.jpg", 31],
    ]);
  });
  // Faces of a photo, whose labels are no later values of each other.
  const listed = (age: number) =>
    `[{"age": ${age}, "gender": "f", "left": 1, "top": 1, "right": 40, "bottom": 40},
      {"age": ${age + 9}, "gender": "m", "left": 50, "top": 1, "right": 90, "bottom": 40}]`;
  const faces = { "0.jpg": face, "0.json": listed(20), "1.jpg": face, "1.json": listed(40) };
  await withFiles(faces, async (folder) => {
    const { labels, repeated } = await look(folder);
    deepStrictEqual(
      labels!.rows.map(({ path, age, gender, box }) => [path, age, gender, box![0]]),
      [
        ["0.jpg", 20, 0, 1],
        ["0.jpg", 29, 1, 50],
        ["1.jpg", 40, 0, 1],
        ["1.jpg", 49, 1, 50],
      ],
    );
    deepStrictEqual(repeated, []);
  });
});

Deno.test("proposePipeline() proposes sorted numbers, and none of identifiers", async () => {
  const photos = { "train/0.png": await drawFace(30, true) };
  const rows = Array.from(
    { length: 110 },
    (_, i) => `0.png,${2 * i},${i % 55},${i % 55},${i % 55},${i % 55 * 3},${i * 7919 % 4001}`,
  );
  const header = "path,height,id,photo_id,row,Unnamed: 0,income";
  const csv = (count: number) => [header, ...rows.slice(0, count)].join("\n");
  await withFiles({ ...photos, "l.csv": csv(20) }, async (folder) => {
    const yaml = proposePipeline(await look(folder));
    match(yaml, /\n {2}trainHeight:\n {4}use: trainRegressor\n/);
    match(yaml, /\n# Networks of height and income are guesses.*\n# trainJoint trains one network/);
  });
  await withFiles({ ...photos, "l.csv": csv(110) }, async (folder) => {
    const { hints } = await look(folder);
    deepStrictEqual(hints, [
      "No network is proposed for height and income (trainRegressor). Add the stage with a label " +
      "as target.",
    ]);
  });
});

Deno.test("data names TMPDIR where it is no folder", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "-q", "data", "."],
    cwd: root,
    env: { NO_COLOR: "1", TMPDIR: "/no/such/folder" },
  }).output();
  strictEqual(code, 1);
  match(
    new TextDecoder().decode(stderr),
    /^error: .* in TMPDIR, "\/no\/such\/folder": No such file .*\. Set TMPDIR to a folder that .*\n$/,
  );
});

Deno.test("proposePipeline() names stages of columns in other scripts", async () => {
  const photos = { "a.png": await drawFace(30, true), "b.png": await drawFace(40, false) };
  const csv = "path,настроение,вес,hair-color,hair color\na.png,рад,1,x,y\nb.png,зол,2,y,x\n";
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const { stages } = parse(proposePipeline(await look(folder)));
    const targets = Object.entries<{ target?: string }>(stages)
      .flatMap(([id, stage]) => stage?.target ? [[id, stage.target]] : []);
    deepStrictEqual(targets, [
      ["trainLabel", "настроение"],
      ["trainLabel_2", "вес"],
      ["trainHair_color", "hair-color"],
      ["trainHair_color_2", "hair color"],
    ]);
  });
});

Deno.test("lookAt() takes the year of a photo for no age where ages are known", async () => {
  const photos = { "a.png": await drawFace(30, true) };
  await withFiles({ ...photos, "l.csv": "path,age,year\na.png,30,2014\n" }, async (folder) => {
    deepStrictEqual((await look(folder)).hints, []);
  });
});

Deno.test("lookAt() names texts among numbers, and columns that may be the age", async () => {
  const photos = { "a.png": await drawFace(30, true) };
  const numbers = (i: number) => i % 4 ? `${i}.5` : "k.A.";
  const rows = Array.from(
    { length: 8 },
    (_, i) => `a.png;${numbers(i)};0${i};${i < 6 ? "a" : 3};${i ? i : "9 Jahre"};3,${i % 2}\n`,
  );
  const csv = `path;mass;code;word;Alter;score\n${rows.join("")}`;
  await withFiles({ ...photos, "l.csv": csv }, async (folder) => {
    const found = await look(folder), { hints } = found;
    const page = dataPage(found);
    match(page, /<h3>Problems<[^]*>columns and paths in doubt<[^]*?<td>3<[^]*<h3>/);
    match(page, /Columns and paths in doubt <small>3<[^]*<li>score is text: 8 of 8 values/);
    deepStrictEqual(hints.slice(-4), [
      "Perhaps the age: Alter. If so, name it in columns.age of the preset.",
      'mass is text: 2 of 8 values are no numbers, such as "k.A.". Empty texts by the preset: ' +
      'values: { mass: { "k.A.": "" } } (docs/guide/own_data.md).',
      'Alter is text: 1 of 8 values are no numbers, such as "9 Jahre". Empty texts by the preset: ' +
      'values: { Alter: { "9 Jahre": "" } } (docs/guide/own_data.md).',
      'score is text: 8 of 8 values are no numbers, such as "3,0", "3,1". Write 3.0 in place of ' +
      "3,0 (docs/guide/own_data.md).",
    ]);
  });
  const heights = ["+170", "1 571,5", "33"].map((height) => `a.png;${height}\n`).join("");
  await withFiles({ ...photos, "l.csv": `path;height\n${heights}` }, async (folder) => {
    const [hint] = (await look(folder)).hints.slice(-1);
    match(hint!, /"\+170", "1 571,5"\. Write 170 in place of \+170 \(/);
  });
  const nights = ["5,5", "k.A.", "5,0", "8,0"].map((value) => `a.png;${value}\n`).join("");
  await withFiles({ ...photos, "l.csv": `path;nights\n${nights}` }, async (folder) => {
    const [hint] = (await look(folder)).hints.slice(-1);
    match(hint!, /Write 5\.5 in place of 5,5 \(.*\)\. Empty texts by .* nights: { "k\.A\.": "" }/);
  });
  const ages = ["31", "n/a", "30", "29"].map((age) => `a.png,${age}\n`).join("");
  await withFiles({ ...photos, "l.csv": `path,years\n${ages}` }, async (folder) => {
    deepStrictEqual((await look(folder)).labels!.rows.map(({ age }) => age), [31, NaN, 30, 29]);
  });
});

Deno.test("lookAt() takes the boxes of several faces in a photo", async () => {
  const face = await drawFace(30, true);
  const csv = "path,age,xmin,ymin,xmax,ymax\na.png,30,1,1,20,20\na.png,50,30,1,50,20\n";
  await withFiles({ "a.png": face, "l.csv": csv }, async (folder) => {
    const found = await look(folder);
    deepStrictEqual((found.preset as { columns: unknown }).columns, {
      left: "xmin",
      top: "ymin",
      right: "xmax",
      bottom: "ymax",
    });
    deepStrictEqual(found.labels!.rows.map(({ box }) => box), [[1, 1, 20, 20], [30, 1, 50, 20]]);
    deepStrictEqual(found.repeated, []);
    doesNotMatch(proposePipeline(found), /train[XY]/);
  });
  const plain = csv.replace("xmin,ymin,xmax,ymax", "x,y,w,h");
  await withFiles({ "a.png": face, "l.csv": plain }, async (folder) => {
    match(
      proposePipeline(await look(folder)),
      /a\.png: 2 rows of different labels\. Faces of a photo need boxes: left, top, right and bottom\.\n/,
    );
  });
});

Deno.test("lookAt() names archives and spreadsheets that are not read", async () => {
  const csv = "path,age\na.png,30\n";
  await withFiles({ "in/a.zip": "", "b.rar": "", "l.csv": csv, "l.xlsx": "" }, async (folder) => {
    deepStrictEqual((await look(folder)).hints, [
      "Not read: b.rar and in/a.zip. Unpack archives, or pack them as .zip or .tar.gz directly in " +
      "the folder.",
      "Not read: l.xlsx. Save the table as CSV UTF-8 or Parquet.",
    ]);
  });
});

Deno.test("lookAt() takes -1 in a column of CelebA's kind for women", async () => {
  const face = await drawFace(30, true);
  const table = "image_id,Smiling,Male\na.jpg,1,1\nb.jpg,-1,-1\n";
  await withFiles({ "list.csv": table, "a.jpg": face, "img/b.jpg": face }, async (folder) => {
    const { labels, preset } = await look(folder);
    deepStrictEqual(labels!.rows.map(({ gender }) => gender), [1, 0]);
    deepStrictEqual((preset as { values: unknown }).values, { gender: { "-1": "female" } });
  });
});

Deno.test("lookAt() counts photos of all formats, and the YAML names those that cannot be read", async () => {
  const face = await drawFace(30, true);
  const csv = "path,age,gender\na.jfif,30,m\nb.heic,31,f\nc.JPE,32,m\n";
  const files = { "l.csv": csv, "a.jfif": face, "b.heic": "no photo", "c.JPE": "", "d.heif": "x" };
  await withFiles(files, async (folder) => {
    const found = await look(folder);
    deepStrictEqual([found.photos.length, found.unlabelled], [4, ["d.heif"]]);
    match(found.unreadable.find(({ path }) => path === "b.heic")!.why, /^it is none of JPEG, PNG/);
    match(
      proposePipeline(found),
      /\n# 2 of 3 opened photos cannot be read, such as ([bc]\.\w+): it is (?:none of JPEG|empty).*\n/,
    );
  });
});

Deno.test("lookAt() takes no row for a header", async () => {
  const face = await drawFace(30, true);
  const files = { "l.csv": "a.png,34,m\nb.png,40,f\nc.png,3,f\n", "a.png": face, "b.png": face };
  await withFiles({ ...files, "c.png": face }, async (folder) => {
    const { labels, summary } = await look(folder);
    strictEqual(labels, undefined);
    match(summary, /no column "path"; its first line has "a\.png", "34", "m"/);
  });
});

Deno.test("lookAt() takes the folders female and male as labels", async () => {
  const face = await drawFace(30, true);
  await withFiles({ "Female/1.png": face, "more/male/1.jpg": face }, async (folder) => {
    const { labels } = await look(folder);
    deepStrictEqual(labels!.rows.map(({ gender }) => gender), [0, 1]);
  });
});

Deno.test("lookAt() takes few folders of many photos each as classes", async () => {
  const face = await drawFace(30, true);
  const inside = (folders: readonly string[], count = 5) =>
    Object.fromEntries(
      folders.flatMap((folder) =>
        Array.from({ length: count }, (_, i) => [`${folder}/${i}.png`, face])
      ),
    );
  await withFiles(inside(["train/happy", "train/sad", "val/happy", "val/sad"]), async (folder) => {
    const { preset, present, unlabelled } = await look(folder);
    const part = "(?<part>train|test|val|valid|validation|dev)";
    const label = String
      .raw`(?<label>[^\/]*[^\/\d][^\/]*)\/[^\/]*\.(?:jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|hei[cf])`;
    deepStrictEqual(preset, { photos: String.raw`${part}\/${label}` });
    deepStrictEqual([present.length, unlabelled], [20, []]);
    deepStrictEqual(present[0].attributes, { part: "train", label: "happy" });
  });
  const infrared = Object.entries(inside(["rested", "tired"])).map(([path, bytes], i) =>
    [i % 2 ? path : path.replace(".png", ".TIFF"), bytes] as const
  );
  await withFiles(Object.fromEntries(infrared), async (folder) => {
    deepStrictEqual((await look(folder)).present.length, 10);
  });
  await withFiles(inside(["White", "Black"]), async (folder) => {
    const found = await look(folder), yaml = proposePipeline(found);
    deepStrictEqual(
      new Set(found.present.map(({ attributes }) => attributes!.label)),
      new Set(["Black", "White"]),
    );
    match(yaml, /\n {2}trainLabel:\n {4}use: trainClassifier\n {4}target: label\n/);
    match(yaml, /\n# Networks of label are guesses: remove those that are no labels\.\n/);
  });
  for (
    const files of [
      inside(["train", "test"]),
      inside(["train", "val", "holdout"]),
      inside(["images", "masks"]),
      inside(["a", "b"], 2),
      inside(["00", "01"]),
      inside(["a"]),
    ]
  ) {
    await withFiles(files, async (folder) => {
      strictEqual((await look(folder)).labels, undefined);
    });
  }
  await withFiles({ ...inside(["a", "b"]), "l.csv": "path,age\nx" }, async (folder) => {
    match(
      (await look(folder)).summary,
      /line 2 has 1 value/,
      "a table counts more, also a damaged one",
    );
  });
});

Deno.test("lookAt() names the folder, links to nothing, and known attributes alone", async () => {
  const face = await drawFace(30, true),
    csv = "path,age,city\nb.jpg,40,Köln\na.jpg,30,\nc.jpg,50,\n";
  await withFiles(
    { "été 😀/l.csv": csv, "été 😀/a.jpg": face, "été 😀/b.jpg": face },
    async (parent) => {
      const folder = join(parent, "été 😀");
      await Deno.symlink("nowhere.jpg", join(folder, "c.jpg"));
      const { name, shown, unreadable } = await look(folder);
      strictEqual(name, "été 😀");
      deepStrictEqual(shown.map(({ name }) => name).sort(), ["a.jpg, 30", "b.jpg, 40, city Köln"]);
      deepStrictEqual(shown.map(({ label }) => label).sort(), ["30", "40"]);
      deepStrictEqual(unreadable, [{ path: "c.jpg", why: "it is missing" }]);
    },
  );
});

Deno.test("lookAt() finds photos in either Unicode form, as the pipeline does", async () => {
  const face = await drawFace(30, true), name = "Zo\u00eb.png";
  for (const [listed, stored] of [[name, name.normalize("NFD")], [name.normalize("NFD"), name]]) {
    const files = { "l.csv": `path,age\n${listed},30\n`, [stored]: face };
    await withFiles(files, async (folder) => {
      const { labels, present, missing, unlabelled } = await look(folder);
      deepStrictEqual([labels?.rows.length, present.length, missing, unlabelled], [1, 1, [], []]);
    });
    const below = { "l.csv": `file,years_of_age\n${listed},30\n`, [`img/${stored}`]: face };
    await withFiles(below, async (folder) => {
      const { labels, present } = await look(folder);
      deepStrictEqual([labels?.rows[0].age, present.length], [30, 1], "by the end of its path");
    });
  }
});

Deno.test("lookAt() says why a CSV is of no use where nothing else has labels", async () => {
  const face = await drawFace(30, true);
  const summaryOf = async (csv: string | Uint8Array) => {
    let summary = "", yaml = "";
    await withFiles({ "l.csv": csv, "a.png": face }, async (folder) => {
      const found = await look(folder);
      [summary, yaml] = [found.summary, proposePipeline(found)];
      strictEqual(found.labels, undefined);
    });
    return { summary, yaml };
  };
  match(
    (await summaryOf("path,age,gender\na.png,30\n")).summary,
    /no labels found\. .*line 2 has 2/,
  );
  const latin = Uint8Array.from("path,age,n\xe4me\na.png,30,x\n", (char) => char.charCodeAt(0));
  match((await summaryOf(latin)).summary, /no labels found\. .*it is not UTF-8\. Save it as/);
  match(
    (await summaryOf("path,age\nb.png,30\n")).summary,
    /no labels found\. l\.csv has 1 row, and none of a photo that is there, such as "b\.png"\./,
  );
  const { summary } = await summaryOf("file,name\nb.png,30\n");
  match(
    summary,
    /no column "path"; its first line has "file", "name"\. Rename columns, or write a preset\.$/,
  );
  match(
    (await summaryOf("photo;sex\nb.png;f\n")).summary,
    /no labels found\. l\.csv has 1 row, and none of a photo that is there, such as "b\.png"\./,
  );
  const { yaml } = await summaryOf("path,age\na.png\n../b.png,30\n");
  match(yaml, /\n# .*2 errors:\n# {3}.*line 2 has 1 value.*\n# {3}on line 3 the path/);
});

Deno.test({
  name: "lookAt() names a folder that it cannot list, and the way out",
  ignore: Deno.build.os !== "linux", // elsewhere all names are Unicode
  async fn() {
    await withFiles({ "a.png": await drawFace(30, true) }, async (folder) => {
      const { success } = await new Deno.Command("sh", {
        args: ["-c", "mkdir \"$(printf 'm\\374ller')\""],
        cwd: folder,
      }).output();
      ok(success);
      await rejects(
        look(folder),
        /list the folder ".*m\ufffdller": its name is not UTF-8\. Rename it\.$/,
      );
    });
  },
});

Deno.test("lookAt() names a damaged table where nothing has labels", async () => {
  await withFiles({ "a.png": await drawFace(30, true), "l.json": '[{"path":' }, async (folder) => {
    match((await look(folder)).summary, /no labels found\. "l\.json" is not valid JSON \(.*\)\.$/);
  });
});

Deno.test("data names TMPDIR where an archive has no room unpacked", async (t) => {
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  await withFiles({ "a.tar.gz": gzipSync(noise) }, async (folder) => {
    await using small = await mounted("size=32k", join(folder, "small"));
    await t.step({
      name: "on a full disk",
      ignore: small === undefined,
      async fn() {
        const { stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-q", "--no-prompt", "-P=compute", "main.ts", "data", folder],
          cwd: root,
          env: { TMPDIR: join(folder, "small") },
        }).output();
        match(new TextDecoder().decode(stderr), /unpacked into .*small.*: set TMPDIR to a folder/);
      },
    });
  });
});

Deno.test("lookAt() ends the error of an archive in one full stop", async () => {
  await withFiles({ "a.zip": "hello" }, async (folder) => {
    await rejects(look(join(folder, "a.zip")), /Cannot look at .*another format\.$/);
    await rejects(look(join(folder, "a.zip")), (error) => !/\.\.$/.test((error as Error).message));
  });
});
