/** A pipeline is its file: whatever others are called, it has its own results, runs and names. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { History } from "../../../packages/pipeline/history.ts";
import {
  argument,
  commandOf,
  fileNameOf,
  identityOf,
} from "../../../packages/pipeline/pipeline_identity.ts";
import { parse } from "yaml";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { formatTable } from "../../../packages/pipeline/format.ts";
import { ended, Project } from "./toy/project.ts";

const sum = (to: number, name = "") =>
  `${name && `name: ${name}\n`}stages: { count: { to: ${to} }, sum: }`;

Deno.test("identityOf() is the path from the project, or an absolute one, through links too", async () => {
  await using project = await Project.make({ "a/b.yaml": "", "other/c.yaml": "" });
  const inside = project.path("a");
  assert.equal(await identityOf(project.path("a/b.yaml"), project.folder), "a/b.yaml");
  assert.equal(
    await identityOf(project.path("other/c.yaml"), inside),
    project.path("other/c.yaml"),
  );
  await Deno.symlink(project.folder, project.path("link"));
  assert.equal(await identityOf(project.path("link/a/b.yaml"), project.folder), "a/b.yaml");
  const names = [
    "甲.yaml",
    "乙.yaml",
    "exp 1.yaml",
    "exp+1.yaml",
    "a/b.yaml",
    "a-b.yaml",
    "a-b.yml",
  ];
  assert.equal(new Set(names.map(fileNameOf)).size, names.length);
  for (const name of names) assert.match(fileNameOf(name), /^[\w.-]+$/);
});

Deno.test("commandOf() is read by a shell as it was meant", async () => {
  const overrides = { "a.b": "it's $HOME `x`", "c.d": [1, "two 2"], "e.f": "1", seed: 3 };
  const command = commandOf("exp 1.yaml", overrides).replace("deno task run", "printf '%s\\n'");
  const { stdout } = await new Deno.Command("sh", { args: ["-c", command] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trimEnd().split("\n"), [
    ...["exp 1", "--set", "a.b=it's $HOME `x`", "--set", 'c.d=[1,"two 2"]'],
    ...["--set", 'e.f="1"', "--seed", "3"],
  ]);
});

Deno.test("argument() is read as the same value, without quotes where that is plain", () => {
  const plain = [
    "deep",
    "./a b.csv",
    "/x/y",
    "it's",
    "顔/1",
    "https://a.org/x?y=1#z",
    "a, b",
    "nullx",
  ];
  const quoted = [
    "",
    " a",
    "a ",
    "1",
    "1e3",
    ".5",
    ".inf",
    "true",
    "No: 1",
    "a #b",
    "a:",
    "-a",
    "*a",
  ];
  const more = [
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "{a",
    "[a",
    "? a",
    "'a",
    '"a',
    "a\nb",
    "~",
    "NULL",
    "\t",
  ];
  for (const text of [...plain, ...quoted, ...more]) {
    assert.equal(parse(argument(text)), text, text);
  }
  assert.deepEqual(plain.map(argument), plain);
});

Deno.test("pipelines of one name keep apart", async (t) => {
  for (
    const [a, b, name] of [
      ...[["甲", "乙"], ["exp 1", "exp+1"], ["a/b", "a-b"]],
      ["one", "two", "same"],
    ]
  ) {
    await t.step(`${a} and ${b}`, async () => {
      await using project = await Project.make({
        [`${a}.yaml`]: sum(3, name),
        [`${b}.yaml`]: sum(5, name),
      });
      for (const one of [a!, b!]) assert.equal((await project.here("run", one)).code, 0);
      const { out } = await project.here("runs", a!, "--json");
      const { runs } = JSON.parse(out);
      assert.deepEqual(runs.map(({ file }: { file: string }) => file), [`${a}.yaml`]);
      // Each is up to date, and gc takes nothing from either.
      assert.match(
        (await project.here("gc", "--keep", "1", "--yes")).out,
        /nothing to remove: 2 runs/,
      );
      for (const one of [a!, b!]) {
        assert.match((await project.here("run", one)).out, /· sum +cached\n/);
        assert.match((await project.here("verify", one)).out, /✓ 2 results/);
      }
      if (name) {
        for (const args of [["runs", name], ["run", name]]) {
          const { code, err } = await project.here(...args);
          assert.equal(code, 2);
          assert.match(err, /"one" and "two" are (both|all) called/);
        }
      }
    });
  }
});

Deno.test("what earlier versions noted by name is found, and counts as the pipeline's own", async () => {
  await using project = await Project.make({ "experiments/a b.yaml": sum(3) });
  await project.here("run", "experiments/a b");
  const [file] = await Array.fromAsync(Deno.readDir(project.path("artifacts/runs")));
  const path = project.path("artifacts/runs", file!.name);
  const { file: _file, overrides: _, startedAt: __, checksum: ___, version: ____, ...run } = JSON
    .parse(
      await Deno.readTextFile(path),
    );
  await Deno.writeTextFile(path, JSON.stringify({ ...run, pipeline: "experiments-a-b" }));
  const store = new ArtifactStore(project.path("artifacts"));
  const used = await store.currentOf(fileNameOf("experiments/a b.yaml"));
  assert.equal(Object.keys(used).length, 2);
  await Deno.remove(join(store.folder, ".latest"), { recursive: true });
  await project.write({ "artifacts/.latest/experiments-a-b.json": JSON.stringify(used) });
  const again = await project.here("run", "experiments/a b", "--set", "count.to=4");
  assert.match(again.out, /> count +runs: count\.to changed from 3 to 4\n/);
  // Both runs are of one pipeline, by whichever name.
  const { runs } = JSON.parse((await project.here("runs", "experiments/a b", "--json")).out);
  assert.equal(runs.length, 2);
  const gc = await project.here("gc", "--keep", "1", "--yes", "--json");
  assert.equal(JSON.parse(gc.out).forgotten.length, 1);
  assert.deepEqual(Object.keys(await store.currentOf("experiments-a-b")), []);
});

Deno.test("a run is listed from its start, and as interrupted when its process is gone", async () => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages:\n  count: { to: 30 }\n  slow: { inputs: { numbers: count }, ms: 0, gate: gate }\n",
    gate: "",
  });
  const child = project.spawn(["run", "pipeline", "--set", "count.to=29"]);
  await project.atTheGate();
  const [running] = await new History(project.path("artifacts")).list();
  assert.equal(running!.state, "running");
  assert.match((await project.here("runs")).out, /\n[0-9a-f]{8} .* count\.to=29 +running\n$/);
  // It is nobody's newest run.
  assert.match((await project.here("gc", "--keep", "1", "--dry-run")).out, /nothing to remove/);
  child.kill("SIGKILL");
  await ended(child);
  assert.match((await project.here("runs")).out, / – +count\.to=29 +interrupted\n$/);
  await Deno.remove(project.path("gate"));
  const { out } = await project.here("run", running!.id, "--set", "slow.ms=1");
  assert.match(out, /of 29 were done\n/);
  const [, run] = await new History(project.path("artifacts")).list();
  assert.deepEqual([run!.state, run!.ok, run!.overrides], [undefined, true, {
    "count.to": 29,
    "slow.ms": 1,
  }]);
  assert.ok(out.includes(`run ${run!.id}`));
  // One that makes nothing new leaves no entry.
  await project.here("run", run!.id);
  assert.equal((await new History(project.path("artifacts")).list()).length, 2);
});

Deno.test("every command takes what runs prints", async (t) => {
  await using project = await Project.make({
    "experiments/good.yaml": sum(3, "labelled").replace("sum:", "sum: , compare:"),
    "bad.yaml": "stages: { count: , broken: }",
  });
  await project.here("run", "experiments/good");
  await project.here("run", "experiments/good", "--set", "count.to=4");
  await project.here("run", "bad");
  const { out } = await project.here("runs");
  assert.match(out, /experiments\/good .* count\.to=4 +test: sum loss\n.* 10\.0\n/);
  const [first, second, failed] = out.match(/^[0-9a-f]{8}/gm)!;
  await t.step("ids and names", async () => {
    for (const command of ["run", "graph", "verify", "runs"]) {
      for (const name of ["experiments/good", "experiments/good.yaml", second!]) {
        const { code, err } = await project.here(command, name);
        assert.equal(code, 0, `${command} ${name}: ${err}`);
      }
    }
    assert.equal((await project.here("graph", "labelled")).code, 0);
    assert.match((await project.here("run", second!, "--dry-run")).out, /· sum +cached/);
    assert.match((await project.here("verify", first!)).out, /✓ 3 results/);
    assert.match((await project.here("serve", second!)).err, /the pipeline has no service/);
    assert.equal((await project.here("verify", failed!)).code, 0);
  });
  await t.step("a mistyped name is not an id", async () => {
    assert.match((await project.here("run", second!.slice(0, 3))).err, /there is no such pipeline/);
  });
});

Deno.test("table() breaks between words, and stacks what is too wide even so", () => {
  const rows = [
    ["run", "ended", "result"],
    ["0a1b2c3d", "2026-11-28 01:53", "trainGender accuracy 0.912, trainAge mae 7.42"],
  ];
  const words = rows.flat().flatMap((cell) => cell.split(" "));
  for (const room of [80, 60, 44, 30, 20]) {
    const lines = formatTable(rows, [], room);
    for (const line of lines) assert.ok(line.length <= Math.max(room, 15), `${room}: ${line}`);
    const seen = lines.flatMap((line) => line.trim().split(/ +/));
    for (const word of words.slice(1)) assert.ok(seen.includes(word), `${room}: ${word}`);
  }
  assert.deepEqual(formatTable(rows, [], 20), [
    "run 0a1b2c3d",
    "  ended 2026-11-28",
    "    01:53",
    "  result",
    "    trainGender",
    "    accuracy 0.912,",
    "    trainAge mae",
    "    7.42",
  ]);
});

Deno.test("table() aligns letters of two columns, and marks of none", () => {
  assert.deepEqual(formatTable([["name", "n"], ["人脸", "1"], ["e\u0301e", "2"], ["وجه", "3"]]), [
    "name  n",
    "人脸  1",
    "e\u0301e    2",
    "وجه   3",
  ]);
});
