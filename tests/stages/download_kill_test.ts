/** The eleven archives of imdb, fetched by a process that is killed amid several of them. */
import { deepStrictEqual, fail, match, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "../../packages/random/random.ts";
import { writeMat } from "../../packages/formats/mat_write.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { broken, file, serve } from "../packages/download/server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Archives of some 300 kB each, as they lie on the authors' server. */
async function archives(folder: string): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const rng = random(7, "archives");
  const made: Record<string, Uint8Array<ArrayBuffer>> = {};
  const contents: Record<string, Record<string, Uint8Array>> = {
    "imdb_meta.tar": { "imdb/imdb.mat": writeMat("imdb", { dob: [1] }) },
  };
  for (let i = 0; i < 10; i++) {
    const photo = Uint8Array.from({ length: 300_000 }, () => rng.int(256));
    contents[`imdb_${i}.tar`] = { [`imdb/${i}0/nm1_rm${i}.jpg`]: photo };
  }
  for (const [name, files] of Object.entries(contents)) {
    const path = join(folder, name);
    {
      using tar = new TarWriter(path);
      for (const [inner, bytes] of Object.entries(files)) tar.add(inner, bytes);
      tar.close();
    }
    made[name] = await Deno.readFile(path);
  }
  return made;
}

function start(folder: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-all",
      "main.ts",
      "run",
      "p",
      "--until",
      "download",
    ],
    cwd: root,
    env: { INIT_CWD: folder },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits until so many bytes of a file have arrived and are noted, as long as the process runs. */
async function arrived(
  artifacts: string,
  name: string,
  bytes: number,
  child: Deno.ChildProcess,
): Promise<void> {
  let over = false;
  child.status.then(() => over = true);
  while (!over) {
    for await (const { name: attempt } of Deno.readDir(join(artifacts, ".work"))) {
      const digests = join(artifacts, ".work", attempt, "scratch", `${name}.part.digests`);
      const text = await Deno.readTextFile(digests).catch(() => undefined);
      // The process notes a size and its MD5 after the bytes.
      if (text !== undefined && Number(/(\d+) \w+\n$/.exec(text)?.[1] ?? 0) >= bytes) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  fail(`${bytes} bytes of ${name} do not arrive`);
}

Deno.test({
  name: "download goes on after kill -9 amid any of its files, and fetches nothing twice",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "kill-download-" });
    const artifacts = join(folder, "results");
    const served = await archives(folder);
    const md5 = createHash("md5").update(served["imdb_meta.tar"]).digest("hex");
    /** The file that comes to a halt, after how many bytes of what is left of it, and of all of it. */
    let halt: { name: string; after: number; whole: number } | undefined;
    await using server = await serve((request) => {
      const name = basename(new URL(request.url).pathname);
      // Of the other ten no MD5 is known, as of the authors'.
      if (name === "MD5SUMS") return new Response(`${md5}  imdb_meta.tar\n`);
      if (!served[name]) return new Response(null, { status: 404 });
      const answer = file(request, served[name]);
      return request.method === "GET" && halt?.name === name
        ? broken(answer, halt.after, true)
        : answer;
    });
    try {
      await Deno.writeTextFile(
        join(folder, "p.yaml"),
        `artifacts: results\nstages:\n  download: { datasets: [imdb], mirror: ${server.url} }\n`,
      );
      await Deno.mkdir(join(artifacts, ".work"), { recursive: true });
      const halts = [
        { name: "imdb_meta.tar", after: 0, whole: 0 },
        { name: "imdb_2.tar", after: 100_000, whole: 100_000 },
        { name: "imdb_2.tar", after: 90_000, whole: 190_000 },
        { name: "imdb_9.tar", after: 300_000, whole: 300_000 },
      ];
      for (halt of halts) {
        const child = start(folder);
        await arrived(artifacts, halt.name, halt.whole, child);
        child.kill("SIGKILL");
        const { code } = await child.output();
        ok(code !== 0);
      }
      halt = undefined;
      const { code, stdout, stderr } = await start(folder).output();
      const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      strictEqual(code, 0, text);
      match(text, /download: resumes an interrupted attempt/);

      const [fingerprint] = Array.from(
        Deno.readDirSync(join(artifacts, "download")),
        ({ name }) => name,
      );
      for (const [name, bytes] of Object.entries(served)) {
        const path = join(artifacts, "download", fingerprint, "archives", name);
        deepStrictEqual(await Deno.readFile(path), bytes, name);
      }
      // Each is asked for once, and for the rest of it after each kill.
      const asked = (name: string) =>
        server.requests.filter((request) => request.startsWith(`/${name}`));
      deepStrictEqual(asked("imdb_5.tar"), ["/imdb_5.tar"]);
      deepStrictEqual(asked("imdb_2.tar"), [
        "/imdb_2.tar",
        "/imdb_2.tar bytes=100000-",
        "/imdb_2.tar bytes=190000-",
      ]);
      deepStrictEqual(asked("imdb_9.tar"), ["/imdb_9.tar", "/imdb_9.tar bytes=300000-"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
