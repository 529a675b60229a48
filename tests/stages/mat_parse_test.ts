import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { type MatField, writeMat } from "../../packages/formats/mat_write.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import type { ArchivedDataset } from "../../faces/datasets/archives.ts";
import download from "../../stages/download.ts";
import matParse from "../../stages/matParse.ts";
import { testArtifact, testContext } from "../context.ts";
import { gradient } from "../faces/detection/fixture.ts";

/** A date as MATLAB's datenum gives it. */
const datenum = (year: number, month: number, day: number) => {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC would take 99 for 1999
  return date.getTime() / 86_400_000 + 719_529;
};

interface Person {
  dob: number;
  photo_taken: number;
  full_path: string;
  gender: number;
  name: string;
  face_location: number[];
  face_score: number;
  second_face_score: number;
  celeb_id?: number;
}

const good: Person = {
  dob: datenum(1950, 3, 1),
  photo_taken: 1980,
  full_path: "17/1001_1950-03-01_1980.jpg",
  gender: 1,
  name: "Ada",
  face_location: [1, 2, 101, 102],
  face_score: 2,
  second_face_score: NaN,
};

/** The fields of IMDB-WIKI's struct from rows. */
function fields(rows: Person[]): Record<string, MatField> {
  const numbers = (key: "dob" | "photo_taken" | "gender" | "face_score" | "second_face_score") =>
    rows.map((row) => row[key]);
  return {
    dob: numbers("dob"),
    photo_taken: numbers("photo_taken"),
    full_path: { cell: rows.map((row) => row.full_path) },
    gender: numbers("gender"),
    name: { cell: rows.map((row) => row.name) },
    face_location: { cell: rows.map((row) => row.face_location) },
    face_score: numbers("face_score"),
    second_face_score: numbers("second_face_score"),
    ...(rows[0].celeb_id !== undefined && { celeb_id: rows.map((row) => row.celeb_id!) }),
  };
}

