import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { readCsv } from "../../../packages/formats/csv.ts";
import { csvField, csvLine, withoutGuard } from "../../../packages/formats/csv_write.ts";

Deno.test("csvField() keeps spreadsheets from running a value as a formula, and numbers as they are", () => {
  const guarded = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-x.jpg",
    "@SUM(A1)",
    "=a,b",
    "\t=1",
    "'=1",
    "-1-1",
  ];
  for (const value of guarded) strictEqual(csvField(value).replace(/^"/, "")[0], "'", value);
  const kept = ["-1.5", "+3", "1e-7", "-2.5e+3", "-.5", "a=1", "x-1.jpg", "", "'quoted'"];
  for (const value of kept) strictEqual(csvField(value), value);
  strictEqual(csvField('=HYPERLINK("x")'), `"'=HYPERLINK(""x"")"`);
  const all = [...guarded, ...kept.filter(Boolean)];
  const { header } = readCsv(new TextEncoder().encode(csvLine(all)), "t.csv");
  deepStrictEqual(header.map(withoutGuard), all, "read back");
});

Deno.test("csvField() keeps outer blanks, which readCsv() trims where they are not quoted", () => {
  const values = [" lead.jpg", "trail ", "in side", "a\u00a0"];
  const { header } = readCsv(new TextEncoder().encode(csvLine(values)), "t.csv");
  deepStrictEqual(header, values);
  strictEqual(csvLine(["in side"]), "in side\n");
});
