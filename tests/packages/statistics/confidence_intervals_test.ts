import assert from "node:assert/strict";
import { random } from "../../../packages/random/random.ts";
import {
  accuracyInterval,
  bootstrap,
  meanInterval,
  statisticInterval,
  wilson,
} from "../../../packages/statistics/confidence_intervals.ts";
import { absoluteErrors } from "../../../packages/statistics/prediction_metrics.ts";
import { close } from "./close.ts";
import statistics from "./statistics.json" with { type: "json" };

Deno.test("wilson() agrees with statsmodels's proportion_confint", () => {
  for (const { right, n, interval: [low, high] } of statistics.wilson) {
    const actual = wilson(right / n, n);
    close(actual.low, low);
    close(actual.high, high);
  }
});

Deno.test("accuracyInterval() is Wilson's where all pictures show different people", () => {
  const right = Float64Array.from({ length: 80 }, (_, i) => i < 76 ? 1 : 0);
  const [low, high] = statistics.wilson.find(({ n }) => n === 80)!.interval;
  for (const people of [undefined, right.map((_, i) => i), new Array(80).fill(null)]) {
    const interval = accuracyInterval(right, people && [...people]);
    assert.deepEqual([interval.method, interval.unit, interval.level], ["wilson", "image", 0.95]);
    close(interval.low, low);
    close(interval.high, high);
  }
});

Deno.test("accuracyInterval() of ten pictures of each person is as wide as of the people", () => {
  const rng = random(5, "people");
  const perPerson = Array.from({ length: 60 }, () => rng.next() < 0.8 ? 1 : 0);
  const people = perPerson.flatMap((_, person) => new Array<string>(10).fill(`person ${person}`));
  const hits = perPerson.flatMap((hit) => new Array<number>(10).fill(hit));
  const interval = accuracyInterval(hits, people);
  assert.deepEqual([interval.method, interval.unit], ["bootstrap", "person"]);
  const ofPeople = accuracyInterval(perPerson);
  close(interval.high - interval.low, ofPeople.high - ofPeople.low, 0.02);
});

Deno.test("accuracyInterval() of nothing but right answers does not claim to be certain", () => {
  const people = Array.from({ length: 30 }, (_, i) => `person ${i % 10}`);
  const interval = accuracyInterval(new Array(30).fill(1), people);
  assert.equal(interval.high, 1);
  close(interval.low, wilson(1, 10).low); // ten people, not thirty pictures
});

Deno.test("accuracyInterval() of two people does not claim to be certain of all", () => {
  const interval = accuracyInterval([1, 0, 1, 0, 1, 0], ["a", "a", "b", "b", "b", "a"]);
  assert.deepEqual([interval.method, interval.unit], ["wilson", "person"]);
  close(interval.low, wilson(0.5, 2).low);
});

Deno.test("meanInterval() agrees with SciPy's percentile bootstrap", () => {
  const { truth, prediction, bootstrap: [low, high] } = statistics.ages;
  const interval = meanInterval(absoluteErrors(truth, prediction))!;
  assert.deepEqual([interval.method, interval.unit], ["bootstrap", "image"]);
  // 2,000 resamples against 100,000: a percentile's own error is about a twentieth of the width.
  const tolerance = (high - low) / 20;
  close(interval.low, low, tolerance);
  close(interval.high, high, tolerance);
});

Deno.test("meanInterval() draws people where they repeat, as NumPy's resampling of groups", () => {
  const { truth, prediction, person, bootstrapPeople: [low, high] } = statistics.ages;
  const interval = meanInterval(absoluteErrors(truth, prediction), person)!;
  assert.equal(interval.unit, "person");
  close(interval.low, low, (high - low) / 20);
  close(interval.high, high, (high - low) / 20);
});

Deno.test("meanInterval() takes people without a name for different ones", () => {
  const values = [1, 2, 3, 4, 5];
  assert.deepEqual(meanInterval(values, [null, null, null, "", ""]), meanInterval(values));
  assert.equal(meanInterval(values)?.unit, "image");
  assert.equal(meanInterval(values, [null, null, null, "Ann", "Ann"]), undefined);
});

Deno.test("meanInterval() holds the true mean in about 95 of 100 samples", () => {
  const rng = random(6, "coverage");
  let held = 0;
  for (let i = 0; i < 100; i++) {
    // Errors of a normal distribution: their mean is sqrt(2 / pi).
    const errors = Float64Array.from({ length: 100 }, () => Math.abs(rng.normal()));
    const { low, high } = meanInterval(errors)!;
    if (low <= Math.sqrt(2 / Math.PI) && Math.sqrt(2 / Math.PI) <= high) held++;
  }
  assert.ok(held >= 88 && held <= 99, `${held} of 100`);
});

Deno.test("meanInterval() is the same each time", () => {
  const values = statistics.ages.truth;
  assert.deepEqual(meanInterval(values), meanInterval(values));
});

Deno.test("bootstrap() ends where no resample has the statistic", () => {
  assert.throws(() => bootstrap(3, () => NaN), /the statistic of 200,001 resamples is NaN/);
  let call = 0;
  assert.ok(bootstrap(3, () => ++call % 2 ? NaN : 1).every((value) => value === 1));
});

Deno.test("statisticInterval() of a mean over groups takes resamples with all of them", () => {
  // 13 % of plain resamples lack one of 20 groups of five.
  const groups = Array.from({ length: 100 }, (_, i) => i % 20);
  const size = (rows: ArrayLike<number>) => new Set(Array.from(rows, (i) => groups[i])).size;
  assert.equal(statisticInterval(100, size)!.low, 19);
  assert.equal(statisticInterval(100, size, { groups })!.low, 20);
  assert.equal(statisticInterval(99, size, { groups: groups.slice(1) }), undefined);
  // Nearly all resamples lack one of 1,000 groups of five.
  const many = Array.from({ length: 5000 }, (_, i) => i % 1000);
  assert.equal(statisticInterval(5000, () => 1, { groups: many }), undefined);
});