/** Calls with an archives artifact that holds these MATLAB files and no photos. */
async function withArchives(
  mats: Record<string, { variable: string; bytes: Uint8Array }>,
  test: (archives: Artifact) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const datasets: ArchivedDataset[] = [];
    for (const [name, { variable, bytes }] of Object.entries(mats)) {
      const tar = `${name}.tar`;
      using writer = new TarWriter(join(folder, tar));
      const { path, offset, size } = writer.add(`${name}/${variable}.mat`, bytes);
      writer.close();
      const metadata = { tar, path, offset, size, variable };
      datasets.push({ name, layout: "crop", tars: [], metadata });
    }
    await Deno.writeTextFile(join(folder, "archives.json"), JSON.stringify({ datasets }));
    await writeParquet(join(folder, "index.parquet"), {
      dataset: { type: "string", values: [] },
      tar: { type: "string", values: [] },
      path: { type: "string", values: [] },
      offset: { type: "int64", values: [] },
      size: { type: "int64", values: [] },
    });
    await test(testArtifact(folder, "archives"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const columns = {
  full_path: "string",
  dataset: "string",
  age: "int32",
  gender: "int32",
  name: "string",
  identity: "string",
  face_location: "float64[]?",
} as const;

async function parse(archives: Artifact, params: Record<string, unknown> = {}, seed = 42) {
  using context = testContext(matParse, { seed });
  await context.run({ archives }, params);
  const folder = context.outputs.table;
  return {
    table: await readParquet(join(folder, "table.parquet"), columns),
    summary: JSON.parse(await Deno.readTextFile(join(folder, "summary.json"))),
    infos: context.infos,
    warnings: context.warnings,
  };
}

const wiki = (rows: Person[]) => ({
  wiki_crop: { variable: "wiki", bytes: writeMat("wiki", fields(rows)) },
});

Deno.test("matParse makes a row of each row that the filter keeps, in order", async () => {
  const rows: Person[] = [
    good,
    { ...good, full_path: "18/1002_1960-07-02_1980.jpg", dob: datenum(1960, 7, 2), gender: 0 },
    { ...good, full_path: "19/1001_1950-03-01_1990.jpg", photo_taken: 1990, name: "Ada 名" },
    { ...good, full_path: "20/noid.jpg", face_location: [1, NaN, 3, 4] },
  ];
  await withArchives(wiki(rows), async (archives) => {
    const { table, summary, infos } = await parse(archives);
    deepStrictEqual(table, {
      full_path: rows.map((row) => row.full_path),
      dataset: ["wiki_crop", "wiki_crop", "wiki_crop", "wiki_crop"],
      age: [30, 19, 40, 30],
      gender: [1, 0, 1, 1],
      name: ["Ada", "Ada", "Ada 名", "Ada"],
      identity: ["wiki:1001", "wiki:1002", "wiki:1001", `wiki:Ada/${good.dob}`],
      face_location: [[1, 2, 101, 102], [1, 2, 101, 102], [1, 2, 101, 102], null],
    });
    deepStrictEqual([summary.read, summary.kept], [4, 4]);
    deepStrictEqual(infos, ["wiki_crop: kept 4 of 4 rows."]);
  });
});

Deno.test("matParse counts what it drops by reason", async () => {
  const rows: Person[] = [
    good,
    { ...good, face_score: -Infinity },
    { ...good, face_score: -Infinity, gender: NaN }, // one row, one reason
    { ...good, face_score: NaN },
    { ...good, face_score: 0.99 },
    { ...good, face_score: 1 },
    { ...good, second_face_score: 0.1 },
    { ...good, gender: NaN },
    { ...good, gender: 2 },
    { ...good, dob: NaN },
    { ...good, photo_taken: NaN },
    { ...good, photo_taken: 1949 },
    { ...good, photo_taken: 2051 },
    { ...good, photo_taken: 1950 }, // age 0
    { ...good, photo_taken: 2050 }, // age 100
    { ...good, full_path: "" },
  ];
  await withArchives(wiki(rows), async (archives) => {
    const { table, summary, infos } = await parse(archives);
    deepStrictEqual(table.age, [30, 30, 0, 100]);
    deepStrictEqual(summary.datasets.wiki_crop, {
      read: 16,
      kept: 4,
      dropped: {
        noFace: 3,
        lowFaceScore: 1,
        secondFace: 1,
        unknownGender: 2,
        unknownAge: 2,
        ageOutside: 2,
        noPath: 1,
        repeated: 0,
      },
    });
    match(
      infos[0],
      /^wiki_crop: kept 4 of 16 rows; dropped 3 without a face, 1 with a low face score/,
    );

    const wide = await parse(archives, {
      minFaceScore: 0,
      allowSecondFace: true,
      minAge: -1,
      maxAge: 200,
    });
    strictEqual(wide.summary.kept, 8);
  });
});

Deno.test("matParse gives a person one identity in imdb and none of wiki's", async () => {
  const imdb = [
    { ...good, celeb_id: 5, full_path: "01/nm0000001_rm1_1950-03-01_1980.jpg" },
    { ...good, celeb_id: 5, full_path: "01/nm0000001_rm2_1950-03-01_1980.jpg" },
    { ...good, celeb_id: NaN, full_path: "02/nm0000002_rm3_1950-03-01_1980.jpg" },
  ];
  await withArchives({
    imdb_crop: { variable: "imdb", bytes: writeMat("imdb", fields(imdb)) },
    ...wiki([{ ...good, full_path: "05/5_1950-03-01_1980.jpg" }]),
  }, async (archives) => {
    const { table } = await parse(archives);
    deepStrictEqual(table.identity, ["imdb:5", "imdb:5", "imdb:nm0000002", "wiki:5"]);
    deepStrictEqual(table.dataset, ["imdb_crop", "imdb_crop", "imdb_crop", "wiki_crop"]);
  });
});

Deno.test("matParse draws a sample by the seed, and says when there are fewer", async () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    ...good,
    full_path: `17/${String(i).padStart(3, "0")}_x.jpg`,
  }));
  await withArchives(wiki(rows), async (archives) => {
    const drawn = await parse(archives, { sample: 10 });
    strictEqual(drawn.table.full_path.length, 10);
    deepStrictEqual(drawn.table.full_path, drawn.table.full_path.toSorted(), "in the file's order");
    deepStrictEqual([drawn.summary.kept, drawn.summary.sampled], [50, 10]);
    deepStrictEqual((await parse(archives, { sample: 10 })).table, drawn.table);
    const other = await parse(archives, { sample: 10 }, 43);
    ok(JSON.stringify(other.table) !== JSON.stringify(drawn.table));

    const all = await parse(archives, { sample: 51 });
    strictEqual(all.table.full_path.length, 50);
    deepStrictEqual(all.infos[1], "sample: 51 rows requested, 50 pass the filter.");
  });
  ok(matParse.seeded(z.parse(matParse.params, { sample: 1 })));
  ok(!matParse.seeded(z.parse(matParse.params, {})));
});

