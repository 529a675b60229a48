/** Labels of a folder of photos. */
import { deepStrictEqual, rejects, throws } from "node:assert/strict";
import { parseLabels } from "../../../faces/datasets/labels.ts";
import { facePaths, photoOf } from "../../../faces/datasets/rows.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const labels = (text: string) => parseLabels(bytes(text), "mine/people.csv");

Deno.test("parseLabels() knows the usual words, ages and dates", () => {
  const { rows, doubts } = labels(
    "path,AGE,Gender,born,taken,identity,mood\n" +
      "a.jpg,34,f,,,Ada,good\n" +
      "./b.jpg,34.9,MALE,,,,\n" +
      'b\\c.jpg,"0,5",1.0,,,,\n' +
      "d.jpg,,m,1980-03-01,2010-02-28,,\n" +
      "e.jpg,NaN,0,1980-03-01,2010-03-01T08:00:00,,\n" +
      "f.jpg,,woman,1980,2010,,\n" +
      "g.jpg,,M,1980-07-02,2010,,\n" +
      "h.jpg,-3,?,,,,\n" +
      "i.jpg,,M,1980:07:02,2010:07:02 08:00:00,,\n",
  );
  deepStrictEqual(rows.map(({ path }) => path), [
    ...["a.jpg", "b.jpg", "b/c.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg", "h.jpg", "i.jpg"],
  ]);
  deepStrictEqual(rows.map(({ age }) => age), [34, 34, 0, 29, 30, 30, 29, -3, 30]);
  deepStrictEqual(rows.map(({ gender }) => gender), [0, 1, 1, 1, 0, 0, 1, NaN, 1]);
  deepStrictEqual([rows[0].identity, rows[1].identity], ["Ada", null]);
  deepStrictEqual(doubts, [], "what says that it is unknown is understood");
});

Deno.test("parseLabels() lists genders that it does not know", () => {
  const { rows, doubts } = labels("path,gender\na.jpg,constructor\nb.jpg,other\n");
  deepStrictEqual(rows.map(({ gender }) => gender), [NaN, NaN]);
  deepStrictEqual(doubts.map(({ value }) => value), ["constructor", "other"]);
});

Deno.test("parseLabels() lists errors of any number of rows", () => {
  const rows = "/a.jpg,1\n".repeat(150_000) + "b.jpg\n".repeat(150_000); // more than a call takes
  throws(() => labels("path,age\n" + rows), /300000 errors:.*\n {2}and 299980 more\.$/s);
});

Deno.test("parseLabels() takes no unknown identity or name for a person", () => {
  const { rows } = labels(
    "path,age,identity,name\na.jpg,1,NA,?\nb.jpg,2,?,unknown\nc.jpg,3,None,-\nd.jpg,4,Nan A,N/B\n",
  );
  deepStrictEqual(rows.map(({ identity, name }) => [identity, name]), [
    ...[[null, null], [null, null], [null, null], ["Nan A", "N/B"]],
  ]);
  // Clusterings and many data sets write -1.
  const numbered = labels("path,age,identity\na.jpg,1,-1\nb.jpg,2,-1.0\nc.jpg,3,1\nd.jpg,4,0\n");
  deepStrictEqual(numbered.rows.map(({ identity }) => identity), [null, null, "1", "0"]);
});

Deno.test("parseLabels() takes a month or day of 0 for an unknown one, and no year of 0", () => {
  const { rows, doubts } = labels(
    "path,born,taken\na.jpg,1980-00-00,2010\nb.jpg,1980-08-00,2010-00-00\nc.jpg,0000-00-00,2010\n" +
      "d.jpg,1980-00-00T00:00:00Z,2010-06-30\ne.jpg,1980,0000:00:00 00:00:00\n" +
      "f.jpg,2000-02-29,2018-02-28\ng.jpg,2000-02-29,2018-03-01\nh.jpg,2001-02-29,2018\n",
  );
  deepStrictEqual(rows.map(({ age }) => age), [30, 29, NaN, 29, NaN, 17, 18, NaN]);
  deepStrictEqual(doubts.map(({ line }) => line), [4, 6, 9]);
});

Deno.test("parseLabels() trims quoted values as others, but names of files", () => {
  const { rows } = labels(
    'path,age,gender,identity,mood\n"a .jpg"," 40","w ","001 "," 5"\nb.jpg,40,f,001,5\n',
  );
  const [a, b] = rows.map(({ path: _, line: __, gender: ___, ...rest }) => rest);
  deepStrictEqual(a, b);
  deepStrictEqual(rows[0].path, "a .jpg");
  deepStrictEqual(rows[0].attributes, { mood: 5 });
});

