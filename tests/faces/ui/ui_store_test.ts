/** Requests of the page's store. */
import assert from "node:assert/strict";
import {
  bestOf,
  detailsOf,
  metricsOf,
  repeatsOf,
  rowsOf,
  statsOf,
  store,
  variedOf,
} from "../../../faces/ui/web/ui_store.ts";
import { shortName } from "../../../faces/ui/web/ui_charts.ts";
import { number, text } from "../../../faces/ui/web/ui_dom.ts";
import type { UiRun } from "../../../faces/ui/ui_api.ts";

Deno.test("files of a run are requested again after the server was away", async () => {
  const run = { id: "1a2b3c4d", state: "ok" } as UiRun;
  const away = Promise.withResolvers<void>(), back = Promise.withResolvers<void>();
  const { fetch } = globalThis;
  try {
    globalThis.fetch = () => {
      setTimeout(away.resolve);
      return Promise.reject(new TypeError("connection refused"));
    };
    const loaded = () => assert.fail("nothing was loaded");
    assert.equal(detailsOf(run, loaded), undefined);
    await away.promise;
    globalThis.fetch = () => Promise.resolve(Response.json({}));
    detailsOf(run, back.resolve);
    await back.promise;
  } finally {
    globalThis.fetch = fetch;
  }
});

Deno.test("files that were requested of a run at work are not those of its end", async () => {
  const run = { id: "2b3c4d5e", state: "running" } as UiRun, { fetch } = globalThis;
  const asked = Promise.withResolvers<void>(), loaded = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>(), { runs } = store;
  try {
    globalThis.fetch = () => {
      asked.resolve();
      return answer.promise;
    };
    detailsOf(run, loaded.resolve);
    await asked.promise;
    const ended: UiRun = { ...run, state: "ok" };
    store.runs = [ended];
    const none = { curves: [], intervals: {} };
    answer.resolve(Response.json({ [run.id]: none }));
    await loaded.promise;
    assert.deepEqual(detailsOf(run, () => {}), none);
    assert.equal(detailsOf(ended, loaded.resolve), undefined);
    await new Promise((resolve) => setTimeout(resolve, 100)); // it is requested
  } finally {
    globalThis.fetch = fetch;
    store.runs = runs;
  }
});

Deno.test("text() has all digits of whole numbers, such as seeds", () => {
  assert.deepEqual([20261201, -1234567, 0.123456789, [20261201, true]].map(text), [
    ...["20261201", "-1234567", "0.123457", "20261201, true"],
  ]);
});

Deno.test("a short name of a path has its end, and one of a choice its name", () => {
  assert.equal(shortName("plain", 8), "plain");
  assert.equal(shortName("/data/faces/b.csv", 8), "…s/b.csv");
  const network = text({ use: "mobile", blocks: 2, squeezeExcitation: false });
  assert.equal(shortName(network, 14), "mobile…: false");
  assert.equal(shortName(text({ use: "residual", blocks: 2 }), 8), "residual…");
});

Deno.test("variedOf() lists options that some runs lack, but not those of stages that did not run", () => {
  const rows = rowsOf([
    { "train.mirror": true, "train.size": 32, "train: inputs": ["split"], "other.size": 1 },
    { "train.size": 32 },
  ].map((settings, i) => {
    const stages = [{ id: "train", result: "0123" }, { id: "other" }];
    return { id: `${i}`, group: `${i}`, settings, stages } as unknown as UiRun;
  }));
  assert.deepEqual(variedOf(rows), ["train.mirror"]);
  assert.deepEqual(variedOf(rows, true), ["train.mirror"]);
});

Deno.test("metricsOf() lists metrics of heads whose names have spaces", () => {
  const validation = { accuracy: 0.5, loss: 1 };
  const metrics = { "joint.hair color": { validation, test: validation }, age: { validation } };
  const runs = [{ metrics }, { metrics }] as unknown as UiRun[];
  assert.deepEqual(metricsOf(runs, new Set()), [
    ["age", "validation", "accuracy"],
    ["joint.hair color", "validation", "accuracy"],
  ]);
  assert.equal(metricsOf(runs, new Set(["test", "loss"])).length, 6);
});

