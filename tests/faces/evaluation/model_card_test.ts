import assert from "node:assert/strict";
import { cardBlocks, notices, toMarkdown } from "../../../faces/evaluation/model_card.ts";
import { modelCard } from "../../../faces/evaluation/model_card.ts";
import { line, summary } from "../../../faces/evaluation/format_result.ts";
import { madeUpReport } from "./fixture.ts";

Deno.test("modelCard() states purpose, limits, data and its terms, and results by group", async () => {
  const report = await madeUpReport();
  const card = modelCard(report);
  for (
    const heading of [
      "Intended use",
      "Out-of-scope use",
      "Models",
      "Data and licenses",
      "Preprocessing",
      "Limitations",
    ]
  ) assert.ok(card.includes(`\n## ${heading}\n`), heading);
  assert.match(
    card,
    /pipeline experiment \(experiments\/made-up\.yaml, seed 42, run 1a2b3c4d\), trained on 2026/,
  );
  assert.match(card, /wiki\\_crop, imdb\\_crop: IMDB-WIKI .* for academic research only/);
  assert.match(card, /\| Age in years \(trainAge\) \| MAE \d+\.\d\u00a0years on the /);
  const { metrics } = report.models.find(({ id }) => id === "trainGender")!;
  const men = metrics.groups!.find(({ gender, from }) => gender === 1 && from === undefined)!;
  assert.ok(card.includes(`| men | ${men.count} | ${men.value.toFixed(3)} | `));
  assert.match(card, /The two genders are .*MAE is an average/s);
  const groups = report.models.filter(({ id }) => id === "ageGroups").map((one) => {
    return { ...one, metrics: { ...one.metrics, groups: [] } };
  });
  const classes = modelCard({ ...report, models: groups });
  assert.doesNotMatch(classes, /two genders|MAE is/, "of neither");
});

Deno.test("modelCard() has the further metrics of each model with their intervals", async () => {
  const report = await madeUpReport();
  assert.doesNotMatch(modelCard(report), /Further metrics/);
  const { metrics } = report.models.find(({ id }) => id === "trainAge")!;
  Object.assign(metrics.test, { bias: -1.234, rmse: 6 });
  const interval = {
    low: -2.5,
    high: 0.5,
    level: 0.95,
    method: "bootstrap",
    unit: "image",
  } as const;
  const years = { unit: "years", decimals: 1 };
  metrics.further = [
    { ...years, name: "bias", title: "bias", intervals: { test: interval } },
    { ...years, name: "rmse", title: "RMSE", intervals: {} },
  ];
  const card = modelCard(report);
  assert.ok(card.includes("| Age in years (trainAge) | bias, years | −1.2 | −2.5 to 0.5 |"), card);
  assert.ok(card.includes("| Age in years (trainAge) | RMSE, years | 6.0 | too few faces |"), card);
  // In memory, and as metrics.json has it.
  for (const rmse of [NaN, null]) {
    Object.assign(metrics.test, { rmse });
    assert.match(modelCard(report), /\| RMSE, years \| – \| not defined \|/);
  }
});

Deno.test("a bootstrap interval of fewer than 20 faces is too narrow, which is stated beside it", async () => {
  const { models: [, age], ...report } = await madeUpReport();
  const interval = {
    low: 4,
    high: 6,
    level: 0.95,
    method: "bootstrap",
    unit: "image",
  } as const;
  const one = { value: 5, interval, bias: 1, biasInterval: interval };
  const textsOf = (test: number, people?: number) => {
    const metrics = {
      ...age.metrics,
      interval,
      counts: { train: 100, validation: 50, test },
      groups: [{ gender: 1, count: test, people, ...one }],
      people: { test: people },
    };
    return [
      line("trainAge", metrics),
      summary(metrics).replaceAll("\u00a0", " "),
      modelCard({ ...report, models: [{ ...age, metrics }] }),
    ];
  };
  const [log, sentence, card] = textsOf(19);
  assert.match(log, /\(95 % CI 4\.00–6\.00, too narrow\)/);
  assert.match(sentence, /\(95 % CI 4\.0–6\.0 years, too narrow\)/);
  assert.match(
    card,
    /\| men \| 19 \| 5\.0 \| 4\.0–6\.0, too narrow \| \+1\.0 \| \+4\.0 to \+6\.0, too narrow \|/,
  );
  for (const text of textsOf(20)) assert.doesNotMatch(text, /too narrow/);
  // Where people repeat, they are resampled.
  for (const text of textsOf(40, 20)) assert.doesNotMatch(text, /too narrow/);
  const [ofPeople, another, their] = textsOf(40, 8);
  assert.match(ofPeople, /\(95 % CI 4\.00–6\.00, too narrow: of 8 people\)/);
  assert.match(another, /\(95 % CI 4\.0–6\.0 years, too narrow: of 8 people\)/);
  assert.match(their, /\| men \| 40 \| 5\.0 \| 4\.0–6\.0, too narrow: of 8 people \|/);
});

Deno.test("modelCard() counts the training faces that have a label, of imported models too", async () => {
  const { models, ...report } = await madeUpReport();
  const [{ training, metrics, ...model }] = models as [typeof models[number]];
  const imported = { ...metrics, counts: { train: 0, validation: 0, test: 200 } };
  const labelled = { ...training, counts: { train: 620, validation: 150 } };
  const card = modelCard({
    ...report,
    models: [{ ...model, metrics: imported, training: labelled }],
  });
  assert.match(card, /\| 620 faces of wiki\\_crop; 14 epochs/);
  const params = { ...model.params, weights: { gender: 1, age: 1 } };
  const heads = { ...model, params, metrics: imported, training: labelled };
  const either = /\| 620 faces with a label of gender or age of wiki\\_crop; 14 epochs/;
  assert.match(modelCard({ ...report, models: [heads] }), either);
  // A joint network trains on images that have a label of any of its tasks, one on ages that are
  // intervals as well, which no metric counts.
  const own = { ...metrics, counts: { train: 610, validation: 150, test: 200 } };
  assert.match(modelCard({ ...report, models: [{ ...heads, metrics: own }] }), either);
  const single = { ...model, metrics: own, training: labelled };
  const all = /\| 620 faces of wiki\\_crop; 14 epochs/;
  assert.match(modelCard({ ...report, models: [single] }), all);
});

