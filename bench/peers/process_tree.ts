/**
 * Watches a process and its descendants until it ends. Prints as JSON their peak resident memory in
 * bytes (shared pages count for each) and their processor time in seconds; 0 except on Linux. Deno
 * needs all permissions for it.
 *
 *     deno run --allow-all process_tree.ts PID [--once]
 */
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between looks. */
const EVERY = 100;
/** Bytes of a page, which Deno does not expose: Linux on x86-64 and most of ARM has these. */
const PAGE = 4096;
/** Linux counts processors' time in hundredths of a second. */
const TICKS = 100;

/** Returns the fields of /proc/PID/stat from the third on; none of a process that has ended. */
function fieldsOf(pid: string): number[] {
  try {
    // The name before them, in brackets, may have spaces.
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ").map(Number);
  } catch {
    return [];
  }
}

const [root, once] = Deno.args;
/** Seconds of each process, when last seen. */
const busy = new Map<string, number>();
let most = 0;
while (fieldsOf(root)[21] > 0) {
  const processes = Array.from(Deno.readDirSync("/proc"), ({ name }) => name)
    .filter((name) => /^\d+$/.test(name)).map((pid) => ({ pid, fields: fieldsOf(pid) }));
  const children = Map.groupBy(processes, ({ fields }) => String(fields[1]));
  const tree = processes.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...children.get(pid) ?? []);
  let bytes = 0;
  for (const { pid, fields } of tree) {
    bytes += (fields[21] || 0) * PAGE;
    busy.set(pid, Math.max(busy.get(pid) ?? 0, ((fields[11] + fields[12]) || 0) / TICKS));
  }
  most = Math.max(most, bytes);
  if (once === "--once") break;
  await delay(EVERY);
}
const seconds = [...busy.values()].reduce((sum, one) => sum + one, 0);
console.log(JSON.stringify({ bytes: most, seconds }));
