import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { checkFile } from "../../../../packages/formats/check_file.ts";
import { writeNpy } from "../../../../packages/formats/npy.ts";
import { writeParquet } from "../../../../packages/formats/parquet.ts";
import { TarWriter } from "../../../../packages/formats/tar.ts";
import { checkOutputs } from "../../../../packages/pipeline/run/check_outputs.ts";
import { defineKind } from "../../../../packages/pipeline/stage.ts";
import * as kinds from "../../../../stages/kinds.ts";
import { Project } from "../toy/project.ts";

Deno.test("a stage that writes nothing fails, and runs again until it does", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: , broken: { how: nothing } }",
  });
  for (let run = 0; run < 2; run++) {
    const { statuses, text } = await project.run();
    deepStrictEqual(statuses, { count: run === 0 ? "ran" : "cached", broken: "failed" });
    match(
      text,
      /Cannot keep what stage "broken" made: output "numbers": "numbers.txt" is missing \(one a line\)/,
    );
  }
});

const everything = defineKind({
  kind: "everything",
  summary: "A file of each format",
  files: {
    "a.json": "JSON",
    "a.npy": "an array",
    "a.parquet": "a table",
    "a.csv": "rows",
    "model.json": "a model",
    "weights.bin": "its weights",
    "shard-*.tar": "shards",
    "notes/*.txt": "notes",
    "more.json": "more",
  },
  optional: ["more.json"],
});

/** Writes all of it, calls, and gives what is wrong; none: undefined. */
async function problem(spoil: (folder: string) => unknown): Promise<string | undefined> {
  const folder = await Deno.makeTempDir();
  try {
    const write = (name: string, text: string) => Deno.writeTextFileSync(join(folder, name), text);
    write("a.json", "{}");
    writeNpy(join(folder, "a.npy"), new Int32Array(3), [3]);
    await writeParquet(join(folder, "a.parquet"), { x: { type: "int32", values: [1] } });
    write("a.csv", "epoch,loss\n1,2\n");
    const weights = [{ shape: [2, 3], dtype: "float32" }];
    write("model.json", JSON.stringify({ weightsManifest: [{ paths: ["weights.bin"], weights }] }));
    write("weights.bin", "x".repeat(24));
    using tar = new TarWriter(join(folder, "shard-0.tar"));
    tar.add("x", new Uint8Array(3));
    tar.close();
    Deno.mkdirSync(join(folder, "notes"));
    write("notes/a.txt", "x");
    await spoil(folder);
    await checkOutputs("mine", { all: everything }, { all: folder }, checkFile);
  } catch (error) {
    return (error as Error).message;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("checkOutputs() finds what is missing, empty or no file of its format", async () => {
  strictEqual(await problem(() => {}), undefined);
  const files = ["a.json", "a.npy", "a.parquet", "a.csv", "model.json", "shard-0.tar"];
  for (const name of [...files, "weights.bin", "notes/a.txt"]) {
    const escaped = name.replace("shard-0", "shard-.").replace("notes/a", "notes/.");
    match(
      await problem((folder) => Deno.remove(join(folder, name))) ?? "",
      new RegExp(`stage "mine" made: .*output "all": .*"${escaped}|weights.bin`),
      name,
    );
    const emptied = await problem((folder) => Deno.truncate(join(folder, name)));
    match(emptied ?? "", new RegExp(`output "all": .*"${name}" is empty`), name);
  }
  for (const name of files) {
    for (const garbage of [new Uint8Array(600), new Uint8Array(600).fill(0xff)]) {
      const found = await problem((folder) => Deno.writeFile(join(folder, name), garbage));
      match(
        found ?? "",
        new RegExp(`output "all": "${name}": Cannot read ".*${name}"|archive`),
        name,
      );
    }
    if (name === "a.csv") continue; // a CSV ends anywhere
    const cut = await problem((folder) => Deno.truncate(join(folder, name), 15));
    match(cut ?? "", /output "all": ".*": Cannot read /, name);
  }
  // As of a stage that does not await what writes: what it has begun is no reason.
  match(
    await problem((folder) => {
      for (const name of ["a.json", "notes/a.txt"]) Deno.removeSync(join(folder, name));
      Deno.truncateSync(join(folder, "shard-0.tar"), 600);
    }) ?? "",
    /"all": "a\.json" is missing, "notes\/\*\.txt" is missing\. It has .* ends: await each call/,
  );
  match(
    await problem((folder) => Deno.truncate(join(folder, "weights.bin"), 20)) ?? "",
    /"model.json": Cannot use .*: its weights take 24 bytes, weights.bin has 20/,
  );
  match(
    await problem((folder) => Deno.mkdir(join(folder, "more.json"))) ?? "none",
    /^none$/,
  );
  match(
    await problem((folder) => Deno.writeTextFile(join(folder, "more.json"), "{")) ?? "",
    /"more.json": Cannot read ".*more.json": it is not JSON/,
  );
  match(
    await problem((folder) => {
      Deno.removeSync(join(folder, "a.csv"));
      Deno.symlinkSync("/nowhere", join(folder, "a.csv"));
    }) ?? "",
    /output "all": "a.csv": .*ENOENT/,
  );
});

Deno.test("every kind of the project refuses an empty folder, naming its files", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const kind of Object.values(kinds)) {
      await rejects(
        checkOutputs("mine", { out: kind }, { out: folder }, checkFile),
        ({ message }: Error) => {
          const { files, optional = [] } = kind as { files: object; optional?: readonly string[] };
          for (const name of Object.keys(files).filter((name) => !optional.includes(name))) {
            strictEqual(message.includes(`"${name}" is missing`), true, `${kind.kind}: ${name}`);
          }
          return true;
        },
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a third-party stage leaves no link and no file that is not declared", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const text = defineKind({ kind: "text", summary: "Texts", files: { "*.txt": "a text" } });
    const check = (foreign?: boolean) =>
      checkOutputs("writes", { text }, { text: folder }, undefined, foreign);
    await Deno.writeTextFile(join(folder, "a.txt"), "a");
    await check(true);
    await Deno.writeTextFile(join(folder, "a.sh"), "a");
    await check();
    await rejects(
      check(true),
      /output "text": "a\.sh" is not declared\. Declare it in the files of its kind, or/,
    );
    await Deno.remove(join(folder, "a.sh"));
    await Deno.symlink("/etc/hostname", join(folder, "b.txt"));
    await rejects(check(true), /"b\.txt" is a link/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a named pipe or a link to nothing among the outputs is refused by name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const text = defineKind({ kind: "text", summary: "Texts", files: { "*.txt": "a text" } });
    await Deno.writeTextFile(join(folder, "a.txt"), "a");
    await Deno.symlink("/nowhere", join(folder, "b"));
    const check = checkOutputs("writes", { text }, { text: folder });
    await rejects(check, /output "text": "b" is no file/);
    await Deno.remove(join(folder, "b"));
    if (Deno.build.os === "windows") return;
    await new Deno.Command("mkfifo", { args: [join(folder, "c.txt")] }).output();
    await rejects(checkOutputs("writes", { text }, { text: folder }), /"c\.txt" is no file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a stage that returns wrong metrics fails, and the run stays listed", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: , broken: { how: returns } }",
  });
  const { statuses, text } = await project.run();
  deepStrictEqual(statuses, { count: "ran", broken: "failed" });
  match(text, /Cannot keep what stage "broken" returned: metrics\.acc: expected a map/);
});
