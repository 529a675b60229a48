/** Rows of a data set, and their filter. */

import { attributeName, type Attributes, INTERVAL, valueAt } from "./attributes.ts";

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
  noAttribute: "without a required label",
  judgedWrong: "with a label judged wrong",
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
  /** Labels that it has columns of. Default: both. */
  readonly columns?: { readonly gender: boolean; readonly age: boolean };
  /** Attributes, and the interval of an age that is not known exactly. */
  attributes?(row: number): Attributes | undefined;
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
  /** Rows with a label that was judged wrong. Default: none. */
  wrong?: ReadonlySet<number> | undefined;
  /** Labels that a row must have. Default: gender and age, where the data set has them. */
  require?: readonly string[] | undefined;
}

/**
 * Returns the path of each label's face: that of the photo, for further faces, by their boxes, with
 * their number in the photo.
 */
export function facePaths(labels: readonly { path: string; box: unknown }[]): string[] {
  const photos = new Map<string, string[]>();
  return labels.map(({ path, box }) => {
    const faces = photos.getOrInsertComputed(path.normalize(), () => []);
    const face = box ? String(box) : "";
    if (face !== "" && !faces.includes(face)) faces.push(face);
    const number = faces.indexOf(face) + 1;
    return number > 1 ? `${path}#face${number}` : path;
  });
}

export function photoOf(path: string): string {
  return path.replace(/#face\d+$/, "");
}

/** Filters rows. Returns the indices of those that pass, and counts of the others by reason. */
export function filterRows(
  rows: Rows,
  filter: Filter,
): { kept: number[]; dropped: Record<Reason, number> } {
  const possible = Object.keys(reasons).filter((reason) =>
    reason === "noAttribute" ? filter.require : reason !== "judgedWrong" || filter.wrong
  );
  const dropped: Record<string, number> = Object.fromEntries(possible.map((one) => [one, 0]));
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
  const { columns = { gender: true, age: true } } = rows;
  const { minAge, maxAge, require } = filter;
  const needs = (label: "gender" | "age") => require ? require.includes(label) : columns[label];
  if (needs("gender") && rows.gender[i] !== 0 && rows.gender[i] !== 1) return "unknownGender";
  const attributes = rows.attributes?.(i);
  const exact = Number.isFinite(rows.age[i]) ? rows.age[i] : undefined;
  const [low, high] = INTERVAL.map((column) => Number(exact ?? attributes?.[column] ?? NaN));
  if (needs("age") && Number.isNaN(low)) return "unknownAge";
  if (high < minAge || low > maxAge) return "ageOutside";
  const lacks = (name: string) =>
    name === "identity" || name === "name"
      ? rows[name](i) === null
      : !["gender", "age"].includes(name) && valueAt(attributes, attributeName(name)) == null;
  if (require?.some(lacks)) return "noAttribute";
  if (!rows.hasPath(i)) return "noPath";
  if (filter.wrong?.has(i)) return "judgedWrong";
  return undefined;
}
