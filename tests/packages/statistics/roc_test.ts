import assert from "node:assert/strict";
import { calibration } from "../../../packages/statistics/calibration.ts";
import { classIntervals } from "../../../packages/statistics/class_intervals.ts";
import { meanInterval, wilson } from "../../../packages/statistics/confidence_intervals.ts";
import {
  compareErrors,
  holm,
  mcnemar,
  wilcoxon,
} from "../../../packages/statistics/paired_tests.ts";
import { classScores } from "../../../packages/statistics/prediction_metrics.ts";
import { aucInterval, meanAucInterval, rocCurve } from "../../../packages/statistics/roc.ts";
import { close } from "./close.ts";
import intervals from "./intervals.json" with { type: "json" };
import statistics from "./statistics.json" with { type: "json" };

const { ranking } = statistics;

Deno.test("rocCurve() agrees with scikit-learn's roc_curve and roc_auc_score, ties included", () => {
  const { points, auc } = rocCurve(ranking.truth, ranking.scores);
  assert.equal(points.length, ranking.roc.length);
  points.forEach(([x, y], i) => {
    close(x, ranking.roc[i][0]);
    close(y, ranking.roc[i][1]);
  });
  close(auc, ranking.auc);
});

Deno.test("rocCurve() of scores that are all equal is the diagonal", () => {
  assert.deepEqual(rocCurve([1, 0, 1], [0.4, 0.4, 0.4]), { points: [[0, 0], [1, 1]], auc: 0.5 });
});

Deno.test("aucInterval() agrees with SciPy's bootstrap, and nearly with DeLong's", () => {
  const { bootstrap: [low, high], delong } = intervals.auc;
  const interval = aucInterval(ranking.truth, ranking.scores)!;
  assert.deepEqual([interval.method, interval.unit], ["bootstrap", "image"]);
  close(interval.low, low, (high - low) / 20);
  close(interval.high, high, (high - low) / 20);
  // DeLong's is symmetric, which near 1 the truth is not.
  close(interval.low, delong[0], 0.01);
  close(interval.high, delong[1], 0.01);
});

Deno.test("aucInterval() draws people where they repeat", () => {
  const { bootstrapPeople: [low, high], person } = intervals.auc;
  const interval = aucInterval(ranking.truth, ranking.scores, person)!;
  assert.equal(interval.unit, "person");
  close(interval.low, low, (high - low) / 20);
  close(interval.high, high, (high - low) / 20);
});

Deno.test("aucInterval() of scores that tell all apart does not claim to be certain", () => {
  const interval = aucInterval([0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9])!;
  assert.deepEqual([interval.high, interval.method], [1, "wilson"]);
  close(interval.low, wilson(1, 3).low); // three negatives: three pairs that share nobody
});

Deno.test("aucInterval() of one positive is not that of its negatives", () => {
  const interval = aucInterval([1, 0, 0, 0, 0, 0, 0, 0], [0.7, 0.8, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])!;
  assert.equal(interval.method, "wilson");
  assert.ok(interval.low < 0.25 && interval.high > 0.95, `${interval.low} to ${interval.high}`);
});

Deno.test("meanAucInterval() of classes that are all told apart does not claim to be certain", () => {
  const truth = [0, 0, 0, 1, 1, 2, 2];
  const rows = truth.map((label) => [0, 1, 2].map((c) => c === label ? 0.8 : 0.1));
  const interval = meanAucInterval(truth, rows, 4)!; // no image is of the last class
  assert.deepEqual([interval.high, interval.method], [1, "wilson"]);
  close(interval.low, wilson(1, 2).low);
});

