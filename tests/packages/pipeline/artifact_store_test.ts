/** Artifacts on disk: there whole or not at all, whoever else is at work. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type CacheKey, fingerprint } from "../../../packages/pipeline/fingerprint.ts";
import { digestFolder } from "../../../packages/pipeline/digest.ts";
import type { StageOutcome } from "../../../packages/pipeline/stage_record.ts";
import { openAttempt } from "../../../packages/pipeline/cache/attempt.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { OUTCOME } from "../../outcome.ts";
import { Project } from "./toy/project.ts";
import { stageList } from "./toy/stages.ts";

const stage = stageList.find(({ name }) => name === "count")!;
const never = new AbortController().signal;
const dependencies = (to: number): CacheKey => ({
  use: "count",
  params: { to },
  inputs: {},
  modules: {},
  packages: {},
  external: {},
});
const outcome: StageOutcome = { id: "count", ...OUTCOME };

async function open() {
  const project = await Project.make();
  const store = new ArtifactStore(project.path("artifacts"));
  const attempt = (to = 1, waiting = () => {}, signal = never) =>
    openAttempt(store, stage, dependencies(to), waiting, signal);
  /** Makes a result whose file has a text. */
  const make = async (text: string, to = 1) => {
    await using made = await attempt(to);
    await Deno.writeTextFile(join(made.outputs.numbers!, "numbers.txt"), text);
    return await made.commit(outcome);
  };
  const find = (to = 1) => store.find("count", fingerprint(dependencies(to)));
  const place = store.pathOf("count", fingerprint(dependencies(1)));
  const dispose = () => project[Symbol.asyncDispose]();
  return { project, store, attempt, make, find, place, [Symbol.asyncDispose]: dispose };
}

Deno.test("an attempt becomes a result when it is committed, and leaves nothing else", async () => {
  await using toy = await open();
  const { project, store, make, find, attempt } = toy;
  const record = await make("1");
  assert.deepEqual((await find()).record, record);
  assert.equal(record.outputs.numbers!.files["numbers.txt"]!.size, 1);
  const { path, kind, stage } = store.artifact(record, "numbers", "mine");
  assert.deepEqual([kind, stage, await Deno.readTextFile(join(path, "numbers.txt"))], [
    ...["numbers", "mine", "1"],
  ]);
  const all = await project.files();
  assert.deepEqual(all.map((name) => name.split("/").at(-1)), ["numbers.txt", "record.json"]);

  await (await attempt(2))[Symbol.asyncDispose]();
  assert.deepEqual((await find(2)).record, undefined);
  assert.deepEqual(await project.files(), all);
});

Deno.test("a stage's folder on another disk is refused before it runs", async () => {
  await using toy = await open();
  const { attempt, make, place } = toy, { stat } = Deno, folder = dirname(place);
  await make("1");
  // No disk that every machine has may be written to.
  Deno.stat = async (path) => ({ ...await stat(path), dev: path === folder ? 1 : 2 });
  try {
    await assert.rejects(attempt(), /artifacts\/count is on another disk than .*--set artifacts=/);
  } finally {
    Deno.stat = stat;
  }
  await (await attempt())[Symbol.asyncDispose]();
  // A parallel run makes the folder after it was looked for.
  Deno.stat = (path) => path === folder ? Promise.reject(new Deno.errors.NotFound()) : stat(path);
  await (await attempt().finally(() => Deno.stat = stat))[Symbol.asyncDispose]();
  await Deno.rename(folder, `${folder}.moved`);
  await Deno.symlink(`${folder}.unmounted`, folder);
  await assert.rejects(attempt(), /artifacts\/count is a link to nothing\. .*--set artifacts=/);
});

