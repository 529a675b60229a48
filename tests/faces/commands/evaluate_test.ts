/** `deno task evaluate`: trained models on other data, and on their own. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  notStrictEqual,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join, resolve } from "node:path";
import sharp from "sharp";
import command from "../../../faces/commands/evaluate_command.ts";
import { app } from "../../../main.ts";
import { TarWriter } from "../../../packages/formats/tar.ts";
import { readParquet } from "../../../packages/formats/parquet.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { UsageError } from "../../../packages/pipeline/errors.ts";
import { History } from "../../../packages/pipeline/history.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { random } from "../../../packages/random/random.ts";
import { readSources } from "../../../faces/serving/model_sources.ts";
import { execute } from "../../in_process.ts";
import { type Outcome, project, run } from "../../project_run.ts";

/** A folder of aligned photos with a CSV, brighter for men and the older the person. */
async function photos(folder: string, n: number, seed: number): Promise<void> {
  await Deno.mkdir(folder);
  const lines = ["path,age,gender,part"];
  const rng = random(seed, "photos");
  for (let i = 0; i < n; i++) {
    const age = 20 + rng.int(50), male = i % 2;
    const pixels = Uint8Array.from(
      { length: 40 * 40 * 3 },
      (_, j) => rng.int(60) + age + (male && j % 3 === 0 ? 90 : 0),
    );
    const png = await sharp(pixels, { raw: { width: 40, height: 40, channels: 3 } }).png()
      .toBuffer();
    await Deno.writeFile(join(folder, `${i}.png`), png);
    lines.push(`${i}.png,${age},${male ? "m" : "f"},${i < 6 ? "test" : "train"}`);
  }
  await Deno.writeTextFile(join(folder, "labels.csv"), lines.join("\n") + "\n");
}

/** `run` of `project_run.ts` in this process. */
async function runHere(
  artifacts: string,
  pipeline: string,
  ...args: string[]
): Promise<Outcome> {
  const line = ["run", pipeline, "--json", "--set", `artifacts=${artifacts}`, ...args];
  const { code, out, err } = await execute(line, app);
  notStrictEqual(out, "", err);
  return { ...JSON.parse(out), code, text: err };
}

/**
 * Evaluates in this process: the task's own process is tested in `tests/end_to_end`. Detects a single
 * photo as serving does, which takes most of the time.
 */
const evaluate = (folder: string, ...args: string[]) =>
  execute(["evaluate", "--set", "evaluate.framing=1", ...args], app, folder);

