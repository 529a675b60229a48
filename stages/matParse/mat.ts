/** The rows of IMDB-WIKI's MATLAB files. */
import { readMat } from "../../formats/mat.ts";
import { ageAt } from "./age.ts";
import type { Rows } from "./rows.ts";

/**
 * Decodes a data set's MATLAB file.
 * @param file what to call it in errors
 * @param variable the struct in it that describes the photos
 */
export function readMatRows(
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
  variable: string,
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

/**
 * Who is on a photo: IMDB's number of the person, else the id with which the file's name begins
 * (of the Wikipedia page, or IMDB's), else name and date of birth.
 */
function person(path: string, name: string, dob: number, celebrity: number | undefined): string {
  if (celebrity !== undefined && Number.isFinite(celebrity)) return String(celebrity);
  const id = /^(?:.*\/)?((?:nm)?\d+)_/.exec(path)?.[1];
  return id ?? (name === "" ? path : `${name}/${dob}`);
}
