/** The server of the page over runs: what it reads, what it refuses, and how fast it is. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type {
  UiDetails,
  UiFaces,
  UiLayer,
  UiOutput,
  UiRuns,
  UiStep,
  UiTable,
} from "../../../faces/ui/ui_api.ts";
import ui from "../../../faces/commands/ui.ts";
import { RunFiles, tableOf } from "../../../faces/ui/run_files.ts";
import { readNpy } from "../../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../../packages/formats/parquet.ts";
import { decodePng } from "../../../packages/formats/png.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { History, type RunRecord } from "../../../packages/pipeline/history.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { MODEL_JSON, workshop } from "../commands/workshop.ts";
import { MODELS, startUi as start } from "./fixture.ts";

Deno.test("runs: what varies, groups of seeds, a record that cannot be read, ETag", async () => {
  await using shop = await workshop([
    { models: MODELS(0.9, 0.1) },
    { models: MODELS(0.8, 0.1), seed: 7 },
    { models: MODELS(0.7, 0.5) },
  ]);
  const damaged = join(shop.artifacts, "runs", "2026-01-01T00-00-00Z-faces-0badbad0.json");
  await Deno.writeTextFile(damaged, "{");
  await using ui = await start(shop.artifacts);
  assert.deepEqual(await ui.get("/health"), { status: "ready" });
  const runs = await ui.runs();
  const [third, second, one] = runs.filter(({ state }) => state === "ok");
  assert.deepEqual([one!.id, second!.id, third!.id], shop.runs.map(({ id }) => id));
  assert.deepEqual(third!.settings, { "trainGender.dropout": 0.5 });
  assert.equal(one!.group, second!.group);
  assert.notEqual(one!.group, third!.group);
  assert.deepEqual([one!.seeds, second!.seeds], [{ seed: 42 }, { seed: 7 }]);
  const bad = runs.find(({ state }) => state === "damaged")!;
  assert.match(bad.problem!, /0badbad0\.json cannot be read/);
  const first = await ui.ask("/api/runs");
  await first.body?.cancel();
  const headers = { "if-none-match": first.headers.get("etag")! };
  assert.equal((await ui.ask("/api/runs", { headers })).status, 304);
  await new History(shop.artifacts).remove(new Set([one!.id]));
  const later = await ui.ask("/api/runs", { headers });
  assert.equal((await later.json() as UiRuns).runs.length, 3);
});

Deno.test("runs have one division with the same rows of the same data", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  const history = new History(shop.artifacts), [run] = shop.runs, [image, , train] = run!.stages;
  const key = image!.dependencies!;
  const add = async (folder: string, size: number, rows: string) => {
    const stages = [
      { ...image!, id: "download", after: [], dependencies: { ...key, params: { folder } } },
      { ...image!, after: ["download"], dependencies: { ...key, params: { size } } },
      { ...image!, id: "parts", after: ["resize32"], outputs: { splits: `${size}${folder}` } },
      // An imported model is no source of images.
      { ...image!, id: "importModel", after: [], dependencies: { ...key, params: { size } } },
      {
        ...train!,
        after: ["parts", "importModel"],
        dependencies: { ...key, inputs: { dataset: `${size}`, splits: rows } },
      },
    ];
    await history.add({ ...run!, stages });
  };
  await add("men", 32, "a");
  await add("men", 64, "a");
  await add("women", 32, "a");
  await add("men", 32, "two faces");
  await using ui = await start(shop.artifacts);
  const all = (await ui.runs()).map(({ division }) => division).reverse().slice(1);
  assert.deepEqual(all.map((one) => all.indexOf(one)), [0, 0, 2, 3]);
});

Deno.test("a path that a run was given is a setting, and so is all that a run at work was given", async () => {
  await using shop = await workshop([
    ...["a.csv", "b.csv"].map((verdicts) => ({
      models: MODELS(0.9, 0.1),
      overrides: { "matParse.verdicts": verdicts, "trainGender.dropout": 0.1 },
    })),
  ]);
  const overrides = { "matParse.verdicts": "c.csv", "trainGender.seed": 2 };
  await new History(shop.artifacts).begin({ pipeline: "faces", overrides, seed: 1 });
  await using ui = await start(shop.artifacts);
  const shown = (await ui.runs()).map(({ state, settings, seeds }) => ({ state, settings, seeds }));
  const recorded = (verdicts: string) => ({
    state: "ok",
    settings: { "matParse.verdicts": verdicts },
    seeds: { seed: 42 },
  });
  assert.deepEqual(shown.toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1), [
    ...[recorded("a.csv"), recorded("b.csv")],
    {
      state: "running",
      settings: { "matParse.verdicts": "c.csv" },
      seeds: { seed: 1, "trainGender.seed": 2 },
    },
  ]);
});

Deno.test("what a run at work was given and others share differs from none of them", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }, { models: MODELS(0.8, 0.1) }]);
  const overrides = { "trainGender.dropout": 0.1 };
  await new History(shop.artifacts).begin({ pipeline: "faces", overrides, seed: 1 });
  await using ui = await start(shop.artifacts);
  for (const { settings } of await ui.runs()) assert.deepEqual(settings, overrides);
});

Deno.test("files of a stage whose name has a hyphen are shown", async () => {
  const { trainGender } = MODELS(0.9, 0.1);
  await using shop = await workshop([{ models: { own: { ...trainGender, use: "train-own" } } }]);
  await using ui = await start(shop.artifacts);
  const { outputs } = await ui.get<{ outputs: UiOutput[] }>(`/api/files?id=${shop.runs[0]!.id}`);
  const { place } = outputs.find(({ kind }) => kind === "model")!;
  assert.match(place, /^train-own/);
  assert.equal((await ui.get<UiLayer[]>(`/api/layers/${place}/model.json`)).length, 2);
});

Deno.test("a map is one setting where another run has a plain value in its place", async () => {
  const models = (network: unknown) => ({ trainGender: { skill: 0.9, params: { network } } });
  const narrow = { use: "plain", blocks: [[8]] };
  await using shop = await workshop([{ models: models("plain") }, { models: models(narrow) }]);
  await using ui = await start(shop.artifacts);
  const shown = (await ui.runs()).map(({ settings }) => settings["trainGender.network"]);
  assert.deepEqual(shown, [narrow, "plain"]);
});

Deno.test("the MAE of a number is named as that of ages", async () => {
  await using shop = await workshop([]);
  const metrics = { net: { test: { loss: 1, error: 2 } } };
  const run = { pipeline: "faces", ok: true, seconds: 1, seed: 1, stages: [], metrics };
  await new History(shop.artifacts).add(run);
  await using ui = await start(shop.artifacts);
  assert.deepEqual((await ui.runs())[0]!.metrics, { net: { test: { loss: 1, mae: 2 } } });
});

Deno.test("a model evaluated twice has name and intervals of the last evaluation", async () => {
  const models = { trainAge: { error: 5 }, years: { error: 5 } };
  const limit = { use: "cs", within: 2 };
  await using shop = await workshop([{ models, metrics: ["cs"], again: [limit] }]);
  const [{ id: _, at: __, ...run }] = shop.runs as [typeof shop.runs[number]];
  const { id } = await new History(shop.artifacts).add({
    ...run,
    metrics: { trainAge: { test: { cs: 0.5 } }, years: { test: { cs: 0.6 } } },
  });
  await using ui = await start(shop.artifacts);
  assert.deepEqual((await ui.runs()).find((one) => one.id === id)!.metrics, {
    trainAge: { test: { "cs@2": 0.5 } },
    years: { test: { "cs@5": 0.6 } },
  });
  const { intervals } = (await ui.get<Record<string, UiDetails>>(`/api/details?ids=${id}`))[id]!;
  assert.ok(intervals["years test"] && intervals["trainAge test"]);
});

Deno.test("a bootstrap interval of fewer than 20 people has no place in the page", async () => {
  const models = { trainAge: { error: 5 } };
  for (const [repeat, shown] of [[1, true], [8, false]] as const) {
    await using shop = await workshop([{ models, repeat, tested: 120 }]);
    const [{ id }] = shop.runs as [typeof shop.runs[number]];
    await using ui = await start(shop.artifacts);
    const { intervals } = (await ui.get<Record<string, UiDetails>>(`/api/details?ids=${id}`))[id]!;
    assert.equal("trainAge test" in intervals, shown);
  }
});

Deno.test("the page has two limits of a run, and that of a training", async () => {
  const models = { trainAge: { error: 5, params: { metrics: [{ use: "cs", within: 3 }] } } };
  const two = { use: "cs", within: 2 };
  await using shop = await workshop([{ models, metrics: ["cs", two] }, { models }]);
  const measured = [{ cs: 0.5, "cs@2": 0.2, "cs@3": 0.3 }, { cs: 0.3 }];
  const ids = await Promise.all(shop.runs.map(async ({ id: _, at: __, ...run }, i) => {
    const metrics = { trainAge: { validation: measured[i]! as Record<string, number> } };
    return (await new History(shop.artifacts).add({ ...run, metrics })).id;
  }));
  await using ui = await start(shop.artifacts);
  const runs = await ui.runs();
  const shown = ids.map((id) => runs.find((one) => one.id === id)!.metrics.trainAge!.validation);
  assert.deepEqual(shown, [{ "cs@5": 0.5, "cs@2": 0.2, "cs@3": 0.3 }, { "cs@3": 0.3 }]);
});

Deno.test("a running run, its log by offset, and a killed one", async () => {
  await using shop = await workshop([]);
  const history = new History(shop.artifacts);
  const begun = await history.begin({ pipeline: "faces", overrides: {}, seed: 1 });
  await Deno.mkdir(join(shop.artifacts, ".live"));
  const log = join(shop.artifacts, ".live", `${begun.id}.jsonl`);
  await Deno.writeTextFile(log, '{"at":1}\n{"at":2}\n{"a');
  await using ui = await start(shop.artifacts);
  const stateOf = async () => (await ui.runs()).map(({ state }) => state);
  assert.deepEqual(await stateOf(), ["running"]);
  const text = async (from: number) =>
    await (await ui.ask(`/api/live/${begun.id}?from=${from}`)).text();
  assert.equal(await text(0), '{"at":1}\n{"at":2}\n');
  assert.equal(await text(9), '{"at":2}\n');
  assert.equal(await text(18), "");
  begun.lock![Symbol.dispose]();
  assert.deepEqual(await stateOf(), ["interrupted"]);
});

Deno.test("a run that Ctrl-C ended is interrupted, not failed", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  const history = new History(shop.artifacts), [run] = shop.runs;
  const why = "interrupted", ends = [["out of memory"], [why], [why, why], [why, "error"]] as const;
  for (const [why, cause] of ends) {
    const stages = [{ ...run!.stages[0]!, status: "failed" as const, why, cause }];
    await history.add({ ...run!, ok: false, stages });
  }
  await using ui = await start(shop.artifacts);
  // Records of earlier versions have no cause; an error may have any text.
  assert.deepEqual((await ui.runs()).map(({ state }) => state).reverse(), [
    ...["ok", "failed", "interrupted", "interrupted", "failed"],
  ]);
});

Deno.test("files of a run: curves, intervals, tables, images, faces and their way", async () => {
  await using shop = await workshop([
    { models: MODELS(0.95, 0.1) },
    { models: MODELS(0.6, 0.5) },
  ]);
  const [a, b] = shop.runs.map(({ id }) => id) as [string, string];
  await using ui = await start(shop.artifacts);
  const details = await ui.get<Record<string, UiDetails>>(`/api/details?ids=${a},${b},none`);
  assert.deepEqual(details[a]!.curves[0]!.epochs.map((epoch) => epoch.at(-1)), [0.5, 0.95, 0.4]);
  assert.equal(details[a]!.curves[0]!.kept, 2);
  const { low, high } = details[a]!.intervals["trainGender test"]!;
  assert.ok(0.85 < low && low < 0.95 && 0.95 < high);
  assert.match(details.none!.problem!, /no run "none"/);

  const { outputs } = await ui.get<{ outputs: UiOutput[] }>(`/api/files?id=${a}`);
  const place = (kind: string) => outputs.find((one) => one.kind === kind)!.place;
  const report = join(shop.artifacts, place("report"));
  const all = await readParquet(join(report, "predictions.parquet"));
  const sheet = `/api/table/${place("report")}/predictions.parquet`;
  const sorted = await ui.get<UiTable>(`${sheet}?sort=-row&q=test`);
  assert.equal(sorted.total, 200);
  const column = (name: string) => sorted.rows.map((row) => row[sorted.columns.indexOf(name)]);
  assert.deepEqual(column("row"), Array.from({ length: 100 }, (_, i) => 199 - i));
  const curve = await ui.get<UiTable>(`/api/table/${place("model")}/history.csv?sort=-val_metric`);
  assert.deepEqual(curve.rows.map((row) => row[0]), [2, 1, 3]);

  const images = join(shop.artifacts, place("dataset"), "images.npy");
  assert.equal(
    await ui.fails(`/file/${place("dataset")}/images.npy?size=64000001`, 413),
    `Cannot show "${await Deno.realPath(images)}": it has more than 64 MB. Open it in its folder.`,
  );
  const image = await ui.ask(`/image/${place("dataset")}/3`);
  assert.match(image.headers.get("cache-control")!, /immutable/);
  const pixels = readNpy(images, "uint8").data;
  const png = decodePng(new Uint8Array(await image.arrayBuffer()))!;
  assert.deepEqual([...png.data], [...pixels.subarray(36, 48)]);

  // Against the table itself: rows of the test set that two runs predict differently.
  const testOf = (table: Record<string, unknown[]>) =>
    table.row!.flatMap((row, i) => table.split![i] === "test" ? [[row, table.prediction![i]]] : []);
  const other = await readParquet(join(
    shop.artifacts,
    (await ui.get<{ outputs: UiOutput[] }>(`/api/files?id=${b}`)).outputs
      .find(({ kind }) => kind === "report")!.place,
    "predictions.parquet",
  ));
  const theirs = new Map(testOf(other) as [number, number][]);
  const expected = (testOf(all) as [number, number][]).filter(([row, own]) =>
    theirs.get(row) !== own
  );
  const found = await ui.get<UiFaces>(`/api/faces?id=${a}&other=${b}`);
  assert.ok(expected.length > 30);
  assert.deepEqual([found.total, found.all, found.model], [expected.length, 200, "trainGender"]);
  for (const face of found.faces) assert.equal(theirs.get(face.row), face.other);
  const wrong = await ui.get<UiFaces>(`/api/faces?id=${b}&only=wrong&label=male`);
  assert.ok(
    wrong.total > 20 && wrong.faces.every((face) => face.truth === 1 && face.prediction === 0),
  );

  const way = await ui.get<UiStep[]>(`/api/way?id=${a}&row=5`);
  assert.deepEqual(way.map(({ title }) => title), ["Image", "Prediction of trainGender"]);
  assert.equal(way[0]!.values!.path, "5.jpg");
  assert.equal(way[1]!.model, "trainGender");
  const asked = await ui.get<UiStep>(`/api/occlusion?id=${a}&row=5&model=trainGender`);
  assert.match(String(asked.values!.model), /trainGender.*model$/);
  assert.match(String(asked.values!.images), /images\.npy$/);
  await ui.fails(`/api/occlusion?id=${a}&row=5&model=other`, 404);
  await ui.fails(`/api/occlusion?id=${a}&row=100000&model=trainGender`, 404);
  // The face of an aligned photo is the whole photo: no detector has found it.
  const [crop] = await ui.get<UiStep[]>(`/api/way?id=${a}&row=7`);
  assert.equal(crop!.text, "Taken from the photo as the face; the box is in its pixels");
  assert.deepEqual(crop!.values, { x: 0, y: 0, width: 96, height: 96, score: 1 });
  const comparison = await ui.get<{ parameters: unknown }>(`/api/compare?ids=${a},${b}`);
  assert.deepEqual(comparison.parameters, [{ name: "trainGender.dropout", values: [0.1, 0.5] }]);
});

Deno.test("the way of a face is through the crop that its image was made of", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1), otherCrop: true }]);
  await using ui = await start(shop.artifacts);
  const [crop] = await ui.get<UiStep[]>(`/api/way?id=${shop.runs[0]!.id}&row=7`);
  assert.equal(crop!.values!.width, 96);
});

Deno.test("a table keeps leading zeros, and loses what guards a value from spreadsheets", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  await using ui = await start(shop.artifacts);
  const { outputs } = await ui.get<{ outputs: UiOutput[] }>(`/api/files?id=${shop.runs[0]!.id}`);
  const { place } = outputs.find(({ kind }) => kind === "model")!;
  await Deno.writeTextFile(
    join(shop.artifacts, place, "history.csv"),
    "identity,path,score\n007,'-1.jpg,-1.5e-7\n0x10,b.jpg,\n",
  );
  const { rows } = await ui.get<UiTable>(`/api/table/${place}/history.csv`);
  assert.deepEqual(rows, [["007", "-1.jpg", -1.5e-7], ["0x10", "b.jpg", ""]]);
});

Deno.test("runs disagree on faces that both predicted, by models of one task", async () => {
  const { trainGender: model } = MODELS(0.6, 0.5);
  await using shop = await workshop([
    { models: MODELS(0.95, 0.1) },
    { models: { trainOther: model }, testFrom: 150 },
    { models: { trainAge: { error: 5 } } },
  ]);
  const [a, b, c] = shop.runs.map(({ id }) => id);
  await using ui = await start(shop.artifacts);
  // Of the test sets of 200, from 0 and from 150, 50 are the same.
  const found = await ui.get<UiFaces>(`/api/faces?id=${a}&other=${b}`);
  assert.ok(found.all === 50 && found.total > 10, `${found.total} of ${found.all}`);
  const none = await ui.get<UiFaces>(`/api/faces?id=${a}&other=${c}`);
  assert.deepEqual([none.total, none.all], [0, 0]);
});

Deno.test("faces of each report of a run are shown, and their way", async () => {
  await using shop = await workshop([
    { models: { trainGender: { skill: 0.9, curve: [0.5] }, trainAge: { error: 5 } }, again: [] },
  ]);
  await using ui = await start(shop.artifacts);
  const { id } = shop.runs[0]!;
  const shown = async (query: string) => {
    const { reports, report, models, total } = await ui.get<UiFaces>(`/api/faces?id=${id}${query}`);
    assert.equal(total, 200);
    return { reports, report, models };
  };
  const reports = ["evaluate", "again"];
  const all = ["trainGender", "trainAge"];
  assert.deepEqual(await shown(""), { reports, report: "evaluate", models: all });
  assert.deepEqual(await shown("&report=again"), {
    reports,
    report: "again",
    models: ["trainGender"],
  });
  const steps = async (query: string) =>
    (await ui.get<UiStep[]>(`/api/way?id=${id}&row=5${query}`)).map(({ title }) => title);
  const titles = ["Image", "Prediction of trainGender"];
  assert.deepEqual(await steps(""), [...titles, "Prediction of trainAge"]);
  assert.deepEqual(await steps("&report=again"), titles);
  await ui.get<UiStep>(`/api/occlusion?id=${id}&row=5&model=trainGender&report=again`);
  await ui.fails(`/api/faces?id=${id}&report=other`, 404);
});

Deno.test("a range of numbers holds whole years to their end, and decimals as they are", async () => {
  await using shop = await workshop([{ models: { trainAge: { error: 5 } } }]);
  await using ui = await start(shop.artifacts);
  const { id } = shop.runs[0]!;
  const query = `/api/faces?id=${id}&split=all&sort=row&prediction=`;
  const whole = [["30-40", 30, 41], ["30 - 40", 30, 41]] as const;
  const ranges = [...whole, ["30.5-40.5", 30.5, 40.5], ["-3.5--0.5", -3.5, -0.5]] as const;
  for (const [range, low, high] of ranges) {
    const { total, faces } = await ui.get<UiFaces>(query + range);
    assert.ok(total > 0 && total === faces.length);
    for (const { prediction } of faces) assert.ok(prediction >= low && prediction < high);
  }
});

Deno.test("a range that was typed for ages filters no classes", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  await using ui = await start(shop.artifacts);
  const { total } = await ui.get<UiFaces>(`/api/faces?id=${shop.runs[0]!.id}&label=20-30`);
  assert.equal(total, 200);
});

Deno.test("a number is right within 5 years, or within the MAE of another scale", async () => {
  const error = 0.8;
  await using shop = await workshop([
    { models: { a: { error }, b: { error, task: "score" } } },
  ]);
  await using ui = await start(shop.artifacts);
  const facesOf = async (model: string, only: string) =>
    await ui.get<UiFaces>(`/api/faces?id=${shop.runs[0]!.id}&model=${model}&only=${only}`);
  const [years, score] = await Promise.all([facesOf("a", "wrong"), facesOf("b", "wrong")]);
  assert.deepEqual([years.near, years.total], [5, 0]);
  assert.ok(score.near < 2 && score.total > 20 && score.total < 180, `${score.total}`);
  const right = await facesOf("b", "right");
  assert.equal(right.total, score.all - score.total);
  // Cards mark the faces that the filter calls wrong.
  assert.deepEqual([...score.faces, ...right.faces].filter(({ wrong }) => wrong), score.faces);
});

Deno.test("a face of unknown gender is shown without one", async () => {
  const models = { trainAge: { error: 5 } };
  await using shop = await workshop([{ models }, { models, genderless: true }]);
  await using ui = await start(shop.artifacts);
  const genders = shop.runs.map(async ({ id }) =>
    (await ui.get<UiStep[]>(`/api/way?id=${id}&row=0`))[0]!.values!.gender
  );
  assert.deepEqual(await Promise.all(genders), ["female", null]);
});

Deno.test("damaged and removed results leave a sentence, and the rest is shown", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }, { models: MODELS(0.9, 0.2) }]);
  const [a, b] = shop.runs as [(typeof shop.runs)[0], (typeof shop.runs)[0]];
  const place = (run: typeof a, id: string) => {
    const { use, fingerprint } = run.stages.find((stage) => stage.id === id)!;
    return shop.store.pathOf(use, fingerprint!);
  };
  await Deno.writeTextFile(join(place(a, "evaluate"), "report", "metrics.json"), "{");
  await Deno.remove(place(b, "trainGender"), { recursive: true });
  await using ui = await start(shop.artifacts);
  const details = await ui.get<Record<string, UiDetails>>(`/api/details?ids=${a.id},${b.id}`);
  assert.match(details[a.id]!.problem!, /metrics\.json has another size/);
  assert.equal(details[a.id]!.curves.length, 1);
  assert.match(details[b.id]!.problem!, /trainGender: its result was removed/);
  assert.ok(details[b.id]!.intervals["trainGender test"]);
  assert.match(
    await ui.fails(`/api/faces?id=${a.id}`, 404),
    /no predictions: evaluate: .*another size/,
  );
});

Deno.test("no path leads out of the artifacts, and nothing but reading is possible", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  const secret = await Deno.makeTempFile();
  await Deno.writeTextFile(secret, "secret");
  await using ui = await start(shop.artifacts);
  const [run] = shop.runs;
  const { outputs } = await ui.get<{ outputs: UiOutput[] }>(`/api/files?id=${run!.id}`);
  const { place } = outputs.find(({ kind }) => kind === "report")!;
  const metrics = await ui.ask(`/file/${place}/metrics.json`);
  // Names of classes may be of any script.
  assert.equal(metrics.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.match(await metrics.text(), /trainGender/);
  // A file may be of a plugin: an SVG or XHTML of the page's policy could run its scripts.
  assert.match(metrics.headers.get("content-security-policy")!, /^default-src 'none'; style-src/);
  for (
    const path of [
      `/file/${place}/..%2frecord.json`,
      `/file/${place}/%2fetc%2fpasswd`,
      `/file/..%2f..%2fetc/0123456789abcdef/x/passwd`,
      `/file/evaluate/0123456789abcdef/report/metrics.json`,
      `/file/${place}/constructor`,
      `/api/table/${place}/..%2f..%2f..%2fruns`,
      `/image/${place}/0`,
      `/api/live/..%2f..%2fx`,
      `/api/why?pipeline=unknown`,
      `/api/faces?id=..%2f`,
    ]
  ) await ui.fails(path, 404);
  // A link in the place of a recorded file.
  const file = join(shop.artifacts, place, "metrics.json");
  await Deno.remove(file);
  await Deno.symlink(secret, file);
  await ui.fails(`/file/${place}/metrics.json`, 404);
  await Deno.remove(secret);
  for (const method of ["POST", "PUT", "DELETE"]) {
    const response = await ui.ask("/api/runs", { method });
    await response.body?.cancel();
    assert.equal(response.status, 404);
  }
  const page = await ui.ask("/");
  await page.body?.cancel();
  assert.match(
    page.headers.get("content-security-policy")!,
    /default-src 'none'.*script-src 'self'/,
  );
  // As an image or a frame, which has no origin; a link may lead here.
  const status = async (site: string, dest: string) => {
    const headers = { "sec-fetch-site": site, "sec-fetch-dest": dest };
    const response = await ui.ask("/api/why?pipeline=faces", { headers });
    await response.body?.cancel();
    return response.status;
  };
  for (const dest of ["image", "iframe"]) assert.equal(await status("cross-site", dest), 403);
  assert.equal(await status("same-site", "script"), 403);
  assert.equal(await status("cross-site", "document"), 404);
  for (const site of ["same-origin", "none"]) assert.equal(await status(site, "empty"), 404);
  const foreign = await ui.ask("/api/runs", { headers: { origin: "http://example.org" } });
  await foreign.body?.cancel();
  assert.equal(foreign.status, 403);
});

Deno.test("the layers of a model.json, with their numbers of weights", async () => {
  const file = await Deno.makeTempFile({ suffix: "model.json" });
  await Deno.writeTextFile(file, MODEL_JSON);
  const { layersOf } = await import("../../../faces/ui/run_files.ts");
  const expected: UiLayer[] = [
    {
      name: "conv1",
      type: "Conv2D",
      weights: 208,
      settings: "filters 16, kernel size 2×2, activation relu",
    },
    { name: "flatten", type: "Flatten", settings: "", weights: 0 },
  ];
  assert.deepEqual(await layersOf(file), expected);
  await Deno.remove(file);
});

Deno.test("many runs: the first answer is part of them, the rest follows, each is read once", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  const [run] = shop.runs;
  const modules = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`faces/some/module_${i}.ts`, "0".repeat(64)]),
  );
  const stages = run!.stages.map((stage) => ({
    ...stage,
    dependencies: { ...stage.dependencies!, modules },
  }));
  await Promise.all(Array.from({ length: 299 }, async (_, i) => {
    const id = (0x10000000 + i).toString(16);
    const path = join(shop.artifacts, "runs", `2026-01-01T00-00-00Z-faces-${id}.json`);
    await writeState(path, { version: 1, ...run, id, seed: i % 5, stages });
  }));
  await using ui = await start(shop.artifacts);
  const { now } = performance, { readFile } = Deno;
  let ms = 0, read = 0;
  // Reading a record takes 8 ms of the 400 ms of an answer.
  performance.now = () => ms;
  Deno.readFile = (...args) => {
    ms += 8;
    read++;
    return readFile(...args);
  };
  try {
    const answered = async () => {
      const { runs, left } = await ui.get<UiRuns>("/api/runs");
      return [runs.length, left];
    };
    assert.deepEqual(await answered(), [51, 249]);
    for (const runs of [102, 153, 204, 255]) assert.deepEqual(await answered(), [runs, 300 - runs]);
    for (let i = 0; i < 2; i++) assert.deepEqual(await answered(), [300, 0]);
    assert.equal(read, 300);
  } finally {
    performance.now = now;
    Deno.readFile = readFile;
  }
});

Deno.test("ui refuses a pipeline that is not there, artifacts that are no folder, and no port", async () => {
  const folder = Deno.cwd();
  const context = { cwd: folder, project: folder } as Parameters<typeof ui.run>[1];
  await assert.rejects(
    () => ui.run(["--port", "0", "--artifacts", "deno.json"], context),
    { name: "UsageError", message: "--artifacts deno.json: expected a folder" },
  );
  await assert.rejects(() => ui.run(["--port", "70000"], context), {
    name: "UsageError",
    message: "--port 70000: expected a whole number from 0 to 65535",
  });
  await assert.rejects(() => ui.run(["pipelin", "--port", "0"], context), {
    name: "ConfigError",
    message: /^pipelin: there is no such pipeline\. Did you mean "pipeline"\?/,
  });
});

Deno.test("photos of no known format are listed with the formats, as predict prints them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ui-problems-" });
  const line = "mine,a.txt,unreadable,it is no picture that is known";
  await Deno.writeTextFile(
    join(folder, "problems.csv"),
    `dataset,full_path,problem,detail\n${line}\n`,
  );
  const record = { outputs: { faces: { kind: "faces" } } };
  const store = { find: () => Promise.resolve({ record }), artifact: () => ({ path: folder }) };
  const run = { stages: [{ id: "faceCrop", use: "faceCrop", fingerprint: "0".repeat(64) }] };
  const files = await RunFiles.open(run as unknown as RunRecord, store as unknown as ArtifactStore);
  const { photos: [photo] } = await files.problems({});
  assert.equal(
    photo!.text,
    "unreadable: it is none of JPEG, PNG, WebP, GIF, TIFF and AVIF",
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a sorted table has rows without a value last, in either direction", async () => {
  const path = await Deno.makeTempFile({ suffix: ".parquet" });
  try {
    await writeParquet(path, {
      age: { type: "float64", values: [null, 30, null, 7], nullable: true },
    });
    const sorted = async (sort: string) => (await tableOf(path, { sort })).rows.flat();
    assert.deepEqual(await sorted("age"), [7, 30, null, null]);
    assert.deepEqual(await sorted("-age"), [30, 7, null, null]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a sorted table has numbers, then texts, then empty cells", async () => {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  try {
    await Deno.writeTextFile(path, "name,score\nb,12\n007,\n12,-1\na,n01\n3,3\n");
    const sorted = async (sort: string, column: number) =>
      (await tableOf(path, { sort })).rows.map((row) => row[column]);
    assert.deepEqual(await sorted("score", 1), [-1, 3, 12, "n01", ""]);
    assert.deepEqual(await sorted("-score", 1), [12, 3, -1, "n01", ""]);
    assert.deepEqual(await sorted("name", 0), [3, 12, "007", "a", "b"]);
  } finally {
    await Deno.remove(path);
  }
});

/** Starts ui, whose processes last until they are stopped. */
async function startCommand() {
  const stops: (() => void)[] = [], { Command, addSignalListener } = Deno;
  const listening = Promise.withResolvers<string>(), processes: AbortSignal[] = [];
  const project = Deno.cwd();
  const reporter = { log: listening.resolve, paint: { bold: (text: string) => `${text}` } };
  Deno.addSignalListener = (_, stop) => void stops.push(stop);
  const context = { cwd: project, project, reporter } as unknown as Parameters<typeof ui.run>[1];
  const ended = ui.run(["pipeline", "--port", "0"], context);
  const [url] = (await listening.promise).split(" ");
  Deno.Command = function (_: string, { signal }: Deno.CommandOptions) {
    processes.push(signal!);
    const output = { stdout: new Uint8Array(), stderr: new TextEncoder().encode("it ended") };
    return {
      output: () =>
        new Promise((resolve) => signal!.addEventListener("abort", () => resolve(output))),
    };
  } as unknown as typeof Deno.Command;
  return {
    processes,
    async open(path: string, signal?: AbortSignal): Promise<unknown> {
      const response = fetch(`${url}/api/${path}`, signal && { signal });
      return await response.then((response) => response.text()).catch(() => {});
    },
    stop() {
      stops[0]!();
      return ended;
    },
    [Symbol.dispose]() {
      Deno.addSignalListener = addSignalListener;
      Deno.Command = Command;
    },
  };
}

/** Waits until a condition holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

Deno.test("a process that the page waits for ends with ui", async () => {
  using command = await startCommand();
  const { processes } = command, answer = command.open("why?pipeline=pipeline");
  await until(() => processes.length === 1);
  assert.equal(processes[0]!.aborted, false);
  const ended = command.stop();
  assert.equal(processes[0]!.aborted, true);
  assert.equal(await ended, 0);
  await answer;
});

Deno.test("a process ends when its page is closed, and one in the queue does not start", async () => {
  using command = await startCommand();
  const { processes, open } = command, first = new AbortController(), next = new AbortController();
  const answers = [open("why?pipeline=pipeline", first.signal)];
  await until(() => processes.length === 1);
  for (const signal of [next.signal, undefined]) {
    answers.push(open("why?pipeline=pipeline", signal));
    await open("about");
  }
  next.abort();
  for (let i = 0; i < 5; i++) await open("about"); // the server notices that the page is closed
  assert.deepEqual(processes.map(({ aborted }) => aborted), [false]);
  first.abort();
  await until(() => processes.length === 2);
  assert.deepEqual(processes.map(({ aborted }) => aborted), [true, false]);
  await command.stop();
  await Promise.all(answers);
});
