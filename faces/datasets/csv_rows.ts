/** Reads the rows of a local folder of photos from its CSV. */
import { type Labels, parseLabels } from "./labels.ts";
import type { Rows } from "./rows.ts";

/**
 * Reads a folder's CSV.
 * @param file its name in errors
 * @param dataset prefix of the identities, which keeps those of different data sets apart
 * @returns the rows, and the values that could not be parsed
 */
export function readCsvRows(
  bytes: Uint8Array,
  file: string,
  dataset: string,
): { rows: Rows; doubts: Labels["doubts"] } {
  const { rows: labels, doubts } = parseLabels(bytes, file);
  const rows: Rows = {
    length: labels.length,
    gender: Float64Array.from(labels, ({ gender }) => gender),
    age: Float64Array.from(labels, ({ age }) => age),
    hasPath: (i) => labels[i].path !== "",
    photosOnce: true,
    path: (i) => labels[i].path,
    name: (i) => labels[i].name,
    identity: (i) => labels[i].identity === null ? null : `${dataset}:${labels[i].identity}`,
    location: () => null,
  };
  return { rows, doubts };
}