Deno.test("parseLabels() reads dates of a day first, where points leave no doubt", () => {
  const { rows, doubts } = labels(
    "path;born;taken\na.jpg;03.04.1980;2.4.2010\nb.jpg;3.4.1980;03.04.2010 08:15\n" +
      "c.jpg;31.02.1980;2010\nd.jpg;03/04/1980;2010\ne.jpg;03.04.80;2010\n",
  );
  deepStrictEqual(rows.map(({ age }) => age), [29, 30, NaN, NaN, NaN]);
  deepStrictEqual(doubts.map(({ line }) => line), [4, 5, 6]);
});

Deno.test("parseLabels() reads numbers as programs write them", () => {
  const read = (...values: string[]) =>
    labels("path,score\n" + values.map((value, i) => `${i}.jpg,${value}\n`).join(""))
      .rows.map(({ attributes }) => attributes!.score_);
  deepStrictEqual(read("0.5", "1e-05", "-2.5E+3", "NaN"), [0.5, 1e-5, -2500, null]);
  deepStrictEqual(read("0.5", "12e4"), ["0.5", "12e4"]);
  const { rows: [{ box }] } = labels(
    "path,age,left,top,right,bottom\na.jpg,1,-3.1e-05,0,1.5E+2,90\n",
  );
  deepStrictEqual(box, [-3.1e-5, 0, 150, 90]);
});

Deno.test("parseLabels() reads no interval that ends before it begins", () => {
  const { rows } = labels("path,age\na.jpg,70+\nb.jpg,101+\nc.jpg,over 120\n");
  deepStrictEqual(rows.map(({ age }) => age), [NaN, 101, 120]);
  deepStrictEqual(rows.map(({ attributes }) => attributes), [
    { age_low: 70, age_high: 100 },
    ...[undefined, undefined],
  ]);
  const swapped = labels("path,age_low,age_high,gender\na.jpg,32,25,m\nb.jpg,25,32,m\n");
  deepStrictEqual(swapped.rows.map(({ attributes }) => attributes?.age_low), [undefined, 25]);
  deepStrictEqual(swapped.doubts, [{ line: 2, column: "age_low", value: "32" }]);
});

Deno.test("parseLabels() lists what it does not understand, and takes it for unknown", () => {
  const { rows, doubts } = labels(
    "path;age;gender;born;taken\na;old;femal;;\nb;;m;1980-02-30;2000\na;30;m;;\n",
  );
  deepStrictEqual(rows.map(({ age, gender }) => [age, gender]), [[NaN, NaN], [NaN, 1], [30, 1]]);
  deepStrictEqual(doubts, [
    { line: 2, column: "gender", value: "femal" },
    { line: 2, column: "age", value: "old" },
    { line: 3, column: "born", value: "1980-02-30" },
  ]);
});

Deno.test("parseLabels() refuses what cannot be meant, and says where", async () => {
  const refused = (text: string, why: RegExp) => rejects(Promise.try(() => labels(text)), why);
  await refused("path,name\n", /"mine\/people.csv": it has no labels: .* "path", "name"/);
  await refused("file,age,gender\n", /it has no column "path"/);
  await refused("path,born\n", /no column "age", nor "born" and "taken", nor "gender"/);
  await refused("path,age,gender,Age\n", /it has two columns "Age".* "age"; rename one\.$/);
  await refused("path,age,score,score_\n", /two columns "score_", one of them written "score";/);
  await refused("path,age,caf\u00e9,cafe\u0301\n", /it has two columns "cafe\u0301"/);
  await refused("path,age,mood,mood,\na,1,good,bad,\n", /it has two columns "mood"; rename one\.$/);
  await refused(
    "path,age\na.jpg#face2,1\n",
    /on line 2 the path "a\.jpg#face2" .* Rename the photo/,
  );
  await refused(
    'path,age\n"a\nb.jpg",1\n',
    /on line 3 the path "a\\nb\.jpg" has a line break or another control character\. Rename/,
  );
  for (const path of ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "..\\x.jpg"]) {
    await refused(
      `path,age,gender\na.jpg,1,m\n${path},2,f\n`,
      /on line 3 the path .* leads outside/,
    );
  }
});

Deno.test("parseLabels() tells all structural mistakes at once", async () => {
  const table = "path,name\n../x.jpg,m\na.jpg,m,1\n/y.jpg,f\nb.jpg\nc.jpg,f,,\n";
  await rejects(
    Promise.try(() => labels(table)),
    ({ message }: Error) => {
      deepStrictEqual(message.split("\n  "), [
        'Cannot use "mine/people.csv": 5 errors:',
        "line 3 has 3 values, the header 2; quote values that contain a separator",
        "line 5 has 1 value, the header 2",
        'it has no labels: no column "age", nor "born" and "taken", nor "gender"; its first line has ' +
        '"path", "name". Rename columns, or take the preset that deno task data FOLDER proposes',
        'on line 2 the path "../x.jpg" leads outside of the folder. Paths are relative to the folder; ' +
        "put the photo, or a link to it, there, or take the preset that deno task data FOLDER proposes",
        'on line 4 the path "/y.jpg" leads outside of the folder.',
      ]);
      return true;
    },
  );
  const many = Array.from({ length: 100 }, (_, i) => `${i}.jpg\n`).join("");
  await rejects(
    Promise.try(() => labels("path,age,gender\n" + many)),
    /100 errors:\n {2}line 2 has 1 .*\n {2}line 21 has 1 value, the header 3\n {2}and 80 more\.$/s,
  );
  const absolute = "path,age\n" + many.replaceAll(/^/gm, "/data/").replaceAll(".jpg", ".jpg,1");
  await rejects(
    Promise.try(() => labels(absolute)),
    /"\/data\/0.jpg".*Paths are relative.*and \d/s,
  );
});

