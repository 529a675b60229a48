/** Power cuts: a disk that loses what was not flushed, and keeps changes of names in any order. */
import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { random, type Rng } from "../../../packages/random/random.ts";
import { disk } from "../../../packages/pipeline/durable.ts";
import { fingerprint } from "../../../packages/pipeline/fingerprint.ts";
import type { StageRecord } from "../../../packages/pipeline/stage_record.ts";
import { openAttempt } from "../../../packages/pipeline/cache/attempt.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { verifyResult } from "../../../packages/pipeline/verify_results.ts";
import { readCheckpoint, writeCheckpoint } from "../../../faces/training/checkpoint.ts";
import { OUTCOME } from "../../outcome.ts";
import { Project } from "./toy/project.ts";
import { stageList } from "./toy/stages.ts";

type Change =
  | { readonly kind: "write"; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: "mkdir" | "flush"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly from: string };

/** Records every change of the disk below a folder, and carries it out. */
class Recorder implements Disposable {
  readonly changes: Change[] = [];
  readonly #real = { ...disk };
  readonly #known = new Set<string>();

  constructor(readonly folder: string) {
    const name = (path: string) => relative(folder, path) || ".";
    disk.write = async (path, bytes) => {
      await this.#real.write(path, bytes);
      this.#write(path, bytes.slice());
    };
    disk.flush = async (path) => {
      await this.#look(path);
      this.changes.push({ kind: "flush", path: name(path) });
      await this.#real.flush(path);
    };
    disk.mkdir = async (path) => {
      await this.#real.mkdir(path);
      this.changes.push({ kind: "mkdir", path: name(path) });
    };
    disk.rename = async (from, path) => {
      await this.#look(from);
      await this.#real.rename(from, path);
      // The same names are other files from now on.
      for (const known of [...this.#known].filter((name) => name.startsWith(from))) {
        this.#known.delete(known);
        this.#known.add(path + known.slice(from.length));
      }
      this.changes.push({ kind: "rename", path: name(path), from: name(from) });
    };
  }

  #write(path: string, bytes: Uint8Array): void {
    this.#known.add(path);
    this.changes.push({ kind: "write", path: relative(this.folder, path), bytes });
  }

  /** Notes, as not flushed yet, what a stage wrote by itself. */
  async #look(path: string): Promise<void> {
    const { isDirectory } = await Deno.lstat(path);
    if (isDirectory) {
      for await (const { name } of Deno.readDir(path)) await this.#look(join(path, name));
    } else if (!this.#known.has(path)) this.#write(path, await Deno.readFile(path));
  }

  /** Makes a folder of what is left if the power fails after some changes. */
  async crash(after: number, to: string, rng: Rng): Promise<void> {
    const done = this.changes.slice(0, after);
    const flushed = (from: number, path: string) =>
      done.slice(from + 1).some((change) => change.kind === "flush" && change.path === path);
    /** Path → bytes. A change of names that is not flushed may be lost, whatever comes after it. */
    let files = new Map<string, Uint8Array>();
    for (const [i, change] of done.entries()) {
      const { kind, path } = change;
      if (kind === "write") {
        const { bytes } = change;
        const lost = [
          bytes,
          new Uint8Array(),
          bytes.slice(0, rng.int(bytes.length + 1)),
          bytes.map(() => 0),
        ];
        files.set(path, flushed(i, path) ? bytes : lost[rng.int(lost.length)]!);
      } else if (kind === "rename") {
        const { from } = change;
        const kept = flushed(i, dirname(path)) || rng.next() < 0.5;
        if (!kept) continue;
        files = new Map(
          [...files].filter(([name]) => name !== path).map(([name, bytes]) => [
            name === from || name.startsWith(`${from}/`) ? path + name.slice(from.length) : name,
            bytes,
          ]),
        );
      }
    }
    for (const [path, bytes] of files) {
      if (path.startsWith("..")) continue; // beside the folder
      await Deno.mkdir(join(to, dirname(path)), { recursive: true });
      await Deno.writeFile(join(to, path), bytes);
    }
  }

  [Symbol.dispose](): void {
    Object.assign(disk, this.#real);
  }
}

/** Tries a power cut after each change, some times each. */
async function powerCuts(
  recorder: Recorder,
  look: (folder: string, over: boolean, where: string) => Promise<void>,
): Promise<void> {
  const rng = random(1, "power cuts");
  const { changes } = recorder;
  for (let after = 0; after <= changes.length; after++) {
    for (let round = 0; round < 8; round++) {
      const folder = await Deno.makeTempDir();
      await recorder.crash(after, folder, rng);
      await look(folder, after === changes.length, `after ${after} of ${changes.length}`);
      await Deno.remove(folder, { recursive: true });
    }
  }
}

Deno.test("a power cut leaves a whole result or none, and one that was committed stays", async () => {
  await using project = await Project.make();
  const stage = stageList.find(({ name }) => name === "count")!;
  const dependencies = {
    use: "count",
    params: {},
    inputs: {},
    modules: {},
    packages: {},
    external: {},
  };
  const artifacts = project.path("artifacts");
  using recorder = new Recorder(artifacts);
  const store = new ArtifactStore(artifacts);
  const { signal } = new AbortController();
  let record: StageRecord | undefined;
  for (const text of ["1 2 3", "4 5 6"]) { // the second makes the first give way
    await using attempt = await openAttempt(store, stage, dependencies, () => {}, signal);
    await Deno.writeTextFile(join(attempt.outputs.numbers!, "numbers.txt"), text);
    record = await attempt.commit({ id: "count", ...OUTCOME });
    await store.setCurrent("p", new Map([["few", record]]));
  }
  let found = 0;
  await powerCuts(recorder, async (folder, over, where) => {
    const store = new ArtifactStore(folder);
    const there = await store.find("count", fingerprint(dependencies));
    for (const place of there.record ? await store.storedResults() : []) {
      assert.deepEqual((await verifyResult(place)).problems, [], where);
      found++;
    }
    await store.currentOf("p");
    if (over) {
      assert.deepEqual(there.record, record, where);
      assert.deepEqual((await store.latest("p", "few"))?.record, record, where);
    }
  });
  assert.ok(found > 20, `${found} results outlived a power cut`);
});

Deno.test("a power cut leaves a checkpoint that is whole or none, and the last one that was written", async () => {
  const folder = await Deno.makeTempDir();
  const checkpoint = (epoch: number) => ({
    state: { epoch },
    arrays: { kernel: new Float32Array(9).fill(epoch) },
  });
  using recorder = new Recorder(folder);
  for (const epoch of [1, 2]) {
    await writeCheckpoint(join(folder, "c.safetensors"), checkpoint(epoch));
  }
  await powerCuts(recorder, async (folder, over, where) => {
    const read = await readCheckpoint<{ epoch: number }>(join(folder, "c.safetensors"));
    if (over) assert.equal(read?.state.epoch, 2);
    if (read) assert.deepEqual(read, checkpoint(read.state.epoch), where);
  });
  await Deno.remove(folder, { recursive: true });
});
