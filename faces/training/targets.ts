/** Classes and training targets. */

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
}

/**
 * Returns the training target of a person: a class index, or the age in years if `classes` is null.
 * @throws if no class covers the person's age
 */
export function targetOf(
  task: { task: "gender" | "age"; classes: readonly ClassRecord[] | null },
  person: Person,
): number {
  if (task.task === "gender") return person.gender;
  if (task.classes === null) return person.age;
  const index = task.classes.findIndex(({ minAge = -Infinity, maxAge = Infinity }) =>
    person.age >= minAge && person.age <= maxAge
  );
  if (index < 0) {
    const labels = task.classes.map(({ label }) => label).join(", ");
    throw new Error(`Cannot find the class of age ${person.age}: the classes are ${labels}.`);
  }
  return index;
}

/**
 * Returns a person's target; NaN if the label is missing (gender neither 0 nor 1, age negative), or an
 * age is an interval that is not within one class.
 */
export function labelOf(
  task: { task: "gender" | "age"; classes: readonly ClassRecord[] | null },
  person: Person,
): number {
  if (task.task === "gender") return [0, 1].includes(person.gender) ? person.gender : NaN;
  if (person.ageInterval && task.classes) {
    const [low, high] = person.ageInterval.map((age) => targetOf(task, { ...person, age }));
    return low === high ? low : NaN;
  }
  return person.age >= 0 ? targetOf(task, person) : NaN;
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
