import assert from "node:assert/strict";
import { join } from "node:path";
import { layers, regularizers, sequential } from "@tensorflow/tfjs-layers";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { random } from "../../packages/random/random.ts";
import type { MetricsFile } from "../../faces/evaluation/score_model.ts";
import { writeReference } from "../../faces/evaluation/prediction_files.ts";
import { writePreprocessing } from "../../faces/images/preprocessing.ts";
import { NpyFile, writeNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import type { Artifact, StageProvenance } from "../../packages/pipeline/stage.ts";
import { median } from "../../packages/statistics/prediction_metrics.ts";
import type { Fairness } from "../../faces/evaluation/fairness.ts";
import evaluate from "../../stages/evaluate.ts";
import importModel from "../../stages/importModel.ts";
import { saveModel } from "../../faces/training/model_files.ts";
import { type TrainingRecord, writeRecord } from "../../faces/training/training_record.ts";
import { ageClasses, genderClasses } from "../../faces/training/targets.ts";
import { testArtifact, testContext } from "../context.ts";

/** Faces are 8×8 pixels of one brightness; networks read gender or age off it. */
const SIZE = 8;
const preprocessing = {
  detector: { name: "metadata", minConfidence: 0.5, inputSizes: [] },
  crop: { margin: 0.2, maxSize: 64 },
  background: "#ffffff",
  steps: [],
  resize: { size: SIZE, kernel: "lanczos3", fit: "fill" },
} as const satisfies TrainingRecord["preprocessing"];

interface People {
  brightness: number[];
  age: number[];
  gender: number[];
  identity: (string | null)[];
  dataset: string[];
}

Deno.test("evaluate scores a model and the constant baseline of the training set", async () => {
  using context = testContext(evaluate, { id: "evaluate" });
  const inputs = await artifacts(context.folder, people());
  const result = await context.run(inputs);
  const { models } = await metricsOf(context.outputs.report);

  // The network says male from brightness 128 on; of the 8 test faces, it gets one wrong.
  const { trainGender } = models;
  assert.equal(trainGender.metric, "accuracy");
  assert.deepEqual(trainGender.counts, { train: 8, validation: 4, test: 8 });
  assert.equal(trainGender.train.accuracy, 1);
  assert.equal(trainGender.test.accuracy, 7 / 8);
  assert.deepEqual(trainGender.confusion, {
    classes: ["female", "male"],
    counts: [[4, 0], [1, 3]],
  });
  // Six of the eight training faces are male; so are four of the eight test faces.
  assert.equal(trainGender.baseline.guess, "male");
  assert.equal(trainGender.baseline.train.accuracy, 6 / 8);
  assert.equal(trainGender.baseline.test.accuracy, 4 / 8);
  assert.equal(trainGender.interval!.method, "wilson");
  assert.ok(trainGender.interval!.low < 7 / 8 && 7 / 8 < trainGender.interval!.high);

  // The network says brightness / 2 years, and everybody is 3 years older.
  const { trainAge } = models;
  assert.equal(trainAge.metric, "mae");
  close(trainAge.test.mae, 3);
  assert.deepEqual(trainAge.byAgeBand?.map(({ count }) => count).reduce((a, b) => a + b), 8);
  for (const { bias } of trainAge.byAgeBand ?? []) close(bias, -3);

  assert.deepEqual(result?.show, ["report/report.html", "report/MODEL_CARD.md"]);
  assert.deepEqual(Object.keys(result?.metrics ?? {}), ["ageGroups", "trainAge", "trainGender"]);
  assert.deepEqual(Object.keys(result?.metrics?.trainAge.test ?? {}), ["loss", "mae"]);
  assert.equal(context.infos.length, 3);
  assert.match(
    context.infos[2],
    /^trainGender: test accuracy 0\.88 \(95 % CI 0\.53–0\.98\), not significantly better than the constant baseline, 0\.50$/,
  );
  assert.match(
    context.infos[1],
    /^trainAge: test MAE 3\.00 years \(95 % CI 3\.00–3\.00, too narrow\), better than the constant baseline, /,
  );
});

Deno.test("evaluate measures sensitivity on a sample, or not at all", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  await context.run(inputs);
  const file = join(context.outputs.report, "sensitivity.json");
  const { trainAge, trainGender } = JSON.parse(await Deno.readTextFile(file));
  assert.equal(trainGender.count, 8);
  assert.equal(trainGender.unchanged, 7 / 8);
  const of = (model: typeof trainAge, change: string) =>
    model.changes.find(({ name }: { name: string }) => name === change).value;
  // Faces are of one brightness: only changes of light change their age, brightness / 2.
  close(of(trainAge, "rotation by 15°"), 3);
  close(of(trainAge, "shift by 10 %"), 3);
  assert.ok(of(trainAge, "brightness × 0.6") > 5);
  assert.match(
    await Deno.readTextFile(join(context.outputs.report, "report.html")),
    /Most harm|None of the changes does harm/,
  );
  using without = testContext(evaluate);
  await without.run(await artifacts(without.folder, people()), { sensitivity: 0 });
  await assert.rejects(Deno.stat(join(without.outputs.report, "sensitivity.json")));
});

