/** Locks between runs: who is waited for, and for how long. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { isHeld, takeLock, tryLock } from "../../../../packages/pipeline/cache/file_lock.ts";
import { Project } from "../toy/project.ts";

const never = new AbortController().signal;

async function inFolder(act: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lock-" });
  try {
    await act(join(folder, "a.lock"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a holder that gives no sign of life is waited for as long as patience lasts", async () => {
  await inFolder(async (path) => {
    // As one that is frozen has it.
    using _silent = await tryLock(path, true);
    let told = 0;
    assert.equal(await takeLock(path, () => told++, never, 300), undefined);
    assert.equal(told, 1);
  });
});

Deno.test("a lock shows that its holder lives, and the next one has it when it is let go", async () => {
  await inFolder(async (path) => {
    const first = (await takeLock(path, () => {}, never))!;
    const date = async () => (await Deno.stat(path)).mtime!.getTime();
    const before = await date();
    while (await date() === before) await new Promise((resolve) => setTimeout(resolve, 20));
    const waiting = Promise.withResolvers<void>();
    const second = takeLock(path, waiting.resolve, never);
    await waiting.promise;
    first[Symbol.dispose]();
    using lock = await second;
    assert.ok(lock);
  });
});

Deno.test("those that look whether a lock is held do not take each other for its holder", async () => {
  await inFolder(async (path) => {
    await Deno.writeTextFile(path, "");
    using other = await Deno.open(path);
    assert.ok(await other.tryLock(false)); // as another `isHeld` has it for a moment
    assert.equal(await isHeld(path), false);
    const waiting = () => assert.fail("it waits for whoever only looks");
    const taken = takeLock(path, waiting, never);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await other.unlock();
    using _lock = await taken;
    assert.ok(await isHeld(path));
  });
});

Deno.test("a file system without locks, as NFS may be, is named with the way out", async () => {
  await using project = await Project.make({ "pipeline.yaml": "stages: { count: {} }" });
  const { prototype } = Deno.FsFile, { tryLock } = prototype;
  prototype.tryLock = () => Promise.reject(new Error("No locks available (os error 37)"));
  try {
    const reason = /^Cannot lock ".*artifacts\/\.lock": No locks .*\. Mount it .* choose another/;
    await assert.rejects(project.run(), { name: "RunError", message: reason });
  } finally {
    prototype.tryLock = tryLock;
  }
});
