/** Requests of the page's store. */
import assert from "node:assert/strict";
import { detailsOf, rowsOf, statsOf, variedOf } from "../../../faces/ui/web/ui_store.ts";
import { shortName } from "../../../faces/ui/web/ui_charts.ts";
import { text } from "../../../faces/ui/web/ui_dom.ts";
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
  assert.deepEqual(stats([0.7, "a"], [0.7, "b"], [0.7, "c"]), { n: 3, deviation: 0, ...equal });
  assert.deepEqual(stats([0.7, "a"], [0.7, "a"]), { n: 1, ...equal });
  const apart = { n: 2, mean: 1.5, deviation: Math.SQRT1_2, least: 1, most: 2 };
  assert.deepEqual(stats([1, "a"], [2, "b"], [null, "c"]), apart);
  assert.equal(stats([null, "a"]), undefined);
});
