/** Computes ages from a date of birth and the year of a photo. */

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
