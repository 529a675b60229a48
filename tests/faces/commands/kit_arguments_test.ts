/** Mistakes in the command line of `deno task kit`, before anything is fetched, an earlier kit, and Ctrl-C. */
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
        command.run(["--out", out, "--with=~"], { ...app, cwd } as unknown as CommandContext),
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

Deno.test("kit leaves out the kit that it replaces, also below the project", async () => {
  const project = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${project}/deno.json`, "{}");
    await Deno.mkdir(`${project}/dist`);
    for (const name of ["kit.tar", "notes.txt"]) {
      await Deno.writeTextFile(`${project}/dist/${name}`, "earlier");
    }
    const context = { reporter: { log() {} }, cwd: project, project };
    strictEqual(await command.run(["--out", "dist/kit.tar"], context as never), 0);
    const { stdout } = await new Deno.Command("tar", {
      args: ["tf", `${project}/dist/kit.tar`],
    }).output();
    const names = new TextDecoder().decode(stdout).trim().split("\n");
    deepStrictEqual(names.filter((name) => name.startsWith("kit/dist/")), ["kit/dist/notes.txt"]);
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
    let ended = false;
    const status = kit.status.finally(() => ended = true);
    while (names().length === 0 && !ended) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!ended) kit.kill("SIGINT");
    strictEqual((await status).code, 130);
    deepStrictEqual(names(), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Ctrl-C ends kit also while it writes an archive without compression", async () => {
  const project = await Deno.makeTempDir(), cwd = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${project}/deno.json`, "{}");
    const kit = new URL("../../../faces/commands/kit.ts", import.meta.url);
    // In a process of its own, as all tests of this one would receive the signal.
    const code = `const { default: kit } = await import(${JSON.stringify(kit.href)});
const log = (text) => text === "writing the archive" && Deno.kill(Deno.pid, "SIGINT");
const context = { reporter: { log }, cwd: ${JSON.stringify(cwd)}, project: ${
      JSON.stringify(project)
    } };
console.log(await kit.run(["--out", "kit.tar"], context).catch(({ name }) => name));`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "-q", code],
      cwd: app.project,
    }).output();
    const text = new TextDecoder();
    strictEqual(text.decode(stdout), "Interrupted\n", text.decode(stderr));
    deepStrictEqual([...Deno.readDirSync(cwd)], []);
  } finally {
    for (const folder of [project, cwd]) await Deno.remove(folder, { recursive: true });
  }
});