Deno.test("statsOf() has no spread of equal values, and counts a shared result once", () => {
  const stats = (...runs: [value: number | null, result: string][]) =>
    statsOf({
      runs: runs.map(([value, result], i) => ({
        id: `${i}`,
        metrics: { train: { test: { accuracy: value } } },
        stages: [{ id: "train", result }],
      } as unknown as UiRun)),
    }, ["train", "test", "accuracy"]);
  const equal = { mean: 0.7, least: 0.7, most: 0.7 };
  assert.deepEqual(stats([0.7, "a"], [0.7, "b"], [0.7, "c"]), { runs: 3, deviation: 0, ...equal });
  assert.deepEqual(stats([0.7, "a"], [0.7, "a"]), { runs: 1, ...equal });
  const apart = { runs: 2, mean: 1.5, deviation: Math.SQRT1_2, least: 1, most: 2 };
  assert.deepEqual(stats([1, "a"], [2, "b"], [null, "c"]), apart);
  assert.equal(stats([null, "a"]), undefined);
});

Deno.test("repeatsOf() names folds, by number or part, and seeds", () => {
  const of = (...seeds: Record<string, unknown>[]) =>
    repeatsOf(rowsOf(seeds.map((seeds) => ({ seeds, group: "a" } as unknown as UiRun)))[0]!);
  assert.equal(of({ "split.test.part": "a" }, { "split.test.part": "b" }), "folds");
  assert.equal(of({ "split.test.fold": 1 }, { "split.test.fold": 2 }), "folds");
  assert.equal(of({ "split.seed": 1 }, { "split.seed": 2 }), "seeds");
  assert.equal(
    of({ seed: 1, "split.test.part": "a" }, { seed: 2, "split.test.part": "b" }),
    "runs",
  );
});

Deno.test("bestOf() has none of rows with other validation sets, and one of a plugin's metric", () => {
  const run = (division: string, value: number, dropout: number) => ({
    id: `${division}${dropout}`,
    division,
    settings: { "train.dropout": dropout },
    seeds: {},
    group: `${dropout}`,
    metrics: { train: { validation: { mae: value, "far@2": value } } },
    better: { far: "more" },
    stages: [{ id: "parts", use: "split" }, { id: "train", use: "trainAge", result: `${value}` }],
  } as unknown as UiRun);
  const folds = [run("1", 4, 0.1), run("2", 6, 0.1), run("1", 7, 0.2), run("2", 8, 0.2)];
  const best = (runs: UiRun[], metric = "mae", fold = true) =>
    bestOf(rowsOf(runs, fold), ["train", "validation", metric]);
  const { about } = store;
  try {
    store.about = { ...about, better: { mae: "less" } };
    assert.equal(best(folds), 5);
    assert.equal(best([...folds, run("random", 1, 0.3)]), undefined);
    assert.equal(best(folds, "mae", false), undefined); // single folds
    assert.equal(best([folds[0]!, folds[2]!], "mae", false), 4); // the same fold
    assert.equal(best(folds.slice(0, 3)), 5); // half of the sets are the same
    assert.equal(best([...folds.slice(0, 3), run("3", 1, 0.1)]), undefined);
    assert.equal(best(folds, "far@2"), 7.5);
  } finally {
    store.about = about;
  }
});

Deno.test("number() prints as compare does", () => {
  assert.deepEqual([0.13749999999999996, -0.1375, 12.34, 1.234].map((one) => number(one)), [
    ...["0.138", "−0.138", "12.3", "1.23"],
  ]);
  assert.deepEqual([number(3), number(1, false), number(null)], ["3", "1.00", "–"]);
});
