import assert from "node:assert/strict";
import { errorByAgeBand, scoreGroups } from "../../../faces/evaluation/subgroups.ts";
import { close } from "../../packages/statistics/close.ts";
import intervals from "../../packages/statistics/intervals.json" with { type: "json" };
import statistics from "../../packages/statistics/statistics.json" with { type: "json" };

const { people } = statistics;

Deno.test("scoreGroups() agrees with scikit-learn and statsmodels on every gender and age band", () => {
  const accuracy = scoreGroups("accuracy", people.hits, people);
  const mae = scoreGroups("mae", people.signed.map(Math.abs), people, people.signed);
  assert.equal(accuracy.length, people.groups.length);
  people.groups.forEach((expected, i) => {
    for (const group of [accuracy[i], mae[i]]) {
      assert.deepEqual(
        [group.gender, group.from, group.to, group.count],
        [expected.gender, expected.from, expected.to, expected.count],
      );
    }
    close(accuracy[i].value, expected.accuracy);
    close(accuracy[i].interval!.low, expected.interval[0]);
    close(accuracy[i].interval!.high, expected.interval[1]);
    close(mae[i].value, expected.mae);
    close(mae[i].bias!, expected.bias);
    const interval = mae[i].interval;
    assert.equal(interval === undefined, expected.count < 5);
    assert.ok(!interval || (interval.low < expected.mae && expected.mae < interval.high));
  });
});

Deno.test("scoreGroups() has no interval of a mean of fewer than five", () => {
  const [all, band] = scoreGroups("mae", [1, 2, 3, 4], { age: [5, 5, 5, 5], gender: [1, 1, 1, 1] });
  assert.deepEqual([all.interval, band.interval], [undefined, undefined]);
  assert.equal(band.value, 2.5);
});

Deno.test("scoreGroups() counts the people of each group, also of broken and unknown ages", () => {
  const age = [39.5, 39.8, 38, NaN, 50], gender = [1, 1, 1, 1, 1];
  const identity = ["a", "a", null, "b", "b"];
  const groups = scoreGroups("accuracy", [1, 1, 0, 1, 1], { age, gender, identity });
  assert.deepEqual(groups.map(({ from, count, people }) => [from, count, people]), [
    [undefined, 5, 3],
    [20, 3, 2],
    [40, 1, undefined],
  ]);
});

Deno.test("errorByAgeBand() agrees with scikit-learn's error of each band", () => {
  const { truth, prediction, median: guess, bands } = statistics.ages;
  const actual = errorByAgeBand(truth, prediction, guess);
  assert.equal(actual.length, bands.length);
  actual.forEach((band, i) => {
    for (const key of ["from", "to", "count", "mae", "bias", "guessMae"] as const) {
      close(band[key], bands[i][key]);
    }
  });
});

Deno.test("errorByAgeBand() puts an age on a border into the band that it begins", () => {
  const bands = errorByAgeBand([9, 10, 30], [9, 12, 25], 20);
  assert.deepEqual(bands.map(({ from, to, count }) => [from, to, count]), [
    [0, 9, 1],
    [10, 19, 1],
    [30, 39, 1],
  ]);
  assert.deepEqual(bands.map(({ bias }) => bias), [0, 2, -5]);
});

Deno.test("errorByAgeBand() gives each band SciPy's bootstrap intervals, where there are enough", () => {
  const { truth, prediction, median: guess } = statistics.ages;
  errorByAgeBand(truth, prediction, guess).forEach(({ interval, biasInterval, count }, i) => {
    for (
      const [actual, expected] of [
        [interval, intervals.bands[i].mae],
        [biasInterval, intervals.bands[i].bias],
      ] as const
    ) {
      assert.equal(actual === undefined, count < 5);
      if (!actual) continue;
      const [low, high] = expected!;
      close(actual.low, low, (high - low) / 20);
      close(actual.high, high, (high - low) / 20);
    }
  });
});

Deno.test("errorByAgeBand() returns no interval for images of one person", () => {
  const ages = [31, 32, 33, 34, 35, 36, 37];
  const [band] = errorByAgeBand(ages, ages.map((age, i) => age + i), 30, ages.map(() => "Ann"));
  assert.deepEqual([band.count, band.interval, band.biasInterval], [7, undefined, undefined]);
});