Deno.test("evaluate marks suspect labels only of networks better than the baseline", async () => {
  const of = async (brightness: Readonly<Record<number, number>>, more = [20, 200]) => {
    const someone = people();
    for (const [row, value] of Object.entries(brightness)) {
      someone.brightness[+row] = value;
      someone.age[+row] = value / 2 + 3;
    }
    for (let row = 20; row < 80; row++) {
      const value = more[Math.floor(row / 2) % (more.length / 2) * 2 + row % 2];
      someone.brightness.push(value);
      someone.age.push(value / 2 + 3);
      someone.gender.push(row % 2);
      someone.identity.push(`person ${row}`);
      someone.dataset.push("wiki_crop");
    }
    using context = testContext(evaluate);
    await context.run(await artifacts(context.folder, someone));
    const { trainGender } = (await metricsOf(context.outputs.report)).models;
    const whole = await Deno.readTextFile(join(context.outputs.report, "report.html"));
    const [page] = whole.split('<h2 id="trainGender">')[1].split("</section>");
    return {
      verdict: trainGender.verdict,
      marked: page.includes("<em>suspect label</em>"),
      reason: page.includes("Suspect labels are not marked"),
    };
  };
  // A man as dark as no woman is. With half of each gender so, half of the test set is right.
  assert.deepEqual(await of({ 16: 0 }), { verdict: "better", marked: true, reason: false });
  assert.deepEqual(
    await of({ 12: 254, 13: 254, 16: 0, 17: 0 }, [20, 200, 254, 0]),
    { verdict: "unclear", marked: false, reason: true },
  );
});

Deno.test("evaluate counts the L2 penalty in the loss, as training does", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  await context.run(inputs);
  const { trainAge } = (await metricsOf(context.outputs.report)).models;
  // L2 of 0.1 on 192 weights of 127.5 / 192 each.
  const penalty = 0.1 * 192 * (127.5 / 192) ** 2;
  close(trainAge.test.loss, 3 + penalty);
  close(trainAge.train.loss, 3 + penalty);
});

Deno.test("evaluate shows no kinds of examples where none are asked for", async () => {
  using context = testContext(evaluate);
  await context.run(await artifacts(context.folder, people()), { examples: 0, framing: 0 });
  const page = await Deno.readTextFile(join(context.outputs.report, "report.html"));
  assert.doesNotMatch(page, /None in the test set|Random sample|Suspect labels are not marked/);
});

Deno.test("evaluate puts ages into the model's groups", async () => {
  using context = testContext(evaluate);
  await context.run(await artifacts(context.folder, people()));
  const { ageGroups } = (await metricsOf(context.outputs.report)).models;
  assert.deepEqual(ageGroups.classes, ["up to 60", "above 60"]);
  assert.equal(ageGroups.variant, "binary");
  const counts = ageGroups.confusion?.counts.flat() ?? [];
  assert.equal(counts.reduce((a, b) => a + b), 8);
});

Deno.test("evaluate scores ages that a pretrained network predicts below 0", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  const { age, dataset } = people(), folder = join(context.folder, "faceApi");
  const faces = [12, 13].map((row) => ({ dataset: dataset[row], path: `${row}.png` }));
  const predictions = [{ age: -1.5, male: 1 }, { age: age[13] + 2, male: 0 }];
  await Deno.mkdir(folder);
  await writeReference(folder, "face-api", faces, predictions);
  await context.run({ ...inputs, references: [testArtifact(folder, "reference", "faceApi")] });
  const { trainAge, ageGroups } = (await metricsOf(context.outputs.report)).models;
  close(trainAge.others![0].value, (age[12] + 1.5 + 2) / 2);
  assert.equal(ageGroups.others![0].count, 2);
});

