/** A whole pipeline, killed at random moments; `deno task bench kills` does it two hundred times. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { contents, difference, leftovers, runPipeline } from "../bench/kills/run.ts";
import { random } from "../compute/random.ts";

Deno.test({
  name: "kill -9 ten times in a pipeline: the next run completes, and leaves the same bytes",
  ignore: Deno.build.os === "windows",
  async fn() {
    const rng = random(10, "kills");
    const folder = await Deno.makeTempDir({ prefix: "kills-" });
    try {
      const whole = await runPipeline(join(folder, "undisturbed"));
      strictEqual(whole.code, 0, whole.text);
      const expected = await contents(join(folder, "undisturbed"));
      ok(expected.size > 30, `${expected.size} files`);
      let usual = whole.ms;
      for (let killed = 0, round = 0; killed < 10; round++) {
        const artifacts = join(folder, `round${round}`);
        for (; killed < 10; killed++) {
          const run = await runPipeline(artifacts, rng.next() * usual);
          if (!run.killed) {
            strictEqual(run.code, 0, run.text); // it was done before it was hit
            usual = Math.min(usual, run.ms); // the machine may have been busy with something else
            break;
          }
        }
        const last = await runPipeline(artifacts);
        strictEqual(last.code, 0, last.text);
        deepStrictEqual(difference(expected, await contents(artifacts)), []);
        deepStrictEqual(await leftovers(artifacts), [], "a run that ends well cleans up");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("difference() tells a file that is missing, one too many and one that differs", () => {
  const files = (text: Record<string, string>) => new Map(Object.entries(text));
  deepStrictEqual(
    difference(files({ a: "1", b: "2", c: "3" }), files({ a: "1", b: "x", d: "4" })),
    [
      "b differs",
      "c is missing",
      "d should not be there",
    ],
  );
});
