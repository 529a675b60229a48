import assert from "node:assert/strict";
import { random } from "../../../packages/random/random.ts";
import {
  abstentionThreshold,
  conformalQuantile,
  riskCoverage,
} from "../../../packages/statistics/conformal.ts";

const x = Array.from({ length: 60 }, (_, i) => (i * 37 % 101) / 101);

Deno.test("conformalQuantile() and riskCoverage() agree with NumPy", () => {
  // n = 60; x = np.array([(i * 37 % 101) / 101 for i in range(n)])
  // np.sort(x)[math.ceil((n + 1) * level) - 1]
  const expected = { 0.8: 0.7920792079207921, 0.9: 0.8910891089108911, 0.95: 0.9504950495049505 };
  for (const [level, value] of Object.entries(expected)) {
    assert.ok(Math.abs(conformalQuantile(x, Number(level)) - value) < 1e-12, level);
  }
  assert.equal(conformalQuantile([1, 2, 3], 0.9), Infinity);
  assert.equal(conformalQuantile([1, 2, 3, 4, 5, 6, 7, 8, 9], 0.9), 9);
  // wrong = np.array([1 if i % 7 < 2 and x[i] < .8 else 0 for i in range(n)])
  // risk = np.cumsum(wrong[np.argsort(-x)]) / np.arange(1, n + 1); risk.mean(), risk[29]
  const wrong = x.map((one, i) => Number(i % 7 < 2 && one < 0.8));
  const { points, aurc } = riskCoverage(x, wrong);
  assert.ok(Math.abs(aurc - 0.13729693030258527) < 1e-12);
  assert.ok(Math.abs(points[29].risk - 0.2) < 1e-12);
  assert.deepEqual(points.at(-1), {
    confidence: 0,
    coverage: 1,
    risk: wrong.reduce((a, b) => a + b) / 60,
  });
});

Deno.test("riskCoverage() withholds equal confidences together", () => {
  const { points, aurc } = riskCoverage([0.9, 0.5, 0.5, 0.5], [0, 1, 0, 0]);
  assert.deepEqual(points.map(({ coverage, risk }) => [coverage, risk]), [[0.25, 0], [1, 0.25]]);
  assert.equal(aurc, (0 + 3 * 0.25) / 4);
});

Deno.test("abstentionThreshold() agrees with Python, and keeps the share of errors of new draws", () => {
  // o = sorted(range(n), key=lambda i: -x[i]); e = [sum(wrong[i] for i in o[:k + 1]) for k in range(n)]
  // [x[i] for k, i in enumerate(o) if (e[k] + 1) / (k + 2) <= share][-1], in Python
  const wrong = x.map((one, i) => Number(i % 7 < 2 && one < 0.8));
  const expected = { 0.1: 0.7623762376237624, 0.15: 0.6534653465346535, 0.2: 0.39603960396039606 };
  for (const [share, value] of Object.entries(expected)) {
    assert.ok(Math.abs(abstentionThreshold(x, wrong, Number(share)) - value) < 1e-12, share);
  }
  assert.equal(abstentionThreshold(x, wrong, 0.01), Infinity);
  // Calibrated classes: a prediction of confidence c is right with probability c.
  const rng = random(7, "classes"), share = 0.1;
  const draw = (n: number) => {
    const confidence = Array.from({ length: n }, () => 0.5 + 0.5 * rng.next());
    return { confidence, wrong: confidence.map((one) => Number(rng.next() > one)) };
  };
  const errors = Array.from({ length: 200 }, () => {
    const known = draw(300), fresh = draw(300);
    const least = abstentionThreshold(known.confidence, known.wrong, share);
    const kept = fresh.wrong.filter((_, i) => fresh.confidence[i] >= least);
    return kept.reduce((a, b) => a + b, 0) / Math.max(1, kept.length);
  });
  const mean = errors.reduce((a, b) => a + b) / errors.length;
  assert.ok(0.08 < mean && mean < 0.105, `${mean}`);
});

Deno.test("conformal intervals cover new draws within binomial bounds", () => {
  // The distribution of errors is unknown to the method: a mixture of two widths.
  const rng = random(5, "errors");
  const error = () => Math.abs(rng.normal()) * (rng.next() < 0.2 ? 15 : 4);
  const runs = 200, n = 99, level = 0.9;
  let inside = 0;
  for (let run = 0; run < runs; run++) {
    const margin = conformalQuantile(Float64Array.from({ length: n }, error), level);
    for (let i = 0; i < 50; i++) inside += Number(error() <= margin);
  }
  // Exact for continuous errors: (n + 1) level / (n + 1) = 0.9. A calibration's coverage is
  // Beta(90, 10), so the mean of all draws has this variance.
  const variance = level * (1 - level) / (n + 2) / runs + level * (1 - level) / (50 * runs);
  const coverage = inside / (runs * 50);
  assert.ok(Math.abs(coverage - level) < 3.3 * Math.sqrt(variance), `${coverage}`);
});
