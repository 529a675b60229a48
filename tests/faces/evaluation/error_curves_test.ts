import assert from "node:assert/strict";
import {
  contradictedLabels,
  errorCurves,
  suspectLabels,
} from "../../../faces/evaluation/error_curves.ts";
import { random } from "../../../packages/random/random.ts";
import { modelTitle, overfitting } from "../../../faces/evaluation/format_result.ts";
import { scoreModel } from "../../../faces/evaluation/score_model.ts";

Deno.test("errorCurves() counts errors, biases by year, and fits SciPy's line", () => {
  const truth = [20, 30, 40, 50, 60, 20], prediction = [27, 31, 44, 46, 52, 22.5];
  const { cumulative, bias, line } = errorCurves({ truth, prediction }, 35);
  assert.deepEqual(cumulative[4], { error: 4, share: 4 / 6, baseline: 0 });
  assert.deepEqual(cumulative[15], { error: 15, share: 1, baseline: 5 / 6 });
  assert.deepEqual(bias.slice(0, 2), [
    { truth: 20, bias: 4.75, count: 2 },
    { truth: 30, bias: 1, count: 1 },
  ]);
  // scipy.stats.linregress([20, 30, 40, 50, 60, 20], [27, 31, 44, 46, 52, 22.5])
  assert.ok(Math.abs(line!.slope - 0.70625) < 1e-12 && Math.abs(line!.intercept - 11.1875) < 1e-12);
});

Deno.test("contradictedLabels() finds what Cleanlab's confident joint holds beside its diagonal", () => {
  const truth = Array.from({ length: 40 }, (_, i) => i * 7 % 3);
  const probabilities = truth.map((label, i) => {
    const raw = [0, 1, 2].map((k) => 1 + (i * k * 13) % 11 + (label === k ? 1 : 0));
    return (i === 5 ? [1, 1, 20].map((p, k) => k === label ? 1 : p) : raw)
      .map((p, _, all) => p / all.reduce((a, b) => a + b));
  });
  const prediction = probabilities.map((p) => p.indexOf(Math.max(...p)));
  const found = contradictedLabels(3, { truth, prediction, probabilities });
  // cleanlab 2.9.0: compute_confident_joint(labels, pred_probs, calibrate=False,
  //   return_indices_of_off_diagonals=True)[1]
  assert.deepEqual(found.flatMap((suspect, i) => suspect ? i : []), [
    1,
    3,
    5,
    7,
    9,
    12,
    13,
    14,
    15,
    18,
    19,
    20,
    21,
    24,
    26,
    30,
    32,
    34,
    36,
  ]);
});

Deno.test("contradictedLabels() finds no label that is predicted, as Cleanlab", () => {
  const male = [0.05, 0.05, 0.1, 0.48, 0.9, 0.6, 0.3, 0.05, 0.55, 0.4];
  const found = contradictedLabels(2, {
    truth: [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
    prediction: male.map((probability) => Number(probability > 0.5)),
    probabilities: male.map((probability) => [1 - probability, probability]),
  });
  // cleanlab 2.9.0: find_label_issues(labels, pred_probs, filter_by="confident_learning"). Its
  // confident joint has the fourth as well, whose 0.48 is above the mean of men, 0.38.
  assert.deepEqual(found.flatMap((suspect, i) => suspect ? i : []), [4, 6, 7]);
});

/** Labels and predictions of two classes, some labels flipped. @param skill of the network */
function flippedLabels(skill: number, share: number) {
  const rng = random(1, "flipped labels"), n = 1000;
  const wrong = Array.from({ length: n }, () => rng.next() < share);
  const male = wrong.map(() => 1 / (1 + Math.exp(skill * (2 * rng.next() - 1))));
  const truth = male.map((p, i) => Number(rng.next() < p) ^ Number(wrong[i]));
  const prediction = male.map((p) => Number(p > 0.5));
  return { wrong, truth, prediction, probabilities: male.map((p) => [1 - p, p]) };
}

Deno.test("suspectLabels() marks few labels: those that a sure network contradicts", () => {
  const classes = ["female", "male"];
  const good = flippedLabels(30, 0.04), weak = flippedLabels(2, 0.04);
  const count = (all: readonly boolean[]) => all.filter(Boolean).length;
  const found = suspectLabels({ classes }, good);
  const right = found.filter((one, i) => one && good.wrong[i]).length;
  assert.ok(right > 0.6 * count(good.wrong) && right > 0.8 * count(found), `${right}`);
  assert.ok(count(contradictedLabels(2, weak)) > 150);
  assert.equal(count(suspectLabels({ classes }, weak)), 0);
});

Deno.test("errorCurves() of a single age has no line", () => {
  assert.ok(errorCurves({ truth: [30, 40], prediction: [31, 35] }, 30).line);
  assert.equal(errorCurves({ truth: [30, 30], prediction: [31, 35] }, 30).line, undefined);
});

Deno.test("suspectLabels() finds ages far from the line of predictions", () => {
  const truth = Array.from({ length: 50 }, (_, i) => 20 + i);
  const prediction = truth.map((age, i) => 15 + 0.6 * age + (i % 5) - 2);
  prediction[7] += 30;
  const found = suspectLabels({}, { truth, prediction });
  assert.deepEqual(found.flatMap((suspect, i) => suspect ? i : []), [7]);
});

Deno.test("overfitting() needs a gap of the errors and disjoint intervals", () => {
  const split = (n: number, wrong: number) => ({
    rows: Array.from({ length: n }, (_, i) => i),
    truth: Array.from({ length: n }, (_, i) => i % 2),
    prediction: Array.from({ length: n }, (_, i) => i < wrong ? 1 - i % 2 : i % 2),
    loss: 0,
  });
  const score = (trained: number, n: number, tested: number) => {
    const train = split(1000, trained), test = split(n, tested);
    const subject = { task: "gender", classes: ["female", "male"] };
    return scoreModel(subject, { train, validation: test, test });
  };
  assert.match(overfitting(score(10, 200, 40))!, /accuracy 0\.990 on the training set, 0\.800 on/);
  assert.equal(overfitting(score(190, 200, 40)), undefined);
  assert.equal(overfitting(score(100, 20, 4)), undefined, "too few to decide");
  const models = [{ id: "a", metrics: score(10, 200, 40) }, { id: "b", metrics: score(1, 20, 4) }];
  assert.equal(modelTitle(models[0]!, models), "Gender (a)");
  assert.equal(modelTitle(models[0]!, models.slice(0, 1)), "Gender");
});
