/**
 * A whole pipeline, killed at random moments and on full disks; `deno task bench kills` kills it two
 * hundred times.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import {
  contents,
  difference,
  killRepeatedly,
  runPipeline,
  runUndisturbed,
  type Undisturbed,
} from "../crashes.ts";
import { mounted } from "../mount.ts";

const folder = await Deno.makeTempDir({ prefix: "kills-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

let undisturbed: Promise<Undisturbed> | undefined;
const reference = () => undisturbed ??= runUndisturbed(join(folder, "undisturbed"));

Deno.test({
  name: "kill -9 ten times in a pipeline: the next run completes, and leaves the same bytes",
  ignore: Deno.build.os === "windows",
  fn: async () => await killRepeatedly(folder, 10, await reference()),
});

Deno.test("a disk that is full again and again: each run says so, and loses nothing", async () => {
  const artifacts = join(folder, "small");
  await using disk = await mounted("size=300k", artifacts);
  if (!disk) return; // this user may not mount file systems
  const { expected } = await reference();
  let full = 0, last;
  const done: number[] = [];
  for (const size of ["300k", "1100k", "1800k", "100m"]) {
    await new Deno.Command("mount", { args: ["-o", `remount,size=${size}`, artifacts] }).output();
    last = await runPipeline(artifacts);
    done.push(last.text.match(/^[·✓] /gm)?.length ?? 0);
    if (last.code === 0) continue;
    full++;
    match(last.text, /✗ \w+ +failed: .*(No space left|more are needed)/);
    doesNotMatch(last.text, /\n +at /, "no stack");
  }
  strictEqual(last!.code, 0, last!.text);
  ok(full >= 2, `it was full ${full} times`);
  deepStrictEqual(done, done.toSorted((a, b) => a - b), "what was made stays");
  deepStrictEqual(difference(expected, await contents(artifacts)), []);
});
