import { deepStrictEqual, equal, match, notDeepStrictEqual, ok } from "node:assert/strict";
import { planSample, type Row } from "../../../faces/synthetic/sample_archive.ts";
import { ageAt as ageFromDates } from "../../../faces/datasets/mat_rows.ts";

const rows = planSample(42, 400);
const good = rows.filter(({ kind }) => kind === "good");

const ageAt = ({ dob, year }: Row) => ageFromDates(dob, year);

Deno.test("planSample() is the same for the same seed, another for another", () => {
  deepStrictEqual(planSample(42, 400), rows);
  notDeepStrictEqual(planSample(43, 400), rows);
});

Deno.test("planSample() has as many good rows as asked for, half of them women, of all ages", () => {
  equal(good.length, 400);
  const men = good.filter(({ gender }) => gender === 1).length;
  ok(Math.abs(men - 200) < 8, `${men} of 400 are men`);
  const ages = good.map(ageAt).sort((a, b) => a - b);
  ok(ages[0] >= 0 && ages[0] < 6 && ages[399] > 88 && ages[399] <= 95);
  ok(ages[100] < 30 && ages[300] > 50, "no spread of ages");
});

Deno.test("planSample() has each flaw, and each shows in its fields", () => {
  const count: Record<string, number> = {};
  for (const row of rows) {
    count[row.kind] = (count[row.kind] ?? 0) + 1;
    equal(Number.isNaN(row.gender), row.kind === "unknownGender");
    equal(row.score === -Infinity, row.kind === "noFace");
    equal(row.score < 1, row.kind === "noFace" || row.kind === "lowScore");
    equal(row.secondScore > 0, row.kind === "secondFace");
    equal(ageAt(row) < 0 || ageAt(row) > 100, row.kind === "absurdAge", JSON.stringify(row));
  }
  deepStrictEqual(count, {
    good: 400,
    unknownGender: 8,
    noFace: 12,
    lowScore: 4,
    secondFace: 8,
    absurdAge: 4,
    missing: 2,
    truncated: 2,
    empty: 1,
    notImage: 1,
  });
  ok(Object.keys(count).every((kind) => planSample(1, 5).some((row) => row.kind === kind)));
});

Deno.test("planSample() draws the age that the dates say", () => {
  for (const row of good) {
    ok(Math.abs(row.age - 0.5 - ageAt(row)) <= 0.51, `${row.age} is not ${ageAt(row)}`);
  }
});

Deno.test("planSample() names files as IMDB-WIKI does, each once", () => {
  for (const { path, year } of rows) {
    match(path, /^(\d\d)\/\d{6,}\1_\d{4}-\d\d-\d\d_\d{4}\.jpg$/);
    ok(path.endsWith(`_${year}.jpg`));
  }
  equal(new Set(rows.map(({ path }) => path)).size, rows.length);
});

Deno.test("planSample() shows some people several times: one name, one birthday, one gender", () => {
  const people = new Map<string, Row[]>();
  for (const row of good) {
    const key = `${row.name} ${row.dob}`;
    people.set(key, [...people.get(key) ?? [], row]);
  }
  const several = [...people.values()].filter(({ length }) => length > 1);
  ok(several.length > 20 && several.length < people.size / 3, `${several.length} people`);
  for (const photos of several) {
    ok(photos.every(({ person }) => person === photos[0].person));
    equal(new Set(photos.map(({ year }) => year)).size, photos.length);
  }
  // deno-lint-ignore no-control-regex -- ASCII is what is looked for
  ok(rows.some(({ name }) => !/^[\x00-\x7f]*$/.test(name)), "all names are ASCII");
});
