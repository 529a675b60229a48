/** The program's own state on disk: whatever damages it costs its stage, and nothing else. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import compare from "../../../faces/commands/compare.ts";
import { findModels } from "../../../faces/commands/predict/find_models.ts";
import { main } from "../../../packages/pipeline/cli.ts";
import { UsageError } from "../../../packages/pipeline/errors.ts";
import { History } from "../../../packages/pipeline/history.ts";
import { readRecord } from "../../../packages/pipeline/stage_record.ts";
import { readState, writeState } from "../../../packages/pipeline/state.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { verifyResult } from "../../../packages/pipeline/verify_results.ts";
import { Project } from "./toy/project.ts";
import { stages } from "./toy/stages.ts";
import { LONG } from "../../rounds.ts";

const CHAIN = "stages: { count: { to: 2 }, sum: , compare: }\n";

/** The files of state that a run leaves, by what they are. */
async function statesOf(project: Project) {
  const named = await project.files();
  const find = (pattern: RegExp) => project.path("artifacts", named.find((n) => pattern.test(n))!);
  const store = new ArtifactStore(project.path("artifacts"));
  const [name] = await store.pipelines();
  const { use, fingerprint } = (await store.currentOf(name!)).sum!;
  // The first and the last run use the same results, so that gc keeps them without one of the two.
  const [{ id }] = await new History(project.path("artifacts")).list();
  return {
    record: join(store.pathOf(use, fingerprint), "record.json"),
    latest: find(/^\.latest\//),
    run: find(new RegExp(`^runs/.*${id}`)),
    modules: find(/^\.cache\/modules/),
  };
}

/** All files that differ from one in a single bit; or one such for each byte. */
function* flipsOf(bytes: Uint8Array, all: boolean): Generator<[Uint8Array, string]> {
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of all ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << bit;
      yield [flipped, `byte ${at}, bit ${bit}`];
    }
  }
}

Deno.test("readState() notices every flipped bit of every state", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  for (const [name, path] of Object.entries(await statesOf(project))) {
    const whole = await Deno.readFile(path);
    const form = { shape: z.looseObject({}) };
    assert.ok((await readState(path, form)).value, name);
    for (
      const [flipped, where] of flipsOf(whole, LONG && (name === "record" || name === "latest"))
    ) {
      await Deno.writeFile(path, flipped);
      assert.ok((await readState(path, form)).problem, `${name}, ${where}`);
    }
    await Deno.writeFile(path, whole);
  }
});

Deno.test("readRecord() takes a record of before, and no flipped bit of one ends in an error", async () => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  await project.run();
  const store = new ArtifactStore(project.path("artifacts"));
  const place = (await store.storedResults()).find(({ use }) => use === "sum")!;
  const path = join(place.path, "record.json");
  const { checksum: _, ...record } = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify(record, null, 2) + "\n");
  assert.deepEqual((await readRecord(place.path)).value, record);
  assert.deepEqual((await verifyResult(place)).problems, []);
  assert.equal((await project.run()).statuses.sum, "cached");
  for (const [flipped] of flipsOf(await Deno.readFile(path), LONG)) {
    await Deno.writeFile(path, flipped);
    await store.find("sum", record.fingerprint);
  }
});

