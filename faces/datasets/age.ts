/** Computes ages from dates: serial days of MATLAB, or the dates of a table. */

/** MATLAB's serial day of 1 January 1970: the ordinal 719,163, and MATLAB counts 366 more. */
const EPOCH = 719_163 + 366;
const DAY = 86_400_000;

/**
 * Returns the whole years from a date of birth, a MATLAB serial day, to 1 July of a year. The calendar
 * is proleptic Gregorian, as in MATLAB. Returns NaN if either is not a date.
 */
export function ageAt(serialDay: number, year: number): number {
  if (!Number.isInteger(year)) return NaN;
  const birth = new Date((Math.floor(serialDay) - EPOCH) * DAY);
  const month = birth.getUTCMonth(); // NaN beyond the range of dates; from 0
  const hadBirthday = month < 6 || (month === 6 && birth.getUTCDate() === 1);
  return year - birth.getUTCFullYear() - (hadBirthday ? 0 : 1);
}

/** Month and day of a date with a year only: its MIDDLE. */
const MIDDLE = { month: 7, day: 1 };

/**
 * Parses 1980, 1980-03 or 1980-03-01, with or without a time, to the number yyyymmdd, which sorts as
 * dates do; NaN if it is invalid.
 */
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