Deno.test("an attempt that is not committed leaves its scratch and nothing else", async () => {
  await using toy = await open();
  const { project, store, attempt } = toy;
  {
    await using first = await attempt();
    assert.equal(first.resumed, false);
    await Deno.writeTextFile(join(first.scratch, "half"), "of it");
    await Deno.writeTextFile(join(first.outputs.numbers!, "numbers.txt"), "half of it");
  }
  const left = await project.files();
  assert.deepEqual(left.map((name) => name.split("/").slice(2).join("/")).filter(Boolean), [
    "scratch/half",
  ]);
  assert.equal(await store.attempt("count", fingerprint(dependencies(1))), "interrupted");
  assert.equal(await store.attempt("count", fingerprint(dependencies(2))), undefined);
  await using second = await attempt();
  assert.equal(second.resumed, true);
  assert.equal(await Deno.readTextFile(join(second.scratch, "half")), "of it");
  assert.deepEqual(await Array.fromAsync(Deno.readDir(second.outputs.numbers!)), []);
});

Deno.test("find() notices what is missing or cut short", async () => {
  await using toy = await open();
  const { make, find, place } = toy;
  await make("12345");
  const file = join(place, "numbers", "numbers.txt");
  await Deno.writeTextFile(file, "123");
  assert.deepEqual(await find(), { damage: "numbers/numbers.txt has another size" });
  await Deno.remove(file);
  assert.deepEqual(await find(), { damage: "numbers/numbers.txt is missing" });
  const damages = {
    "": "cannot be read",
    "{": "cannot be read",
    "null": "cannot be read",
    "{}": "lacks what it should hold (version)",
    '{"version":2}': "is of a newer version (2)",
  };
  for (const [text, damage] of Object.entries(damages)) {
    await Deno.writeTextFile(join(place, "record.json"), text);
    assert.deepEqual(await find(), { damage: `record.json ${damage}` });
  }
  await make("12345");
  assert.ok((await find()).record);
});

Deno.test("commit() replaces a result that came out differently", async () => {
  await using toy = await open();
  const { project, make, find, place } = toy;
  const first = await make("1");
  // What a kill in the middle of an earlier replacement leaves.
  const old = project.path("artifacts/.work", `count-${first.fingerprint.slice(0, 16)}.old`);
  await Deno.mkdir(join(old, "numbers"), { recursive: true });
  const second = await make("2");
  assert.notEqual(second.outputs.numbers!.digest, first.outputs.numbers!.digest);
  assert.deepEqual((await find()).record, second);
  assert.equal(await Deno.readTextFile(join(place, "numbers", "numbers.txt")), "2");
  assert.deepEqual(await Array.fromAsync(Deno.readDir(project.path("artifacts/.work"))), []);
});

Deno.test("commit() leaves a result alone that came out the same: someone may be reading it", async () => {
  await using toy = await open();
  const { make, find, place } = toy;
  await make("1");
  const { ino } = await Deno.stat(join(place, "numbers", "numbers.txt"));
  const again = await make("1");
  assert.equal((await Deno.stat(join(place, "numbers", "numbers.txt"))).ino, ino);
  assert.deepEqual((await find()).record, again);
});

Deno.test("attempt() waits while another makes the same, until it is told to stop", async () => {
  await using toy = await open();
  const { attempt, make, find } = toy;
  const order: string[] = [];
  const first = await attempt();
  const second = attempt(1, () => order.push("waits")).then(async (mine) => {
    order.push("goes on");
    await mine[Symbol.asyncDispose]();
  });
  const interrupt = new AbortController();
  const third = assert.rejects(attempt(1, () => {}, interrupt.signal), /stop/);
  await make("other", 2); // another result needs not wait
  interrupt.abort(new Error("stop"));
  await third;
  order.push("lets go");
  await first.commit(outcome);
  await first[Symbol.asyncDispose]();
  await second;
  assert.deepEqual(order, ["waits", "lets go", "goes on"]);
  assert.ok((await find()).record);
});

Deno.test("many who make the same one after the other never meet", async () => {
  await using toy = await open();
  const { attempt, project } = toy;
  let inside = 0;
  let made = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    await using mine = await attempt();
    assert.equal(++inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
    if (made++ % 2 === 0) await mine.commit(outcome);
  }));
  assert.equal(made, 8);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(project.path("artifacts/.work"))), []);
});

