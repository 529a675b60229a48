/**
 * The members of the workspace as packages: what `deno publish` would send, and each README's example
 * with those files alone, from a folder outside of the repository.
 */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const config = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
const members: string[] = config.workspace;

async function deno(args: string[], cwd: string) {
  const env = { NO_COLOR: "1" };
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, env })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, text);
  return text;
}

Deno.test("the packages could be published, and their README's example runs with their files", async (t) => {
  // Checks types, and that none of them has to be inferred ("slow types").
  const text = await deno(["publish", "--dry-run", "--allow-dirty"], root);
  const files = [...text.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) => fileURLToPath(url!));
  const outside = await Deno.makeTempDir({ prefix: "packages " });
  try {
    const imports: Record<string, string> = { ...config.imports };
    for (const member of members) {
      const { name, exports, license } = JSON.parse(
        await Deno.readTextFile(join(root, member, "deno.json")),
      );
      assert.equal(license, "MIT");
      for (const [entry, file] of Object.entries<string>(exports)) {
        imports[join(name, entry)] = `./${member}/${file.slice(2)}`;
      }
    }
    await Deno.writeTextFile(join(outside, "deno.json"), JSON.stringify({ imports }));
    for (const file of files) {
      const copy = join(outside, relative(root, file));
      await Deno.mkdir(dirname(copy), { recursive: true });
      // Publishing resolves the names of deno.json; the copies have them from the import map.
      if (!file.endsWith("deno.json")) await Deno.copyFile(file, copy);
    }
    for (const member of members) {
      await t.step(member, async () => {
        const readme = await Deno.readTextFile(join(root, member, "README.md"));
        const examples = [...readme.matchAll(/```ts\n([^]*?)```/g)];
        assert.ok(examples.length > 0, "no example");
        for (const [i, [, code]] of examples.entries()) {
          const file = join(outside, `${member.replace("/", "_")}_${i}.ts`);
          await Deno.writeTextFile(file, code!);
          const printed = await deno(["run", "--check", "--allow-all", "--no-lock", file], outside);
          // A comment behind console.log() is what it prints.
          for (const [, says] of code!.matchAll(/console\.log\(.*\); \/\/ = (.*)$/gm)) {
            assert.ok(printed.includes(says!), `${says} is not in:\n${printed}`);
          }
        }
      });
    }
    assert.ok(!files.some((file) => pathToFileURL(file).href.includes("bullmq")));
  } finally {
    await Deno.remove(outside, { recursive: true });
  }
});
