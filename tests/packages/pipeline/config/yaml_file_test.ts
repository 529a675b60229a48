/** YAML that is no pipeline: aliases, merge keys, encodings, and the place of each error. */
import assert from "node:assert/strict";
import { ConfigError } from "../../../../packages/pipeline/errors.ts";
import { parsePipeline } from "../../../../packages/pipeline/config/parse_yaml.ts";
import { PARSER, YamlFile } from "../../../../packages/pipeline/config/yaml_file.ts";
import { writeState } from "../../../../packages/pipeline/state.ts";
import { Project } from "../toy/project.ts";

/** YAML, and the beginning of each error. */
const MISTAKES: Record<string, [yaml: string, ...errors: string[]]> = {
  "an alias without an anchor": [
    "stages:\n  count: &number\n  sum: *nubmer\n",
    '3:8: *nubmer: no anchor &nubmer stands before it. Did you mean "number"?',
  ],
  "an alias before its anchor": ["stages:\n  count: *a\n  sum: &a\n", "2:10: *a: no anchor &a"],
  "two of these": ["a: *x\nb: *y", "1:4: *x: no anchor", "2:4: *y: no anchor"],
  "an alias inside its anchor": [
    "stages: &s\n  count: *s\n",
    "2:10: *s stands inside of &s, so it never ends",
  ],
  "an alias in its anchor's list": ["a: &s [1, [*s]]", "1:12: *s stands inside of &s"],
  "aliases that multiply": [
    "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" +
    [..."bcdefghij"].map((name, i) => {
      const alias = `*${"abcdefghij"[i]}`;
      return `${name}: &${name} [${Array(10).fill(alias).join(", ")}]\n`;
    }).join(""),
    "5:44: more than 100,000 values with all aliases resolved",
  ],
  "a merge of what is no map": [
    "a: &a 3\nb:\n  <<: *a\nc: { <<: [1] }\nd:\n  <<:",
    "3:7: <<: expected a map, an alias of one",
    "4:10: <<: expected",
    "6:6: <<: expected",
  ],
  "a name that is a list": ["[a]: 1", "1:1: expected a name, got a list or a map"],
  "a name twice": ["a: 1\nb: 2\n# again\na: 3", '4:1: "a" is there twice; keep one'],
  "a number and a text that are one name": ["1: a\n'1': b", '2:1: "1" is there twice'],
  "a name that no map can have": [
    "stages:\n  __proto__: { to: 3 }\n  count:",
    '2:3: "__proto__" cannot be a name',
  ],
  "an unknown tag": ["stages: !chart\n  count:", "1:9: not valid YAML: Unresolved tag: !chart"],
  "an unknown version": ["%YAML 9.3\n---\na: 1", "1:7: not valid YAML: Unsupported YAML version"],
  "two documents": ["stages: { count: }\n---\na: 1", "2:1: a second document begins here"],
  "a tab": [
    "stages:\n\tcount:\n\tsum:",
    "2:1: not valid YAML: Tabs are not allowed as indentation. Indent with spaces",
  ],
  "columns of a map that differ": [
    "stages:\n  count:\n    to: 3\n   by: 2\n",
    "4:4: not valid YAML: this line begins in column 4, those above it in 1, 3 or 5. Align it",
  ],
  "a name that is indented more than the value above": [
    "extends: a.yaml\n stages:\n",
    "2:2: not valid YAML: this line begins in column 2, those above it in 1. Align it",
  ],
  "a name that is indented less than the first": [
    " extends: a.yaml\n# stages\nstages:\n  count:\n",
    "3:1: not valid YAML: this line begins in column 1, those above it in 2. Align it",
  ],
  "a name beside those of a list's item": [
    "a:\n  - b: 1\n   c: 2\n",
    "3:4: not valid YAML: this line begins in column 4, those above it in 1, 3 or 5. Align it",
  ],
  "a brace that stays open": [
    "stages:\n  count: { to: 3\n\n",
    "2:10: not valid YAML: this { is not closed. Write } where it ends",
  ],
  "the inner bracket of two": [
    "a: { b: [1, [2], 3 }\n",
    "1:9: not valid YAML: this [ is not closed. Write ] where it ends",
  ],
  "a quote that stays open": [
    "a: 'b\nc: 1\n",
    "1:4: not valid YAML: this ' is not closed. Write '",
  ],
  "a bracket too many": ["a: [1]]\nb: 2", "1:7: not valid YAML: Unexpected flow-seq-end"],
  "a quote within quotes": [
    "a: 'it's'",
    "1:8: not valid YAML: Unexpected scalar at node end. The ' before it ends the text: write '' for",
  ],
  "a backslash": [
    'a: "C:\\Users"',
    String.raw`1:7: not valid YAML: Invalid escape sequence \Users". Within "...", write \\ for \;`,
  ],
  "a name without a space after its colon": [
    "count:\n  to:3\n  by: 2\n",
    "2:3: not valid YAML: Implicit keys need to be on a single line. Write a name, a colon and a space",
  ],
  "two colons in a line": ["a: b: c", "1:4: not valid YAML: Nested mappings are not allowed"],
  "an empty file": ["", "1:1: expected a pipeline"],
  "a comment alone": ["# nothing\n", "1:1: expected a pipeline"],
  "endless nesting": [`a: ${"[".repeat(20_000)}`, "1:"],
};

