import assert from "node:assert/strict";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { extractHead, multiHeadModel } from "../../../faces/training/build_network.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { predictRows } from "../../../faces/training/predict_rows.ts";
import {
  boundsOf,
  calibrate,
  chooseThreshold,
  rowsOf,
} from "../../../faces/training/prediction_interval.ts";
import { openPredictor } from "../../../faces/training/predictor.ts";
import { hasDistribution, withDistribution } from "../../../faces/training/with_distribution.ts";
import { deepTrunk } from "../../models/build_2021.ts";

/** A network's outputs that are normal around `age`, and the truth drawn with another deviation. */
function drawn(n: number, stream: string, spread = 6, noise = 10) {
  const rng = random(3, stream);
  const ages = Array.from({ length: n }, () => 20 + rng.int(50));
  const outputs = ages.map((age) => {
    const weights = ageBins.map((bin) => Math.exp(-(((bin - age) / spread) ** 2) / 2));
    const sum = weights.reduce((a, b) => a + b);
    return Float64Array.from([age, ...weights.map((one) => one / sum)]);
  });
  return { outputs, truth: ages.map((age) => age + noise * rng.normal()) };
}

Deno.test("intervals of distributions and of errors cover new draws, wider than the network is sure", () => {
  const known = drawn(499, "calibration"), fresh = drawn(2000, "test");
  for (const columns of [63, 1]) {
    const cut = (rows: typeof known.outputs) => rows.map((row) => row.subarray(0, columns));
    const interval = calibrate(cut(known.outputs), known.truth)!;
    assert.equal(interval.of, columns > 1 ? "distribution" : "error");
    const inside = cut(fresh.outputs).filter((row, i) => {
      const { low, high, value } = boundsOf(interval, row);
      assert.ok(low <= value && value <= high);
      return low <= fresh.truth[i] && fresh.truth[i] <= high;
    });
    // Beta(450, 50) of the calibration and the binomial of the test: 3.3 standard deviations.
    const bound = 3.3 * Math.sqrt(0.09 / 501 + 0.09 / 2000);
    assert.ok(Math.abs(inside.length / 2000 - 0.9) < bound, `${columns}: ${inside.length / 2000}`);
    // 10 years of noise: ±16.4 years; the network's own quantiles are ±9.9 years.
    const half = columns > 1 ? interval.margin + 1.645 * 6 : interval.margin;
    assert.ok(Math.abs(half - 16.4) < 1.5, `${half}`);
  }
  assert.equal(calibrate(known.outputs.slice(0, 8), known.truth), undefined);
});

Deno.test("quantiles of a distribution are those of its normal distribution", () => {
  // scipy.stats.norm(40, 8).ppf([.05, .95]) = 26.841, 53.159; bins of two years add a variance of 1/3.
  const { outputs: [row] } = drawn(1, "one", 8);
  const { low, high, value } = boundsOf({ of: "distribution", level: 0.9, margin: 0 }, row);
  assert.ok(Math.abs(low - (value - 13.159)) < 0.1 && Math.abs(high - (value + 13.159)) < 0.1);
  const wider = boundsOf({ of: "distribution", level: 0.9, margin: 2 }, row);
  assert.ok(Math.abs(wider.low - (low - 2)) < 1e-9 && Math.abs(wider.high - (high + 2)) < 1e-9);
});

Deno.test("withDistribution() keeps the age and adds what it is read from", async () => {
  await openBackend("wasm");
  const trunk = () =>
    deepTrunk({ size: 16, dropout: 0, batchNormMomentum: 0.9, initializer: "heNormal" });
  const both = multiHeadModel("both", trunk, ageBins.length, "glorotUniform", 1);
  const slice = { name: "age", start: 0, columns: ageBins.length, reading: "median" } as const;
  const network = extractHead(both, trunk, slice);
  assert.ok(hasDistribution(network));
  const rng = random(1, "images");
  const bytes = Uint8Array.from({ length: 5 * 16 * 16 * 3 }, () => rng.int(256));
  const images = imagesInMemory(bytes, 16), rows = Int32Array.from([0, 1, 2, 3, 4]);
  const ages = await predictRows(network, images, rows);
  await using predictor = await openPredictor(withDistribution(network));
  assert.ok(predictor.fast);
  const outputs = rowsOf(await predictor.predict(images, rows, { mirror: false }), 5);
  for (const [i, [age, ...shares]] of outputs.entries()) {
    assert.ok(Math.abs(age - ages[i]) < 1e-3);
    assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-5);
  }
});

Deno.test("of equal probabilities, the threshold takes the first as predicted, as all outputs do", () => {
  const rows = Array.from({ length: 40 }, () => [0.5, 0.5]);
  assert.equal(chooseThreshold(rows, rows.map((_, i) => i % 2), 0.05).confidence, null);
  assert.equal(chooseThreshold(rows, rows.map(() => 0), 0.05).confidence, 0.5);
});
