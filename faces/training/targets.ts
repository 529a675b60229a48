/** What the networks learn to say about a person: classes and how a person falls into them. */

/** A class of people, in the order of a network's outputs. */
export interface ClassRecord {
  label: string;
  /** Ages that the class covers, both included; without `maxAge`, it is open above. */
  minAge?: number;
  maxAge?: number;
}

/** Class 1 is male, as `gender` is 1 for males in every table. */
export const genderClasses: readonly ClassRecord[] = [{ label: "female" }, { label: "male" }];

/** The report's bands of age. Its first begins at 1; age 0 joins it. */
export const ageClasses = {
  multiclass: bands([20, 32, 44, 56, 68, 80, 92], 1),
  binary: bands([60], 0),
} satisfies Record<string, readonly ClassRecord[]>;

export interface Person {
  age: number;
  /** 1 male, 0 female. */
  gender: number;
}

/**
 * What a network should say of a person: a class's index, or an age in years where `classes` is
 * null.
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
    throw new Error(`Cannot find the class of age ${person.age}: known are ${labels}.`);
  }
  return index;
}

/** Bands up to each of `upTo`, and one above the last. */
function bands(upTo: number[], firstLabel: number): ClassRecord[] {
  const classes: ClassRecord[] = upTo.map((maxAge, i) => {
    const minAge = i === 0 ? 0 : upTo[i - 1] + 1;
    const from = i === 0 ? firstLabel : minAge;
    return { label: from === 0 ? `up to ${maxAge}` : `${from} to ${maxAge}`, minAge, maxAge };
  });
  const last = upTo.at(-1)!;
  return [...classes, { label: `above ${last}`, minAge: last + 1 }];
}
