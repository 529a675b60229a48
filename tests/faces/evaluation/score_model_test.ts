import assert from "node:assert/strict";
import { type Predictions, scoreModel } from "../../../faces/evaluation/score_model.ts";
import { line, summary, verdict } from "../../../faces/evaluation/format_result.ts";

const gender = { task: "gender", variant: "binary", classes: ["female", "male"] };
const age = { task: "age", variant: "regression" };

/** `right` of n images predicted correctly, half of the images in each class. */
function answers(n: number, right: number): Predictions {
  const truth = Array.from({ length: n }, (_, i) => i % 2);
  return {
    rows: truth.map((_, i) => i),
    truth,
    prediction: truth.map((t, i) => i < right ? t : 1 - t),
    loss: 0.5,
  };
}

/** Ages 20 to 59, each missed by `off` years. */
function ages(off: number): Predictions {
  const truth = Array.from({ length: 80 }, (_, i) => 20 + i % 40);
  return {
    rows: truth.map((_, i) => i),
    truth,
    prediction: truth.map((t, i) => t + (i % 2 === 0 ? off : -off)),
    loss: off,
  };
}

function all<T>(one: T) {
  return { train: one, validation: one, test: one };
}

Deno.test("scoreModel() calls a classifier better only by a paired test against the constant baseline", () => {
  assert.equal(scoreModel(gender, all(answers(200, 180))).verdict, "better");
  assert.equal(scoreModel(gender, all(answers(200, 104))).verdict, "unclear");
  assert.equal(scoreModel(gender, all(answers(200, 40))).verdict, "worse");
});

Deno.test("scoreModel() calls an age model better only by a paired test against the constant baseline", () => {
  assert.equal(scoreModel(age, all(ages(4))).verdict, "better");
  assert.equal(scoreModel(age, all(ages(10))).verdict, "unclear");
  assert.equal(scoreModel(age, all(ages(25))).verdict, "worse");
});

Deno.test("scoreModel() compares network and constant baseline on the same faces", () => {
  // A network that always halves the way from 40 to the age: its MAE varies as that of the constant.
  const truth = Array.from({ length: 60 }, (_, i) => 40 + 20 * Math.sin(i * i));
  const rows = truth.map((_, i) => i), loss = 1;
  const train = { rows, truth: truth.map(() => 40), prediction: truth.map(() => 40), loss };
  const test = { rows, truth, prediction: truth.map((one) => 40 + 0.1 * (one - 40)), loss };
  const { verdict: found, interval, baseline } = scoreModel(age, {
    train,
    validation: train,
    test,
  });
  assert.ok(interval!.low < baseline.test.mae! && baseline.test.mae! < interval!.high);
  assert.equal(found, "better");
  // Of five people each with 12 faces of one error, resamples of people differ more.
  const one = { age: truth, gender: rows };
  const whole = { ...one, identity: rows.map(String) };
  const same = { ...one, identity: rows.map((i) => String(i % 4)) };
  const by = (tested: typeof whole) =>
    scoreModel(age, { train, validation: train, test }, {
      train: whole,
      validation: whole,
      test: tested,
    }).verdict;
  assert.deepEqual([by(whole), by(same)], ["better", "unclear"]);
});

Deno.test("scoreModel() names a network that is better in balanced accuracy alone", () => {
  /** One of ten is of the second class; both classes have this recall. */
  const rare = (recall: number): Predictions => {
    const truth = Array.from({ length: 400 }, (_, i) => Number(i % 10 === 0));
    const prediction = truth.map((t, i) => i * 7 % 40 < 40 * recall ? t : 1 - t);
    return { rows: truth.map((_, i) => i), truth, prediction, loss: 1 };
  };
  const scored = scoreModel(gender, all(rare(0.75)));
  assert.equal(scored.verdict, "worse");
  assert.equal(scored.balanced!.baseline, 0.5);
  assert.ok(scored.balanced!.value > 0.6);
  assert.match(
    verdict(scored),
    /^Better than the constant baseline in balanced accuracy alone: 0\.7.* Predictions of rarer classes cost it accuracy/,
  );
  assert.match(
    line("a", scored),
    /, worse than the constant baseline, 0\.90; better in balanced accuracy, 0\.7\d and 0\.50$/,
  );
  // 5 of 10 and 11 of 12: more often right than the majority class, not significantly, and the rarer
  // class is predicted less often than it occurs.
  const truth = Array.from({ length: 22 }, (_, i) => Number(i < 12));
  const prediction = truth.map((label, i) => i === 0 || i > 16 ? 1 - label : label);
  const few = scoreModel(gender, all({ rows: truth.map((_, i) => i), truth, prediction, loss: 1 }));
  assert.ok(few.test.accuracy! > few.baseline.test.accuracy!);
  assert.equal(few.verdict, "unclear");
  assert.match(
    verdict(few),
    /in balanced accuracy alone: 0\.708, .* prediction\. Its accuracy is not significantly better$/,
  );
  const useless = scoreModel(gender, all(rare(0.5)));
  assert.deepEqual([useless.verdict, useless.balanced], ["worse", undefined]);
  assert.equal(scoreModel(gender, all(rare(1))).balanced, undefined);
});

