/** Identity of photos in earlier results, apart from `find_faces.ts`, which browsers run as well. */
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import type { ExpectedFace } from "./find_faces.ts";

/** Returns the digest of all that the face of a photo depends on, besides settings and code. */
export function photoKey(photo: Uint8Array, known: ExpectedFace | undefined): string {
  return sha256(`${sha256(photo)} ${JSON.stringify(known ?? null)}`);
}