Deno.test("evaluate writes every prediction, that other tools can score again", async () => {
  using context = testContext(evaluate);
  const { metrics } = await context.run(await artifacts(context.folder, people())) ?? {};
  const columns = await readParquet(join(context.outputs.report, "predictions.parquet"), {
    stage: "string",
    row: "int32",
    split: "string",
    truth: "float64",
    prediction: "float64",
    probability: "float64?",
    probabilities: "float64[]?",
  });
  assert.equal(columns.row.length, 3 * 20);
  const lines = columns.row.map((row, i) => ({
    row,
    stage: columns.stage[i],
    split: columns.split[i],
    truth: columns.truth[i],
    prediction: columns.prediction[i],
    probability: columns.probability[i],
    probabilities: columns.probabilities[i],
  }));
  const gender = lines.filter(({ stage, split }) => stage === "trainGender" && split === "test");
  const right = gender.filter(({ truth, prediction }) => truth === prediction).length;
  assert.equal(right / gender.length, metrics?.trainGender.test.accuracy);
  for (const { probability, probabilities, prediction } of gender) {
    assert.equal(probabilities?.length, 2);
    assert.equal(probability, Math.max(...probabilities));
    assert.equal(probability, probabilities[prediction]);
  }
  const ages = lines.filter(({ stage }) => stage === "trainAge");
  assert.ok(ages.every(({ probability, probabilities }) => probability === null && !probabilities));
  assert.deepEqual(ages.map(({ row }) => row).sort((a, b) => a - b), [...Array(20).keys()]);
});

Deno.test("evaluate widens the interval where a person has many pictures", async () => {
  using alone = testContext(evaluate);
  await alone.run(await artifacts(alone.folder, people()));
  using together = testContext(evaluate);
  const same = people();
  same.identity = same.identity.map((_, i) => i % 2 === 0 ? "one" : "other");
  await together.run(await artifacts(together.folder, same));
  const of = async (folder: string) => (await metricsOf(folder)).models.trainGender.interval;
  assert.equal((await of(alone.outputs.report))!.unit, "image");
  assert.equal((await of(together.outputs.report))!.unit, "person");
});

Deno.test("evaluate writes the same bytes for the same inputs", async () => {
  using first = testContext(evaluate, { seed: 1 });
  using second = testContext(evaluate, { seed: 1 });
  for (const context of [first, second]) {
    await context.run(await artifacts(context.folder, people()));
  }
  for (const file of ["metrics.json", "report.html", "MODEL_CARD.md", "predictions.parquet"]) {
    assert.deepEqual(
      Deno.readFileSync(join(first.outputs.report, file)),
      Deno.readFileSync(join(second.outputs.report, file)),
      file,
    );
  }
});

