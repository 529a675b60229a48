import assert from "node:assert/strict";
import {
  type CacheKey,
  canonicalJson,
  differences,
  explainChanges,
  fingerprint,
} from "../../../packages/pipeline/fingerprint.ts";

const BASE: CacheKey = {
  use: "split",
  params: { test: 0.2, by: "image", stop: { patience: 3, monitor: "val_loss" }, names: ["a"] },
  inputs: { dataset: "d1", models: { age: "m1", gender: "m2" } },
  seed: 42,
  compute: "wasm",
  modules: { "stages/split.ts": "h1", "packages/formats/npy.ts": "h2" },
  packages: { sharp: "0.35.5 (with 1234)", zod: "4.6.7" },
  external: { "wiki.tar": "1000 bytes" },
};

Deno.test("fingerprint() is that of equal values, in whatever order", () => {
  const { use, params: { test, ...params }, ...rest } = BASE;
  const turned = { ...rest, params: { ...params, test }, use };
  assert.equal(fingerprint(turned), fingerprint(BASE));
  assert.match(fingerprint(BASE), /^[0-9a-f]{64}$/);
  assert.equal(canonicalJson({ b: [{ d: 1, c: 2 }], a: null }), '{"a":null,"b":[{"c":2,"d":1}]}');
});

/** A change of BASE → what a person is told. */
const CHANGES: [Partial<CacheKey>, string[]][] = [
  [{}, []],
  [{ use: "mySplit" }, ["data uses mySplit instead of split"]],
  [{ params: { ...BASE.params, test: 0.1 } }, ["data.test changed from 0.2 to 0.1"]],
  [
    { params: { ...BASE.params, by: "identity", stop: { patience: 3, monitor: "val_metric" } } },
    [
      'data.by changed from "image" to "identity"',
      'data.stop.monitor changed from "val_loss" to "val_metric"',
    ],
  ],
  [{ params: { ...BASE.params, names: ["a", "b"] } }, [
    'data.names changed from ["a"] to ["a","b"]',
  ]],
  [{ params: { ...BASE.params, sample: 10 } }, ["data.sample is now set (10)"]],
  [
    { params: { test: 0.2, by: "image", names: ["a"] } },
    ['data.stop is no longer set (it was {"patience":3,"monitor":"val_loss"})'],
  ],
  [{ seed: 7 }, ["seed changed from 42 to 7"]],
  [{ seed: undefined }, ["seed no longer matters (it was 42)"]],
  [{ compute: undefined }, ['compute no longer matters (it was "wasm")']],
  [{ compute: "node" }, ['compute changed from "wasm" to "node"']],
  [{ inputs: { ...BASE.inputs, dataset: "d2" } }, ["its input dataset changed"]],
  [
    { inputs: { dataset: "d1", models: { age: "m3", "my-age": "m4" } } },
    [
      "its input models of age changed",
      "its input models of gender is no longer used",
      "its input models of my-age is new",
    ],
  ],
  [
    { modules: { "stages/split.ts": "h3", "packages/formats/tar.ts": "h4" } },
    [
      "stages/split.ts changed",
      "packages/formats/npy.ts is no longer used",
      "packages/formats/tar.ts is new",
    ],
  ],
  [
    { packages: { sharp: "0.36.0 (with 5678)", zod: "4.6.7" } },
    ["sharp changed from 0.35.5 to 0.36.0"],
  ],
  [
    { packages: { sharp: "0.35.5 (with 5678)", zod: "4.6.7" } },
    ["a package that sharp needs changed"],
  ],
  [{ external: { "wiki.tar": "2000 bytes" } }, ["wiki.tar changed"]],
];

Deno.test("differences() are told in a person's words", () => {
  for (const [change, told] of CHANGES) {
    assert.deepEqual(explainChanges("data", BASE, { ...BASE, ...change }), told);
  }
});

Deno.test("explainChanges() names the part of a long value that differs", () => {
  const photos = "photos of a folder, ".repeat(5);
  const sets = (light: string, folder: string, ...more: object[]) => ({
    ...BASE,
    params: { datasets: [{ folder, preset: { columns: { photo: "path", light } } }, ...more] },
  });
  const explain = (now: CacheKey) => explainChanges("data", sets("a", `${photos}1`), now);
  assert.deepEqual(explain(sets("b", `${photos}1`, { folder: "d" })), [
    'data.datasets.0.preset.columns.light changed from "a" to "b"',
    'data.datasets.1 is now set ({"folder":"d"})',
  ]);
  assert.deepEqual(explain(sets("a", `${photos}2`)), [
    'data.datasets.0.folder changed from ...photos of a folder, 1" to ...photos of a folder, 2"',
  ]);
});

Deno.test("differences() names parameters one by one, and the other parts of the key", () => {
  assert.deepEqual(differences(BASE, BASE), []);
  const { compute: _, ...rest } = BASE;
  const now = { ...rest, seed: 1, params: { ...BASE.params, by: "identity", new: 1 } };
  assert.deepEqual(differences(BASE, now), ["seed", "compute", "params.by", "params.new"]);
});

Deno.test("inputs that another version of a stage lacks are new or no longer used", () => {
  const later = { ...BASE, inputs: { ...BASE.inputs, archives: "d2", teachers: {} } };
  assert.deepEqual(explainChanges("data", BASE, later), ["its input archives is new"]);
  assert.deepEqual(explainChanges("data", later, BASE), ["its input archives is no longer used"]);
});

Deno.test("explainChanges() says nothing of inputs that are yet to be made", () => {
  const now = { ...BASE, inputs: { dataset: "not made yet", models: BASE.inputs.models! } };
  assert.deepEqual(explainChanges("data", BASE, now), []);
});

Deno.test("every change that is told is another fingerprint", () => {
  for (const [change, told] of CHANGES) {
    const same = fingerprint({ ...BASE, ...change }) === fingerprint(BASE);
    assert.equal(same, told.length === 0, told.join());
  }
});
