import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { findCompiler } from "../../../packages/compute/install/compiler.ts";
import { installNode } from "../../../packages/compute/install_node.ts";
import { findWheel, indexUrl } from "../../../packages/compute/install/pypi.ts";
import { requirementsOf, satisfies } from "../../../packages/compute/install/python_versions.ts";
import { fetchWheel, unpackWheel, type Work } from "../../../packages/compute/install/wheel.ts";

const work: Work = {
  signal: new AbortController().signal,
  progress: { start: () => {}, advance: () => {} },
  line: () => {},
};

/** Serves an index of packages, as PyPI or as an old mirror does. */
async function withIndex(
  respond: (path: string) => { type: string; body: BodyInit } | undefined,
  test: (index: string) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve({ port: 0, onListen: () => {} }, (request) => {
    const found = respond(new URL(request.url).pathname);
    if (!found) return new Response("no", { status: 404 });
    return new Response(found.body, { headers: { "content-type": found.type } });
  });
  await test(`http://127.0.0.1:${server.addr.port}/simple/`);
}

/** Runs a test with environment variables, and puts back what was there. */
async function withEnv(values: Record<string, string>, test: () => Promise<void>): Promise<void> {
  const before = Object.fromEntries(Object.keys(values).map((name) => [name, Deno.env.get(name)]));
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  try {
    await test();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

const sum = "ab".repeat(32);
const names = [
  "tensorflow_cpu-2.20.1-cp312-cp312-manylinux_2_17_x86_64.whl",
  "tensorflow_cpu-2.21.0-cp310-cp310-manylinux_2_27_x86_64.whl",
  "tensorflow_cpu-2.21.0-cp313-cp313-manylinux_2_27_x86_64.whl",
  "tensorflow_cpu-2.21.0-cp313-cp313-win_amd64.whl",
  "tensorflow_cpu-2.22.0rc1-cp313-cp313-manylinux_2_27_x86_64.whl",
  "tensorflow_cpu-2.9.0-cp39-cp39-manylinux_2_17_x86_64.whl",
  "tensorflow_cpu-2.9.0.tar.gz",
];
const json = JSON.stringify({
  files: [
    ...names.map((filename) => ({ filename, url: `../../f/${filename}`, hashes: { sha256: sum } })),
    {
      filename: "tensorflow_cpu-2.21.9-cp313-cp313-manylinux_2_27_x86_64.whl",
      url: "x",
      hashes: { sha256: sum },
      yanked: "broken",
    },
  ],
});
const html = `<!DOCTYPE html><html><body>${
  names.map((name) => `<a href="/f/${name}#sha256=${sum}" rel="internal">${name}</a><br/>`).join("")
}</body></html>`;
const linux = /manylinux[^-]*_x86_64\.whl$/;

Deno.test("findWheel() takes the newest that fits, from an index in JSON or in HTML", async () => {
  for (const [type, body] of [["application/vnd.pypi.simple.v1+json", json], ["text/html", html]]) {
    const respond = (path: string) =>
      path === "/simple/tensorflow-cpu/" ? { type, body } : undefined;
    await withIndex(respond, async (index) => {
      const wheel = await findWheel("tensorflow-cpu", "==2.21.*", linux, index);
      assert.equal(wheel.file, names[2], type);
      assert.deepEqual([wheel.version, wheel.sha256], ["2.21.0", sum]);
      assert.equal(wheel.url, new URL(`/f/${names[2]}`, index).href);
      assert.equal((await findWheel("tensorflow-cpu", "<2.21", linux, index)).version, "2.20.1");
      await assert.rejects(
        findWheel("tensorflow-cpu", "==2.30.*", linux, index),
        /Cannot find tensorflow-cpu ==2\.30\.\* for this machine .*It has 2\.20\.1, 2\.21\.0, 2\.9\.0: select one with --tensorflow/,
      );
      await assert.rejects(
        findWheel("tensorflow-cpu", "==2.21.*", /riscv64\.whl$/, index),
        /It has none for this machine\./,
      );
      await assert.rejects(
        findWheel("nothing", "", linux, index),
        /Cannot list the wheels in ".*\/simple\/nothing\/": it responded with 404/,
      );
    });
  }
});

Deno.test("indexUrl() is that of pip: its variable, its files, or PyPI", async () => {
  const home = await Deno.makeTempDir();
  const none = { PIP_INDEX_URL: "", PIP_CONFIG_FILE: "", XDG_CONFIG_HOME: home, HOME: home };
  await withEnv(none, async () => {
    assert.equal(await indexUrl(), "https://pypi.org/simple/");
    await Deno.mkdir(join(home, "pip"));
    const settings = "[global]\ntimeout = 60\nindex-url = https://mirror.example/simple\n";
    await Deno.writeTextFile(join(home, "pip", "pip.conf"), settings);
    assert.equal(await indexUrl(), "https://mirror.example/simple/");
    await withEnv({ PIP_INDEX_URL: "http://here/x/" }, async () => {
      assert.equal(await indexUrl(), "http://here/x/");
    });
  });
  await Deno.remove(home, { recursive: true });
});

Deno.test("fetchWheel() keeps nothing whose checksum is wrong; unpackWheel() takes what is wanted", async () => {
  const fixture = new URL("../formats/fixtures/archive.zip", import.meta.url);
  const bytes = await Deno.readFile(fixture);
  const folder = await Deno.makeTempDir();
  await withIndex(() => ({ type: "application/zip", body: bytes }), async (index) => {
    const wheel = { name: "a", version: "1", file: "a.whl", url: index, size: bytes.length };
    await assert.rejects(
      fetchWheel({ ...wheel, sha256: sum }, folder, work),
      /Cannot use "a\.whl": its SHA-256 is [0-9a-f]{64}, the index has (ab){32}/,
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const path = await fetchWheel({ ...wheel, sha256 }, folder, work);
    const wanted = (name: string) => name.startsWith("folder/");
    assert.deepEqual(await unpackWheel(path, join(folder, "out"), wanted, work), [
      "folder/packed.txt",
    ]);
    assert.match(await Deno.readTextFile(join(folder, "out/folder/packed.txt")), /^line 0\n/);
    await assert.rejects(
      fetchWheel({ ...wheel, file: "b.whl", sha256, size: 1e15 }, folder, work),
      /Cannot write b\.whl: 1020 TB more are needed, and the disk of ".*" has [\d.]+ \wB left.*FACES_CACHE/,
    );
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("satisfies() orders releases by their numbers", () => {
  const of = (version: string, conditions: string) =>
    satisfies(version.split(".").map(Number), conditions);
  assert.ok(of("12.9.3.13", "<13.0,>=12.5.3.2"));
  assert.ok(!of("13.0", "<13.0,>=12.5.3.2"));
  assert.ok(of("2.21.4", "==2.21.*") && !of("2.2.1", "==2.21.*"));
  assert.ok(of("2.21", "==2.21.0") && !of("2.21.1", "==2.21.0"));
  assert.ok(of("1.4.5", "~=1.4.2") && !of("1.5.0", "~=1.4.2") && !of("1.4.1", "~=1.4.2"));
  assert.ok(of("3.0", "!=2.*,>2.9") && of("5", ""));
  assert.throws(() => of("1.0", "=>1"), /Cannot parse the version condition "=>1"/);
});

Deno.test("requirementsOf() reads what a wheel asks for in an extra, in both spellings", () => {
  const metadata = [
    "Metadata-Version: 2.1",
    "Requires-Dist: absl-py>=1.0.0",
    "Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == 'and-cuda'",
    'Requires-Dist: nvidia-nccl-cu12 (<3.0,>=2.25.1) ; extra == "and-cuda"',
    "Requires-Dist: tensorboard~=2.20.0 ; extra == 'other'",
    "",
    "Requires-Dist: not-this-one; extra == 'and-cuda'",
  ].join("\n");
  assert.deepEqual(requirementsOf(metadata, "and-cuda"), [
    { name: "nvidia-cublas-cu12", conditions: "<13.0,>=12.5.3.2" },
    { name: "nvidia-nccl-cu12", conditions: "<3.0,>=2.25.1" },
  ]);
});

Deno.test("findCompiler(), installNode() say what is missing before anything is downloaded", async () => {
  await withEnv({ CXX: "/no/such/compiler" }, async () => {
    await assert.rejects(findCompiler(), /no C\+\+ compiler \(tried \/no\/such\/compiler\)/);
    if (Deno.build.os === "linux") {
      await assert.rejects(installNode("node", "2.21", work), /there is no C\+\+ compiler/);
    }
  });
  if (Deno.build.os === "linux") {
    await assert.rejects(
      installNode("node", "latest", work),
      /Cannot install TensorFlow "latest": expected a version, as in 2\.21/,
    );
  }
});
