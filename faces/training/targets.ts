/** Classes and training targets. */
import { readParquet } from "../../packages/formats/parquet.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import { INTERVAL, readAttributes } from "../datasets/attributes.ts";

/** A class, in the order of a network's outputs. */
export interface ClassRecord {
  label: string;
  /** First and last age of the class, inclusive; undefined: unbounded. */
  minAge?: number;
  maxAge?: number;
}

/** Gender classes. The index is the value of `gender` in tables: 1 is male. */
export const genderClasses: readonly ClassRecord[] = [{ label: "female" }, { label: "male" }];

/** Age classes of the 2021 networks. Their first one begins at 1; here it includes age 0. */
export const ageClasses = {
  multiclass: bands([20, 32, 44, 56, 68, 80, 92], 1),
  binary: bands([60], 0),
} satisfies Record<string, readonly ClassRecord[]>;

/** Labels of an image; NaN if unknown. */
export interface Person {
  age: number;
  /** 1 male, 0 female. */
  gender: number;
  /** First and last year of an age that is known as an interval; `age` is then NaN. */
  ageInterval?: readonly [low: number, high: number];
  /** Further columns of the labels; null if unknown. */
  attributes?: Readonly<Record<string, string | number | null>>;
}

/** Reads the labels of a dataset's table, row by row. */
export async function readPeople(path: string): Promise<Person[]> {
  const attributes = await readAttributes(path);
  const names = Object.keys(attributes).filter((name) => !INTERVAL.includes(name as never));
  const [lows, highs] = INTERVAL.map((name) => attributes[name]);
  const table = await readParquet(path, { age: "int32?", gender: "int32?" });
  return table.age.map((age, i) => {
    const low = lows?.[i] ?? null, high = highs?.[i] ?? null;
    const interval = age === null && low !== null && high !== null;
    return {
      age: age ?? NaN,
      gender: table.gender[i] ?? NaN,
      ...(interval && { ageInterval: [Number(low), Number(high)] as const }),
      ...(names.length > 0 && {
        attributes: Object.fromEntries(names.map((name) => [name, attributes[name][i]])),
      }),
    };
  });
}

/**
 * Returns the training target of a person: a class index, or a quantity if `classes` is null. NaN if
 * the label is missing (gender neither 0 nor 1, age negative), is of no class of the training set, or
 * is an interval of ages that is not within one class.
 * @param task `gender`, `age`, or another column of the labels
 * @throws if no class covers the person's age
 */
export function labelOf(
  { task, classes }: { task: string; classes: readonly ClassRecord[] | null },
  person: Person,
): number {
  const { gender, age, ageInterval, attributes } = person;
  if (task === "gender") return [0, 1].includes(gender) ? gender : NaN;
  if (task !== "age") {
    const value = attributes?.[task] ?? null;
    if (value === null) return NaN;
    if (classes === null) return typeof value === "number" ? value : NaN;
    const index = classes.findIndex(({ label }) => label === String(value));
    return index < 0 ? NaN : index;
  }
  if (classes === null) return age >= 0 ? age : NaN;
  if (ageInterval) {
    const [low, high] = ageInterval.map((age) => ageClass(classes, age));
    return low === high ? low : NaN;
  }
  return age >= 0 ? ageClass(classes, age) : NaN;
}

function ageClass(classes: readonly ClassRecord[], age: number): number {
  const index = classes.findIndex(({ minAge = -Infinity, maxAge = Infinity }) =>
    age >= minAge && age <= maxAge
  );
  if (index < 0) {
    const labels = classes.map(({ label }) => label).join(", ");
    throw new Error(`Cannot find the class of age ${age}: the classes are ${labels}.`);
  }
  return index;
}

/** Number of classes above which a column is rather a name or a quantity. */
export const MAX_CLASSES = 100;

/**
 * Returns the classes of a column: its values in the training set, sorted.
 * @throws if there are fewer than 2 or more than `most`
 */
export function classesOf(
  column: string,
  people: readonly Person[],
  most = MAX_CLASSES,
): ClassRecord[] {
  const values = new Set(people.map(({ attributes }) => attributes?.[column] ?? null));
  values.delete(null);
  const { size } = values;
  if (size >= 2 && size <= most) {
    // Numbers in texts by size: 3-9 is before 10-19, so that neighbors of a class are its neighbors.
    const key = (value: string | number | null) =>
      typeof value === "string"
        ? `${value.replace(/\d+/g, (digits) => digits.padStart(15, "0"))}\0${value}`
        : value!;
    const sorted = [...values].sort((a, b) => key(a) < key(b) ? -1 : 1);
    return sorted.map((value) => ({ label: String(value) }));
  }
  const why = noColumn(column, people, ["gender"]) ??
    (size === 0
      ? "it has no value in the training set"
      : size === 1
      ? `it has a single value, "${[...values]}", in the training set`
      : `it has ${size.toLocaleString("en")} different values, at most ${MAX_CLASSES} are classes`);
  throw new Error(`Cannot train classes of "${column}": ${why}. Name another column.`);
}

/** @throws if a column, other than age, has no number */
export function checkNumbers(column: string, people: readonly Person[]): void {
  const values = people.map(({ attributes }) => attributes?.[column] ?? null);
  if (values.some((value) => typeof value === "number")) return;
  const texts = values.filter((value) => value !== null) as string[];
  const strays = texts.filter((value) => !/^-?[\d.]+$/.test(value));
  // Beside 08 of one data set, the 8 of another is text, too.
  const text = strays[0] ?? texts.find((value) => String(Number(value)) !== value) ?? texts[0];
  const way = strays.length > 0 && 2 * strays.length < texts.length
    ? `Empty ${strays.length} of ${texts.length} by "values" (docs/guide/own_data.md), or name`
    : "Name";
  const why = noColumn(column, people, ["age"]) ??
    (text === undefined ? "it has no value" : `it has texts, such as ${quote(text)}` +
      (/^-?\d+,\d+$/.test(text) ? ", with a comma in place of a point" : ""));
  throw new Error(`Cannot train numbers of "${column}": ${why}. ${way} another column.`);
}

/** Returns why a column is none of the labels', beside fixed ones. */
export function noColumn(
  column: string,
  people: readonly Person[],
  fixed: readonly ("gender" | "age")[],
): string | undefined {
  const known = fixed.filter((label) => people.some((person) => !isNaN(person[label])));
  const all = people.flatMap(({ attributes = {} }) => Object.keys(attributes));
  const names = new Set<string>([...known, ...all]), own = `${column}_`;
  if (names.has(column)) return undefined;
  if (names.has(own)) return `it is called ${own} here, as tables have a ${column} of their own`;
  return `the labels have no such column; they have ${[...names].join(", ")}`;
}

/** Builds a class up to each age of `upTo`, and one above the last. */
function bands(upTo: number[], firstLabel: number): ClassRecord[] {
  const classes: ClassRecord[] = upTo.map((maxAge, i) => {
    const minAge = i === 0 ? 0 : upTo[i - 1] + 1;
    const from = i === 0 ? firstLabel : minAge;
    return { label: from === 0 ? `up to ${maxAge}` : `${from} to ${maxAge}`, minAge, maxAge };
  });
  const last = upTo.at(-1)!;
  return [...classes, { label: `above ${last}`, minAge: last + 1 }];
}
