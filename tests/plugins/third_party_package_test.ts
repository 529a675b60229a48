/** A plugin from npm: a registry of one package, which the test serves. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { needsRegistry } from "../registry.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const plugin = (version: string) => `
${version}
import { readFileSync } from "node:fs";
export default ({ z, defineKind, defineStage }) => defineStage({
  name: "fromPackage", summary: "Write what the package has", inputs: {},
  outputs: { text: defineKind({ kind: "text", summary: "A text", files: { "a.txt": "a" } }) },
  params: z.strictObject({ file: z.string().default("").describe("A file to read") }),
  async run(_, { file }, { outputs }) {
    const own = readFileSync(new URL("./data.txt", import.meta.url), "utf8");
    const other = file === "" ? "" : await Deno.readTextFile(file);
    await Deno.writeTextFile(outputs.text + "/a.txt", own + other);
  },
});
`;

/** Packs a package, and returns its gzipped tar. */
async function pack(folder: string, version: string, code: string) {
  const place = join(folder, version, "package");
  await Deno.mkdir(place, { recursive: true });
  const manifest = { name: "@third/plugin", version, type: "module", exports: "./index.js" };
  await Deno.writeTextFile(join(place, "package.json"), JSON.stringify(manifest));
  await Deno.writeTextFile(join(place, "index.js"), code);
  await Deno.writeTextFile(join(place, "data.txt"), "from the package");
  const args = ["-czf", "-", "-C", join(folder, version), "package"];
  const { success, stdout } = await new Deno.Command("tar", { args }).output();
  assert.ok(success);
  return { manifest, bytes: stdout };
}

Deno.test(needsRegistry("a plugin of npm runs with the rights of a third party"), async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "npm-" }));
  const packed = [
    await pack(join(folder, "packed"), "1.0.0", plugin("export const apiVersion = 1;")),
    await pack(join(folder, "packed"), "2.0.0", plugin("")),
  ];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { pathname, origin } = new URL(request.url);
    const found = packed.find(({ manifest }) => pathname === `/${manifest.version}.tgz`);
    if (found) return new Response(found.bytes);
    if (!/plugin$/.test(pathname)) return new Response(null, { status: 404 });
    const versions = packed.map(({ manifest, bytes }) => {
      const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
      const dist = { tarball: `${origin}/${manifest.version}.tgz`, integrity };
      return [manifest.version, { ...manifest, dist }];
    });
    const tags = { latest: "1.0.0" };
    return Response.json({
      name: "@third/plugin",
      "dist-tags": tags,
      versions: Object.fromEntries(versions),
    });
  });
  const { port } = server.addr;
  try {
    const project = join(folder, "project");
    const rooms = ["packages", "faces", "models", "stages", "plugins", "main.ts"];
    await Deno.mkdir(join(project, "experiments"), { recursive: true });
    for (const name of rooms) await Deno.symlink(join(root, name), join(project, name));
    for (const name of ["deno.json", "deno.lock"]) {
      await Deno.copyFile(join(root, name), join(project, name));
    }
    await Deno.writeTextFile(
      join(project, ".npmrc"),
      `@third:registry=http://127.0.0.1:${port}/\n`,
    );
    const run = async (version: string, ...more: string[]) => {
      await Deno.writeTextFile(
        join(project, "experiments", "p.yaml"),
        `plugins: ["npm:@third/plugin@${version}"]\nstages: { fromPackage: }\n`,
      );
      const args = ["run", "-q", "--no-prompt", "-P=compute", "main.ts", "run", "experiments/p"];
      return await deno([...args, ...more], project);
    };
    assert.match(
      await run("2.0.0"),
      /p\.yaml:1:11: .*\n.*its apiVersion is none, and this is version 1/,
    );
    assert.match(
      await run("3.0.0"),
      /p\.yaml:1:11: cannot load plugin "npm:@third.*\n {2}because: (?!error)/,
    );
    const text = await run("1.0.0");
    const graph = ["run", "-q", "--no-prompt", "-P=read", "main.ts", "graph", "experiments/p"];
    assert.match(await deno(graph, project), /fromPackage/);
    await Deno.remove(join(project, "artifacts", ".cache", "plugins"), { recursive: true });
    assert.match(
      await deno(graph, project),
      /may not start\. Run the pipeline once with --dry-run/,
    );
    assert.match(text, /fromPackage +runs: it has not run yet; third-party code, allow: \[\]\n/);
    assert.match(text, /1 ran/);
    assert.match(await run("1.0.0"), /1 cached/);
    const refused = await run("1.0.0", "--set", `fromPackage.file=${join(project, "deno.json")}`);
    assert.match(refused, /no right to that: Requires read access.*allow: \["read:.*deno\.json"\]/);
    const lock = await Deno.readTextFile(join(project, "deno.lock"));
    assert.match(lock, /"@third\/plugin@1\.0\.0": \{\s+"integrity": "sha512-/);
  } finally {
    const { npmCache } = JSON.parse(await deno(["info", "--json"], root));
    for await (const { name } of Deno.readDir(npmCache)) {
      if (name.endsWith(`${port}`)) await Deno.remove(join(npmCache, name), { recursive: true });
    }
    await Deno.remove(folder, { recursive: true });
  }
});

async function deno(args: string[], cwd: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", INIT_CWD: cwd },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