Deno.test("evaluate shows faces as the networks saw them, well and badly predicted", async () => {
  using context = testContext(evaluate);
  await context.run(await artifacts(context.folder, people()), { examples: 2 });
  const html = Deno.readTextFileSync(join(context.outputs.report, "report.html"));
  const shown = [
    ...html.matchAll(/<h3 class="row">([^<]*)<\/h3>\s*<ul class="faces">(.*?)<\/ul>/gs),
  ]
    .map(([, title, list]) => [title, list.match(/<img src="data:image\/png;base64,/g)?.length]);
  const years = [["Random sample", 2], ["Smallest error", 2], [
    "Largest error",
    2,
  ]];
  const classes = [["Random sample", 2], ["Correct, highest confidence", 2]];
  // Of the test faces, the gender network gets one wrong.
  assert.deepEqual(shown.slice(0, 3), [...classes, ["Incorrect, highest confidence", 1]]);
  assert.deepEqual(shown.slice(3, 6), years);
});

Deno.test("evaluate escapes the names of data sets", async () => {
  using context = testContext(evaluate);
  const data = people();
  data.dataset = data.dataset.map(() => `<script>alert("x")</script>`);
  await context.run(await artifacts(context.folder, data));
  const html = Deno.readTextFileSync(join(context.outputs.report, "report.html"));
  assert.doesNotMatch(html, /<script/);
  assert.match(html, /&lt;script&gt;alert\(/);
});

Deno.test("evaluate says which set is empty", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  writeNpy(join(context.folder, "splits", "test.npy"), new Int32Array(0), [0]);
  await assert.rejects(
    context.run(inputs),
    /^Error: Cannot evaluate: the test set of "split" is empty\. Change its shares\.$/,
  );
});

Deno.test("evaluate leaves out models without labels in the test set, but not all of them", async () => {
  using context = testContext(evaluate);
  const data = people();
  const inputs = await artifacts(context.folder, {
    ...data,
    age: data.age.map((age, i) => i < 12 ? age : null),
  });
  await context.run(inputs);
  assert.deepEqual(Object.keys((await metricsOf(context.outputs.report)).models), ["trainGender"]);
  const why = "is left out: no image of the test set has a label of age.";
  assert.deepEqual(context.warnings, [`ageGroups ${why}`, `trainAge ${why}`]);
  const page = await Deno.readTextFile(join(context.outputs.report, "report.html"));
  const reason = "\\(no image of the test set has a label of age\\)";
  assert.match(page, new RegExp(`Left out: ageGroups ${reason} and trainAge ${reason}\\.`));
  const ages = (inputs.models as Artifact[]).slice(0, 2);
  await assert.rejects(
    context.run({ ...inputs, models: ages }),
    /^Error: Cannot evaluate ageGroups: no image .* of age; trainAge: no image .* of age\. Add labels/,
  );
  await assert.rejects(
    context.run({ ...inputs, models: ages.slice(1) }),
    /^Error: Cannot evaluate trainAge: no image of the test set has a label of age\. Add labels, or ev/,
  );
});

Deno.test("evaluate leaves out a model that was trained on the whole test set, but not alone", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  const models = inputs.models as Artifact[],
    own = models.find(({ stage }) => stage === "trainAge")!;
  using pixels = new NpyFile(join((inputs.dataset as Artifact).path, "images.npy"), "uint8");
  const rows = [12, 13, 14, 15, 16, 17, 18, 19], texts = rows.map(() => "");
  await writeParquet(join(own.path, "trained_on.parquet"), {
    photos: { type: "string", values: rows.map(() => null), nullable: true },
    dataset: { type: "string", values: texts },
    path: { type: "string", values: texts },
    image: { type: "string", values: rows.map((row) => sha256(pixels.read(row, 1)).slice(0, 32)) },
  });
  await context.run(inputs);
  const why = "it was trained, validated or calibrated on all 8 images of the test set";
  assert.deepEqual(context.warnings, [`trainAge is left out: ${why}.`]);
  const { models: scored } = await metricsOf(context.outputs.report);
  assert.deepEqual(Object.keys(scored), ["ageGroups", "trainGender"]);
  for (const file of ["report.html", "MODEL_CARD.md"]) {
    const text = await Deno.readTextFile(join(context.outputs.report, file));
    assert.ok(text.includes(`Left out: trainAge (${why}).`), file);
  }
  await assert.rejects(
    context.run({ ...inputs, models: [own] }),
    /^Error: Cannot evaluate trainAge: it was trained, .* on all 8 images of the test set\. Add labels, or/,
  );
});

Deno.test("evaluate names a model that takes images of another size", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  const larger = new Uint8Array(20 * 16 * 16 * 3);
  writeNpy(join((inputs.dataset as Artifact).path, "images.npy"), larger, [20, 16, 16, 3]);
  await assert.rejects(
    context.run(inputs),
    /^Error: Cannot evaluate ageGroups: it takes images of 8 pixels, and the dataset has 16\. Set/,
  );
});

Deno.test("evaluate warns of faces that other stages changed than in a model's training", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  await context.run(inputs);
  assert.deepEqual(context.warnings, []);
  await writePreprocessing((inputs.dataset as Artifact).path, {
    ...preprocessing,
    steps: ["grey 1"],
  });
  const result = await context.run(inputs);
  assert.match(result!.caution!, /"trainGender" was trained on faces changed by no stage/);
  for (const name of ["report.html", "MODEL_CARD.md"]) {
    const text = await Deno.readTextFile(join(context.outputs.report, name));
    assert.match(text, /are changed by .{1,6}grey 1.{1,6}: expect other results/);
  }
  assert.equal(context.warnings.length, 3);
  assert.match(
    context.warnings[0],
    /^"ageGroups" was trained on faces changed by no stage, and the faces of the dataset are changed by "grey 1": /,
  );
});

