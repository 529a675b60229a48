import assert from "node:assert/strict";
import {
  ConfigError,
  didYouMean,
  formatError,
  formatErrorWithStack,
  joinWords,
  placeIn,
  quote,
} from "../../../packages/pipeline/errors.ts";
import { causeLines, counted } from "../../../packages/pipeline/causes.ts";

Deno.test("didYouMean() offers near names and no others", () => {
  const known = ["trainGender", "split", "test", "a", "by", "batchNormMomentum"];
  const near: [string, string][] = [
    ["tainGender", "trainGender"],
    ["traingender", "trainGender"],
    ["tset", "test"],
    ["slit", "split"],
    ["batchNormMomentun", "batchNormMomentum"],
    ["batchMomentum", "batchNormMomentum"],
    ["batchN", "batchNormMomentum"],
  ];
  for (const [typed, meant] of near) {
    assert.equal(didYouMean(typed, known), ` Did you mean "${meant}"?`);
  }
  for (const typed of ["q", "evaluate", "xyz", "", "download"]) {
    assert.equal(didYouMean(typed, known), "", typed);
  }
  assert.equal(didYouMean("x", []), "");
  const files = ["experiments/search1", "experiments/gender", "pipeline"];
  assert.equal(didYouMean("search1", files), ' Did you mean "experiments/search1"?');
  assert.equal(didYouMean("serch1", files), ' Did you mean "experiments/search1"?');
  assert.equal(didYouMean("ages", files), "");
});

Deno.test("list() and quote() write what a person would", () => {
  assert.deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map((names) => joinWords(names)), [
    ...["", "a", "a and b", "a, b and c"],
  ]);
  assert.equal(joinWords(["a", "b"], "or"), "a or b");
  assert.deepEqual(["x", 1, Infinity, null, [1], undefined].map(quote), [
    '"x"',
    "1",
    "Infinity",
    "null",
    "[1]",
    "undefined",
  ]);
  assert.equal(quote("x".repeat(100)).length, 80);
});

Deno.test("explain() tells causes once", () => {
  const cause = new Error("disk full", { cause: "no idea" });
  assert.equal(
    formatError(new Error("cannot write", { cause })),
    "cannot write\n  because: disk full\n  because: no idea",
  );
  assert.equal(
    formatError(new Error("cannot write: disk full", { cause: new Error("disk full") })),
    "cannot write: disk full",
  );
  assert.equal(formatError("text"), "text");
  const circle = new Error("first");
  circle.cause = new Error("second", { cause: circle });
  assert.equal(formatError(circle), "first\n  because: second");
  const both = new AggregateError([new Error("one"), new Error("two")], "no server");
  assert.equal(formatError(both), "no server\n  because: one\n  because: two");
  assert.equal(formatError(new TypeError()), "TypeError");
  assert.equal(formatError({ code: 3 }), "{ code: 3 }");
});

Deno.test("tell() shows the code only where it is to blame", () => {
  assert.equal(formatErrorWithStack(new Error("your fault")), "your fault");
  assert.match(
    formatErrorWithStack(new TypeError("our fault")),
    /^our fault\n +at .*errors_test\.ts/,
  );
  const atPlugin = formatErrorWithStack(
    new TypeError("not a function"),
    "\n  at /plugins/a.ts:1:2",
  );
  assert.equal(atPlugin, "not a function\n  at /plugins/a.ts:1:2");
});

Deno.test("ConfigError shows the line and points at the place", () => {
  const at = { text: "a.yaml:2:3", line: "  cuont:", column: 3 };
  const error = new ConfigError([
    { at, message: "no such stage" },
    { at: { text: "--set a=1" }, message: "no such stage" },
  ]);
  assert.equal(
    error.message,
    "a.yaml:2:3: no such stage\n      cuont:\n      ^\n--set a=1: no such stage",
  );
});

Deno.test("ConfigError orders problems by line and column of each file", () => {
  const places = ["a:2:43", "--set x=1", "b:1:1", "a:10:1", "a:2:27", "a:2"];
  const error = new ConfigError(places.map((text) => ({ at: { text }, message: "no" })));
  assert.deepEqual(
    error.problems.map(({ at }) => at.text),
    ["a:2:27", "a:2:43", "a:10:1", "--set x=1", "b:1:1", "a:2"],
  );
});

Deno.test("ConfigError has each problem once", () => {
  const problem = { at: { text: "--sweep a=1" }, message: "no such stage" };
  assert.equal(new ConfigError([problem, { ...problem }]).problems.length, 1);
});

Deno.test("placeIn() finds a place in color", () => {
  const error = new Error("missing");
  error.stack =
    "Error: missing\n at \x1b[36mfile:///a.ts\x1b[0m:\x1b[33m1\x1b[0m:\x1b[33m29\x1b[0m";
  assert.equal(placeIn(error, "file:///a.ts"), "/a.ts:1:29");
});

Deno.test("counted() and causeLines() write what a person would", () => {
  assert.deepEqual([0, 1, 2000].map((n) => counted(n, "epoch")), [
    "0 epochs",
    "1 epoch",
    "2,000 epochs",
  ]);
  assert.equal(counted(1, "file is", "files are"), "1 file is");
  const cause = (count: number, cause: string) => ({ count, cause, wayOut: `mend ${cause}` });
  assert.equal(
    causeLines(1200, [cause(0, "none"), cause(2, "few"), cause(1198, "most")]),
    "\n  1,198 of 1,200: most - mend most\n  2 of 1,200: few - mend few",
  );
});
