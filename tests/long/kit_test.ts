/** The kit on a machine without Deno, packages and network: a network namespace, and a bare environment. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { project } from "../project_run.ts";

async function command(program: string, args: string[], cwd: string, env = Deno.env.toObject()) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env,
    clearEnv: true,
  }).output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  assert.equal(code, 0, text);
  return text;
}

/** Tests have servers of their own; a new namespace has no 127.0.0.1. */
const LOOPBACK = 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up; exec "$0" "$@"';

const isolated = await command("unshare", ["-rn", "true"], project).then(() => true, () => false);
const reason = Deno.build.os !== "linux" ? "Linux only" : "unshare is not allowed";
const name = "a kit runs the pipeline and tests without internet";

Deno.test(isolated ? name : `${name} (ignored: ${reason})`, { ignore: !isolated }, async () => {
  const folder = await Deno.makeTempDir({ prefix: "kit-" });
  try {
    const photos = join(folder, "photos"), home = join(folder, "home");
    for (const path of [photos, home]) await Deno.mkdir(path);
    await Deno.writeTextFile(join(photos, "labels.csv"), "path,age,gender\n");
    const out = join(folder, "kit.tar.gz");
    const kit = ["task", "-q", "kit", "--out", out, "--with", photos];
    const written = await command(Deno.execPath(), kit, project);
    assert.match(written, /photos are in data\/photos there: folder: \.\.\/data\/photos in /);
    await command("tar", ["xf", out], folder);
    const names = (await command("tar", ["tf", out], folder)).trim().split("\n");
    assert.deepEqual(names.slice(1), names.slice(1).sort());
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes("kit/data/photos/labels.csv"));
    assert.ok(!names.some((name) => /^kit\/(\.git|artifacts)\//.test(name)));
    assert.match(
      await command("tar", ["tvf", out], folder),
      /^-rwxr-xr-x .* 1970-01-01 .*kit\/deno\n/,
    );

    const env = { PATH: "/usr/bin:/bin", HOME: home, NO_COLOR: "1" };
    const offline = (...args: string[]) =>
      command(
        "unshare",
        ["-rn", "sh", "-c", LOOPBACK, "./deno", ...args],
        join(folder, "kit"),
        env,
      );
    const tiny = ["download.sampleFaces=60", "trainGender.epochs=1", "trainAge.epochs=1"];
    const ran = await offline("task", "run", "pipeline", ...tiny.map((set) => `--set=${set}`));
    assert.match(ran, /\ndone in .*: 9 ran {2}run [0-9a-f]{8}\n/);
    const files = ["packages/pipeline/cli_test.ts", "startup_test.ts"].map((name) =>
      `tests/${name}`
    );
    assert.match(await offline("test", "-q", "--no-check", "-A", ...files), /\| 0 failed/);
    await assert.rejects(offline("eval", "await fetch('https://example.org')"), /error sending/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