Deno.test("modelCard() has verdict, missing labels and age gate, and hides small groups as the report", async () => {
  const report = await madeUpReport(), [groups, age] = report.models;
  age.metrics.verdict = "worse";
  age.metrics.unlabelled = { train: 0, validation: 0, test: 4 };
  const of = (value: number) => ({
    count: 40,
    value,
    interval: { low: 0.1, high: 0.3, level: 0.95, method: "wilson", unit: "image" } as const,
  });
  const rates = { false_accept: of(0.2), false_reject: of(0.25) };
  age.metrics.gate = {
    ...rates,
    threshold: 18,
    limit: 23,
    by_year: [],
    by_group: [],
    left_out: 0,
  };
  for (const group of age.metrics.groups!) group.count = group.from === 80 ? 1 : 50;
  const card = modelCard(report).replaceAll("\u00a0", " ");
  assert.match(
    card,
    /Worse than the constant baseline\. No metric counts faces without an exact age: 4 of test\./,
  );
  assert.match(card, /Better than the constant baseline\. \|/);
  assert.match(
    card,
    /## Age gate\n\nAge in years .* at 23 years or more are let in.* below 18 .*: 0\.200 \(95 % CI 0\.100–0\.300, 40 faces\).* refused: 0\.250/,
  );
  assert.match(card, /Groups of fewer than 10 faces are hidden\./);
  const own = card.split("### Age in years")[1].split("###")[0];
  assert.doesNotMatch(own, /80–99/);
  assert.match(
    card,
    /Data sets are rarely balanced .*and fairness\.json, performance by group is unknown/,
  );
  // In the order of the report.
  assert.ok(card.indexOf("Gender (trainGender)") < card.indexOf("Age in years (trainAge)"));
  assert.ok(card.indexOf("(trainAge)") < card.indexOf(`(${groups.id})`));
});

Deno.test("modelCard() names models that were left out, with the reason", async () => {
  const leftOut = [{ id: "theirs", why: "it was trained on all 8 images of the test set" }];
  assert.match(
    modelCard({ ...await madeUpReport(), leftOut }),
    /Details: report\.html\. Left out: theirs \(it was trained on all 8 images of the test set\)\./,
  );
});

Deno.test("toMarkdown() keeps text from the data text, in one cell and one line", () => {
  const text = toMarkdown("Card", [{ head: ["a|b"], rows: [["<img src=x>\n# *x* [y](z)"]] }]);
  assert.equal(
    text,
    "# Card\n\n| a\\|b |\n| --- |\n| \\<img src=x\\> \\# \\*x\\* \\[y\\](z) |\n",
  );
});

Deno.test("modelCard() begins with the cautions of the lineage", async () => {
  const report = await madeUpReport();
  assert.doesNotMatch(modelCard(report), /^[^]{0,40}\*\*/);
  const [stage, ...others] = report.made.lineage.stages;
  const stages = [{ ...stage!, caution: "Faces are drawn." }, ...others];
  const made = { ...report.made, lineage: { ...report.made.lineage, stages } };
  assert.match(
    modelCard({ ...report, made }),
    /^# Model card\n\n\*\*Faces are drawn\.\*\*\n\nModels/,
  );
});

Deno.test("cardBlocks() documents the origin of data", async () => {
  const { data } = await madeUpReport();
  const preprocessing = {
    ...data.preprocessing,
    steps: [],
  } as unknown as Parameters<typeof cardBlocks>[0]["preprocessing"];
  const card = (datasets: string[], mirror?: string) =>
    toMarkdown("Card", cardBlocks({ models: [], datasets, mirror, preprocessing }));
  assert.equal(toMarkdown("Card", notices(["a", "b"])), "# Card\n\n**a**\n\n**b**\n");
  assert.match(card(["sample"]), /sample: synthetic faces, drawn by this project/);
  assert.match(card(["mine"]), /mine: images provided by the user/);
  const known = { faces: "FairFace, CC BY 4.0" };
  const blocks = cardBlocks({ models: [], datasets: ["faces"], terms: known, preprocessing });
  assert.match(toMarkdown("Card", blocks), /faces: FairFace, CC BY 4.0\./);
  assert.doesNotMatch(toMarkdown("Card", blocks), /provided by the user/);
  assert.match(card(["wiki"], "/mnt/faces"), /The files were downloaded from \/mnt\/faces/);
  const framed = (...datasets: string[]) => {
    const framedBy = { mine: "the whole photo" };
    return toMarkdown("Card", cardBlocks({ models: [], datasets, framedBy, preprocessing }));
  };
  assert.match(
    framed("wiki"),
    /For training, the data set gives the box of the face\. A square crop/,
  );
  assert.match(framed("constructor"), /For training, the data set gives the box of the face\./);
  assert.match(
    framed("mine"),
    /face in photos of mine is the whole photo\. The whole photo, or in serving a square crop/,
  );
  assert.match(
    framed("wiki", "mine"),
    /the face and the face in photos of mine is the whole photo\. The whole photo, or of others a/,
  );
});
