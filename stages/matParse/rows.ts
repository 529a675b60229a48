/** The rows of IMDB-WIKI's MATLAB files, and which of them are of use. */
import { readMat } from "../../formats/mat.ts";
import type { ArchivedDataset } from "../archives.ts";
import { ageAt } from "./age.ts";

/** Why a row is dropped, in a person's words; the first that applies counts. */
export const reasons = {
  noFace: "without a face",
  lowFaceScore: "with a low face score",
  secondFace: "with a second face",
  unknownGender: "of unknown gender",
  unknownAge: "of unknown age",
  ageOutside: "outside the ages",
  noPath: "without a path",
} as const;
export type Reason = keyof typeof reasons;

export interface Row {
  path: string;
  age: number;
  /** 1 male, 0 female. */
  gender: number;
  name: string;
  /** The same for all photos of a person, and for nobody else. */
  identity: string;
  /** Left, top, right, bottom in pixels of the original photo, from 1; null if it is not given. */
  location: number[] | null;
}

export interface Rows {
  readonly length: number;
  readonly faceScore: Float64Array;
  readonly secondFaceScore: Float64Array;
  readonly gender: Float64Array;
  readonly age: Float64Array;
  readonly path: readonly string[];
  row(index: number): Row;
}

export interface Filter {
  minFaceScore: number;
  allowSecondFace: boolean;
  minAge: number;
  maxAge: number;
}

/** Decodes a data set's MATLAB file. */
export function readRows(
  bytes: Uint8Array<ArrayBuffer>,
  { metadata: { path: file, variable } }: Pick<ArchivedDataset, "metadata">,
): Rows {
  const variables = readMat(bytes, { source: file });
  const struct = variables.get(variable);
  const fail = (why: string) => new Error(`Cannot use "${file}": ${why}.`);
  if (struct?.kind !== "struct" || struct.length !== 1) {
    const names = [...variables].map(([name, { kind }]) => `${name} (${kind})`).join(", ");
    throw fail(`it has no struct "${variable}"; it holds ${names || "nothing"}`);
  }
  const path = struct.cell("full_path").strings();
  const name = struct.cell("name").strings();
  const location = struct.cell("face_location").numbers(4);
  const dob = struct.numbers("dob");
  const photoTaken = struct.numbers("photo_taken");
  const gender = struct.numbers("gender");
  const faceScore = struct.numbers("face_score");
  const secondFaceScore = struct.numbers("second_face_score");
  const celebrity = struct.has("celeb_id") ? struct.numbers("celeb_id") : undefined;
  const lengths = {
    full_path: path.length,
    name: name.length,
    face_location: location.length / 4,
    dob: dob.length,
    photo_taken: photoTaken.length,
    gender: gender.length,
    face_score: faceScore.length,
    second_face_score: secondFaceScore.length,
    ...(celebrity && { celeb_id: celebrity.length }),
  };
  for (const [field, length] of Object.entries(lengths)) {
    if (length !== path.length) {
      throw fail(`field "${field}" has ${length} rows, "full_path" has ${path.length}`);
    }
  }
  return {
    length: path.length,
    faceScore,
    secondFaceScore,
    gender,
    age: dob.map((day, i) => ageAt(day, photoTaken[i])),
    path,
    row(i) {
      const box = Array.from(location.subarray(4 * i, 4 * i + 4));
      return {
        path: path[i],
        age: this.age[i],
        gender: gender[i],
        name: name[i],
        identity: `${variable}:${person(path[i], name[i], dob[i], celebrity?.[i])}`,
        location: box.every(Number.isFinite) ? box : null,
      };
    },
  };
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
  for (let i = 0; i < rows.length; i++) {
    const reason = reasonToDrop(rows, i, filter);
    if (reason === undefined) kept.push(i);
    else dropped[reason]++;
  }
  return { kept, dropped };
}

/** Mind NaN: every comparison with it is false, and it stands for unknown in each of these. */
function reasonToDrop(rows: Rows, i: number, filter: Filter): Reason | undefined {
  const score = rows.faceScore[i];
  if (!Number.isFinite(score)) return "noFace"; // -Inf
  if (score < filter.minFaceScore) return "lowFaceScore";
  if (!filter.allowSecondFace && Number.isFinite(rows.secondFaceScore[i])) {
    return "secondFace";
  }
  if (rows.gender[i] !== 0 && rows.gender[i] !== 1) return "unknownGender";
  if (!Number.isFinite(rows.age[i])) return "unknownAge";
  if (rows.age[i] < filter.minAge || rows.age[i] > filter.maxAge) return "ageOutside";
  if (rows.path[i] === "") return "noPath";
  return undefined;
}

/**
 * Who is on a photo: IMDB's number of the person, else the id with which the file's name begins
 * (of the Wikipedia page, or IMDB's), else name and date of birth.
 */
function person(path: string, name: string, dob: number, celebrity: number | undefined): string {
  if (celebrity !== undefined && Number.isFinite(celebrity)) return String(celebrity);
  const id = /^(?:.*\/)?((?:nm)?\d+)_/.exec(path)?.[1];
  return id ?? (name === "" ? path : `${name}/${dob}`);
}
