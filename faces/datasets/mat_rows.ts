/** Reads the rows of IMDB-WIKI's MATLAB files. */
import {
  type MatField,
  type MatFile,
  type PackedStrings,
  readMat,
} from "../../packages/formats/mat.ts";
import type { Rows } from "./rows.ts";

/** Numeric fields, one number per row. Only IMDB has `celeb_id`. */
const numbers = [
  ...["dob", "photo_taken", "gender", "face_score", "second_face_score", "celeb_id"] as const,
];
type Numbers = { [field in typeof numbers[number]]?: Float64Array };

/**
 * Decodes a data set's MATLAB file.
 * @param source its name in errors
 * @param variable its struct with the labels
 */
export async function readMatRows(file: MatFile, source: string, variable: string): Promise<Rows> {
  const fail = (why: string) => new Error(`Cannot use "${source}": ${why}.`);
  const found: Numbers = {};
  let path: PackedStrings | undefined, name: typeof path, places: Float64Array | undefined;
  const fields = await readMat(file, { source, variable }, {
    full_path: (field) => path = field.cell().texts(),
    name: (field) => name = field.cell().texts(),
    face_location: (field) => places = field.cell().numbers(4),
    ...Object.fromEntries(numbers.map((key) => [
      key,
      (field: MatField) => found[key] = field.numbers(),
    ])),
  });
  const needed = <T>(field: string, value: T | undefined): T => {
    if (value === undefined) throw fail(`it has no field "${field}", only ${fields.join(", ")}`);
    return value;
  };
  const paths = needed("full_path", path), names = needed("name", name);
  const location = needed("face_location", places);
  const number = (field: keyof Numbers) => needed(field, found[field]);
  const dob = number("dob"), photoTaken = number("photo_taken"), gender = number("gender");
  const faceScore = number("face_score"), secondFaceScore = number("second_face_score");
  const lengths = {
    name: names.length,
    face_location: location.length / 4,
    ...Object.fromEntries(Object.entries(found).map(([field, { length }]) => [field, length])),
  };
  for (const [field, length] of Object.entries(lengths)) {
    if (length !== paths.length) {
      throw fail(`field "${field}" has ${length} rows, "full_path" has ${paths.length}`);
    }
  }
  const age = dob.map((day, i) => ageAt(day, photoTaken[i]));
  return {
    length: paths.length,
    faceScore,
    secondFaceScore,
    gender,
    age,
    hasPath: (i) => !paths.isEmpty(i),
    path: (i) => paths.at(i),
    name: (i) => names.at(i),
    identity(i) {
      const path = paths.at(i), name = names.at(i), celebrity = found.celeb_id?.[i];
      if (Number.isFinite(celebrity)) return `${variable}:${celebrity}`;
      // IMDB's id of the person, or that of the Wikipedia page, begins a photo's name.
      const id = /^(?:.*\/)?((?:nm)?\d+)_/.exec(path)?.[1];
      return `${variable}:${id ?? (name === "" ? path : `${name}/${dob[i]}`)}`;
    },
    location(i) {
      const box = [0, 1, 2, 3].map((side) => location[4 * i + side]);
      return box.every(Number.isFinite) ? box : null;
    },
  };
}

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