/** Calls a command in this process. */
async function call(project: Project, ...args: string[]): Promise<{ code: number; out: string }> {
  const [{ stdout, stderr }, log] = [Deno, console.log];
  const written = [stdout.writeSync, stderr.writeSync];
  let out = "";
  stdout.writeSync = stderr.writeSync = (bytes: Uint8Array) => {
    out += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  console.log = (text: string) => void (out += `${text}\n`);
  try {
    const code = await main(
      [...args, "--artifacts", project.path("artifacts")].filter((_, i, all) =>
        args[0] !== "run" || i < all.length - 2
      ),
      {
        name: "toy",
        project: project.folder,
        stages,
        denoArgs: () => Promise.resolve([]),
        resolveCompute: () => Promise.resolve({ backend: "wasm", why: "" }),
        commands: { compare: () => Promise.resolve({ default: compare }) },
      },
    );
    return { code, out };
  } finally {
    [stdout.writeSync, stderr.writeSync] = written as [typeof stdout.writeSync, never];
    console.log = log;
  }
}

const damages: Record<string, (text: string) => string | Promise<string>> = {
  empty: () => "",
  cut: (text) => text.slice(0, text.length / 2),
  "one byte short": (text) => text.slice(0, -1),
  zeros: (text) => "\0".repeat(text.length),
  null: () => "null",
  list: () => "[]",
  number: () => "7",
  "no fields": () => "{}",
  "the checksum's name": (text) => text.replace('"checksum"', '"checkSum"'),
  "the outputs' name": (text) => text.replace('"outputs"', '"outputS"'),
  "another text": (text) => `${text} `,
};
/** Each field of the first level, replaced by values of other types, with a right checksum. */
const OTHERS = [null, 7, "x", [], {}, [null], { x: null }];

Deno.test("damaged state costs its stage and nothing else, in every command", async (t) => {
  await using project = await Project.make({ "pipeline.yaml": CHAIN });
  const pipeline = project.path("pipeline.yaml");
  await project.run();
  await project.run({ set: ["count.to=3"] });
  await project.run();
  const id = (await new History(project.path("artifacts")).list())[1]!.id;
  const states = await statesOf(project);
  const files = await project.files();

  /** What every command does with a state as it is now. */
  async function tryAll(name: keyof typeof states, how: string, damaged = true): Promise<void> {
    const about = `${name}, ${how}`;
    const dry = await call(project, "run", pipeline, "--dry-run");
    assert.equal(dry.code, 0, `${about}: ${dry.out}`);
    for (const args of [["runs"], ["runs", id], ["gc", "--yes", "--keep", "9"], ["compare", id]]) {
      const { code, out } = await call(project, ...args);
      assert.ok(code === 0 || code === 2, `${about}: ${args} ended with ${code}: ${out}`);
      assert.doesNotMatch(out, /TypeError|\n +at /, `${about}: ${args}`);
    }
    assert.deepEqual(await project.files(), files, `${about}: gc has removed something`);
    const tools = { project: project.folder, user: project.folder, openPlan: () => project.plan() };
    await findModels(pipeline, project.path("artifacts"), tools as never).catch((error) => {
      assert.ok(error instanceof UsageError, `${about}: ${error}`);
    });
    const verified = await call(project, "verify");
    const bad = name === "record" && damaged;
    assert.equal(verified.code, bad ? 1 : 0, `${about}: ${verified.out}`);
    const { statuses } = await project.run();
    const expected = { count: "cached", sum: name === "record" ? "ran" : "cached" };
    assert.deepEqual(statuses, { ...expected, compare: "cached" }, about);
    if (name !== "run") {
      const form = { shape: z.looseObject({}) };
      assert.ok((await readState(states[name], form)).value, `${about} is not made again`);
    }
  }

  for (const name of Object.keys(states) as (keyof typeof states)[]) {
    const path = states[name];
    const whole = await Deno.readTextFile(path);
    const put = () => Deno.writeTextFile(path, whole);
    /** A run that was recorded because of the damage would change what is there. */
    const clean = async () => {
      for (const file of await project.files()) {
        if (!files.includes(file)) await Deno.remove(project.path("artifacts", file));
      }
    };
    await t.step(name, async () => {
      for (const [how, damage] of Object.entries(damages)) {
        const text = await damage(whole);
        if (text === whole) continue;
        await Deno.writeTextFile(path, text);
        await tryAll(name, how);
        await put();
        await clean();
      }
      await writeState(path, { ...JSON.parse(whole), version: 2 });
      await tryAll(name, "a newer version", false);
      await put();
      await clean();
    });
    await t.step(`${name}: values of other types`, async () => {
      for (const key of Object.keys(JSON.parse(whole))) {
        for (const value of OTHERS) {
          await writeState(path, { ...JSON.parse(whole), [key]: value });
          await project.run();
          await new History(project.path("artifacts")).list();
          for (const place of await new ArtifactStore(project.path("artifacts")).storedResults()) {
            await verifyResult(place);
          }
          await put();
          await clean();
        }
      }
    });
  }
});
