/** The rows of a data set, and which of them are of use. */

/** Why a row is dropped, in a person's words; the first that applies counts. */
export const reasons = {
  noFace: "without a face",
  lowFaceScore: "with a low face score",
  secondFace: "with a second face",
  unknownGender: "of unknown gender",
  unknownAge: "of unknown age",
  ageOutside: "outside the ages",
  noPath: "without a path",
  repeated: "of a picture that a row before has",
} as const;
export type Reason = keyof typeof reasons;

/** Rows, of which most columns are decoded only where they are asked for. */
export interface Rows {
  readonly length: number;
  /** Infinite where there is no face; left out where nobody looked for one. */
  readonly faceScore?: Float64Array;
  /** NaN where there is no second face. */
  readonly secondFaceScore?: Float64Array;
  /** 1 male, 0 female. */
  readonly gender: Float64Array;
  /** Whole years. */
  readonly age: Float64Array;
  /** Whether of several rows of one photo only the first that passes is kept. */
  readonly photosOnce?: true;
  hasPath(row: number): boolean;
  path(row: number): string;
  name(row: number): string | null;
  /** The same for all photos of a person, and for nobody else; null if nobody says who it is. */
  identity(row: number): string | null;
  /** Left, top, right, bottom in pixels of the original photo, from 1; null if it is not given. */
  location(row: number): number[] | null;
}

export interface Filter {
  minFaceScore: number;
  allowSecondFace: boolean;
  minAge: number;
  maxAge: number;
}

/** Which rows pass, and how many do not, by reason. */
export function filterRows(
  rows: Rows,
  filter: Filter,
): { kept: number[]; dropped: Record<Reason, number> } {
  const dropped = Object.fromEntries(Object.keys(reasons).map((reason) => [reason, 0])) as Record<
    Reason,
    number
  >;
  const kept: number[] = [];
  /** In one form of Unicode: file systems take é for é in whichever of two it is written. */
  const seen = new Set<string>();
  for (let i = 0; i < rows.length; i++) {
    let reason = reasonToDrop(rows, i, filter);
    if (reason === undefined && rows.photosOnce) {
      const path = rows.path(i).normalize();
      if (seen.has(path)) reason = "repeated";
      seen.add(path);
    }
    if (reason === undefined) kept.push(i);
    else dropped[reason]++;
  }
  return { kept, dropped };
}

/** Mind NaN: every comparison with it is false, and it stands for unknown in each of these. */
function reasonToDrop(rows: Rows, i: number, filter: Filter): Reason | undefined {
  if (rows.faceScore) {
    const score = rows.faceScore[i];
    if (!Number.isFinite(score)) return "noFace"; // -Inf
    if (score < filter.minFaceScore) return "lowFaceScore";
  }
  if (!filter.allowSecondFace && rows.secondFaceScore && Number.isFinite(rows.secondFaceScore[i])) {
    return "secondFace";
  }
  if (rows.gender[i] !== 0 && rows.gender[i] !== 1) return "unknownGender";
  if (!Number.isFinite(rows.age[i])) return "unknownAge";
  if (rows.age[i] < filter.minAge || rows.age[i] > filter.maxAge) return "ageOutside";
  if (!rows.hasPath(i)) return "noPath";
  return undefined;
}
