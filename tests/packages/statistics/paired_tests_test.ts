/** The paired tests against SciPy's and statsmodels': see paired.py. */
import assert from "node:assert/strict";
import {
  compareErrors,
  compareHits,
  holm,
  mcnemar,
  twoSided,
  wilcoxon,
} from "../../../packages/statistics/paired_tests.ts";
import { close } from "./close.ts";
import expected from "./paired.json" with { type: "json" };

/** Equal but for rounding, however small both are. */
function relatively(actual: number, wanted: number, digits = 1e-9): void {
  assert.ok(Math.abs(actual - wanted) <= digits * Math.abs(wanted), `${actual} is not ${wanted}`);
}

Deno.test("mcnemar() agrees with statsmodels", () => {
  for (const { a, b, mcnemar: p } of expected.hits) relatively(mcnemar(a, b), p);
  for (const { onlyA, onlyB, mcnemar: p } of expected.counts) {
    const n = onlyA + onlyB;
    const a = Array.from({ length: n }, (_, i) => i < onlyA ? 1 : 0);
    relatively(mcnemar(a, a.map((hit) => 1 - hit)), p, 1e-7);
  }
  assert.equal(mcnemar([1, 0], [1, 0]), 1);
});

Deno.test("wilcoxon() agrees with SciPy, ties and zeros included", () => {
  for (const { differences, wilcoxon: p } of expected.errors) relatively(wilcoxon(differences), p);
  assert.equal(wilcoxon([0, 0]), 1);
});

Deno.test("twoSided() agrees with SciPy's normal distribution far into its tail", () => {
  for (const [z, p] of expected.normal) {
    relatively(twoSided(z!), p!);
    assert.equal(twoSided(-z!), twoSided(z!));
  }
});

Deno.test("holm() agrees with statsmodels", () => {
  for (const { p, corrected } of expected.holm) {
    holm(p).forEach((value, i) => relatively(value, corrected[i]!));
  }
});

Deno.test("compareErrors() finds the difference and SciPy's bootstrap interval of it", () => {
  for (const { a, b, difference, interval: [low, high], wilcoxon } of expected.errors) {
    const test = compareErrors(a, b);
    close(test.difference, difference, 1e-9);
    // 2,000 resamples against 100,000: the ends waver by some percent of the width.
    const width = high! - low!;
    close(test.interval.low, low!, 0.07 * width);
    close(test.interval.high, high!, 0.07 * width);
    assert.deepEqual([test.test, test.unit, test.pictures], ["bootstrap", "image", a.length]);
    relatively(test.wilcoxon!, wilcoxon);
    // The two ways of asking agree: the interval holds no 0 just where p is below 0.05.
    assert.equal(test.interval.low > 0 || test.interval.high < 0, test.p < 0.05);
  }
});

Deno.test("compareHits() takes McNemar's test, but resamples people where they repeat", () => {
  const [{ a, b, mcnemar: p }] = expected.hits as [typeof expected.hits[0]];
  const alone = compareHits(a, b);
  assert.deepEqual([alone.test, alone.unit], ["mcnemar", "image"]);
  relatively(alone.p, p);
  // Ten copies of each picture say no more than one of each does.
  const copies = <T>(values: readonly T[]) => Array.from({ length: 10 }, () => values).flat();
  const people = copies(a.map((_, i) => `person ${i}`));
  const copied = compareHits(copies(a), copies(b), people);
  assert.deepEqual([copied.test, copied.unit], ["bootstrap", "person"]);
  close(copied.difference, alone.difference, 1e-12);
  close(copied.interval.low, alone.interval.low, 1e-12);
  const fooled = compareHits(copies(a), copies(b));
  assert.ok(fooled.p < copied.p, `${fooled.p} is not below ${copied.p}`);
});

Deno.test("two models that say the same do not differ", () => {
  const same = compareHits([1, 0, 1], [1, 0, 1]);
  assert.deepEqual([same.difference, same.p, same.interval], [0, 1, { low: 0, high: 0 }]);
  assert.throws(() => compareHits([1], [1, 0]), /Cannot pair 1 values with 2/);
});
