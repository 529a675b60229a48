import assert from "node:assert/strict";
import {
  absoluteErrors,
  accuracy,
  confusionMatrix,
  crossEntropy,
  isCorrect,
  majorityClass,
  mean,
  meanAbsoluteError,
  median,
} from "../../../packages/statistics/prediction_metrics.ts";
import { quantile } from "../../../packages/statistics/confidence_intervals.ts";
import { close } from "./close.ts";
import statistics from "./statistics.json" with { type: "json" };

for (const name of ["gender", "groups"] as const) {
  const { truth, prediction, classes, ...expected } = statistics[name];

  Deno.test(`accuracy() agrees with scikit-learn's accuracy_score on ${name}`, () => {
    close(accuracy(truth, prediction), expected.accuracy);
  });

  Deno.test(`confusionMatrix() agrees with scikit-learn's on ${name}`, () => {
    assert.deepEqual(confusionMatrix(truth, prediction, classes), expected.confusion);
  });

  Deno.test(`crossEntropy() agrees with scikit-learn's log_loss on ${name}`, () => {
    close(crossEntropy(truth, expected.probabilities), expected.crossEntropy);
  });

  Deno.test(`majority() guesses what scikit-learn's DummyClassifier does on ${name}`, () => {
    const guess = majorityClass(expected.train, classes);
    close(accuracy(truth, truth.map(() => guess)), expected.guess);
  });
}

Deno.test("meanAbsoluteError() agrees with scikit-learn's", () => {
  const { truth, prediction, mae } = statistics.ages;
  close(meanAbsoluteError(truth, prediction), mae);
});

Deno.test("median() guesses what scikit-learn's DummyRegressor does", () => {
  const { train, truth, median: expected, guess } = statistics.ages;
  assert.equal(median(train), expected);
  close(meanAbsoluteError(truth, truth.map(() => median(train))), guess);
});

Deno.test("median() takes the middle, or the mean of the middle two, in any order", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 9, 1, 5]), 7);
  assert.equal(median(Int32Array.of(100, 20, 3)), 20);
});

Deno.test("crossEntropy() stays finite when the truth was thought impossible", () => {
  close(crossEntropy([1], [[1, 0]]), 126 * Math.LN2);
  assert.equal(crossEntropy([0], [[1, 0]]), 0);
});

Deno.test("majority() takes the lowest of equally frequent classes", () => {
  assert.equal(majorityClass([2, 1, 1, 2], 3), 1);
});

Deno.test("hits() and absoluteErrors() average to accuracy and mean absolute error", () => {
  assert.equal(mean(isCorrect([0, 1, 1], [0, 1, 0])), 2 / 3);
  assert.equal(mean(absoluteErrors([10, 20], [12, 15])), 3.5);
});

Deno.test("accuracy() refuses as many truths as there are not predictions", () => {
  assert.throws(
    () => accuracy([0, 1], [0]),
    /Cannot compare 1 predictions with 2 true values: each image needs one of both\./,
  );
});

Deno.test("median() and quantile() lie between values", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(quantile([10, 20, 30, 40, 50], 0.95), 48);
  assert.throws(() => median([]), /median of no values/);
  assert.throws(() => quantile([], 0.5), /quantile of no values/);
});