Deno.test("intervals and tests of values that are NaN end", () => {
  const truth = [0, 1, 0, 1, 0, 1];
  const scores = [0.1, NaN, NaN, 0.2, 0.3, 0.4], rows = scores.map((p) => [1 - p, p]);
  assert.equal(aucInterval(truth, scores), undefined);
  assert.equal(meanAucInterval(truth, rows, 2), undefined);
  assert.equal(meanInterval(scores), undefined);
  assert.ok(Number.isNaN(rocCurve(truth, scores).auc) && Number.isNaN(rocCurve([], []).auc));
  assert.ok(Number.isNaN(wilcoxon([1, NaN, 2])));
  assert.deepEqual(holm([0.02, NaN, 0.01]), [0.02, NaN, 0.02]);
  // Resamples that lack the NaN had a p of 0.001.
  const errors = [5, 6, NaN, 4, 7, 8, 5, 6, 7, 9];
  assert.throws(() => compareErrors(errors, errors.fill(1, 4)), /10 values: their mean is NaN/);
  assert.throws(() => calibration(truth, scores), /Cannot bin probabilities that are NaN/);
  assert.throws(() => calibration(truth, [0.5]), /Cannot compare 1 predictions with 6/);
  assert.throws(() => mcnemar([1], [1, 0]), /Cannot compare 1 predictions with 2/);
});

Deno.test("aucInterval() of hardly anybody is none", () => {
  assert.equal(aucInterval([0, 1, 1, 0], [0.1, 0.9, 0.3, 0.5]), undefined);
});

Deno.test("calibration()'s intervals agree with SciPy's bootstrap and statsmodels", () => {
  const { brierInterval, bins } = calibration(ranking.truth, ranking.scores);
  const { brier: [low, high], bins: expected } = intervals.calibration;
  close(brierInterval!.low, low, (high - low) / 20);
  close(brierInterval!.high, high, (high - low) / 20);
  bins.forEach(({ interval }, i) => {
    close(interval!.low, expected[i][0]);
    close(interval!.high, expected[i][1]);
  });
});

Deno.test("calibration() agrees with scikit-learn's calibration_curve and brier_score_loss", () => {
  const { brier, ece, bins } = calibration(ranking.truth, ranking.scores);
  close(brier, ranking.brier);
  close(ece, ranking.ece);
  assert.deepEqual(bins.map(({ count }) => count), ranking.counts);
  bins.forEach((bin, i) => {
    close(bin.said!, ranking.said[i]);
    close(bin.true!, ranking.true[i]);
  });
});

Deno.test("calibration() puts 0 into the first bin, 1 into the last, and nothing into others", () => {
  const { brier, ece, bins } = calibration([0, 1, 1], [0, 1, 1]);
  assert.deepEqual([brier, ece], [0, 0]);
  assert.deepEqual(bins.map(({ count }) => count), [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
});

for (const name of ["gender", "groups"] as const) {
  Deno.test(`classScores() agrees with scikit-learn's precision and recall on ${name}`, () => {
    const { confusion, perClass } = statistics[name];
    classScores(confusion).forEach((scores, c) => {
      assert.equal(scores.count, perClass[c].count);
      for (const key of ["precision", "recall", "f1"] as const) {
        close(scores[key], perClass[c][key]);
      }
    });
  });
}

for (const name of ["gender", "groups"] as const) {
  Deno.test(`classIntervals() agrees with statsmodels, and with SciPy for F1, on ${name}`, () => {
    const { truth, prediction } = statistics[name];
    intervals[name].forEach((expected, c) => {
      const actual = classIntervals(c, truth, prediction);
      for (const key of ["precision", "recall"] as const) {
        close(actual[key]!.low, expected[key][0]);
        close(actual[key]!.high, expected[key][1]);
      }
      // Another method than the bootstrap, which is itself rough for a class of a dozen pictures.
      const tolerance = name === "gender" ? 0.02 : 0.12;
      close(actual.f1!.low, expected.f1[0], tolerance);
      close(actual.f1!.high, expected.f1[1], tolerance);
    });
  });
}

Deno.test("classIntervals() leaves out what is a share of nothing", () => {
  const { precision, recall, f1 } = classIntervals(1, [0, 0, 1], [0, 0, 0]);
  assert.equal(precision, undefined);
  assert.deepEqual([recall!.low, f1!.low], [0, 0]);
  assert.deepEqual(classIntervals(2, [0, 0, 1], [0, 0, 0]), {});
});

Deno.test("classScores() of a class that is never said are 0, as with zero_division=0", () => {
  assert.deepEqual(classScores([[3, 0], [2, 0]])[1], { count: 2, precision: 0, recall: 0, f1: 0 });
});
