import { ok, strictEqual } from "node:assert/strict";
import { ageAt } from "../../../faces/datasets/mat_rows.ts";

/** A date as MATLAB's datenum gives it. */
const datenum = (year: number, month: number, day: number) => {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC would take 99 for 1999
  return date.getTime() / 86_400_000 + 719_529;
};

Deno.test("ageAt() counts whole years to 1 July", () => {
  strictEqual(ageAt(datenum(1950, 7, 1), 1980), 30);
  strictEqual(ageAt(datenum(1950, 7, 2), 1980), 29);
  strictEqual(ageAt(datenum(1950, 6, 30), 1980), 30);
  strictEqual(ageAt(datenum(1950, 12, 31), 1950), -1);
  strictEqual(ageAt(datenum(1980, 2, 29), 1981), 1);
  strictEqual(ageAt(datenum(1950, 7, 1) + 0.9, 1980), 30, "the time of day does not count");
});

Deno.test("ageAt() knows MATLAB's days, also before 1900 and without month or day", () => {
  // datenum(1948, 8, 19), datenum(2000, 1, 1) and datenum(1, 1, 1) as MATLAB's manual counts.
  strictEqual(datenum(2000, 1, 1), 730_486);
  strictEqual(ageAt(711_724, 1995), 46);
  strictEqual(ageAt(datenum(1879, 3, 14), 1921), 42);
  strictEqual(ageAt(datenum(1564, 4, 23), 1600), 36);
  // 1950-00-00, of which datenum makes 31 December 1949.
  strictEqual(ageAt(datenum(1950, 1, 0), 1980), 30);
  strictEqual(ageAt(367, 100), 99, "1 January of year 1");
  strictEqual(ageAt(1, 100), 100, "1 January of year 0");
});

Deno.test("ageAt() is NaN where there is no date", () => {
  for (
    const [day, year] of [[NaN, 1980], [711_724, NaN], [Infinity, 1980], [1e15, 1980], [
      711_724,
      1980.5,
    ]]
  ) {
    ok(Number.isNaN(ageAt(day, year)), `${day}, ${year}`);
  }
});