for (const [name, [yaml, ...errors]] of Object.entries(MISTAKES)) {
  Deno.test(`YamlFile places ${name}`, () => {
    assert.throws(() => parsePipeline(yaml, "p.yaml"), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.equal(error.problems.length, errors.length, error.message);
      error.problems.forEach(({ at, message }, i) => {
        assert.ok(`${at.text}: ${message}`.startsWith(`p.yaml:${errors[i]}`), error.message);
        assert.equal(typeof at.column, "number");
      });
      return true;
    });
  });
}

Deno.test("YamlFile takes many aliases of small values", () => {
  const { values } = parsePipeline(`a: &a [1]\nb: [${"*a, ".repeat(2000)}]`, "p");
  assert.equal((values.b as unknown[]).length, 2000);
});

Deno.test("YamlFile applies merge keys, and places each value where it is written", () => {
  const yaml =
    "a: &a { x: 1, y: 2 }\nb: &b { y: 3, z: 4 }\nc:\n  <<: [*a, *b]\n  x: 5\nd:\n  <<: *a\n" +
    "e: &e\n  <<: *b\n  w: 6\nf: { <<: *e }\ng: *e\nh: { '<<': 7 }\n";
  const file = new YamlFile("/p", "p", yaml, parsePipeline(yaml, "p"));
  const { c, d, f, g, h } = file.values;
  assert.deepEqual({ c, d, f, g, h }, {
    c: { x: 5, y: 2, z: 4 },
    d: { x: 1, y: 2 },
    f: { y: 3, z: 4, w: 6 },
    g: { y: 3, z: 4, w: 6 },
    h: { "<<": 7 },
  });
  const places: [string, string][] = [
    ...[["c.x", "5:6"], ["c.y", "1:18"], ["c.z", "2:18"], ["d.x", "1:12"]],
    ...[["f.w", "10:6"], ["f.z", "2:18"], ["g.w", "10:6"], ["g", "12:4"], ["h.<<", "13:12"]],
  ] as [string, string][];
  for (const [path, place] of places) {
    assert.equal(file.at(path.split(".")).text, `p:${place}`, path);
  }
  assert.equal(file.at(["c", "z"], true).text, "p:2:15");
});

Deno.test("a pipeline with merge keys is validated, extended and overridden", async () => {
  await using project = await Project.make({
    "base.yaml": "stages:\n  count: &n { to: 0 }\n  more: { use: count, <<: *n }\n" +
      "  sum: { inputs: { numbers: count } }\n",
  });
  const message = await project.mistakes("extends: base.yaml\nstages: { more: { <<: { tp: 1 } } }");
  assert.match(message, /base\.yaml:2:19: more\.to: expected at least 1, got 0/);
  assert.match(message, /pipeline\.yaml:2:25: more has no "tp"\. Did you mean "to"\?/);
  const { stages } = await project.config("base.yaml", [
    "count.to=4",
    "more={ <<: { to: 5 }, use: count }",
  ]);
  assert.deepEqual(stages.map(({ params }) => params.to), [4, 5, undefined]);
});

