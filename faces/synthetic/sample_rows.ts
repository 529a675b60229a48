/** Rows of the synthetic faces, some with flaws as in the real data. */
import { random, type Rng } from "../../packages/random/random.ts";
import { drawPerson, type Gender, type Person } from "./traits.ts";

/** Flaw of a row; "good": none. */
export type RowKind = "good" | keyof typeof flaws;

/** Rows with each flaw per hundred good ones; at least one. */
const flaws = {
  /** The gender is not known. */
  unknownGender: 2,
  /** An image without a person: the face score is -Inf. */
  noFace: 3,
  /** Out of focus: the face score is below 1. */
  lowScore: 1,
  /** Two people in one image. */
  secondFace: 2,
  /** By the dates, the person is not born or impossibly old. */
  absurdAge: 1,
  /** The archive lacks the image. */
  missing: 0.5,
  /** The image is truncated, has no bytes, or is a text. */
  truncated: 0.5,
  empty: 0.25,
  notImage: 0.25,
} as const;

/** A row of the .mat, and the content of its image. */
export interface Row {
  readonly kind: RowKind;
  readonly person: Person;
  /** Age in years that the drawing shows. */
  readonly age: number;
  /** As in the .mat: a MATLAB serial day, and a year. */
  readonly dob: number;
  readonly year: number;
  readonly path: string;
  /** 0 female, 1 male, NaN unknown. */
  readonly gender: number;
  readonly name: string;
  /** Left, top, right, bottom in an original photo, which does not exist. */
  readonly location: readonly number[];
  readonly score: number;
  readonly secondScore: number;
}

/** 1 January 1970 as a MATLAB serial day. */
const EPOCH_DAY = 719529;
const DAYS_PER_YEAR = 365.2425;

/** "Subject" in several languages; all people are invented. */
const words = ["Subject", "Subject", "Subject", "Subject", "Försöksperson", "Účastník", "Катысушы"]
  .concat(["Υποκείμενο", "被写体", "대상자", "Özne", "Đối tượng"]);

/** Returns all rows in the order of the .mat: `faces` good ones, and about one in ten with flaws. */
export function planSample(seed: number, faces: number): Row[] {
  const rng = random(seed, "sample plan");
  const kinds: RowKind[] = Array.from({ length: faces }, () => "good");
  for (const [kind, share] of Object.entries(flaws)) {
    const count = Math.max(1, Math.round(share * faces / 100));
    kinds.push(...Array.from({ length: count }, () => kind as RowKind));
  }
  rng.shuffle(kinds);

  const rows: Row[] = [];
  const balance = { female: 0, male: 0 };
  let id = 10_000_000;
  let someone: Someone | undefined;
  for (const kind of kinds) {
    if (!someone || someone.years.length === 0) {
      id += 1 + rng.int(40_000);
      someone = meet(rng, balance.female < balance.male ? "female" : "male", id);
    }
    if (kind === "good") balance[someone.person.gender]++;
    rows.push(toRow(rng, someone, someone.years.pop()!, kind));
  }
  rng.shuffle(rows);
  return rows;
}

/** A person with a name, a date of birth, and the years of the photos. */
interface Someone {
  readonly person: Person;
  readonly id: number;
  readonly name: string;
  readonly dob: number;
  readonly years: number[];
}

function meet(rng: Rng, gender: Gender, id: number): Someone {
  const year = 1965 + rng.int(50);
  const age = drawAge(rng);
  const years = [year];
  // Every sixth person has several photos.
  if (rng.next() < 1 / 6) {
    const others = Array.from({ length: 31 }, (_, i) => year - 15 + i).filter((other) =>
      other !== year && other <= 2014 && isInRange(age + other - year)
    );
    rng.shuffle(others);
    years.push(...others.slice(0, 1 + rng.int(3)));
  }
  return {
    person: drawPerson(rng, gender),
    id,
    name: `${rng.pick(words)} ${String(rng.int(100_000)).padStart(5, "0")}`,
    dob: middleOf(year) - Math.round(age * DAYS_PER_YEAR),
    years,
  };
}

const isInRange = (age: number) => age >= 1 && age < 95;

/** Draws an age: 30 % as in the real data, mostly 20 to 45, the rest uniform. */
function drawAge(rng: Rng): number {
  for (;;) {
    const age = rng.next() < 0.3 ? 33 + 10 * rng.normal() : 95 * rng.next();
    if (isInRange(age)) return age;
  }
}

function toRow(rng: Rng, someone: Someone, year: number, kind: RowKind): Row {
  const { person, id, name } = someone;
  const age = (middleOf(year) - someone.dob) / DAYS_PER_YEAR;
  // A wrong year of birth: of another person with the same name.
  const error = kind !== "absurdAge"
    ? 0
    : rng.next() < 0.5
    ? age + 1 + rng.int(9)
    : -101 - rng.int(30);
  const dob = someone.dob + Math.round(error * DAYS_PER_YEAR);
  const face = 50 + 350 * rng.next();
  const [left, top] = [1 + face * (0.4 + rng.next()), 1 + face * (0.4 + rng.next())];
  const clear = 1.05 + 5 * rng.next();
  return {
    kind,
    person,
    age,
    dob,
    year,
    path: `${String(id % 100).padStart(2, "0")}/${id}_${dateOf(dob)}_${year}.jpg`,
    gender: kind === "unknownGender" ? NaN : person.gender === "male" ? 1 : 0,
    name,
    location: kind === "noFace"
      ? [1, 1, Math.round(face * 3), Math.round(face * 2)]
      : [left, top, left + face, top + face],
    score: kind === "noFace" ? -Infinity : kind === "lowScore" ? 0.95 * rng.next() : clear,
    secondScore: kind === "secondFace" ? 1.05 + 2 * rng.next() : NaN,
  };
}

/** Returns 1 July of a year, the reference of IMDB-WIKI's ages, as a MATLAB serial day. */
function middleOf(year: number): number {
  return Date.UTC(year, 6, 1) / 86_400_000 + EPOCH_DAY;
}

/** Formats a MATLAB serial day as year-month-day. */
function dateOf(day: number): string {
  return new Date((day - EPOCH_DAY) * 86_400_000).toISOString().slice(0, 10);
}