Deno.test("parseLabels() leaves out the year at the round one of unequal brackets", () => {
  const { rows } = labels(
    'path,age\na,"(40, 50]"\nb,"[40,50)"\nc,"(40;50)"\nd,"[40,41)"\ne,"(4,4]"\n',
  );
  deepStrictEqual(
    rows.map(({ age, attributes: { age_low, age_high } = {} }) => [age, age_low, age_high]),
    [
      [NaN, 41, 50],
      [NaN, 40, 49],
      [NaN, 40, 50],
      [40, undefined, undefined],
      [NaN, undefined, undefined],
    ],
  );
});

Deno.test("parseLabels() keeps intervals, boxes and other columns", () => {
  const { rows, columns, doubts } = labels(
    "path,age,age_low,age_high,Ethnicity,score,time,left,top,right,bottom,\n" +
      'a,"(25, 32)",,,East Asian,0.5,20170109150557335,1,2,3,4,0\n' +
      "b,20-29,,,,-1,0012,,,,,1\n" +
      "c,more than 70,,,?,0.25,1,,2,3,4,2\n" +
      "d,,4,6,White,3,2,,,,,3\n" +
      "e,7-7,,,White,,,,,,,4\nf,60+,,,White,,,,,,,4\ng,9-7,,,,,,,,,,\n",
  );
  deepStrictEqual(columns, { gender: false, age: true });
  deepStrictEqual(rows.map(({ age }) => age), [NaN, NaN, NaN, NaN, 7, NaN, NaN]);
  deepStrictEqual(
    rows.map(({ attributes = {} }) => [attributes.age_low, attributes.age_high]),
    [[25, 32], [20, 29], [70, 100], [4, 6], [undefined, undefined], [60, 100], [
      undefined,
      undefined,
    ]],
  );
  deepStrictEqual(
    rows.slice(0, 3).map(({ attributes }) => ({ ...attributes, age_low: 0, age_high: 0 })),
    [
      { age_low: 0, age_high: 0, Ethnicity: "East Asian", score_: 0.5, time: "20170109150557335" },
      { age_low: 0, age_high: 0, Ethnicity: null, score_: -1, time: "0012" },
      { age_low: 0, age_high: 0, Ethnicity: null, score_: 0.25, time: "1" },
    ],
    "numbers where all values are; a column of the project's tables gets another name",
  );
  deepStrictEqual(rows.map(({ box }) => box).slice(0, 3), [[1, 2, 3, 4], null, null]);
  deepStrictEqual(doubts, [{ line: 8, column: "age", value: "9-7" }]);
});

Deno.test("parseLabels() gives labels and columns one Unicode form, and photos theirs", () => {
  const header = "path,age,identity,gr\u00f6\u00dfe,stadt\n";
  const row = (photo: string) => `${photo}.jpg,30,Jos\u00e9,gro\u00df,Z\u00fcrich\n`;
  const { rows, strays } = labels((header + row("\u00e9") + row("\u00e8")).normalize("NFD"));
  deepStrictEqual(rows.map(({ path, identity, attributes }) => [path, identity, attributes]), [
    ["e\u0301.jpg", "Jos\u00e9", { größe: "gro\u00df", stadt: "Z\u00fcrich" }],
    ["e\u0300.jpg", "Jos\u00e9", { größe: "gro\u00df", stadt: "Z\u00fcrich" }],
  ]);
  deepStrictEqual(strays, []);
});

Deno.test("facePaths() numbers the faces of a photo by their boxes", () => {
  const { rows } = labels(
    "path,age,left,top,right,bottom\n" +
      "a.jpg,30,1,1,5,5\na.jpg,31,7,1,9,5\nb.jpg,32,,,,\na.jpg,33,1,1,5,5\na.jpg,34,,,,\n" +
      "b.jpg,35,1,1,5,5\na.jpg,36,2,9,5,12\n",
  );
  const paths = facePaths(rows);
  // A row with the box of an earlier one, or without any, has that one's photo.
  deepStrictEqual(paths, [
    ...["a.jpg", "a.jpg#face2", "b.jpg", "a.jpg", "a.jpg", "b.jpg", "a.jpg#face3"],
  ]);
  deepStrictEqual(paths.map(photoOf), rows.map(({ path }) => path));
});
