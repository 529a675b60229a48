/** Whether there is room for what is about to be fetched. */
import { statfs } from "node:fs/promises";

/** Bytes that may still be written to a folder's disk; undefined where that is not told. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return Number(bavail) * Number(bsize);
  } catch {
    return undefined; // not every system tells
  }
}

/**
 * Makes sure that there is room, before hours of downloading.
 * @param bytes what is still to be written
 * @param what is to be written, for the message
 * @returns the bytes that are free, if that is told
 * @throws if there is too little
 */
export async function checkSpace(
  folder: string,
  bytes: number,
  what: string,
  free = freeBytes,
): Promise<number | undefined> {
  const room = await free(folder);
  if (room !== undefined && bytes > room) {
    throw new Error(
      `Cannot get ${what}: ${
        formatGigabytes(bytes)
      } more are needed, and the disk of "${folder}" has ` +
        `${
          formatGigabytes(room)
        } left. Make room, or have the results elsewhere (artifacts: FOLDER); what ` +
        `has arrived is kept.`,
    );
  }
  return room;
}

/** Bytes in a person's words. */
export function formatGigabytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toPrecision(2)} ${units[unit]}`;
}
