import assert from "node:assert/strict";
import type { Interval } from "../../../packages/statistics/confidence_intervals.ts";
import * as tf from "@tensorflow/tfjs-layers";
import { DOMParser } from "@xmldom/xmldom";
import { parse as parseYaml } from "yaml";
import { reportPage } from "../../../faces/evaluation/report_page.ts";
import {
  configuration,
  provenanceSection,
} from "../../../faces/evaluation/sections/provenance_section.ts";
import { sensitivityChart } from "../../../faces/evaluation/charts/result_charts.ts";
import { describeNetwork } from "../../../faces/evaluation/describe_network.ts";
import type { DetectorConfig } from "../../../faces/images/preprocessing.ts";
import { duration, unlabelledText } from "../../../faces/evaluation/format_result.ts";
import { modelCard } from "../../../faces/evaluation/model_card.ts";
import { adjustAll, modelFairness } from "../../../faces/evaluation/fairness.ts";
import { networks } from "../../../models/mod.ts";
import { dots } from "../../../faces/evaluation/examples.ts";
import { madeUpReport, withGroups } from "./fixture.ts";

let plain: Promise<string> | undefined;
/** The page of the report as it is, made once. */
const plainPage = () => plain ??= madeUpReport().then(reportPage);

Deno.test("reportPage() opens with every model's metric, interval and constant baseline, in words", async () => {
  const html = text(await plainPage());
  const summary = html.slice(0, html.indexOf("Rows kept"));
  for (const words of ["Gender", "Age in years", "Age in 7 groups"]) {
    assert.ok(summary.includes(words));
  }
  assert.match(summary, /Accuracy 0\.\d{3} on the 200 faces of the test set \(95 % CI 0\./);
  assert.match(summary, /MAE [\d.]+ years on the 200 faces of the test set/);
  assert.match(
    summary,
    /Constant baseline 0\.\d{3}: the majority class of the training set, “\w+”/,
  );
  assert.match(summary, /Better than the constant baseline/);
});

Deno.test("reportPage() names the trainer, and warns of networks worse than the constant baseline", async () => {
  const report = await madeUpReport();
  assert.doesNotMatch(
    text(await plainPage()),
    /worse than the constant baseline|, trained by /,
  );
  const [first] = report.models;
  Object.assign(first.training, { computedBy: "engine, 4 threads", constantBaseline: 0.625 });
  first.metrics.verdict = "worse";
  const html = text(await reportPage(report));
  assert.match(html, /trained by engine, 4 threads\./);
  assert.match(html, /worse than the constant baseline:\s+accuracy 0\.625 by the majority class/);
  // As the log advises.
  assert.match(
    html,
    /Take more steps \(smaller batchSize, .*patience\), change learningRate, or check/,
  );
  first.metrics.balanced = { value: 0.711, baseline: 0.5 };
  const balanced = text(await reportPage(report));
  assert.doesNotMatch(balanced, /of no use|Take more steps|Suspect labels are not marked/);
  assert.match(
    balanced,
    /in balanced accuracy alone: 0\.711, and 0\.500 of any constant prediction/,
  );
  assert.match(balanced, /constant\s+baseline: 2 of 3, in balanced accuracy alone: 1\./);
});

Deno.test("reportPage() draws data, curves, errors and faces", async () => {
  const document = parse(await plainPage());
  const labels = [...document.getElementsByTagName("svg")].map((svg) =>
    svg.getAttribute("aria-label")
  );
  const count = (label: RegExp) => labels.filter((text) => label.test(text ?? "")).length;
  assert.equal(count(/^Histogram of the ages in (wiki|imdb)_crop$/), 2);
  assert.equal(count(/^Histogram of the ages in all data sets$/), 1);
  assert.equal(count(/^Histogram of the ages of the (train|validation|test) set$/), 3);
  assert.equal(count(/^wiki_crop: \d+ % women, wiki_crop: \d+ % men, imdb_crop.*train.*test/), 1);
  assert.equal(count(/^loss by epoch on the training and validation set$/), 3);
  assert.equal(count(/^accuracy by epoch/), 2);
  assert.equal(count(/^MAE by epoch/), 1);
  assert.equal(count(/^Mean absolute error by age band$/), 1);
  assert.equal(count(/^Predicted against true age, years$/), 1);
  assert.equal(count(/^blur, σ 2 % of the side: 9\.1, shift: 7\.0$/), 1);
  assert.equal(count(/^Cumulative score$|^Mean signed error by true age$/), 2);
  assert.equal(count(/^ROC curve of “male”$/), 1);
  assert.equal(count(/^Calibration of /), 2);
  assert.match(text(await plainPage()), /MAE by gender and age\s*Test set\. Small print/);
  const faces = [...document.getElementsByTagName("ul")]
    .map((list) => [list.getAttribute("class"), list.getElementsByTagName("img").length])
    .filter(([, images]) => images).map((words) => words.join(" "));
  assert.deepEqual(faces, [...new Array(5).fill("faces 12"), "sheet 30", "sheet 1"]);
});

Deno.test("reportPage() reports kept and dropped rows and photos", async () => {
  const html = text(await plainPage());
  assert.match(html, /without a face\s*60\s*60/);
  assert.match(html, /no face found\s*110\s*510/);
  assert.doesNotMatch(await plainPage(), /<span[^>]*><\/span>/, "one table needs no name");
  assert.match(html, /Photos without a detected face\s*1 of 110, drawn at random/);
});

Deno.test("reportPage() counts calibration images, and has no table without rows", async () => {
  const report = await withGroups(await madeUpReport());
  report.data.calibration = 250;
  const [first, ...others] = report.models;
  for (const one of first.fairness!.groupings) Object.assign(one, { metrics: {} });
  for (const { metrics: { abstention } } of report.models) {
    if (abstention) Object.assign(abstention, { at: [], aurc: 0.000198 });
  }
  const page = await reportPage(report), html = text(page);
  assert.match(html, /Sets\s*train 640, validation 160, test 200, calibration 250/);
  assert.equal(html.match(/No groups to compare: all \d+ are hidden as small/g)?.length, 1);
  assert.equal(html.match(/No prediction is that confident/g)?.length, 2);
  assert.match(html, /\(AURC\): 0\.00020; lower is better/);
  assert.equal(page.match(/Differences of /g)?.length, others.length);
  assert.doesNotMatch(page, /<tbody>\s*<\/tbody>/);
});

Deno.test("reportPage() compares every metric with the constant baseline, face-api and the 2021 networks", async () => {
  const report = await madeUpReport();
  const html = text(await reportPage(report));
  const { metrics } = report.models.find(({ metrics }) => metrics.task === "gender")!;
  const row = (name: string, ...cells: (string | RegExp)[]) =>
    assert.match(html, new RegExp([name, ...cells.map((cell) => cell)].join("\\s*")));
  const shown = (value: number) => value.toFixed(3);
  const of = (scores: { accuracy?: number }) => shown(scores.accuracy!);
  const range = ({ low, high }: Interval) => `${shown(low)}–${shown(high)}`;
  row(
    "this network",
    of(metrics.train),
    range(metrics.intervals.train!),
    of(metrics.validation),
    range(metrics.intervals.validation!),
    of(metrics.test),
    range(metrics.interval!),
  );
  row("constant baseline", of(metrics.baseline.train), of(metrics.baseline.validation));
  row("face-api", shown(metrics.others![0].value), range(metrics.others![0].interval!));
  row("2021 network", "0\\.92", "0\\.88");
  row("2021 network", "9\\.94", "10\\.05");
  for (const { metrics } of report.models) {
    Object.assign(metrics.counts, { train: 0, validation: 0 });
  }
  // No published value is of a test set.
  const tested = text(await reportPage(report));
  assert.doesNotMatch(tested, /2021 network\s*Small print|2021 network was evaluated/);
});

Deno.test("sensitivityChart() has a tick behind its longest bar", () => {
  const chart = { count: 5, unchanged: 9.4, changes: [{ name: "blur", value: 18.8 }] };
  assert.match(String(sensitivityChart(chart, "mae")), />15<\/text>[^]*>20<\/text>/);
});

Deno.test("reportPage() gives every metric of classes and of ages its interval", async () => {
  const report = await madeUpReport();
  const html = text(await reportPage(report));
  const gender = report.models.find(({ metrics }) => metrics.task === "gender")!.metrics;
  const three = ({ low, high }: Interval) => `\\(95 % CI ${low.toFixed(3)}–${high.toFixed(3)}\\)`;
  const { auc, aucInterval, calibration } = gender;
  assert.match(
    html,
    new RegExp(`Area under the curve: ${auc!.toFixed(3)} ${three(aucInterval!)}`),
  );
  const { brier, brierInterval } = calibration!;
  assert.match(html, new RegExp(`Brier score\\s*${brier.toFixed(3)} ${three(brierInterval!)}`));
  const groups = report.models.find(({ id }) => id === "ageGroups")!.metrics.calibration!;
  assert.match(html, new RegExp(`top-label Brier score\\s*${groups.brier.toFixed(3)}`));
  assert.match(html, /Brier score\s*Mean squared [^.]*\.\s+Top-label:\s+of more than two/);
  const { precision, intervals } = gender.perClass![1];
  const share = (value: number) => value.toFixed(3);
  assert.match(
    html,
    new RegExp(
      `male\\s*\\d+\\s*${share(precision)}\\s*` +
        `${share(intervals.precision!.low)}–${share(intervals.precision!.high)}`,
    ),
  );
  const { byAgeBand } = report.models.find(({ id }) => id === "trainAge")!.metrics;
  const band = byAgeBand!.find(({ interval }) => interval)!;
  const { low, high } = band.interval!;
  assert.match(
    html,
    new RegExp(
      `${band.from}–${band.to}\\s*${band.count}\\s*${band.mae.toFixed(1)}\\s*` +
        `${low.toFixed(1)}–${high.toFixed(1)}`,
    ),
  );
});

Deno.test("reportPage() shows every layer, what it takes from elsewhere, and its weights", async () => {
  const html = text(await plainPage());
  assert.match(html, /conv1\s*convolution 2×2, ReLU\s*32×32×16\s*208/);
  assert.match(html, /add1\s*add of conv1, norm\s*32×32×16/);
  assert.match(html, /made-up,\s*272 parameters, 240 trainable/);
});

Deno.test("networks have the names that YAML has, and a loss of choice is none of the tables", async () => {
  const report = await madeUpReport(), [gender] = report.models;
  assert.doesNotMatch(text(await plainPage()), /cross-entropy and L2 penalty/);
  gender.params = { ...gender.params, loss: "focal" };
  assert.match(text(await reportPage(report)), /cross-entropy and L2 penalty/);
  const names = [["reportAge-age", "age2021"], ["best", "deep"], ["x", "x"], ["my-net", "my-net"]];
  for (const [stored, name] of [...names, ["my-net-age", "my-net"], ["plain-age", "plain"]]) {
    const layer = tf.layers.flatten({ name: "age", inputShape: [2, 2, 3] });
    assert.equal(describeNetwork(tf.sequential({ name: stored, layers: [layer] })).name, name);
  }
  for (const { name, modelName, former = [] } of networks) {
    for (const network of [...former, ...former.map((use) => ({ use }))]) {
      gender.params = { ...gender.params, network };
      const row = new RegExp(`network(\\.use)?\\s+${name}\\s`);
      assert.match(text(await reportPage(report)), row);
    }
    for (const heads of modelName ? [1, 2] : []) {
      const layer = tf.layers.flatten({ inputShape: [2, 2, 3] });
      const model = tf.sequential({ name: modelName!(heads), layers: [layer] });
      assert.equal(describeNetwork(model).name, name);
    }
  }
});

Deno.test("reportPage() marks the epoch whose weights were kept, and that of the stop", async () => {
  const html = await plainPage();
  assert.equal(html.match(/<g [^>]*stroke-dasharray="2 3"/g)?.length, 2 * 3);
  assert.equal(html.match(/<g [^>]*stroke-dasharray="6 3"/g)?.length, 2 * 3);
  assert.match(
    text(html),
    /Early stopping after epoch 14, in 29 s, restoring the weights of epoch 11/,
  );
});

Deno.test("reportPage() counts the faces that models use, and names no detector that found none", async () => {
  const report = await madeUpReport();
  const framedBy = Object.fromEntries(report.data.datasets.map(({ name }) => [name, "its middle"]));
  const [first, ...others] = report.models.map((model, i) => {
    const counts = { train: 600 + i, validation: 160, test: 150 + i };
    const training = { ...model.training, counts };
    return { ...model, training, metrics: { ...model.metrics, counts } };
  });
  const data = { ...report.data, framedBy };
  const html = text(await reportPage({ ...report, models: [first!, ...others], data }));
  assert.match(
    html,
    /trained on 600 to 602 of [\d,]+ faces and tested on 150 to 152 held-out faces/,
  );
  assert.match(
    html,
    /Sets\s*train 640, validation 160, test 200, 150 to 152 of them tested;/,
  );
  assert.match(html, /face in imdb_crop: its middle, alignment none, margin 0\.2/);
  assert.doesNotMatch(html, /box of metadata/);
  assert.match(text(await reportPage({ ...report, models: [first!] })), /trained on 600 of /);
});

Deno.test("reportPage() opens with run, overrides and protocol, and tells equal tasks apart", async () => {
  const report = await madeUpReport();
  const [groups, age, gender] = report.models;
  const params = { ...gender!.params, init: { from: "/home/me/shared/model" } };
  const seed = { ...gender!.training, seed: 7 };
  const twin = { ...gender!, id: "genderTwin", params, training: seed };
  const html = text(await reportPage({ ...report, models: [groups!, age!, gender!, twin] }));
  assert.match(html, /Run 1a2b3c4d, 2026-11-24 05:41 UTC[^]*--set split\.test=0\.1\s+--seed 42/);
  for (
    const fact of [
      /Copies\s+each in the set of its original; 0 found/,
      /People\s+split by image: sets may share people/,
      /Framing\s+box of metadata, alignment none, margin 0\.2/,
      /Pixels\s+32×32, RGB; blur sigma=1\.5/,
      /Pretraining\s+genderTwin: init shared\/model; trainGender: none;/,
      /Seeds\s+42; training: genderTwin: 7; trainGender: 42;/,
      /Comparable with\s+results on the same test set: equal data and split \(01234567\)/,
      /Protocol\s[^]*?\sGender \(genderTwin\)\s+Gender \(trainGender\)\s+Age in years\s/,
    ]
  ) assert.match(html, fact);
  const { made } = report;
  const [first] = made.lineage.stages;
  const inputs = { teachers: ["first", "second"] };
  const taught = [...made.lineage.stages, { ...first!, id: "trainGender", inputs }];
  const lineage = { ...made.lineage, stages: taught };
  assert.match(
    text(await reportPage({ ...report, made: { ...made, lineage } })),
    /Pretraining\s+trainGender: teachers first, second;/,
  );
  gender.params = { ...gender.params, teacher: { weight: 0.7, temperature: 2 } };
  assert.match(
    text(await reportPage({ ...report, made: { ...made, lineage } })),
    /trainGender: teacher \(weight 0\.7, temperature 2\), teachers first, second;/,
  );
  const bare = { ...made, lineage: { ...made.lineage, command: "deno task run x", stages: [] } };
  const plain = text(await reportPage({ ...report, made: bare }));
  assert.match(plain, /without overrides\./);
  assert.doesNotMatch(plain, /Copies\s+each/);

  // Other data, tested with an imported model of synthetic faces.
  const split = made.lineage.stages.find(({ use }) => use === "split")!;
  const whole = { ...split, params: { by: "image", copies: "ignore", only: "all" } };
  const imported = { ...first!, use: "importModel", caution: "The faces are synthetic" };
  const elsewhere = { ...made.lineage, stages: [whole, imported] };
  gender!.metrics.trainedOn = 0;
  const other = text(await reportPage({ ...report, made: { ...made, lineage: elsewhere } }));
  assert.doesNotMatch(other, /sets may share|no set of photos/);
  assert.match(
    other,
    /It was trained, .* on none of these, by pixels and files of photos\. A photo that was/,
  );
  const drawn = [{ ...imported, use: "download" }, split];
  const synthetic = { ...made, lineage: { ...made.lineage, stages: drawn } };
  assert.match(text(await reportPage({ ...report, made: synthetic })), /no set of photos/);
});

Deno.test("reportPage() begins with the cautions of the lineage", async () => {
  const report = await madeUpReport();
  assert.equal((await reportPage(report)).match(/<p class="notice">/g)?.length, 1, "framing");
  const [stage, ...others] = report.made.lineage.stages;
  const stages = [{ ...stage!, caution: "Faces are <drawn>." }, ...others];
  const html = await reportPage({
    ...report,
    made: { ...report.made, lineage: { ...report.made.lineage, stages } },
  });
  assert.ok(html.includes('<p class="notice">Faces are &lt;drawn&gt;.</p>'));
  assert.ok(html.indexOf('class="notice"') < html.indexOf('class="lead"'));
});

Deno.test("reportPage() lists the settings that the detector has, and describes other networks", async () => {
  const report = await madeUpReport();
  const html = async (detector: DetectorConfig) => {
    const preprocessing = { ...report.data.preprocessing, detector };
    return text(await reportPage({ ...report, data: { ...report.data, preprocessing } }));
  };
  assert.doesNotMatch(
    await html({ name: "metadata", minConfidence: 0.4, inputSizes: [] }),
    /detector\.[mi]/,
  );
  const dlib = await html({ name: "dlibCnn", minConfidence: 0, inputSizes: [], upsample: 1 });
  assert.match(dlib, /detector\.minConfidence\s+0\s+detector\.upsample\s+1\s/);
  assert.match(
    await html({ name: "x", minConfidence: 0, inputSizes: [64] }),
    /detector\.inputSizes\s+64/,
  );
  assert.doesNotMatch(dlib, /saw the faces/);
  assert.match(
    dlib,
    /face-api is a pretrained network, trained on other data\. It was evaluated on/,
  );
});

Deno.test("reportPage() reports its provenance and how to reproduce it", async () => {
  const report = await madeUpReport();
  const html = text(await reportPage(report));
  assert.match(html, /deno task run experiments\/made-up --set split\.test=0\.1 --seed 42\n/);
  assert.match(html, /created by run 1a2b3c4d\s*, started on\s*2026-11-24 05:41 UTC/);
  assert.match(html, /A processor, 2 cores, 8 GiB of memory, Linux/);
  assert.match(html, /ageGroups \(trainAge\)\s*2026-11-24\s*1\s*min 15\s*s\s*0123456789abcdef/);
  const again = parseYaml(configuration(report.made));
  assert.deepEqual(again, {
    name: "experiment",
    seed: 42,
    compute: "auto",
    stages: {
      matParse: { minAge: 0, note: "" },
      ageGroups: { use: "trainAge" },
      split: { by: "image", copies: "group", test: 0.2, stratify: [""] },
      evaluate: { examples: 12 },
    },
  });
});

Deno.test("reportPage() explains how to supply the hidden part of a URL", async () => {
  const report = await madeUpReport();
  assert.doesNotMatch(text(await reportPage(report)), /is not recorded/);
  const { made } = report;
  const hidden = { ...made, lineage: { ...made.lineage, hidden: ["download.mirror"] } };
  const html = text(await reportPage({ ...report, made: hidden }));
  assert.match(html, /The part of download\.mirror masked as \*\*\* is not recorded/);
  assert.match(html, /--set 'download\.mirror=URL'/);
});

Deno.test("configuration() names the models of runs as their pipeline does", async () => {
  const { made } = await madeUpReport();
  const [stage] = made.lineage.stages;
  const params = {
    imported: { model: "experiments/dc636100/trainGender" },
    tuned: { init: "/home/me/1a2b3c4d", teacher: { from: "../models/mine", weight: 0.5 } },
  };
  const stages = Object.entries(params).map(([id, params]) => ({ ...stage!, id, use: id, params }));
  const { stages: written } = parseYaml(
    configuration({ ...made, lineage: { ...made.lineage, stages } }),
  );
  assert.deepEqual(written.imported, { model: "dc636100/trainGender" });
  assert.deepEqual(written.tuned, { ...params.tuned, init: "1a2b3c4d" });
});

Deno.test("configuration() names plugins and their grants", async () => {
  const { made } = await madeUpReport();
  const [stage] = made.lineage.stages;
  const granted = { use: "npm:web@1.0.0", allow: ["net:example.org"] };
  const lineage = {
    ...made.lineage,
    plugins: ["./plugins/blur.ts", granted],
    stages: [
      {
        ...stage,
        id: "blur",
        use: "blur",
        module: "plugins/blur.ts",
        inputs: { faces: "faceCrop" },
        replaces: "faceCrop",
      },
      { ...stage, id: "web", use: "web", module: "npm:web@1.0.0", rights: ["net:example.org"] },
    ],
  };
  const { plugins, stages } = parseYaml(configuration({ ...made, lineage }));
  assert.deepEqual(plugins, ["./plugins/blur.ts", granted]);
  const report = { ...await madeUpReport(), made: { ...made, lineage } };
  const text = parse(`${await provenanceSection(report)}`).documentElement!.textContent!;
  assert.match(text, /third-party code\s+web \(allow: \[net:example\.org\]\)/);
  assert.deepEqual(stages.blur.inputs, { faces: "faceCrop" });
  assert.equal(stages.blur.replaces, "faceCrop");
});

Deno.test("reportPage() escapes all text from data", async () => {
  const suffix = `"'><script>alert(1)</script><img src=x onerror=y> onload="&amp;</svg>`;
  const benign = parse(await reportPage(await madeUpReport({ suffix: "x".repeat(suffix.length) })));
  const html = await reportPage(await madeUpReport({ suffix }));
  const attacked = parse(html);
  const names = (document: typeof benign) =>
    [...document.getElementsByTagName("*")].map((element) =>
      [element.tagName, ...[...element.attributes].map(({ name }) => name)].join(" ")
    );
  assert.deepEqual(names(attacked), names(benign));
  assert.doesNotMatch(html, /<script/);
  const titles = [...attacked.getElementsByTagName("h2")]
    .map((title) => title.getElementsByTagName("span")[0]?.textContent);
  assert.ok(titles.includes(`ageGroups${suffix}`), titles.join());
});

Deno.test("reportPage() makes no requests", async () => {
  const html = await plainPage();
  const document = parse(html);
  for (const element of [...document.getElementsByTagName("*")]) {
    for (const name of ["src", "href", "xlink:href", "srcset", "data", "action"]) {
      const value = element.getAttribute(name);
      assert.ok(
        !value || /^(#|data:image\/(png|jpeg);base64,)/.test(value),
        `${element.tagName} ${name}`,
      );
    }
  }
  assert.doesNotMatch(html, /<(script|link|iframe|object|base)\b|@import|url\(/);
  assert.doesNotMatch(html.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\//);
});

Deno.test("reportPage() is the same each time", async () => {
  assert.equal(await plainPage(), await reportPage(await madeUpReport()));
});

Deno.test("reportPage() has a style for dark screens, for phones and for paper", async () => {
  const html = await plainPage();
  assert.match(html, /@media \(prefers-color-scheme: dark\)/);
  assert.match(html, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
  assert.match(html, /@media print/);
});

Deno.test("reportPage() shows a training whose values are not finite", async () => {
  const report = await madeUpReport();
  const [model] = report.models;
  const [loss, metric] = model.curves;
  const nothing = loss.points.map(({ epoch }) => ({ epoch, train: NaN, validation: NaN }));
  const curves = [{ ...loss, points: nothing }, metric];
  const html = await reportPage({ ...report, models: [{ ...model, curves }] });
  assert.match(html, /no finite value/);
  assert.doesNotMatch(html, /="[^"]*NaN/);
});

Deno.test("reportPage() shows a training of one epoch on one data set", async () => {
  const report = await madeUpReport();
  const [, model] = report.models;
  const html = await reportPage({
    ...report,
    data: { ...report.data, datasets: report.data.datasets.slice(0, 1) },
    models: [{
      ...model,
      curves: model.curves.map((curve) => ({ ...curve, points: curve.points.slice(0, 1) })),
    }],
  });
  assert.match(
    html,
    /1 network, trained on .*Significantly better than the constant baseline: 1 of 1\./,
  );
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});

function parse(html: string) {
  const problems: string[] = [];
  const document = new DOMParser({ onError: (_level, message) => void problems.push(message) })
    .parseFromString(html.replace(/<style>[^<]*<\/style>/, ""), "text/html");
  assert.deepEqual(problems, []);
  return document;
}

/** What a reader sees. */
function text(html: string): string {
  return (parse(html).documentElement?.textContent ?? "").replaceAll("\u00a0", " ");
}

Deno.test("reportPage() omits what a pipeline lacks", async () => {
  const report = await madeUpReport();
  const { photos: _, ...data } = report.data;
  const html = await reportPage({
    ...report,
    data: { ...data, selection: [], crops: [], noFace: { shown: [], count: 0 } },
    models: report.models.map((model) => {
      const { others: _, ...metrics } = model.metrics;
      const { secondsPerEpoch: __, ...training } = model.training;
      return { ...model, metrics, training, examples: [] };
    }),
    made: { ...report.made, lineage: { ...report.made.lineage, stages: [] } },
  });
  assert.doesNotMatch(html, /NaN|undefined|Infinity|face-api’s|Rows kept/);
});

Deno.test("a report of other columns is about them, and its card too", async () => {
  const report = await madeUpReport();
  assert.match(await reportPage(report), /<h1>Gender and age from faces<\/h1>/);
  assert.match(modelCard(report), /learn about gender and age from labelled/);
  const years = report.models.filter(({ id }) => id === "trainAge");
  assert.match(await reportPage({ ...report, models: years }), /<h1>Age from faces<\/h1>/);
  assert.match(modelCard({ ...report, models: years }), /learn about age from labelled/);
  report.models = report.models.slice(0, 2);
  report.models.forEach(({ metrics }, i) => metrics.task = ["town<b>", "height"][i]!);
  const page = await reportPage(report);
  assert.match(page, /<title>experiment: height and town&lt;b&gt; from faces<\/title>/);
  assert.match(page, /<h1>Height and town&lt;b&gt; from faces<\/h1>/);
  assert.match(
    modelCard(report),
    /learn about height and town(\\<|&lt;)b(\\>|&gt;) from\s+labelled/,
  );
});

Deno.test("reportPage() compares groups: raw, standardized, tested, with who labelled them", async () => {
  const report = await madeUpReport({ suffix: "<b>" });
  assert.doesNotMatch(text(await reportPage(report)), /labelled gender/);
  report.data.labelledBy = { "wiki_crop<b>": "by crowd workers" };
  const all = Array.from({ length: 120 }, (_, i) => i);
  const persons = all.map((i) => ({
    age: i % 60,
    gender: i % 2,
    attributes: { "hair<b>": i % 3 === 0 ? "dark<b>" : "fair", name: i },
  }));
  const truth = all.map((i) => i % 60);
  const prediction = truth.map((age, i) => age + (i % 2 === 1 ? 4 : -1));
  const model = report.models[1];
  model.fairness = await modelFairness({
    metrics: model.metrics,
    test: { rows: all, truth, prediction, loss: 0 },
    persons,
  });
  adjustAll([model.fairness]);
  const page = await reportPage(report);
  assert.doesNotMatch(page, /<b>"|(hair|dark)<b>/);
  const html = text(page).replace(/\s+/g, " ");
  assert.match(
    html,
    /Labels of wiki_crop<b>: by crowd workers\. Labels of imdb_crop<b>: by an unknown/,
  );
  assert.match(html, /Groups of fewer than 10 faces are hidden/);
  assert.match(html, /labelled gender ?MAE ?3\.0 ?3\.0 ?100\D+of faces ?male ?0\.0\d\d/);
  assert.match(
    html,
    /labelled gender ?bias ?5\.0 ?5\.0 ?100/,
    "a bias has the decimals of the MAE",
  );
  assert.match(html, /labelled gender × hair<b>/);
  assert.match(html, /Not compared: name \(120 values\)/);
  const { mae } = model.fairness.groupings.find(({ by }) => by.join() === "gender")!.metrics;
  mae.standardized!.worst_group = "female";
  mae.p_holm = 0.00012;
  const other = text(await reportPage(report)).replace(/\s+/g, " ");
  assert.match(other, /labelled gender ?MAE.{1,40}of faces ?male; standardized: female ?0\.00012/);

  mae.worst_group = undefined;
  assert.match(text(await reportPage(report)), /none; standardized: female/, "all are equal");

  const groupings = model.fairness.groupings.map((grouping) => ({ ...grouping, metrics: {} }));
  model.fairness = { ...model.fairness, groupings };
  const none = await reportPage(report);
  assert.match(none, /faces are hidden/);
  assert.doesNotMatch(none, /permutation test/, "nothing was tested");
});

Deno.test("a network no better than the baseline says why it marks no suspect labels", async () => {
  const report = await madeUpReport();
  assert.ok(report.models.every(({ metrics }) => metrics.verdict === "better"));
  const note = "Suspect labels are not marked";
  assert.ok(!(await reportPage(report)).includes(note));
  report.models[1]!.metrics.verdict = "unclear";
  assert.equal((await reportPage(report)).split(note).length, 2);
});

Deno.test("the section on an age gate counts one face, and names which intervals are left out", async () => {
  const report = await withGroups(await madeUpReport());
  for (const { metrics: { gate } } of report.models) {
    if (gate) {
      for (const { false_accept } of gate.by_year) if (false_accept) false_accept.count = 1;
      gate.left_out = 0;
    }
  }
  assert.doesNotMatch(text(await reportPage(report)), /0 faces left out/);
  for (const { metrics: { gate } } of report.models) if (gate) gate.left_out = 2;
  const page = await reportPage(report);
  assert.match(page, /<title>14 years: [\d.]+, 1 face<\/title>/);
  assert.match(
    page.replaceAll(/\s+/g, " "),
    /left out: the age is an interval on both sides of 18\./,
  );
});

Deno.test("the section on an age gate warns of a limit below the legal age", async () => {
  const report = await withGroups(await madeUpReport());
  const warning = "The limit is below the legal age";
  assert.ok(!(await reportPage(report)).includes(warning));
  for (const { metrics } of report.models) if (metrics.gate) metrics.gate.limit = 17;
  assert.ok((await reportPage(report)).includes(warning));
});

Deno.test("reportPage() counts no face of unknown gender or age as one of either", async () => {
  const report = await madeUpReport();
  const { datasets: [wiki], splits } = report.data;
  const unknown = (n: number) => new Array<number>(n).fill(NaN);
  const women = { name: "test", ages: [...unknown(3), 30], genders: [0, 0, 1, NaN] };
  const data = {
    ...report.data,
    datasets: [{ ...wiki, genders: unknown(wiki.genders.length) }, women],
    splits: { ...splits, train: { name: "train", ages: [], genders: [] } },
  };
  const html = await reportPage({ ...report, data });
  const [, label] = /aria-label="([^"]*% women[^"]*)"/.exec(html)!;
  assert.match(label, /^test: 67 % women, test: 33 % men, validation: .*, test: /);
  assert.doesNotMatch(label, /train|NaN|wiki/);
  // A data set that is called as a split has a bar of its own.
  const bars = parse(html).getElementsByTagName("rect");
  const places = [...bars].filter((bar) => /female|--male/.test(bar.getAttribute("fill") ?? ""))
    .map((bar) => bar.getAttribute("y"));
  assert.deepEqual([places.length, new Set(places).size], [6, 3]);
  assert.match(text(html), /Ages in test\s*1 face,/);

  const none = { ages: unknown(9), genders: unknown(9) };
  const nobody = (group: typeof wiki) => ({ ...group, ...none });
  const { train, validation, test } = splits;
  const bare = await reportPage({
    ...report,
    data: {
      ...data,
      datasets: data.datasets.map(nobody),
      splits: { train: nobody(train), validation: nobody(validation), test: nobody(test) },
    },
  });
  assert.doesNotMatch(bare, /% women|Women and men|Ages in|Age by split|NaN/);
});

Deno.test("duration() rounds to whole minutes before it divides by hours", () => {
  assert.deepEqual([3599.6, 7170, 59.9, 9.94, 9.96].map(duration), [
    ...["1\u00a0h 0\u00a0min", "2\u00a0h 0\u00a0min", "1\u00a0min 0\u00a0s", "9.9\u00a0s"],
    "10\u00a0s",
  ]);
});

Deno.test("the cumulative score's curves differ in more than their color", async () => {
  const [, chart] = (await plainPage()).split('aria-label="Cumulative score"');
  assert.match(chart.split("</svg>")[0], /stroke-dasharray="4 3"/);
});

Deno.test("a network worse than the constant baseline names the baseline of any number", async () => {
  const report = await madeUpReport();
  const [, age] = report.models;
  Object.assign(age.training, { constantBaseline: 8 });
  Object.assign(age.metrics, { task: "height", metric: "error", verdict: "worse" });
  assert.match(text(await reportPage(report)), /8\.000 by the median of the training set/);
});

Deno.test("the report names the loss of a joint network's table, and its mirror images", async () => {
  const report = await madeUpReport(), age = report.models.find(({ id }) => id === "trainAge")!;
  const mirrored = /Predictions are means over the image and its mirror image/;
  assert.doesNotMatch(text(await reportPage({ ...report, models: [age] })), mirrored);
  age.params = { ...age.params, weights: { gender: 1, age: 1 } };
  age.training.input.mirror = true;
  const page = text(await reportPage({ ...report, models: [age] }));
  assert.match(page, mirrored);
  assert.match(page, /MAE and L2 penalty/);
});

Deno.test("the report writes what is there: pretraining in words, no empty counts, no absent penalty", async () => {
  const report = await madeUpReport();
  const age = report.models.find(({ id }) => id === "trainAge")!;
  age.params = {
    ...age.params,
    loss: "huber",
    init: { from: "0b976cfa/trainAge", freeze: ["conv1*", "norm1*"] },
    teacher: { from: ["a/trainAge", "b/trainAge"], weight: 0.5 },
  };
  age.network.penalized = false;
  age.metrics.unlabelled = { train: 3, validation: 0, test: 1 };
  const page = text(await reportPage({ ...report, models: [age] }));
  assert.match(
    page,
    /init 0b976cfa\/trainAge \(freeze conv1\* and norm1\*\), teacher a\/trainAge and b\/trainAge \(weight 0\.5\)/,
  );
  assert.match(page, /No metric counts faces without an exact age: 3 of train, 1 of test\./);
  const bands = unlabelledText({ ...age.metrics, classes: ["up to 60", "above 60"] });
  assert.match(bands, /^ No metric counts faces without an age of one class: 3 of train/);
  const tone = { ...age.metrics, task: "tone", classes: ["a", "b"] }; // and faces of a tone c
  assert.match(
    unlabelledText(tone),
    /without a label of tone that the network predicts: 3 of train/,
  );
  assert.doesNotMatch(
    page.split("Glossary").at(-2)!,
    /L2 penalty|hidden: 0|without an exact label/,
  );
});

Deno.test("long names of classes stay inside their chart and their cells", async () => {
  const report = await madeUpReport();
  const name = "Latino_Hispanic_or_Southeast_Asian_person";
  report.models[2].metrics.classes = ["female", name];
  const html = await reportPage(report);
  const [, chart] = html.split(`aria-label="Calibration of “${name}”"`);
  assert.match(chart.split("</svg>")[0], />predicted probability of “Latino_Hispanic_or_Southea…/);
  assert.match(html, /\.confusion th \{ overflow-wrap: anywhere; \}/);
});

Deno.test("reportPage() groups by gender alone where no age is known", async () => {
  const report = await madeUpReport();
  for (const { metrics } of report.models) {
    metrics.groups = metrics.groups!.filter(({ from }) => from === undefined);
  }
  const html = await reportPage(report);
  assert.doesNotMatch(text(html), /by gender and age/);
  assert.match(text(html), /Accuracy by gender\s*Test set/);
});

Deno.test("reportPage() and modelCard() explain no gender and age where neither is known", async () => {
  const report = await madeUpReport();
  report.models = report.models.slice(0, 2);
  for (const [i, { metrics }] of report.models.entries()) {
    Object.assign(metrics, { task: ["town", "height"][i], groups: [], others: undefined });
    const persons = Array.from({ length: 60 }, (_, i) => ({
      age: NaN,
      gender: NaN,
      attributes: { hair: i % 2 === 0 ? "dark" : "fair", name: i },
    }));
    const rows = [...persons.keys()], truth = rows.map((row) => row % 2);
    const test = { rows, truth, prediction: truth.toReversed(), loss: 0 };
    report.models[i].fairness = await modelFairness({ metrics, test, persons });
  }
  adjustAll(report.models.map(({ fairness }) => fairness!));
  const html = text(await reportPage(report)).replace(/\s+/g, " ");
  const [, fairness] = /Test set, by group\.(.*?)Rows kept/.exec(html)!;
  assert.doesNotMatch(fairness, /gender|\bages?\b|years|strat/i);
  assert.match(fairness, /permutation test, adjusted .* Not compared: name \(60 values\)/);
  const [, glossary] = /Constant baseline The score(.*)$/.exec(html)!;
  assert.match(glossary, /fewer than 20 faces, it is too narrow/);
  assert.doesNotMatch(glossary, /gender|\bage\b|face-api/i);
  assert.doesNotMatch(modelCard(report), /by gender|\| Group \|/);
  const { metrics } = report.models[0];
  metrics.classes = ["here", "there", "elsewhere"];
  metrics.perClass = metrics.classes.map(() => metrics.perClass![0]);
  assert.match(modelCard(report), /### town[^\n]*, by class\n\n\| Class \| Faces /);
});

Deno.test("numbers other than years have three digits, whatever their scale", async () => {
  const report = await madeUpReport();
  const [, age] = report.models, { metrics, scatter } = age;
  for (const factor of [1e7, 1e-3]) {
    const scaled = JSON.parse(
      JSON.stringify(
        metrics,
        (_, value) =>
          typeof value === "number" && !Number.isInteger(value) ? value * factor : value,
      ),
    );
    Object.assign(scaled, { task: "score", metric: "error", byAgeBand: undefined });
    for (const split of ["train", "validation", "test"] as const) {
      Object.assign(scaled[split], { error: metrics[split].mae! * factor });
      Object.assign(scaled.baseline[split], { error: metrics.baseline[split].mae! * factor });
    }
    scaled.baseline.guess = -38 * factor;
    const times = (values: ArrayLike<number>) => Array.from(values, (one) => one * factor);
    Object.assign(age, { metrics: scaled, errors: undefined, fairness: undefined });
    age.scatter = {
      truth: times(scatter!.truth),
      prediction: times(scatter!.prediction),
      of: scatter!.of,
    };
    const html = await reportPage(report), words = text(html);
    if (factor > 1) {
      assert.match(words, /MAE \d\d,\d{3},\d{3} on the 200 faces/);
      assert.match(words, /the median of the training set, −380,000,000\./);
      const [, chart] = html.split('aria-label="Predicted against true score"');
      assert.match(chart.split("</svg>")[0], />\d+M</);
      assert.doesNotMatch(html, />−?\d{2,3},\d{3},\d{3}<\/text>/, "it would leave its chart");
    } else {
      scaled.task = "ageing";
      const [, chart] = (await reportPage(report)).split('"Predicted against true ageing"');
      assert.match(chart.split("</svg>")[0], />0\.0\d<\/text>/, "an axis of ages begins at 0");
      assert.match(words, /MAE 0\.0\d\d on the 200 faces .* \(95 % CI 0\.0\d\d–0\.0\d\d\)/);
      assert.match(words, /the median of the training set, −0\.038\./);
    }
  }
});

Deno.test("a confusion matrix of many classes is scrolled, and classes without a prediction named", async () => {
  const report = await madeUpReport();
  const [{ metrics }] = report.models;
  const classes = Array.from({ length: 50 }, (_, i) => `class ${i}`);
  metrics.confusion = { classes, counts: classes.map(() => classes.map(() => 0)) };
  metrics.classes = classes;
  metrics.perClass = classes.map(() => ({
    count: 0,
    precision: 0,
    recall: 0,
    f1: 0,
    intervals: {},
  }));
  const html = await reportPage(report);
  assert.match(html, /aria-label="Confusion matrix">\s*<table class="confusion many lots">/);
  assert.match(text(html), /class 7\s*0\s*–\s*–\s*–\s*class 8/);
  assert.doesNotMatch(await plainPage(), /class="confusion many lots"/);
});

Deno.test("reportPage() shows the classes and pairs of attributes with most faces, if there are many", async () => {
  const report = await withGroups(await madeUpReport());
  const [{ metrics }] = report.models, few = /Only the \d+ with most faces/;
  assert.doesNotMatch(text(await reportPage(report)), few);
  const classes = Array.from({ length: 300 }, (_, i) => `class ${i}`);
  metrics.confusion = { classes, counts: classes.map(() => classes.map(() => 1234)) };
  metrics.classes = classes;
  metrics.perClass = classes.map((_, i) => ({
    count: i === 7 ? 0 : i < 250 ? 300 : 200,
    precision: 0,
    recall: 0,
    f1: 0,
    intervals: {},
  }));
  const [pair] = report.models[1].fairness!.groupings.filter(({ by }) => by.length > 1);
  const pairs = Array.from({ length: 30 }, (_, i) => ({
    ...pair!,
    by: ["a", `b${i}`],
    unknown: i === 3 ? 99 : i,
  }));
  report.models[1].fairness = { groupings: pairs, left_out: {} };
  const page = await reportPage(report), html = text(page);
  assert.ok(page.length < 3e6, `${page.length}`);
  assert.match(
    html,
    /share of the row\. Only the 100 with most faces of 300; metrics\.json has all/,
  );
  assert.match(html, /class 6\s*300\s*–\s*–\s*–\s*class 8/);
  assert.doesNotMatch(page, />class (7|101|299)</);
  assert.match(html, /20 groupings\s*Only the 20 with most\s+faces in large groups of 30/);
  assert.match(page, />a × b20</);
  assert.doesNotMatch(page, />a × b(3|21)</);
});

Deno.test("reportPage() gives few faces no interval of the MAE", async () => {
  const report = await madeUpReport();
  for (const { metrics, errors, scatter } of report.models) {
    delete metrics.interval;
    if (metrics.bias) delete metrics.bias.interval;
    if (errors) delete errors.line;
    if (scatter) delete scatter.line;
    if (metrics.calibration) delete metrics.calibration.brierInterval;
    if (metrics.abstention) {
      metrics.abstention.curve.forEach((one) => Object.assign(one, { risk: 0 }));
    }
  }
  const html = await reportPage(report);
  assert.match(
    text(html),
    /MAE [\d.]+ years on the .* test set \(too few for a confidence interval\)/,
  );
  assert.doesNotMatch(html, /NaN|undefined|0\.000000|slope <b|Line: regression/);
});

Deno.test("reportPage() draws the line of predicted numbers other than ages", async () => {
  const report = await madeUpReport(), model = report.models.find(({ scatter }) => scatter)!;
  const truth = [0.1, 0.2, 0.4], prediction = [0.2, 0.2, 0.3];
  const scatter = dots({ rows: [0, 1, 2], truth, prediction, loss: 1 });
  const metrics = { ...model.metrics, task: "smile", metric: "error" as const };
  const html = await reportPage({ ...report, models: [{ ...model, metrics, scatter }] });
  assert.match(text(html), /Predicted and true smile[^]*least squares, slope\s+0\.36\s*; a/);
  const falling = dots({ rows: [0, 1, 2], truth, prediction: prediction.toReversed(), loss: 1 });
  const other = await reportPage({ ...report, models: [{ ...model, metrics, scatter: falling }] });
  assert.match(text(other), /least squares, slope\s+−0\.29\s*; a/);
  assert.match(html, /\d: bias −\d\S* years/);
  assert.equal(dots({ rows: [0, 1], truth: [0.1, 0.1], prediction, loss: 1 }).line, undefined);
});
