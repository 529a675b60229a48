import assert from "node:assert/strict";
import { readCsv } from "../../../packages/formats/csv.ts";
import { judgePage } from "../../../faces/evaluation/judge_page.ts";
import { judgeRows } from "../../../faces/datasets/verdicts.ts";
import { type Judging, press, verdictsCsv } from "../../../faces/evaluation/judge_page.ts";

const suspects = [
  { dataset: "a", path: "x, y.jpg", label: "male", suggested: "female" },
  { dataset: "a", path: '=2"</script>.jpg', label: "female", suggested: "male" },
  { dataset: "b", path: "z.jpg", label: "male", suggested: "female" },
];
const after = (...keys: string[]) =>
  keys.reduce<Judging>((state, key) => press(state, key, 3), { at: 0, verdicts: [] });

Deno.test("press() judges by y, n and s, goes back, and ends after the last label", () => {
  assert.deepEqual(after("y", "N", "s", "y"), { at: 3, verdicts: ["right", "wrong", "skip"] });
  assert.deepEqual(after("y", "ArrowLeft", "n"), { at: 1, verdicts: ["wrong"] });
  assert.deepEqual(after("Backspace", "x", "Enter"), { at: 0, verdicts: [] });
});

Deno.test("verdictsCsv() lists verdicts, and corrections only of wrong labels", () => {
  const csv = (correct: boolean) =>
    readCsv(
      new TextEncoder().encode(
        verdictsCsv(suspects, after("y", "n", "s").verdicts, "gender", correct),
      ),
      "",
    ).rows.map(({ values }) => values.join("|"));
  assert.deepEqual(csv(true), [
    "a|x, y.jpg|gender|male|right|",
    `a|'=2"</script>.jpg|gender|female|wrong|male`,
  ]);
  assert.deepEqual(csv(false)[1].split("|").at(-1), "");
});

Deno.test("a label judged wrong that the network predicts as well is not its own correction", () => {
  const agreed = { dataset: "a", path: "0.jpg", label: "male", suggested: "male" };
  const csv = verdictsCsv([agreed], ["wrong"], "gender", true);
  assert.equal(csv.split("\n")[1], "a,0.jpg,gender,male,wrong,");
});

Deno.test("judgePage() holds data and functions of its own, and escapes text from data", () => {
  const image = "data:image/png;base64,AA";
  const page = judgePage({
    column: "gender",
    correct: true,
    title: "Labels <b>",
    suspects: suspects.map((one) => ({ ...one, image })),
  });
  assert.ok(page.includes("Labels &lt;b&gt;") && !page.includes("</script>.jpg"));
  const scripts = [...page.matchAll(/<script([^>]*)>([^]*?)<\/script>/g)];
  assert.deepEqual(JSON.parse(scripts[0][2]).suspects[1].path, suspects[1].path);
  // Valid JavaScript without types; the functions of the page are those tested above.
  const inPage = new Function(`${scripts[1][2].split("const { column")[0]}; return verdictsCsv`)();
  assert.equal(
    inPage(suspects, ["wrong"], "gender", true),
    verdictsCsv(suspects, ["wrong"], "gender", true),
  );
  new Function(scripts[1][2]);
  assert.doesNotMatch(page, /(src|href)="http/);
  // Columns may have the classes yes and no.
  const buttons = [...page.matchAll(/<button[^>]*>([^<]*)/g)].map(([, words]) => words);
  assert.deepEqual(buttons.slice(0, 3), ["Label is right (y)", "Label is wrong (n)", "Skip (s)"]);
  assert.doesNotMatch(page, /\b(yes|no)\b,/i);
});

Deno.test("verdictsCsv() keeps outer blanks of paths and labels, by which rows are found", () => {
  const [suspect] = suspects, blank = { ...suspect, path: " a.jpg", label: "glad " };
  const csv = new TextEncoder().encode(verdictsCsv([blank], ["wrong"], "mood", false));
  assert.deepEqual(readCsv(csv, "").rows[0].values.slice(1, 4), [" a.jpg", "mood", "glad "]);
});

Deno.test("judgeRows() keeps a column of numbers one, and takes text for text", () => {
  const rows = {
    length: 2,
    gender: new Float64Array(2),
    age: new Float64Array(2),
    hasPath: () => true,
    path: (i: number) => `${i}.jpg`,
    attributes: () => ({ grade: 1, mood: "glad" }),
  } as unknown as Parameters<typeof judgeRows>[1];
  const verdict = (column: string, label: string, correction: string) => ({
    dataset: "a",
    path: "0.jpg",
    column,
    label,
    verdict: "wrong",
    correction,
  });
  const verdicts = [verdict("grade", "1", "3"), verdict("mood", "glad", "2")];
  const warnings: string[] = [], warn = (message: string) => warnings.push(message);
  const { rows: judged, corrected } = judgeRows("a", rows, verdicts, { warn });
  assert.equal(corrected, 2);
  assert.deepEqual(judged.attributes!(0), { grade: 3, mood: "2" });
  assert.deepEqual(judged.attributes!(1), { grade: 1, mood: "glad" });
  // A correction that may be a slip of the pen makes a class, or text of a column of numbers.
  assert.deepEqual(warnings.splice(0), [
    'a: corrections of mood to a value that no other row has: "2". Correct the verdicts, or keep ' +
    "it as a class of its own.",
  ]);
  const slips = [verdict("mood", "glad", "sad"), verdict("grade", "1", "k.A.")];
  judgeRows("a", rows, [...slips, { ...slips[0]!, path: "1.jpg" }], { warn });
  assert.deepEqual(warnings.map((line) => line.split(":")[1]), [
    " corrections of mood to a value that no other row has",
    " corrections of grade to a value that no other row has",
  ]);
  const older = judgeRows("a", rows, [verdict("age", "0", "7.5")], { warn: assert.fail });
  assert.equal(older.rows.age[0], 7, "whole years, as ages of a CSV");
});
