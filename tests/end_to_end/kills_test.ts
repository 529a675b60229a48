/** A whole pipeline, killed at random moments; tests/long/kills_test.ts has more. */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { difference, killRepeatedly, runUndisturbed, stagesOf } from "../crashes.ts";

Deno.test({
  name: "kill -9 three times in a pipeline: the next run completes, and leaves the same bytes",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "kills-" });
    try {
      await killRepeatedly(folder, 3, await runUndisturbed(join(folder, "undisturbed")));
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

Deno.test("stagesOf() reads the time of a stage that took minutes", () => {
  const text = "✓ count    done in 0.4 s\n✓ train    done in 1:02\n";
  deepStrictEqual(stagesOf({ killed: false, code: 0, stage: undefined, text, ms: 63_000 }), [
    ...[{ stage: undefined, ms: 600 }, { stage: "count", ms: 400 }],
    { stage: "train", ms: 62_000 },
  ]);
});
