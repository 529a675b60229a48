/** A calibration set from split to training, report, API and predictions. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { csvLines } from "../../faces/commands/predict/predict_photos.ts";
import type { MetricsFile } from "../../faces/evaluation/score_model.ts";
import { readSources } from "../../faces/serving/model_sources.ts";
import { readOutputs } from "../../faces/serving/prediction.ts";
import { formatPrediction } from "../../faces/serving/web/wording.ts";
import { readRecord } from "../../faces/training/training_record.ts";
import { readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { random } from "../../packages/random/random.ts";
import evaluate from "../../stages/evaluate.ts";
import split from "../../stages/split.ts";
import trainAge from "../../stages/trainAge.ts";
import trainGender from "../../stages/trainGender.ts";
import { testArtifact, testContext } from "../context.ts";
import { writeDataset, writeSplits } from "./training_data.ts";

const people = Array.from({ length: 80 }, (_, i) => {
  const rng = random(1, "person", i);
  return { age: rng.int(100), gender: rng.int(2) };
});

for (const loss of ["mae", "ageDistribution"]) {
  Deno.test(`trainAge with ${loss} predicts intervals, from split.calibration`, async () => {
    using dividing = testContext(split);
    const dataset = await writeDataset(join(dividing.folder, "dataset"), people);
    const shares = { test: 0.25, validation: 0.2, calibration: 0.5, copies: "ignore" };
    await dividing.run({ dataset, archives: [] }, shares);
    const splits = dividing.artifact("splits");
    const rows = (name: string) => readNpy(join(splits.path, `${name}.npy`), "int32").data;
    const each = ["train", "validation", "test", "calibration"].map(rows);
    assert.deepEqual(each.map(({ length }) => length), [24, 12, 20, 24]);
    assert.equal(new Set(each.flatMap((set) => [...set])).size, 80);
    assert.deepEqual(dividing.infos, ["train 24, validation 12, test 20, calibration 24"]);

    using training = testContext(trainAge, { id: "trainAge" });
    const params = { network: "plain", loss, epochs: 1, batchSize: 8, batchNormMomentum: 0.5 };
    await training.run({ dataset, splits }, { ...params, earlyStopping: { patience: 1 } });
    const model = testArtifact(training.outputs.model, "model", "trainAge");
    const { interval } = await readRecord(model.path);
    const { of, level, images } = interval!;
    const expected = loss === "mae" ? "error" : "distribution";
    assert.deepEqual({ of, level, images }, { of: expected, level: 0.9, images: 24 });

    using evaluating = testContext(evaluate);
    const others = { references: [], faces: [], tables: [], archives: [] };
    await evaluating.run({ dataset, splits, models: [model], ...others }, { examples: 1 });
    const { report } = evaluating.outputs;
    const metrics: MetricsFile = JSON.parse(await Deno.readTextFile(join(report, "metrics.json")));
    const { coverage, width, groups } = metrics.models.trainAge.coverage!;
    const said = await readParquet(join(report, "predictions.parquet"), {
      row: "int32",
      split: "string",
      truth: "float64",
      prediction: "float64",
      low: "float64?",
      high: "float64?",
    });
    const lines = said.split.flatMap((name, i) => name === "test" ? [i] : []);
    const inside = lines.filter((i) =>
      said.low[i]! <= said.truth[i] && said.truth[i] <= said.high[i]!
    );
    assert.equal(coverage, inside.length / 20);
    const widths = lines.map((i) => said.high[i]! - said.low[i]!);
    assert.ok(Math.abs(width - widths.reduce((a, b) => a + b) / 20) < 1e-9);
    assert.equal(groups!.filter(({ from }) => from === undefined).length, 2);
    const card = await Deno.readTextFile(join(report, "MODEL_CARD.md"));
    assert.match(
      card,
      new RegExp(
        `The share on the test set is ${coverage.toFixed(3)} .* ${width.toFixed(1)} years`,
      ),
    );
    const html = await Deno.readTextFile(join(report, "report.html"));
    assert.match(html, /<h3>Prediction intervals<\/h3>[^]*absolute errors|age distribution/);

    const [source] = await readSources([{ stage: "trainAge", path: model.path }], {});
    const shares_ = loss === "mae" ? [] : Array.from({ length: 62 }, (_, i) => Number(i === 26));
    const prediction = readOutputs(source, [40, ...shares_]);
    assert.ok("years" in prediction && prediction.interval);
    const { low, high } = prediction.interval;
    assert.ok(0 <= low && low <= 40 && 40 <= high);
    assert.equal(
      formatPrediction(prediction),
      `40 years, 90 %: ${low.toFixed(0)} to ${high.toFixed(0)}`,
    );
    const csv = csvLines([source]);
    assert.match(csv.head, /,age,age_low,age_high\n$/);
    const box = { x: 0, y: 0, width: 9, height: 9 };
    const face = { box, score: 1, predictions: [prediction] };
    const line = csv.photo("a.png", { width: 9, height: 9, faces: [face] });
    assert.ok(line.endsWith(`,40.0,${low.toFixed(1)},${high.toFixed(1)}\n`), line);
  });
}

Deno.test("trainGender with abstain: uncertain below the threshold, from training to every output", async () => {
  using training = testContext(trainGender, { id: "trainGender" });
  const dataset = await writeDataset(join(training.folder, "dataset"), people);
  const params = {
    network: "plain",
    epochs: 6,
    batchSize: 8,
    batchNormMomentum: 0.5,
    abstain: 0.2,
  };
  const without = await writeSplits(join(training.folder, "without"), {
    train: 30,
    validation: 10,
    test: 40,
  });
  await assert.rejects(
    training.run({ dataset, splits: without }, params),
    /Cannot choose the threshold of abstain 0\.2: .*Set split\.calibration/,
  );
  const splits = await writeSplits(join(training.folder, "splits"), {
    train: 30,
    validation: 10,
    test: 20,
    calibration: 20,
  });
  await training.run({ dataset, splits }, params);
  const model = testArtifact(training.outputs.model, "model", "trainGender");
  const { abstention, interval } = await readRecord(model.path);
  assert.deepEqual([interval, abstention!.error, abstention!.images], [undefined, 0.2, 20]);
  const least = abstention!.confidence!;
  assert.ok(0.5 <= least && least <= 1, `${least}`);

  using evaluating = testContext(evaluate);
  const others = { references: [], faces: [], tables: [], archives: [] };
  await evaluating.run({ dataset, splits, models: [model], ...others }, { examples: 1 });
  const { report } = evaluating.outputs;
  const metrics: MetricsFile = JSON.parse(await Deno.readTextFile(join(report, "metrics.json")));
  const said = await readParquet(join(report, "predictions.parquet"), {
    split: "string",
    truth: "float64",
    prediction: "float64",
    probability: "float64?",
  });
  const tested = said.split.flatMap((name, i) => name === "test" ? [i] : []);
  const sure = tested.filter((i) => said.probability[i]! >= least);
  const right = sure.filter((i) => said.truth[i] === said.prediction[i]);
  const { threshold } = metrics.models.trainGender.abstention!;
  assert.ok(threshold && threshold.kept > 0 && "accuracy" in threshold);
  assert.deepEqual([threshold.kept, threshold.accuracy], [
    sure.length / 20,
    right.length / sure.length,
  ]);
  const sentence =
    /Below \d+\.\d\s%, a prediction is uncertain: chosen for errors of at most 20\.0\s%/;
  assert.match(await Deno.readTextFile(join(report, "report.html")), sentence);
  assert.match(await Deno.readTextFile(join(report, "MODEL_CARD.md")), sentence);

  const [source] = await readSources([{ stage: "trainGender", path: model.path }], {});
  const csv = csvLines([source]);
  const box = { x: 0, y: 0, width: 9, height: 9 };
  const cases = [[Math.max(0.5, least - 0.01), true], [least, false]] as const;
  for (const [probability, uncertain] of cases) {
    const prediction = readOutputs(source, [probability, 1 - probability]);
    assert.ok("label" in prediction && prediction.uncertain === uncertain && prediction.label);
    assert.match(formatPrediction(prediction), uncertain ? /^uncertain \(female\)/ : /^female/);
    const face = { box, score: 1, predictions: [prediction] };
    const line = csv.photo("a.png", { width: 9, height: 9, faces: [face] });
    const name = uncertain ? "uncertain" : "female";
    assert.ok(line.endsWith(`,${name},${probability.toFixed(4)}\n`), line);
  }
  const all = readOutputs({ ...source, abstention: { ...abstention!, confidence: null } }, [1, 0]);
  assert.ok("label" in all && all.uncertain);
  const before = readOutputs({ ...source, abstention: undefined }, [0.5, 0.5]);
  assert.ok(!("uncertain" in before));
});

Deno.test("trainAge of classes takes abstain, and an uncertain age has no bounds", async () => {
  using training = testContext(trainAge, { id: "trainAge" });
  const dataset = await writeDataset(join(training.folder, "dataset"), people);
  const sets = { train: 40, validation: 10, test: 10, calibration: 20 };
  const splits = await writeSplits(join(training.folder, "splits"), sets);
  const network = { network: "plain", epochs: 1, batchSize: 8, batchNormMomentum: 0.5 };
  await training.run({ dataset, splits }, { ...network, variant: "multiclass", abstain: 0.9 });
  const { path } = testArtifact(training.outputs.model, "model", "trainAge");
  const { abstention } = await readRecord(path);
  assert.deepEqual([abstention!.error, abstention!.images], [0.9, 20]);

  const [source] = await readSources([{ stage: "trainAge", path }], {});
  const csv = csvLines([source]), box = { x: 0, y: 0, width: 9, height: 9 };
  const line = (confidence: number | null) => {
    const outputs = [0, 0.8, 0.2, 0, 0, 0, 0, 0];
    const spec = { ...source, abstention: { ...abstention!, confidence } };
    const face = { box, score: 1, predictions: [readOutputs(spec, outputs)] };
    return csv.photo("a.png", { width: 9, height: 9, faces: [face] }).split(",").slice(-3).join();
  };
  assert.match(csv.head, /,age_from,age_to,age_probability\n$/);
  assert.deepEqual([line(0.7), line(0.9), line(null)], [
    "21,32,0.8000\n",
    ",,0.8000\n",
    ",,0.8000\n",
  ]);
});

Deno.test("training warns of classes that both the sampling and the loss balance", async () => {
  using training = testContext(trainGender, { id: "trainGender" });
  const dataset = await writeDataset(join(training.folder, "dataset"), people);
  const splits = await writeSplits(join(training.folder, "splits"), {
    train: 40,
    validation: 20,
    test: 20,
  });
  const network = { network: "plain", epochs: 1, batchSize: 8, batchNormMomentum: 0.5 };
  const warnings = async (sampling: unknown, classWeights?: unknown) => {
    const loss = { use: "crossEntropy", classWeights };
    training.warnings.length = 0;
    await training.run({ dataset, splits }, { ...network, sampling, loss });
    return training.warnings.filter((line) => line.includes("both balance the classes of gender"));
  };
  assert.equal((await warnings("balanced", "balanced")).length, 1);
  assert.deepEqual(await warnings("balanced"), []);
  assert.deepEqual(await warnings({ use: "balanced", by: ["age"] }, "balanced"), []);
});