Deno.test("evaluate warns of other crops than those of an imported model's training", async () => {
  const lineage = (use: string) => ({
    pipeline: "p",
    file: "p.yaml",
    seed: 1,
    compute: "auto",
    command: "",
    stages: [
      { id: "trainGender", use, inputs: {}, params: {}, packages: {}, startedAt: "2026-01-01" },
    ] as unknown as StageProvenance[],
  });
  const detector = { name: "ssdMobilenetv1", minConfidence: 0.4, inputSizes: [256] };
  const warnings = [];
  for (const use of ["importModel", "trainGender"]) {
    using context = testContext(evaluate, { lineage: lineage(use) });
    const inputs = await artifacts(context.folder, people());
    await context.run(inputs, { framing: 0, sections: [] });
    await writePreprocessing((inputs.dataset as Artifact).path, {
      ...preprocessing,
      detector,
      crop: { margin: 0.4, maxSize: 64, align: "eyes" },
    });
    const result = await context.run(inputs, { framing: 0, sections: [] });
    assert.equal(/on other crops/.test(result!.caution ?? ""), use === "importModel");
    warnings.push(...context.warnings);
  }
  assert.deepEqual(warnings, [
    '"trainGender" was trained on other crops than those of the dataset: detector metadata, here ' +
    "ssdMobilenetv1, margin 0.2, here 0.4 and align none, here eyes. Expect other results than on " +
    "its own test set. Set faceCrop as for its training.",
  ]);
});

Deno.test("evaluate counts the people of the test set and its groups, where they repeat", async () => {
  using context = testContext(evaluate);
  const all = people();
  const inputs = await artifacts(context.folder, {
    ...all,
    identity: all.identity.map((_, i) => `person ${i % 5}`),
  });
  await context.run(inputs, { framing: 0, sections: [] });
  assert.match(context.infos.join("\n"), /^trainAge: .*, too narrow: of 5 people\)/m);
});

Deno.test("the report lists no hyperparameter that has no effect", async () => {
  const listed = async (use: string, params: object) => {
    const stage = {
      id: "trainGender",
      use,
      inputs: {},
      params: {},
      packages: {},
      unused: ["dropout"],
    };
    const stages = [{ ...stage, startedAt: "2026-01-01" }] as unknown as StageProvenance[];
    const lineage = {
      pipeline: "p",
      file: "p.yaml",
      seed: 1,
      compute: "auto",
      command: "",
      stages,
    };
    using context = testContext(evaluate, { lineage });
    const inputs = await artifacts(context.folder, people());
    const model = (inputs.models as Artifact[]).find(({ stage }) => stage === "trainGender")!;
    const file = join(model.path, "training.json");
    const record = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(file, JSON.stringify({ ...record, params }));
    await context.run(inputs, { framing: 0, sections: ["models"] });
    const page = await Deno.readTextFile(join(context.outputs.report, "report.html"));
    const [list] = page.split("Hyperparameters</h3>")[1].split("</dl>");
    return list.matchAll(/<dt>(.*?)<\/dt>/g).map(([, name]) => name).toArray();
  };
  const params = {
    dropout: 0.5,
    optimizer: "adam",
    schedule: "step",
    warmup: 0.1,
    weightDecay: 0.1,
  };
  const own = ["optimizer", "schedule", "warmup", "weightDecay"];
  assert.deepEqual(await listed("trainGender", params), own);
  assert.deepEqual(await listed("importModel", params), ["dropout", "optimizer", "schedule"]);
  const balanced = (options: object) => ({ sampling: { use: "balanced", ...options } });
  for (
    const [options, shown] of [
      [{ ageBand: 10 }, ["use"]],
      [{ by: ["gender"], ageBand: 10 }, ["use", "by"]],
      [{ by: ["gender"], ageBand: 5 }, ["use", "by", "ageBand"]],
      [{ by: ["age"], ageBand: 10 }, ["use", "by", "ageBand"]],
    ] as const
  ) {
    const names = shown.map((name) => `sampling.${name}`);
    assert.deepEqual(await listed("trainGender", balanced(options)), names);
  }
  const joint = { weights: {}, classes: ["gender"], numbers: ["height"] };
  const names = await listed("trainJoint", { ...joint, ...balanced({ ageBand: 10 }) });
  assert.deepEqual(names, ["classes", "numbers", "sampling.use"]);
});

