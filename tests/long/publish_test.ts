/**
 * The members of the workspace as packages: what `deno publish` would send, and each README's example
 * with those files alone, from a folder outside of the repository.
 */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const config = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
const members: string[] = config.workspace;

const examplesOf = async (member: string) =>
  [...(await Deno.readTextFile(join(root, member, "README.md"))).matchAll(/```ts\n([^]*?)```/g)]
    .map(([, code]) => code!);

async function deno(args: string[], cwd: string, added: Record<string, string> = {}) {
  const env = { NO_COLOR: "1", ...added };
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, env })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, text);
  return text;
}

/** A comment behind console.log() is what it prints. */
function assertPrinted(code: string, printed: string) {
  for (const [, says] of code.matchAll(/console\.log\(.*\); \/\/ = (.*)$/gm)) {
    assert.ok(printed.includes(says!), `${says} is not in:\n${printed}`);
  }
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
    // Else versions are looked up at the registry.
    await Deno.copyFile(join(root, "deno.lock"), join(outside, "deno.lock"));
    for (const file of files) {
      const copy = join(outside, relative(root, file));
      await Deno.mkdir(dirname(copy), { recursive: true });
      // Publishing resolves the names of deno.json; the copies have them from the import map.
      if (!file.endsWith("deno.json")) await Deno.copyFile(file, copy);
    }
    const examples: [member: string, code: string, file: string][] = [];
    for (const member of members) {
      const own = await examplesOf(member);
      assert.ok(own.length > 0, `no example in ${member}`);
      for (const code of own) {
        const file = join(outside, `example_${examples.length}.ts`);
        await Deno.writeTextFile(file, code);
        examples.push([member, code, file]);
      }
    }
    // At once, which costs little more than one of them.
    await deno(["check", ...examples.map(([, , file]) => file)], outside);
    for (const [member, code, file] of examples) {
      await t.step(member, async () => {
        assertPrinted(code, await deno(["run", "--allow-all", file], outside));
      });
    }
    await t.step("packages/pipeline from a server, as a registry is", async () => {
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        (request) => {
          const path = join(outside, decodeURIComponent(new URL(request.url).pathname));
          const headers = { "content-type": "text/typescript" };
          return Deno.readFile(path).then((bytes) => new Response(bytes, { headers }));
        },
      );
      const project = join(outside, "from a server");
      await Deno.mkdir(join(project, "cache"), { recursive: true });
      const { denoDir } = JSON.parse(await deno(["info", "--json"], root));
      await Deno.symlink(join(denoDir, "npm"), join(project, "cache/npm"));
      const served = Object.entries(imports).map(([name, target]) => [
        ...[name, target.replace(/^\.(?=\/)/, `http://127.0.0.1:${server.addr.port}`)],
      ]);
      const text = JSON.stringify({ imports: Object.fromEntries(served) });
      await Deno.writeTextFile(join(project, "deno.json"), text);
      await Deno.copyFile(join(root, "deno.lock"), join(project, "deno.lock"));
      const [code] = await examplesOf("packages/pipeline");
      await Deno.writeTextFile(join(project, "example.ts"), code!);
      const env = { DENO_DIR: join(project, "cache") };
      const args = ["run", "--allow-all", "example.ts"];
      assertPrinted(code!, await deno(args, project, env));
    });
    assert.ok(!files.some((file) => /bullmq|worker_command/.test(file)), "needs BullMQ");
  } finally {
    await Deno.remove(outside, { recursive: true });
  }
});
