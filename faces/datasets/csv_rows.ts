/** The rows of a folder of pictures, as its CSV has them. */
import { type Labels, parseLabels } from "./labels.ts";
import type { Rows } from "./rows.ts";

/**
 * Reads a folder's CSV.
 * @param file what to call it in errors
 * @param dataset begins the identities, so that nobody is taken for somebody of another data set
 * @returns the rows, and values that were not understood
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