Deno.test("scoreModel() derives the constant baseline from the training labels alone", () => {
  const train = {
    ...answers(10, 10),
    truth: new Array(10).fill(0),
    prediction: new Array(10).fill(0),
  };
  const { baseline } = scoreModel(gender, {
    train,
    validation: answers(8, 8),
    test: { ...answers(4, 4), truth: [1, 1, 1, 0], prediction: [1, 1, 1, 0] },
  });
  assert.equal(baseline.guess, "female");
  assert.deepEqual(baseline.train, { accuracy: 1 });
  assert.deepEqual(baseline.test, { accuracy: 0.25 });
});

Deno.test("scoreModel() names the metric as the runner does, and only it", () => {
  assert.deepEqual(scoreModel(gender, all(answers(4, 3))).test, { loss: 0.5, accuracy: 0.75 });
  assert.deepEqual(scoreModel(age, all(ages(4))).test, { loss: 4, mae: 4 });
});

Deno.test("scoreModel() gives classes a confusion matrix and ages their error by band", () => {
  const classified = scoreModel(gender, all(answers(4, 3)));
  assert.deepEqual(classified.confusion?.counts, [[2, 0], [1, 1]]);
  assert.equal(classified.byAgeBand, undefined);
  const dated = scoreModel(age, all(ages(4)));
  assert.equal(dated.confusion, undefined);
  assert.deepEqual(dated.byAgeBand?.map(({ from }) => from), [20, 30, 40, 50]);
});

Deno.test("line() formats metric, interval and baseline in one line", () => {
  assert.equal(
    line("trainGender", scoreModel(gender, all(answers(200, 180)))),
    "trainGender: test accuracy 0.90 (95 % CI 0.85–0.93), better than the constant baseline, 0.50",
  );
  assert.match(
    line("trainAge", scoreModel(age, all(ages(4)))),
    /^trainAge: test MAE 4\.00 years \(95 % CI 4\.00–4\.00\), better than the constant baseline, 10\.00 years$/,
  );
});

Deno.test("scoreModel() calls an age model of very few images or people neither better nor worse", () => {
  const whole = all(ages(4)), rows = Array.from(whole.test.rows);
  const first = (n: number): Predictions => ({
    rows: rows.slice(0, n),
    loss: 4,
    truth: Array.from(whole.test.truth).slice(0, n),
    prediction: Array.from(whole.test.prediction).slice(0, n),
  });
  for (const [n, wanted] of [[1, "unclear"], [4, "unclear"], [5, "better"]] as const) {
    const { verdict, interval, bias } = scoreModel(age, { ...whole, test: first(n) });
    assert.equal(verdict, wanted);
    assert.deepEqual([interval !== undefined, bias!.interval !== undefined], [n >= 5, n >= 5]);
  }
  const people = { age: rows, gender: rows, identity: rows };
  const one = { ...people, identity: rows.map(() => "Ada") };
  const of = { train: people, validation: people, test: one };
  const { verdict, people: numbers } = scoreModel(age, whole, of);
  assert.deepEqual([verdict, JSON.stringify(numbers)], ["unclear", '{"test":1}']);
  assert.equal(scoreModel(age, whole, all(people)).people, undefined);
});

Deno.test("scoreModel() leaves out a pretrained network that predicted none of the images", () => {
  const none = { name: "face-api", positions: [], prediction: [] };
  assert.equal(scoreModel(age, all(ages(4)), undefined, [none]).others, undefined);
  const one = { name: "face-api", positions: [0], prediction: [20] };
  assert.equal(scoreModel(age, all(ages(4)), undefined, [none, one]).others?.length, 1);
});

Deno.test("summary() and verdict() describe the result in words", () => {
  const metrics = scoreModel(gender, all(answers(200, 180)));
  assert.equal(
    summary(metrics).replaceAll("\u00a0", " "),
    "Accuracy 0.900 on the 200 faces of the test set (95 % CI 0.851–0.934). " +
      "Constant baseline 0.500: the majority class of the training set, “female”.",
  );
  assert.equal(verdict(metrics), "Better than the constant baseline");
});
