/**
 * Watches a process and its descendants until it ends. Prints as JSON their peak resident memory in
 * bytes (shared pages count for each) and their processor time in seconds; 0 except on Linux. Deno
 * needs all permissions for it.
 *
 *     deno run --allow-all process_tree.ts PID
 */
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between looks. */
const EVERY = 100;
/** Bytes of a page, which Deno does not expose: Linux on x86-64 and most of ARM has these. */
const PAGE = 4096;
/** Linux counts processors' time in hundredths of a second. */
const TICKS = 100;

/** A process and its descendants. */
function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of listing("/proc")) {
    const parent = fieldsOf(Number(name))[1];
    if (parent) children.set(Number(parent), [...children.get(Number(parent)) ?? [], Number(name)]);
  }
  const all = [root];
  for (const pid of all) all.push(...children.get(pid) ?? []);
  return all;
}

/** Returns the fields of /proc/PID/stat from the third on: state, parent, ... */
function fieldsOf(pid: number): string[] {
  // The name before it, in brackets, may have spaces.
  return read(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
}

function residentOf(pid: number): number {
  return Number(read(`/proc/${pid}/statm`).split(" ")[1] ?? 0) * PAGE;
}

/** Returns the processor time of a process in seconds: fields 14 (user) and 15 (system). */
function busyOf(pid: number): number {
  const fields = fieldsOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
}

// Processes end while they are looked at, and other systems have no /proc.
function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function listing(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name).filter((name) =>
      /^\d+$/.test(name)
    );
  } catch {
    return [];
  }
}

const root = Number(Deno.args[0]);
/** Seconds of each process, when last seen. */
const busy = new Map<number, number>();
let most = 0;
for (;;) {
  const bytes = residentOf(root); // none of a process that has ended
  if (bytes === 0) break;
  const all = treeOf(root);
  const others = all.slice(1).reduce((sum, pid) => sum + residentOf(pid), 0);
  most = Math.max(most, bytes + others);
  for (const pid of all) busy.set(pid, Math.max(busy.get(pid) ?? 0, busyOf(pid)));
  if (Deno.args[1] === "--once") break;
  await delay(EVERY);
}
const seconds = [...busy.values()].reduce((sum, one) => sum + one, 0);
console.log(JSON.stringify({ bytes: most, seconds }));