Deno.test("evaluate", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "evaluate-" });
  try {
    await photos(join(folder, "mine"), 30, 1);
    await photos(join(folder, "theirs"), 12, 2);
    // A photo of the training, under another name and label.
    await Deno.copyFile(join(folder, "mine", "29.png"), join(folder, "theirs", "11.png"));
    const training = { epochs: 1, batchSize: 8, batchNormMomentum: 0.9 };
    const artifacts = join(folder, "results");
    const stages = {
      download: { datasets: [{ folder: "mine", layout: "aligned" }] },
      matParse: null,
      faceCrop: { margin: 0.1, detector: "tinyFaceDetector" },
      resize32: { size: 24 },
      split: { test: { part: "test" } },
      trainGender: training,
      trainAge: { ...training, variant: "regression" },
      evaluate: { metrics: ["f1"], examples: 2, framing: 1 },
    };
    await Deno.writeTextFile(join(folder, "p.yaml"), JSON.stringify({ name: "p", stages }));
    const trained = await run(artifacts, join(folder, "p.yaml"));
    strictEqual(trained.code, 0, trained.text);

    const [{ id }] = await new History(artifacts).list();
    const report = async (text: string) => {
      const { stages, metrics } = JSON.parse(text);
      const place = resolve(
        project,
        stages.find(({ id }: { id: string }) => id === "evaluate").outputs.report,
      );
      const models = JSON.parse(await Deno.readTextFile(join(place, "metrics.json"))).models;
      const html = await Deno.readTextFile(join(place, "report.html"));
      return { place, metrics, models, html };
    };

    await t.step("scores a folder with the models' own framing", async () => {
      const args = [id, "--on", "theirs", "--layout", "aligned", "--artifacts", "results"];
      const set = ["--set", "evaluate.metrics=[rmse, auc]", "--set", "evaluate.gate={ limit: 23 }"];
      const { code, out, err } = await execute(
        ["evaluate", ...args, ...set, "--json"],
        app,
        folder,
      );
      strictEqual(code, 0, err);
      const { place, metrics, models, html } = await report(out);
      deepStrictEqual(Object.keys(models), ["trainAge", "trainGender"]);
      deepStrictEqual(models.trainAge.counts, { train: 0, validation: 0, test: 11 });
      deepStrictEqual(Object.keys(metrics.trainAge), ["test"]);
      strictEqual(models.trainAge.trainedOn, 1);
      strictEqual(models.trainAge.baseline.of, "test");
      match(html, /trained elsewhere and tested on 11 of 12 faces/);
      match(html, /<dd>test 12, 11 of them tested<\/dd>/);
      strictEqual(models.trainAge.gate.limit, 23);
      deepStrictEqual([typeof metrics.trainAge.test.rmse, typeof metrics.trainGender.test.auc], [
        "number",
        "number",
      ]);
      const [made, imported] = await Promise.all([trained.stages, JSON.parse(out).stages].map(
        (stages) =>
          readSources([{
            stage: "trainAge",
            path: resolve(
              project,
              stages.find(({ id }: { id: string }) => id === "trainAge").outputs.model,
            ),
          }], {}),
      ));
      strictEqual(imported[0].description.trained.at, made[0].description.trained.at);
      match(html, /1 face that it was trained, validated or calibrated on is left out/);
      match(html, /<dd>face in theirs: the whole photo<\/dd>/);
      const said = await readParquet(join(place, "predictions.parquet"), {
        stage: "string",
        split: "string",
        row: "int32",
        truth: "float64",
        prediction: "float64",
      });
      const of = (stage: string, error: (difference: number) => number) => {
        const rows = said.stage.flatMap((one, i) => one === stage ? [i] : []);
        strictEqual(rows.length, 11);
        const errors = rows.map((i) => error(said.truth[i] - said.prediction[i]));
        return errors.reduce((sum, value) => sum + value, 0) / 11;
      };
      ok(Math.abs(of("trainAge", Math.abs) - models.trainAge.test.mae) < 1e-9);
      ok(
        Math.abs(of("trainGender", (d) => Number(d === 0)) - models.trainGender.test.accuracy) <
          1e-9,
      );
      const [data] = await Array.fromAsync(Deno.readDir(join(artifacts, "evaluations")));
      const yaml = await Deno.readTextFile(join(artifacts, "evaluations", data.name));
      match(yaml, /faceCrop:[^]*margin: 0\.1\n[^]*resize32:\n +size: 24\n/);
    });

    await t.step("scores an archive as the folder in it", async () => {
      const archive = join(folder, "packed.tar");
      {
        using writer = new TarWriter(archive);
        for (const name of ["labels.csv", "0.png", "1.png", "2.png"]) {
          writer.add(name, await Deno.readFile(join(folder, "theirs", name)));
        }
        writer.close();
      }
      const args = [`${id}/trainAge`, "--on", "packed.tar", "--layout", "aligned"];
      const { code, out, err } = await evaluate(
        folder,
        ...args,
        "--artifacts",
        "results",
        "--json",
      );
      strictEqual(code, 0, err);
      strictEqual((await report(out)).models.trainAge.counts.test, 3);
    });

    await t.step(
      "warns where faces are detected in place of the training's whole photos",
      async () => {
        const args = [id, "--on", "theirs", "--artifacts", "results", "--set", "faceCrop.none=1"];
        const warned =
          /training took each photo whole \(layout: aligned\), and here .* detector finds .* add --layout aligned\./;
        match((await evaluate(folder, ...args)).err, warned);
        doesNotMatch((await evaluate(folder, ...args, "--layout", "full")).err, warned);
      },
    );

    await t.step(
      "takes the middle of crops for a model trained on boxes of the labels",
      async () => {
        const pipeline = {
          name: "boxes",
          stages: structuredClone<Record<string, unknown>>(stages),
        };
        pipeline.stages.download = {
          datasets: [{ folder: "mine", name: "boxed", layout: "crop" }],
        };
        pipeline.stages.faceCrop = { margin: 0.1, detector: "metadata" };
        await Deno.writeTextFile(join(folder, "boxes.yaml"), JSON.stringify(pipeline));
        const until = ["--until", "trainAge"];
        const trained = await runHere(artifacts, join(folder, "boxes.yaml"), ...until);
        strictEqual(trained.code, 0, trained.text);
        const args = ["--on", "theirs", "--layout", "crop", "--artifacts", "results", "--json"];
        const { code, out, err } = await evaluate(folder, "boxes", ...args);
        strictEqual(code, 0, err);
        const { trainAge } = (await report(out)).models;
        deepStrictEqual([trainAge.counts.test, trainAge.trainedOn], [11, 1]);
        const bare = await evaluate(
          folder,
          ...["boxes", "--on", "theirs", "--set", "faceCrop.none=1", ...args.slice(4)],
        );
        match(bare.err, /training took a crop .* \(layout: crop\).* add --layout crop\./);
        // Nothing is detected in photos of a preset that are aligned.
        await Deno.mkdir(join(folder, "chips"));
        for (let i = 0; i < 6; i++) {
          const name = `${20 + i}_${i % 2}_0_2017011617000000${i}.jpg`;
          const photo = sharp(join(folder, "theirs", `${i}.png`)).jpeg();
          await photo.toFile(join(folder, "chips", name));
        }
        const chips = await evaluate(folder, "boxes", "--on", "chips", ...args.slice(4));
        strictEqual(chips.code, 0, chips.err);
        match(
          chips.err,
          /a crop of each photo's middle .*, and here it is each photo whole \(layout: aligned\)\. .* crop\./,
        );
        // Of another layout, neither archives nor pixels are the same.
        const again = ["--on", "mine", "--layout", "aligned", ...args.slice(4)];
        const whole = await evaluate(folder, "boxes", ...again);
        strictEqual(whole.code, 0, whole.err);
        const { models } = await report(whole.out);
        deepStrictEqual([models.trainAge.counts.test, models.trainAge.trainedOn], [6, 24]);
      },
    );

    await t.step("counts labels that a model does not predict", async () => {
      const write = async (name: string, n: number, seed: number, hands: string[]) => {
        await photos(join(folder, name), n, seed);
        const csv = join(folder, name, "labels.csv");
        const [header, ...lines] = (await Deno.readTextFile(csv)).trim().split("\n");
        const written = lines.map((line, i) => `${line},${hands[i % hands.length]}`);
        await Deno.writeTextFile(csv, [`${header},hand`, ...written].join("\n") + "\n");
      };
      await write("hands", 30, 4, ["left", "right"]);
      await write("others", 12, 5, ["left", "right", "both"]);
      await write("capitals", 6, 6, ["LEFT"]);
      const { matParse, faceCrop, resize32 } = stages;
      const pipeline = {
        name: "hands",
        stages: {
          download: { datasets: [{ folder: "hands", layout: "aligned" }] },
          matParse,
          faceCrop,
          resize32,
          split: {},
          trainHand: { use: "trainClassifier", target: "hand", ...training },
        },
      };
      await Deno.writeTextFile(join(folder, "hands.yaml"), JSON.stringify(pipeline));
      const trained = await runHere(artifacts, join(folder, "hands.yaml"));
      strictEqual(trained.code, 0, trained.text);
      const on = (name: string) =>
        evaluate(folder, "hands", "--on", name, "--layout", "aligned", "--artifacts", "results");
      const some = await on("others");
      strictEqual(some.code, 0, some.err);
      match(
        some.out + some.err,
        /trainHand is tested on labels of hand that it predicts: 4 images with another, such as "both"/,
      );
      const none = await on("capitals");
      strictEqual(none.code, 1);
      match(
        none.out + none.err,
        /has a label of hand that it predicts: 6 images with another, such as "LEFT"\. Add labels/,
      );
    });

    await t.step("reads a folder by the preset of the training", async () => {
      const { matParse, faceCrop, resize32 } = stages;
      // It has neither age nor gender, which a guess would find.
      const columns = { path: "path", side: "hand", sex: "gender" },
        values = { side: { LEFT: "left" } };
      const own = { labels: "labels\\.csv", columns, values, omit: ["age"] };
      const pipeline = {
        name: "sides",
        stages: {
          download: { datasets: [{ folder: "hands", layout: "aligned", preset: own }] },
          matParse,
          faceCrop,
          resize32,
          split: {},
          trainSide: { use: "trainClassifier", target: "side", ...training },
        },
      };
      await Deno.writeTextFile(join(folder, "sides.yaml"), JSON.stringify(pipeline));
      const trained = await runHere(artifacts, join(folder, "sides.yaml"));
      strictEqual(trained.code, 0, trained.text);
      const args = ["--on", "capitals", "--layout", "aligned", "--artifacts", "results"];
      const { code, out, err } = await evaluate(folder, "sides", ...args, "--json");
      strictEqual(code, 0, err);
      strictEqual((await report(out)).models.trainSide.counts.test, 6);
      ok(!/warning: training read/.test(err), err);
      // A failure of another kind is none of a plugin's preset.
      const kept = new Map<string, string>();
      for await (const { name } of Deno.readDir(join(artifacts, "download"))) {
        const path = join(artifacts, "download", name, "record.json");
        const text = await Deno.readTextFile(path), { checksum: _, ...record } = JSON.parse(text);
        const [dataset] = record.dependencies.params.datasets;
        if (dataset.preset?.labels === undefined) continue;
        kept.set(path, text);
        dataset.preset.labels = "labels(";
        await writeState(path, record);
      }
      const other = await evaluate(folder, "sides", "--on", "capitals", "--artifacts", "results");
      match(other.err, /read its photos by .*, a preset that this version does not take\. To read/);
      for (const [path, text] of kept) await Deno.writeTextFile(path, text);
    });

    await t.step("warns of a preset that a plugin has", async () => {
      const plugin = `export default ({ definePreset }) => definePreset({
        name: "sidesOf", summary: "Hands",
        preset: { columns: { path: "path", side: "hand" }, terms: "my own" },
      });`;
      await Deno.writeTextFile(join(folder, "preset.js"), plugin);
      const text = await Deno.readTextFile(join(folder, "sides.yaml"));
      const { stages, ...others } = JSON.parse(text);
      // Of another name, as its table would else be that of the step before.
      Object.assign(stages.download.datasets[0], { name: "plugged", preset: "sidesOf" });
      const allow = [{ use: "./preset.js" }];
      const yaml = JSON.stringify({ ...others, name: "plugin", plugins: allow, stages });
      await Deno.writeTextFile(join(folder, "plugin.yaml"), yaml);
      const trained = await runHere(artifacts, join(folder, "plugin.yaml"));
      strictEqual(trained.code, 0, trained.text);
      const on = ["--on", "capitals", "--artifacts", "results"];
      const { err } = await evaluate(folder, "plugin", ...on);
      match(err, /warning: training read its photos by "sidesOf", a preset of a plugin/);
    });

    await t.step("training warns of a model that was trained on the test set", async () => {
      const others = ["--set", "split.test.part=train", "--until", "trainGender"];
      const from = ["--set", `trainGender.teacher=${id}/trainGender`];
      const { code, text } = await runHere(artifacts, join(folder, "p.yaml"), ...others, ...from);
      strictEqual(code, 0, text);
      match(
        text,
        /Scores are too good: teacher ".*\/trainGender" was trained, .* on 24 of 24 images of the test set\. Take/,
      );
      const init = ["--set", `trainGender.init=${id}/trainGender`, "--until", "trainGender"];
      const same = await runHere(artifacts, join(folder, "p.yaml"), ...init);
      strictEqual(same.code, 0, same.text);
      ok(!/too good/.test(same.text), same.text);
    });

    await t.step("counts images of models that a model learned from, at any distance", async () => {
      const { matParse, faceCrop, resize32, trainGender } = stages;
      const tune = async (name: string, init: string, of = {}) => {
        await photos(join(folder, name), 24, 7);
        const pipeline = {
          name,
          stages: {
            download: { datasets: [{ folder: name, layout: "aligned", ...of }] },
            ...{ matParse, faceCrop, resize32, split: { test: { part: "test" } } },
            trainGender: { ...trainGender, init },
            evaluate: stages.evaluate,
          },
        };
        await Deno.writeTextFile(join(folder, `${name}.yaml`), JSON.stringify(pipeline));
        const result = await runHere(artifacts, join(folder, `${name}.yaml`));
        strictEqual(result.code, 0, result.text);
        return (await new History(artifacts).list()).at(-1)!.id;
      };
      const columns = { path: "path", age: "age", gender: "gender", part: "part" };
      const preset = {
        labels: "labels\\.csv",
        columns,
        terms: "CC BY-NC 4.0",
        nonCommercial: true,
      };
      const first = await tune("tuned", `${id}/trainGender`, { preset });
      const second = await tune("twice", `${first}/trainGender`);
      const on = ["--on", "p", "--artifacts", "results", "--json"];
      const { code, out, err } = await evaluate(folder, second, ...on);
      strictEqual(code, 0, err);
      const { models, html, place } = await report(out);
      deepStrictEqual([models.trainGender.counts.test, models.trainGender.trainedOn], [6, 24]);
      const pretrained = new RegExp(`init ${first}/trainGender, trained on mine and tuned`);
      match(html, pretrained);
      const card = await Deno.readTextFile(join(place, "MODEL_CARD.md"));
      match(card, pretrained);
      match(card, /\ntuned: CC BY-NC 4\.0\.\n\nmine, twice: images provided by the user/);
      match(card, /^\*\*No commercial use: data of tuned \(CC BY-NC 4\.0\)\.\*\*$/m);
      // Its own test set, at two generations.
      const leak = [
        "--set",
        `trainGender.init=${second}/trainGender`,
        "--set",
        "split.test.part=train",
      ];
      const flattered = await runHere(artifacts, join(folder, "p.yaml"), ...leak);
      strictEqual(flattered.code, 0, flattered.text);
      const own = await report(JSON.stringify({ ...flattered, metrics: {} }));
      const caution =
        /Scores are too good: init .*\/trainGender.* was trained, .* on 24 of 24 images of the test set/;
      match(own.html, caution);
      match(await Deno.readTextFile(join(own.place, "MODEL_CARD.md")), caution);
    });

    await t.step("cautions against other photos of people of the training", async () => {
      const clinic = async (place: string, n: number, seed: number, people: string[]) => {
        await Deno.mkdir(join(folder, place));
        await photos(join(folder, place, "clinic"), n, seed);
        const csv = join(folder, place, "clinic", "labels.csv");
        const [header, ...lines] = (await Deno.readTextFile(csv)).trim().split("\n");
        const named = lines.map((line, i) => `${line},${people[i % people.length]}`);
        await Deno.writeTextFile(csv, [`${header},identity`, ...named].join("\n") + "\n");
      };
      await clinic("before", 24, 8, ["P1", "P2", "P3"]);
      await clinic("after", 6, 9, ["P2", "P9"]);
      const columns = { path: "path", age: "age", identity: "identity" };
      const preset = { labels: "labels\\.csv", columns, terms: "for tests", nonCommercial: true };
      const { matParse, faceCrop, resize32, trainAge } = stages;
      const download = { datasets: [{ folder: "before/clinic", layout: "aligned", preset }] };
      const used = { download, matParse, faceCrop, resize32, split: {}, trainAge };
      const yaml = JSON.stringify({ name: "clinic", stages: used });
      await Deno.writeTextFile(join(folder, "clinic.yaml"), yaml);
      const trained = await runHere(artifacts, join(folder, "clinic.yaml"));
      strictEqual(trained.code, 0, trained.text);
      // All cautions behind a model are its own.
      const [{ stages: made }] = (await new History(artifacts).list()).slice(-1);
      const { fingerprint } = made.find(({ id }) => id === "faceCrop")!;
      const path = join(artifacts, "faceCrop", fingerprint!.slice(0, 16), "record.json");
      const { checksum: _, ...record } = JSON.parse(await Deno.readTextFile(path));
      await writeState(path, { ...record, caution: "Few faces." });
      const args = ["--on", "after/clinic", "--layout", "aligned", "--artifacts", "results"];
      const { code, out, err } = await evaluate(folder, "clinic", ...args, "--json");
      strictEqual(code, 0, err);
      const { models, html, place } = await report(out);
      const { trainedOn, trainedPeople, counts } = models.trainAge;
      deepStrictEqual([trainedOn, trainedPeople, counts.test], [0, 3, 6]);
      const text =
        "3 of 6 tested faces are of people that it was trained, validated or calibrated on";
      match(err, new RegExp(`trainAge: ${text}: .* Test other people, or rename`));
      const card = await Deno.readTextFile(join(place, "MODEL_CARD.md"));
      match(card, new RegExp(`^\\*\\*trainAge: ${text}: scores may be too good\\.\\*\\*$`, "m"));
      match(html, new RegExp(`<p class="notice">trainAge: ${text}`));
      match(html, new RegExp(`It was trained, .* on none of these, .* ${text}`));
      match(html, /<p class="notice">Few faces\. No commercial use: data of clinic/);
      // A teacher's people count where the training keeps people apart.
      const tested = ["P2", "P2", "P9", "P9", "P7", "P7"],
        [{ id }] = (await new History(artifacts).list()).slice(-2);
      const taught = async (place: string, people: string[]) => {
        await clinic(place, 12, 10, [...tested, ...people]);
        const parts = { ...preset, columns: { ...columns, part: "part" } };
        const from = { folder: `${place}/clinic`, layout: "aligned", preset: parts };
        const stages = {
          ...used,
          download: { datasets: [from] },
          split: { test: { part: "test" } },
          trainAge: { ...trainAge, teacher: `${id}/trainAge` },
        };
        const yaml = join(folder, `${place}.yaml`);
        await Deno.writeTextFile(yaml, JSON.stringify({ name: place, stages }));
        const { code, text } = await runHere(artifacts, yaml);
        strictEqual(code, 0, text);
        return text;
      };
      match(
        await taught("apart", ["P8", "P8", "P8", "P6", "P6", "P6"]),
        /teacher ".*" was trained, .* on other photos of the people in 2 of 6 images of the test set\. Take/,
      );
      ok(!/too good/.test(await taught("mixed", ["P8", "P8", "P2", "P6", "P6", "P6"])));
    });

    await t.step("leaves out a model of whose task there is no label", async () => {
      await photos(join(folder, "bands"), 8, 3);
      const csv = join(folder, "bands", "labels.csv");
      const lines = await Deno.readTextFile(csv);
      await Deno.writeTextFile(csv, lines.replaceAll(/,(\d)\d,/g, ",$10-$19,"));
      const args = ["--on", "bands", "--layout", "aligned", "--artifacts", "results"];
      const { code, out, err } = await evaluate(folder, id, ...args, "--json");
      strictEqual(code, 0, err);
      deepStrictEqual(Object.keys((await report(out)).models), ["trainGender"]);
      match(err, /trainAge is left out: no image of the test set has .* age .* only intervals/);
      const alone = await evaluate(folder, `${id}/trainAge`, ...args);
      strictEqual(alone.code, 1);
      match(
        alone.out + alone.err,
        /Cannot evaluate trainAge: no image .* only intervals\. Add labels/,
      );
    });

    await t.step("leaves out training images of its own pipeline", async () => {
      const args = [`${id}/trainAge`, "--on", "p", "--artifacts", "results", "--json"];
      const all = await evaluate(folder, ...args);
      strictEqual(all.code, 0, all.err);
      match(
        all.err,
        /trainAge is tested on 6 of 30 images\. It was trained, validated or calibrated on the other 24\n/,
      );
      match(all.err, new RegExp(`trainAge of run ${id}\\n`));
      const { models } = await report(all.out);
      deepStrictEqual(models.trainAge.counts, { train: 0, validation: 0, test: 6 });
      // The same six images as in the training's own report.
      const own = await report(JSON.stringify({ ...trained, metrics: {} }));
      strictEqual(models.trainAge.test.mae, own.models.trainAge.test.mae);
      const part = await evaluate(folder, ...args, "--part", "test");
      const { models: held, html } = await report(part.out);
      strictEqual(held.trainAge.trainedOn, 0);
      match(
        part.err,
        /6 of 6 images\. It was trained, .* on none of them, by pixels.*saved anew is not/,
      );
      match(
        html,
        /It was trained, .* on none of these, by pixels.*saved anew is not/,
      );
      const named = await evaluate(folder, "p", ...args.slice(1), "--part", "test");
      match(
        named.err,
        /trainGender and trainAge of pipeline p \(run [0-9a-f]{8}, unlike its YAML now: split\.test\.part /,
      );
    });

    await t.step(
      "takes a copied model from a folder of any name, and each model once",
      async () => {
        const [{ stages }] = await new History(artifacts).list();
        const { fingerprint } = stages.find(({ id }) => id === "trainAge")!;
        const copy = join(folder, "1 copied model"), other = join(folder, "evaluate");
        await Deno.mkdir(copy);
        await Deno.mkdir(other);
        const from = join(artifacts, "trainAge", fingerprint!.slice(0, 16), "model");
        for await (const { name, isFile } of Deno.readDir(from)) {
          if (!isFile) continue;
          for (const to of [copy, other]) await Deno.copyFile(join(from, name), join(to, name));
        }
        const models = [`${id}/trainAge`, `${id}/trainAge`, copy, from, other];
        const on = ["--layout", "aligned", "--artifacts", "results", "--json"];
        const { code, out, err } = await evaluate(
          folder,
          ...models,
          "--on",
          "p",
          "--part",
          "test",
          "--artifacts",
          "results",
          "--json",
        );
        strictEqual(code, 0, err);
        deepStrictEqual(Object.keys((await report(out)).models), [
          // "evaluate" is the stage that scores.
          ...["copied-model", "evaluate-2", "trainAge"],
        ]);
        // Nothing is known of its images.
        const init = ["--set", `trainAge.init=${copy}`];
        const tuned = await runHere(artifacts, join(folder, "p.yaml"), ...init);
        strictEqual(tuned.code, 0, tuned.text);
        const { html } = await report(JSON.stringify({ ...tuned, metrics: {} }));
        match(html, /trained on mine, whether on images of the test set is not known/);
        const last = (await new History(artifacts).list()).at(-1)!;
        const unknown = await evaluate(folder, `${last.id}/trainAge`, "--on", "theirs", ...on);
        strictEqual(unknown.code, 0, unknown.err);
        match(unknown.err, /not known which images ".*1 copied model.*" was trained on/);
        const { models: { trainAge }, html: page } = await report(unknown.out);
        deepStrictEqual([trainAge.counts.test, trainAge.trainedOn], [11, null]);
        match(page, /Images that it was trained on may be among them: they are not known/);
      },
    );

    await t.step("takes a pipeline that only makes a dataset, as of a test set", async () => {
      const { download, matParse, faceCrop, resize32 } = stages;
      await Deno.writeTextFile(
        join(folder, "data.yaml"),
        JSON.stringify({ name: "data", stages: { download, matParse, faceCrop, resize32 } }),
      );
      const args = [`${id}/trainAge`, "--on", "data", "--artifacts", "results", "--json"];
      const { code, out, err } = await evaluate(folder, ...args);
      strictEqual(code, 0, err);
      deepStrictEqual((await report(out)).models.trainAge.counts, {
        train: 0,
        validation: 0,
        test: 6,
      });
      const part = await evaluate(folder, ...args, "--part", "test");
      strictEqual(part.code, 2);
      match(part.err, /pipeline "data" does not name one split: .* Add evaluate, whose inputs/);
    });

    await t.step("refuses what it cannot evaluate", async () => {
      await Deno.mkdir(join(folder, "empty"));
      await Deno.writeFile(
        join(folder, "empty", "a.png"),
        await Deno.readFile(join(folder, "mine", "0.png")),
      );
      const foreign = join(folder, "foreign"), record = join(foreign, "training.json");
      await cp(join(folder, "1 copied model"), foreign, { recursive: true });
      const training = JSON.parse(await Deno.readTextFile(record));
      training.preprocessing.detector.name = "theirs";
      await Deno.writeTextFile(record, JSON.stringify(training));
      const cases = {
        "foreign --on theirs": /"theirs", the detector .* of a plugin that lies with the model/,
        "--on theirs": /missing MODEL/,
        [`${id}`]: /missing --on/,
        [`${id}/trainAgee --on theirs`]:
          /has no model "trainAgee"\. It has trainGender and trainAge/,
        [`${id} --on empty`]: /has no labels to evaluate with: 1 photo in 1 file; no labels found/,
        [`${id} --on p --part tset`]: /--part tset: of a pipeline, take train, validation or test/,
        [`${id} --on empty --preset utkfce`]: /no preset "utkfce"\. Did you mean "utkface"\?/,
        [`${id} --on theirs --layout foo`]: /--layout foo: expected full, crop or aligned$/,
        [`${id} --on p --preset utkface`]: /--preset is of a folder, and "p" is none/,
        [`${id} --on theirs --prat test`]: /--prat/,
        [`${id} --on theirs --part tset`]: /--part tset: the labels of ".*" name test and train$/,
      };
      const tools = { ...app, cwd: folder } as unknown as CommandContext;
      for (const [line, message] of Object.entries(cases)) {
        const args = [...line.split(" "), "--artifacts", "results"];
        await rejects(command.run(args, tools), (error) => {
          ok(error instanceof UsageError, `${line}: ${error}`);
          match(error.message, message);
          return true;
        });
      }
      const { code, err } = await evaluate(
        folder,
        "ffff",
        "--on",
        "mine",
        "--artifacts",
        "results",
      );
      strictEqual(code, 2);
      match(err, /"ffff" is no run, pipeline or folder of a model/);
      const nowhere = await evaluate(folder, id, "--on", "nowhere", "--artifacts", "results");
      strictEqual(nowhere.code, 2);
      match(nowhere.err, /there is no folder and no pipeline "nowhere"/);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