Deno.test("what killed runs left is swept up, but what can be gone on from", async () => {
  await using toy = await open();
  const { project, store, attempt } = toy;
  const half = { "scratch/half": "", "result/numbers/numbers.txt": "" };
  for (const [name, files] of Object.entries({ dead: {}, resumable: half, busy: half })) {
    await project.write({ [`artifacts/.work/${name}.lock`]: "" });
    await Deno.mkdir(project.path("artifacts/.work", name), { recursive: true });
    for (const file of Object.keys(files)) {
      await project.write({ [`artifacts/.work/${name}/${file}`]: "" });
    }
  }
  await project.write({ "artifacts/.work/dead.old/numbers/numbers.txt": "" });
  using busy = await Deno.open(project.path("artifacts/.work/busy.lock"), { write: true });
  await busy.lock(true);
  await store.cleanUp();
  assert.deepEqual(await project.files("artifacts/.work"), [
    ...["busy.lock", "busy/result/numbers/numbers.txt", "busy/scratch/half"],
    ...["resumable.lock", "resumable/scratch/half"],
  ]);
  assert.equal(await store.attempt("count", "none"), undefined);
  await (await attempt(2))[Symbol.asyncDispose]();
});

Deno.test("a run that begins holds no attempt of which nothing is to be removed", async () => {
  await using toy = await open();
  const { project, store, attempt } = toy;
  {
    await using stopped = await attempt(); // as by Ctrl-C
    await Deno.writeTextFile(join(stopped.scratch, "half"), "");
  }
  const { prototype } = Deno.FsFile, { tryLock } = prototype;
  const held: boolean[] = [];
  prototype.tryLock = async function (exclusive) {
    held.push(exclusive ?? false);
    return await tryLock.call(this, exclusive);
  };
  try {
    await store.cleanUp();
  } finally {
    prototype.tryLock = tryLock;
  }
  assert.deepEqual(held, []);
  assert.equal((await project.files("artifacts/.work")).length, 2);
});

Deno.test("latest() remembers by pipeline, and what is gone", async () => {
  await using toy = await open();
  const { project, store, make, place } = toy;
  const record = await make("1");
  await store.setCurrent("p", new Map([["few", record]]));
  assert.deepEqual(await store.latest("p", "few"), { record });
  assert.equal(await store.latest("p", "many"), undefined);
  assert.equal(await store.latest("q", "few"), undefined);
  await Deno.remove(place, { recursive: true });
  assert.deepEqual(await store.latest("p", "few"), { record: undefined });
  await project.write({ "artifacts/.latest/p.json": '{"few":' });
  assert.equal(await store.latest("p", "few"), undefined);
  await store.setCurrent("p", new Map([["few", record]]));
  assert.deepEqual(await store.latest("p", "few"), { record: undefined });
});

Deno.test("digestFolder() depends on names and contents alone", async () => {
  await using project = await Project.make({
    "a/x": "1",
    "a/in/y": "2",
    "b/in/y": "2",
    "b/x": "1",
    "c/x": "1",
    "c/in/z": "2",
    "d/x": "2",
    "d/in/y": "1",
    "e/in/y": "2",
    "e/x": "10",
  });
  const digests = await Promise.all(
    ["a", "b", "c", "d", "e"].map(async (name) => (await digestFolder(project.path(name))).digest),
  );
  assert.equal(digests[0], digests[1]);
  assert.equal(new Set(digests).size, 4);
});

Deno.test("digestFolder() lists volatile files, by a pattern too, and does not count them", async () => {
  await using project = await Project.make({
    "a/x": "1",
    "b/x": "1",
    "b/log.1": "2",
    "b/log/1": "3",
  });
  const [one, other] = await Promise.all(
    ["a", "b"].map((name) => digestFolder(project.path(name), ["log.*", "*/*"])),
  );
  assert.equal(one!.digest, other!.digest);
  assert.deepEqual(Object.keys(other!.files), ["log.1", "log/1", "x"]);
});

Deno.test("a stage called like a member of every object has used no result yet", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const store = new ArtifactStore(folder);
    for (const id of ["constructor", "toString", "count"]) {
      assert.equal(await store.latest("pipeline", id), undefined, id);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
