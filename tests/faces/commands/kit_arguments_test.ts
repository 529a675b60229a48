/** Mistakes in the command line of `deno task kit`, before anything is fetched. */
import { rejects } from "node:assert/strict";
import command from "../../../faces/commands/kit.ts";
import { app } from "../../../main.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { UsageError } from "../../../packages/pipeline/errors.ts";

Deno.test("kit names an --out that cannot be written before it packs", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${cwd}/taken.tar`);
    for (const out of ["kit.zip", "nowhere/kit.tar", "taken.tar"]) {
      await rejects(
        command.run(["--out", out], { ...app, cwd } as unknown as CommandContext),
        (error) => error instanceof UsageError && /--out/.test(error.message),
        out,
      );
    }
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});
