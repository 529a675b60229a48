/** Parses dates of a table: 1980, 1980-03 or 1980-03-01, with or without a time. */

/** Month and day of a date with a year only: its MIDDLE. */
const MIDDLE = { month: 7, day: 1 };

/** Parses a date to the number yyyymmdd, which sorts as dates do; NaN if it is invalid. */
export function parseDay(text: string): number {
  const match = /^(\d{4})(?:\.0)?(?:-(\d\d?)(?:-(\d\d?)(?:[T ].*)?)?)?$/.exec(text);
  if (!match) return NaN;
  const year = Number(match[1]);
  const month = match[2] === undefined ? MIDDLE.month : Number(match[2]);
  const day = match[3] === undefined ? MIDDLE.day : Number(match[3]);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real ? year * 10_000 + month * 100 + day : NaN;
}

/** Returns the whole years between two such dates. */
export function ageAtDate(born: number, taken: number): number {
  return Math.floor((taken - born) / 10_000);
}
