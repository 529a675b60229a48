/** Mistakes in the command line of `deno task kit`, before anything is fetched, and Ctrl-C. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import command from "../../../faces/commands/kit.ts";
import { app } from "../../../main.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { RunError, UsageError } from "../../../packages/pipeline/errors.ts";

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

Deno.test("kit names a link that it cannot pack, and a word that it does not take", async () => {
  const project = await Deno.makeTempDir();
  try {
    await Deno.symlink("/", `${project}/photos`);
    const run = (...args: string[]) =>
      command.run(["--out", "kit.tar", ...args], { ...app, cwd: project, project } as never);
    await rejects(
      run(),
      (error) => error instanceof RunError && /photos": it is a link/.test(`${error}`),
    );
    await rejects(
      run("photos"),
      (error) => error instanceof UsageError && /"photos"/.test(`${error}`),
    );
  } finally {
    await Deno.remove(project, { recursive: true });
  }
});

Deno.test("Ctrl-C ends kit with 130, and nothing of it stays beside the archive", async () => {
  const folder = await Deno.makeTempDir();
  const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name);
  try {
    const args = ["run", "-q", "--no-prompt", "-P=compute", "main.ts", "kit"];
    const kit = new Deno.Command(Deno.execPath(), {
      args: [...args, "--out", `${folder}/kit.tar`],
      cwd: app.project,
      stderr: "null",
    }).spawn();
    while (names().length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    kit.kill("SIGINT");
    strictEqual((await kit.status).code, 130);
    deepStrictEqual(names(), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