Deno.test("matParse says what is wrong with a MATLAB file", async () => {
  const broken = async (bytes: Uint8Array, message: RegExp) => {
    await withArchives({ wiki_crop: { variable: "wiki", bytes } }, async (archives) => {
      await rejects(parse(archives), message);
    });
  };
  await broken(
    writeMat("imdb", fields([good])),
    /Cannot use "wiki_crop\/wiki.mat": it has no struct "wiki"; it holds imdb \(struct\)/,
  );
  const { gender: _gender, ...without } = fields([good]);
  await broken(writeMat("wiki", without), /has no field "gender", only dob, photo_taken/);
  await broken(
    writeMat("wiki", { ...fields([good]), dob: [1, 2] }),
    /field "dob" has 2 rows, "full_path" has 1/,
  );
  await broken(
    writeMat("wiki", { ...fields([good]), face_location: { cell: [[1, 2]] } }),
    /part 0 of a cell\) is not 4 numbers/,
  );
  await broken(
    new Uint8Array(500),
    /Cannot read "wiki_crop\/wiki.mat": it is not a MATLAB level-5/,
  );
  await broken(
    writeMat("wiki", fields([{ ...good, gender: NaN }])),
    /^Error: Cannot create the table: none of 1 row passes the filter\.\n {2}1 of 1: of unknown gender - label/,
  );
});

Deno.test("matParse advises by cause, the most frequent first, and about nothing else", async () => {
  const rows = [
    ...[0, 1, 2].map(() => ({ ...good, face_score: 0.5 })),
    ...[0, 1].map(() => ({ ...good, second_face_score: 2 })),
    { ...good, photo_taken: 2200 },
  ];
  await withArchives(wiki(rows), async (archives) => {
    await rejects(() => parse(archives), {
      message: "Cannot create the table: none of 6 rows passes the filter." +
        "\n  3 of 6: with a low face score - lower matParse.minFaceScore (1)" +
        "\n  2 of 6: with a second face - set matParse.allowSecondFace: true" +
        "\n  1 of 6: outside the age range - widen matParse.minAge and maxAge (0 to 100)",
    });
  });
});