Deno.test("--set and a command's end: no stack, and the exit code of a wrong config", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages: &s\n  count: *s\n",
    "right.yaml": "stages: { count: }",
  });
  const { code, err } = await project.cli("run", "pipeline");
  assert.equal(code, 2);
  assert.match(err, /pipeline\.yaml:2:10: \*s stands inside.*\n {6}count: \*s\n {13}\^\n$/);
  for (const value of ["*x", "&a [*a]", "!foo 3", "1\n---\n2"]) {
    const message = await project.mistakes("stages: { count: }", [`count.to=${value}`]);
    assert.ok(message.startsWith(`--set count.to=${value}: cannot read the value: `), message);
  }
});

Deno.test("a file's encoding: UTF-8 and UTF-16 with their marks, no other", async () => {
  await using project = await Project.make();
  const yaml = "# naïve 顔\nstages: { count: { to: 4 } }\n";
  const wide = (text: string, littleEndian: boolean) => {
    const bytes = new DataView(new ArrayBuffer(text.length * 2));
    for (let i = 0; i < text.length; i++) bytes.setUint16(2 * i, text.charCodeAt(i), littleEndian);
    return new Uint8Array(bytes.buffer);
  };
  const marked = `\ufeff${yaml}`;
  for (const bytes of [new TextEncoder().encode(marked), wide(marked, true), wide(marked, false)]) {
    await Deno.writeFile(project.path("p.yaml"), bytes);
    assert.equal((await project.config("p.yaml")).stages[0]!.params.to, 4);
  }
  const latin1 = Uint8Array.from("seed: 1\nname: caf\xe9\n", (char) => char.charCodeAt(0));
  const cases: [Uint8Array, RegExp][] = [
    [latin1, /^p\.yaml:2:10: not valid YAML: bytes that are not UTF-8\. Save it as UTF-8$/],
    [wide(yaml, true), /^p\.yaml:1:2: not valid YAML: the control character U\+0000\./],
    [new TextEncoder().encode("seed: 1\na: \x1b[31m"), /^p\.yaml:2:4: .* U\+001B\./],
  ];
  for (const [bytes, expected] of cases) {
    await Deno.writeFile(project.path("p.yaml"), bytes);
    await assert.rejects(() => project.config("p.yaml"), {
      name: "ConfigError",
      message: expected,
    });
  }
});

Deno.test("an unchanged file is not parsed again, and its values and places are the same", async () => {
  await using project = await Project.make({ "cache/x": "" });
  const yaml = "# 顔\na: &a { x: 1, y: [2, { z: 3 }], e: }\nb: { <<: *a, y: *a }\nc: .inf\n";
  const path = project.path("p.yaml"), cache = project.path("cache");
  const files = async () => {
    const names = await Array.fromAsync(Deno.readDir(cache), ({ name }) => name);
    return names.filter((name) => name.startsWith("yaml-"));
  };
  const read = async (text: string) => {
    await project.write({ "p.yaml": text });
    const file = await YamlFile.read(path, "p.yaml", cache);
    await file.keep(cache);
    return file;
  };
  await read(yaml);
  await read("a: https://user:secret@example.org/\n");
  assert.deepEqual(await files(), [], "JSON has no infinity, and secrets are not kept");
  const text = yaml.replace(".inf", "1e3");
  const parsed = await read(text), kept = await read(text);
  assert.equal((await files()).length, 1);
  assert.deepEqual(kept.values, parsed.values);
  for (const key of [true, false]) {
    for (
      const at of [[], ["a"], ["a", "x"], ["a", "y", 1, "z"], ["a", "e"], ["b", "x"], ["b", "none"]]
    ) {
      assert.deepEqual(kept.at(at, key), parsed.at(at, key), at.join("."));
    }
  }
  // A value that no parser could find shows where it comes from.
  const file = `${cache}/${(await files())[0]}`;
  const state = JSON.parse(await Deno.readTextFile(file));
  await writeState(file, { ...state, values: { a: "kept" } });
  assert.deepEqual((await read(text)).values, { a: "kept" });
  assert.deepEqual((await read(text.replace("1e3", "1e4"))).values.c, 1e4);
  for (const damaged of ["", "{}", JSON.stringify(state).replace("1", "2")]) {
    await Deno.writeTextFile(file, damaged);
    assert.deepEqual((await read(text)).values, parsed.values);
  }
  const { imports } = JSON.parse(
    await Deno.readTextFile(new URL("../../../../deno.json", import.meta.url)),
  );
  assert.equal(imports.yaml, `npm:${PARSER}`);
});
