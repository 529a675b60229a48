import assert from "node:assert/strict";
import { scoreGroups } from "../../../faces/evaluation/subgroups.ts";
import { close } from "../../packages/statistics/close.ts";
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