Deno.test("matParse quotes the labels that it does not understand where nothing is left", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      join(folder, "labels.csv"),
      "path,age,gender\na.jpg,twenties,f\nb.jpg,adult,m\nc.jpg,30,divers\n",
    );
    for (const name of "abc") {
      await Deno.writeFile(join(folder, `${name}.jpg`), await gradient(1, 8));
    }
    using downloaded = testContext(download);
    await downloaded.run({}, { datasets: [{ folder }] });
    await rejects(() => parse(downloaded.artifact("archives")), {
      message: "Cannot create the table: none of 3 rows passes the filter." +
        '\n  2 of 3: of unknown age (such as "twenties") - label them with an age in years, or with ' +
        "born and taken" +
        '\n  1 of 3: of unknown gender (such as "divers") - label them: 1, m, male or 0, f, female',
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const faces = Deno.env.get("FACES_DIR");
Deno.test({
  name: "matParse agrees to the row with what is known of real-format archives" +
    (faces ? "" : " (FACES_DIR is not set)"),
  ignore: !faces,
  async fn() {
    using downloaded = testContext(download);
    await downloaded.run({}, { datasets: ["wiki_crop", "imdb_crop"], mirror: faces });
    const { table, summary } = await parse(downloaded.artifact("archives"));
    const lines = (await Deno.readTextFile(join(faces!, "expected.csv"))).trim().split("\n");
    const rows = lines.slice(1).map((line) => line.split(","));
    const kept = rows.filter(([, , , kind]) =>
      ["keep", "missing", "truncated", "empty", "not_image"].includes(kind)
    );
    deepStrictEqual(
      table.full_path.map((path, i) => [table.dataset[i], path, table.age[i], table.gender[i]]),
      kept.map(([archive, , path, , age, gender]) => [
        archive.replace(".tar", ""),
        path,
        Number(age),
        Number(gender),
      ]),
    );
    for (
      const [kind, reason] of [
        ["no_face", "noFace"],
        ["low_score", "lowFaceScore"],
        ["second_face", "secondFace"],
        ["nan_gender", "unknownGender"],
        ["age_range", "ageOutside"],
      ]
    ) {
      for (const dataset of ["wiki_crop", "imdb_crop"]) {
        const expected = rows.filter((row) => row[0].startsWith(dataset) && row[3] === kind).length;
        strictEqual(summary.datasets[dataset].dropped[reason], expected, `${dataset} ${kind}`);
      }
    }
  },
});

Deno.test("matParse corrects or drops labels that were judged wrong, and counts them", async () => {
  const rows = ["a", "b", "c", "d"].map((name) => ({ ...good, full_path: `${name}.jpg`, name }));
  await withArchives(wiki(rows), async (archives) => {
    const folder = await Deno.makeTempDir(), verdicts = join(folder, "verdicts.csv");
    const write = (...lines: string[]) =>
      Deno.writeTextFile(
        verdicts,
        ["dataset,path,column,label,verdict,correction", ...lines].join("\n"),
      );
    try {
      await write(
        "wiki_crop,a.jpg,gender,male,wrong,female",
        "wiki_crop,b.jpg,age,30,wrong,",
        "wiki_crop,c.jpg,gender,male,right,",
        "wiki_crop,c.jpg,age,30,wrong,31",
        "wiki_crop,d.jpg,age,77,wrong,31", // another label than the row's
        "other,d.jpg,age,30,wrong,31",
      );
      const facts = await matParse.external({ verdicts });
      const { table, summary, infos, warnings } = await parse(archives, { verdicts });
      deepStrictEqual(table.full_path, ["a.jpg", "c.jpg", "d.jpg"]);
      deepStrictEqual([table.gender, table.age], [[0, 1, 1], [30, 31, 30]]);
      const { dropped, corrected } = summary.datasets.wiki_crop;
      deepStrictEqual([dropped.judgedWrong, corrected], [1, 2]);
      match(infos.join(), /1 with a label judged wrong; corrected 2 labels\./);
      match(warnings.join(), /1 verdict without a row of that path and label/);
      match(
        warnings.join(),
        /1 verdict of data sets that are not read: other\. There are wiki_crop;/,
      );
      await write();
      ok((await matParse.external({ verdicts })).verdicts !== facts.verdicts);
      await Deno.writeTextFile(verdicts, "path,verdict\n");
      await rejects(
        parse(archives, { verdicts }),
        /has no column dataset, column, label, correction/,
      );
      await rejects(
        matParse.external({ verdicts: join(folder, "none.csv") }),
        /Cannot read matParse.verdicts/,
      );
      for (
        const [line, problem] of [
          ["c.jpg,gender,male,wrong,Female", /line 2 has the correction "Female" of a gender/],
          ["c.jpg,age,30,wrong,thirty", /line 2 has the correction "thirty" of an age/],
          ["c.jpg,age,30,Wrong,31", /line 2 has the verdict "Wrong", not right or wrong/],
        ] as const
      ) {
        await write(`wiki_crop,${line}`);
        await rejects(parse(archives, { verdicts }), problem);
      }
      const without = (await parse(archives)).summary.datasets.wiki_crop;
      strictEqual("corrected" in without || "judgedWrong" in without.dropped, false);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
