/** A worker that squares numbers, and dies in every way that a worker can. */
import { serve } from "../../../packages/workers/worker_main.ts";

export type Toy =
  | { readonly square: number }
  | { readonly throws: string }
  | { readonly dies: "SIGKILL" | "SIGABRT" }
  /** Reads where no memory is, as native code that crashes does. */
  | { readonly segfaults: true }
  | { readonly pid: true }
  | { readonly tells: string }
  /** Starts a program that keeps its output open, and makes a folder after half a minute. */
  | { readonly starts: string }
  /** Until a path is there. */
  | { readonly waits: string }
  | { readonly hog: true };

await serve<{ refuse?: string; dead?: boolean; asleep?: boolean }, Toy, number>(
  ({ refuse, dead, asleep }, send) => {
    if (refuse) throw new Error(refuse);
    if (dead) Deno.exit(3);
    if (asleep) return new Promise(() => {});
    return Promise.resolve(async (task) => {
      if ("throws" in task) throw new Error(task.throws);
      if ("pid" in task) return { answer: Deno.pid };
      if ("tells" in task) send(task.tells);
      if ("starts" in task) {
        const late = `setTimeout(() => Deno.mkdirSync(${JSON.stringify(task.starts)}), 30_000)`;
        const args = ["eval", late];
        return { answer: new Deno.Command(Deno.execPath(), { args }).spawn().pid };
      }
      while ("waits" in task && !await there(task.waits)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if ("dies" in task) {
        Deno.kill(Deno.pid, task.dies);
        await new Promise(() => {}); // the signal comes in a moment
      }
      if ("segfaults" in task) {
        new Deno.UnsafePointerView(Deno.UnsafePointer.create(8n)!).getUint8();
      }
      if ("hog" in task) { for (const all: unknown[] = [];;) all.push(new Array(1000).fill({})); }
      console.log("words that must not get among the answers");
      const n = "square" in task ? task.square : 0;
      return { answer: n * n, bytes: new Uint8Array(n) };
    });
  },
);

/** Whether a path is there. A worker may not write; the test does. */
async function there(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
