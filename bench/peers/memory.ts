/**
 * Looks on at a process and all that it started until it ends, and prints the most bytes that they had
 * together, resident; what they share, such as Deno's own code, counts for each. 0 where the system
 * does not tell: it is Linux that does, and Deno lets only those look who may do all.
 *
 *     deno run --allow-all memory.ts PID
 */

/** Milliseconds between looks. */
const EVERY = 100;
/** Bytes of a page: Deno does not tell, and Linux on x86-64 and most of ARM has these. */
const PAGE = 4096;

/** A process and its descendants. Any thread may have started some. */
function treeOf(pid: number): number[] {
  const all = [pid];
  for (const name of listing(`/proc/${pid}/task`)) {
    const text = read(`/proc/${pid}/task/${name}/children`);
    for (const child of text.split(" ").filter(Boolean)) all.push(...treeOf(Number(child)));
  }
  return all;
}

function residentOf(pid: number): number {
  return Number(read(`/proc/${pid}/statm`).split(" ")[1] ?? 0) * PAGE;
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
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

const root = Number(Deno.args[0]);
let most = 0;
for (;;) {
  const bytes = residentOf(root); // none of a process that has ended
  if (bytes === 0) break;
  const others = treeOf(root).slice(1).reduce((sum, pid) => sum + residentOf(pid), 0);
  most = Math.max(most, bytes + others);
  await new Promise((resolve) => setTimeout(resolve, EVERY));
}
console.log(most);
