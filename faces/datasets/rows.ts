/** Rows of a data set, and their filter. */

/** Reasons to drop a row, for messages; the first that applies counts. */
export const reasons = {
  noFace: "without a face",
  lowFaceScore: "with a low face score",
  secondFace: "with a second face",
  unknownGender: "of unknown gender",
  unknownAge: "of unknown age",
  ageOutside: "outside the age range",
  noPath: "without a path",
  repeated: "with the photo of an earlier row",
} as const;
export type Reason = keyof typeof reasons;

/** Rows; most columns are decoded on demand. */
export interface Rows {
  readonly length: number;
  /** Infinite where there is no face; undefined if the data set has no scores. */
  readonly faceScore?: Float64Array;
  /** NaN where there is no second face. */
  readonly secondFaceScore?: Float64Array;
  /** 1 male, 0 female. */
  readonly gender: Float64Array;
  /** Whole years. */
  readonly age: Float64Array;
  /** Keeps only the first row of a photo that passes the filter. */
  readonly photosOnce?: true;
  hasPath(row: number): boolean;
  path(row: number): string;
  name(row: number): string | null;
  /** Identifier of the person; null if unknown. */
  identity(row: number): string | null;
  /** Left, top, right, bottom in pixels of the original photo, 1-based; null if unknown. */
  location(row: number): number[] | null;
}

export interface Filter {
  minFaceScore: number;
  allowSecondFace: boolean;
  minAge: number;
  maxAge: number;
}

/** Filters rows. Returns the indices of those that pass, and counts of the others by reason. */
export function filterRows(
  rows: Rows,
  filter: Filter,
): { kept: number[]; dropped: Record<Reason, number> } {
  const dropped = Object.fromEntries(Object.keys(reasons).map((reason) => [reason, 0])) as Record<
    Reason,
    number
  >;
  const kept: number[] = [];
  /** In one Unicode normalization form: file systems treat both forms of é as the same. */
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

/** Returns the reason to drop a row. NaN stands for unknown; comparisons with it are false. */
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
