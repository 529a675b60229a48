/** Free disk space. */
import { statfs } from "node:fs/promises";

/** Returns the free bytes of a folder's disk; undefined if the system does not report them. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: undefined, bsize: 0 }));
  return bavail && Number(bavail) * Number(bsize);
}

/**
 * Checks that a folder's disk has room for `bytes` more.
 * @param what name of the files, for the message
 * @param wayOut where to put the files instead, for the message
 * @returns the free bytes, if known
 * @throws if there is too little
 */
export async function checkSpace(
  folder: string,
  bytes: number,
  what: string,
  free = freeBytes,
  wayOut = "store the results elsewhere (artifacts: FOLDER); partial files are kept",
): Promise<number | undefined> {
  const room = await free(folder);
  if (room === undefined || bytes <= room) return room;
  throw new Error(
    `Cannot write ${what}: ${
      formatGigabytes(bytes)
    } more are needed, and the disk of "${folder}" ` +
      `has ${formatGigabytes(room)} left. Free some space, or ${wayOut}.`,
  );
}

/** Formats a number of bytes with two or three significant digits: "7.2 GB". */
export function formatGigabytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toPrecision(2)} ${units[unit]}`;
}
