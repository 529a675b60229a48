/** Dates as people write them in a table: 1980, 1980-03 or 1980-03-01, with or without a time. */

/** A picture or a birth of which only the year is known counts as of its middle. */
const middle = { month: 7, day: 1 };

/** A date as the number yyyymmdd, which orders as dates do; NaN if it is none. */
export function parseDay(text: string): number {
  const match = /^(\d{4})(?:\.0)?(?:-(\d\d?)(?:-(\d\d?)(?:[T ].*)?)?)?$/.exec(text);
  if (!match) return NaN;
  const year = Number(match[1]);
  const month = match[2] === undefined ? middle.month : Number(match[2]);
  const day = match[3] === undefined ? middle.day : Number(match[3]);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real ? year * 10_000 + month * 100 + day : NaN;
}

/** Whole years from one such date to another. */
export function ageAtDate(born: number, taken: number): number {
  return Math.floor((taken - born) / 10_000);
}
