/** A whole pipeline, killed at random moments; `deno task bench kills` does it two hundred times. */
import { join } from "node:path";
import { killRepeatedly, runUndisturbed } from "../crashes.ts";

Deno.test({
  name: "kill -9 ten times in a pipeline: the next run completes, and leaves the same bytes",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "kills-" });
    try {
      await killRepeatedly(folder, 10, await runUndisturbed(join(folder, "undisturbed")));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