Deno.test("evaluate scores a network trained elsewhere, with the files that the guide has", async () => {
  const url = new URL("../../docs/guide/evaluation.md", import.meta.url);
  const guide = (await Deno.readTextFile(url)).split("## Models trained elsewhere")[1];
  const [json, csv] = ["json", "csv"].map((language) =>
    new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(guide)![1].replaceAll(/^ {2}/gm, "")
  );
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  const gender = (inputs.models as Artifact[])[2], folder = join(context.folder, "mine");
  await Deno.mkdir(folder);
  for (const name of ["model.json", "weights.bin"]) {
    await Deno.copyFile(join(gender.path, name), join(folder, name));
  }
  await Deno.writeTextFile(join(folder, "history.csv"), csv);
  using importing = testContext(importModel);
  const write = (text: string) => Deno.writeTextFile(join(folder, "training.json"), text);
  for (const field of ["datasets", "seed"]) {
    await write(json.replace(field, "other"));
    await assert.rejects(
      importing.run({}, { model: folder }),
      new RegExp(
        `damaged at "${field}"\\. Train .* docs/guide/evaluation\\.md has the fields of one`,
      ),
    );
  }
  await write(json.replaceAll("64", `${SIZE}`));
  const history = (text: string) => Deno.writeTextFile(join(folder, "history.csv"), text);
  for (
    const [wrong, why] of [
      ["epoch,loss,mae,val_loss,val_mae\n1,1,1,1,1\n", 'its first line has no "metric"'],
      [csv.replaceAll(",", ";"), 'its first line has no "epoch"'],
      [csv.split("\n")[0] + "\n", "it has no epoch"],
      [csv.replace("0.95", "95 %"), 'line 2 has "95 %" as metric'],
    ]
  ) {
    await history(wrong);
    const expected = new RegExp(`history\\.csv": ${why}\\. Train .* has the fields of one`);
    await assert.rejects(importing.run({}, { model: folder }), expected);
  }
  await history(csv.replaceAll("\n", "\r\n"));
  await importing.run({}, { model: folder });
  assert.match(importing.warnings[0], /not known which images .*mine" was trained on/);
  await context.run({ ...inputs, models: [importing.artifact("model")] });
  const { test } = Object.values((await metricsOf(context.outputs.report)).models)[0];
  assert.equal(test.accuracy, 7 / 8);
  const card = await Deno.readTextFile(join(context.outputs.report, "MODEL_CARD.md"));
  assert.match(card, /1,000 faces of mine; 1 epoch, seed 1, 386 parameters/);
  assert.doesNotMatch(card, /undefined|NaN/);
});

Deno.test("evaluate stops when it is told to", async () => {
  const abort = new AbortController();
  using context = testContext(evaluate, {
    signal: abort.signal,
    onAdvance: () => abort.abort(new Error("stopped by the test")),
  });
  const inputs = await artifacts(context.folder, people());
  await assert.rejects(context.run(inputs), /stopped by the test/);
});

Deno.test("evaluate takes each column of groups, and each pair, once: a second adds a test", () => {
  const problem = (groups: unknown) => evaluate.params.safeParse({ groups }).error?.message ?? "";
  assert.equal(problem(["age", "gender", ["age", "gender"], ["age", "site"]]), "");
  assert.match(problem(["gender", "age", "gender"]), /expected each column, and each pair, once/);
  assert.match(problem([["age", "gender"], ["gender", "age"]]), /each pair, once/);
  assert.match(problem([["age", "age"]]), /expected two different columns/);
});

Deno.test("evaluate compares chosen groups, also at the gate, and names the columns", async () => {
  using context = testContext(evaluate);
  const inputs = await artifacts(context.folder, people());
  const gate = { threshold: 18, limit: 18 };
  await context.run(inputs, { gate, groups: ["age"] });
  const text = await Deno.readTextFile(join(context.outputs.report, "fairness.json"));
  for (const { groupings, left_out } of Object.values<Fairness>(JSON.parse(text).models)) {
    assert.deepEqual(groupings.map(({ by }) => by.join()), ["age"]);
    assert.equal(left_out.gender, 2);
  }
  const { trainAge } = (await metricsOf(context.outputs.report)).models;
  assert.deepEqual(trainAge.gate!.by_group, []);
  await assert.rejects(
    context.run(inputs, { groups: ["gendr"] }),
    /"gendr": the labels have no such column; they have gender, age\. Change evaluate\.groups\./,
  );
});

Deno.test("evaluate lets ages through a gate, intervals on one side of it too", async () => {
  using context = testContext(evaluate);
  const data = people(), n = data.age.length;
  const inputs = await artifacts(context.folder, data);
  const { path } = inputs.dataset as Artifact;
  await writeIntervals(path, data, { [n - 2]: [15, 20], [n - 1]: [12, 17] });
  await context.run({ ...inputs, models: (inputs.models as Artifact[]).slice(1) }, {
    gate: { threshold: 18, limit: 18 },
  });
  assert.deepEqual(context.warnings.filter((warning) => warning.startsWith("gate")), []);
  const { trainAge, trainGender } = (await metricsOf(context.outputs.report)).models;
  assert.equal(trainGender.gate, undefined);
  const { false_accept, false_reject, left_out } = trainAge.gate!;
  // The network is 3 years below the truth.
  const ages = data.age.slice(12, 18);
  assert.equal(left_out, 1);
  assert.equal(false_accept!.count, 1 + ages.filter((age) => age < 18).length);
  const refused = ages.filter((age) => age >= 18 && age - 3 < 18).length;
  assert.equal(false_reject!.value, refused / ages.filter((age) => age >= 18).length);
  const html = await Deno.readTextFile(join(context.outputs.report, "report.html"));
  assert.match(html, /id="gate"/);
  assert.match(html, /1 face left out/);
  await context.run({ ...inputs, models: (inputs.models as Artifact[]).slice(1, 2) }, {
    gate: { threshold: 18, limit: 16 },
  });
  assert.match(context.warnings.join(), /gate\.limit 16 is below gate\.threshold 18: /);
  assert.doesNotMatch(context.warnings.join(), /gate has no effect/);
  const genders = (inputs.models as Artifact[]).filter(({ stage }) => stage === "trainGender");
  await context.run({ ...inputs, models: genders }, { gate: { threshold: 18, limit: 18 } });
  assert.match(context.warnings.join(), /gate has no effect: no model of ages in years/);
  assert.doesNotMatch(context.warnings.join(), /metrics/);
  await context.run({ ...inputs, models: genders }, { metrics: ["f1", "rmse"] });
  assert.match(
    context.warnings.join(),
    /metrics: rmse has no effect: it is of numbers, and no model/,
  );
  assert.doesNotMatch(context.warnings.join(), /f1/);
});

Deno.test("evaluate scores exact ages of a model that was trained on intervals alone", async () => {
  using context = testContext(evaluate);
  const data = people(), inputs = await artifacts(context.folder, data);
  const models = (inputs.models as Artifact[]).filter(({ stage }) => stage === "trainAge");
  const { path } = inputs.dataset as Artifact, training = data.age.slice(0, 12);
  await writeIntervals(path, data, training.map((age) => [age - 4, age + 5]));
  await context.run({ ...inputs, models });
  const { trainAge } = (await metricsOf(context.outputs.report)).models;
  assert.deepEqual(trainAge.counts, { train: 0, validation: 0, test: 8 });
  assert.deepEqual(trainAge.unlabelled, { train: 8, validation: 4, test: 0 });
  assert.equal(trainAge.baseline.of, undefined);
  close(Number(trainAge.baseline.guess), median(data.age.slice(0, 8)) + 0.5);
  close(trainAge.test.mae, 3);
  for (const file of ["report.html", "MODEL_CARD.md"]) {
    assert.doesNotMatch(await Deno.readTextFile(join(context.outputs.report, file)), />[^<]*NaN/);
  }
});

/** Writes a dataset's table in which some rows have an interval in place of an age. */
async function writeIntervals(
  folder: string,
  { age, gender, identity, dataset }: People,
  intervals: Readonly<Record<number, readonly [low: number, high: number]>>,
): Promise<void> {
  const column = (values: (number | null)[]) =>
    ({ type: "int32", nullable: true, values }) as const;
  await writeParquet(join(folder, "table.parquet"), {
    age: column(age.map((age, i) => intervals[i] ? null : age)),
    gender: column(gender),
    age_low: column(age.map((_, i) => intervals[i]?.[0] ?? null)),
    age_high: column(age.map((_, i) => intervals[i]?.[1] ?? null)),
    identity: { type: "string", values: identity, nullable: true },
    dataset: { type: "string", values: dataset },
    path: { type: "string", values: age.map((_, i) => `${i}.png`) },
  });
}

/** 20 people, of whom rows 0-7 are for training, 8-11 for validation, 12-19 for the test. */
function people(): People {
  const gender = [0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1];
  const rng = random(3, "people");
  const brightness = gender.map((g) => g === 1 ? 130 + rng.int(60) : 10 + rng.int(100));
  brightness[16] = 90; // a man who looks like the women
  return {
    brightness: brightness.map((b) => b - b % 2),
    age: brightness.map((b) => (b - b % 2) / 2 + 3),
    gender,
    identity: gender.map((_, i) => `person ${i}`),
    dataset: gender.map((_, i) => i % 3 === 0 ? "imdb_crop" : "wiki_crop"),
  };
}

/** The dataset, its splits and three models, in folders as other stages leave them. */
async function artifacts(
  folder: string,
  people: Omit<People, "age"> & { age: (number | null)[] },
): Promise<Record<string, Artifact | Artifact[]>> {
  const path = (name: string) => {
    Deno.mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const n = people.age.length;
  const dataset = path("dataset");
  const pixels = people.brightness.flatMap((b) => new Array<number>(SIZE * SIZE * 3).fill(b));
  writeNpy(join(dataset, "images.npy"), Uint8Array.from(pixels), [n, SIZE, SIZE, 3]);
  await writeParquet(join(dataset, "table.parquet"), {
    name: { type: "string", values: people.age.map((_, i) => `Name ${i}`), nullable: true },
    age: { type: "int32", values: people.age, nullable: true },
    gender: { type: "int32", values: people.gender },
    identity: { type: "string", values: people.identity, nullable: true },
    dataset: { type: "string", values: people.dataset },
    path: { type: "string", values: people.age.map((_, i) => `${i}.png`) },
  });
  await writePreprocessing(dataset, preprocessing);

  const splits = path("splits");
  const rows = (from: number, to: number) =>
    Int32Array.from({ length: to - from }, (_, i) => from + i);
  writeNpy(join(splits, "train.npy"), rows(0, 8), [8]);
  writeNpy(join(splits, "validation.npy"), rows(8, 12), [4]);
  writeNpy(join(splits, "test.npy"), rows(12, n), [n - 12]);
  await Deno.writeTextFile(join(splits, "summary.json"), "{}");

  await openBackend("wasm");
  const models = [
    { id: "ageGroups", task: "age", variant: "binary", classes: ageClasses.binary },
    { id: "trainAge", task: "age", variant: "regression", classes: null },
    { id: "trainGender", task: "gender", variant: "binary", classes: genderClasses },
  ] as const;
  for (const { id, task, variant, classes } of models) {
    await makeModel(path(id), task, variant, classes);
  }
  return {
    dataset: testArtifact(dataset, "dataset", "resize32"),
    splits: testArtifact(splits, "splits", "split"),
    models: models.map(({ id }) => testArtifact(join(folder, id), "model", id)),
    references: [],
    faces: [],
    tables: [],
    archives: [],
  };
}

/** A network whose weights are set by hand: years = brightness / 2, or a class from 128 on. */
async function makeModel(
  folder: string,
  task: TrainingRecord["task"],
  variant: TrainingRecord["variant"],
  classes: TrainingRecord["classes"] | Readonly<TrainingRecord["classes"]>,
): Promise<void> {
  const inputs = SIZE * SIZE * 3;
  // Names of their own: TensorFlow.js would count on, from test to test.
  const network = sequential({
    name: `by-hand-${variant}`,
    layers: [
      layers.flatten({ name: "flatten", inputShape: [SIZE, SIZE, 3] }),
      classes ? layers.dense({ name: "classes", units: 2, activation: "softmax" }) : layers.dense({
        name: "years",
        units: 1,
        kernelRegularizer: regularizers.l2({ l2: 0.1 }),
      }),
    ],
  });
  const each = (value: number) => new Array<number>(inputs).fill(value / inputs);
  const kernel = classes
    ? tf.tensor2d(each(8).flatMap((w) => [-w, w]), [inputs, 2])
    : tf.tensor2d(each(127.5), [inputs, 1]);
  const bias = classes ? tf.tensor1d([4, -4]) : tf.tensor1d([0]);
  network.setWeights([kernel, bias]);
  await saveModel(network, folder);
  await writeRecord(folder, {
    task,
    variant,
    loss: classes ? "categorical_crossentropy" : "mean_absolute_error",
    metric: classes ? "accuracy" : "mae",
    classes: classes && [...classes],
    input: { size: SIZE, channels: "RGB", divisor: 255 },
    preprocessing: {
      ...preprocessing,
      steps: [],
      detector: { ...preprocessing.detector, inputSizes: [] },
    },
    params: { batchSize: 64, earlyStopping: { patience: 3 } },
    seed: 42,
    backend: "wasm",
    counts: { train: 8, validation: 4 },
    datasets: { sample: 8 },
    weights: network.countParams(),
    epochs: 2,
    stoppedEarly: false,
    bestEpoch: 2,
    weightsOfEpoch: 2,
  }, [
    { epoch: 1, loss: 1.5, metric: 0.5, val_loss: 1.6, val_metric: 0.5 },
    { epoch: 2, loss: 1.1, metric: 0.7, val_loss: 1.2, val_metric: 0.6 },
  ]);
  tf.dispose([kernel, bias]);
  network.dispose();
}

async function metricsOf(folder: string): Promise<MetricsFile> {
  return JSON.parse(await Deno.readTextFile(join(folder, "metrics.json")));
}

function close(actual: number | undefined, expected: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) < 1e-4,
    `expected ${expected}, got ${actual}`,
  );
}
