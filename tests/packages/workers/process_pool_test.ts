import assert from "node:assert/strict";
import {
  defaultPoolSize,
  openPool,
  type ProcessPool,
} from "../../../packages/workers/process_pool.ts";
import type { Toy } from "./toy_worker.ts";

const module = new URL("./toy_worker.ts", import.meta.url);
const kind = { module, opening: {}, workers: 2 };

const open = (more = {}, signal?: AbortSignal): ProcessPool<Toy, number> =>
  openPool({ ...kind, ...more }, signal);

Deno.test("openPool() has tasks done by several processes, and gives each its own answer", async () => {
  await using pool = open();
  const asked = Array.from({ length: 50 }, (_, square) => pool.run({ square }));
  const results = await Promise.all(asked);
  results.forEach((result, n) => {
    assert.ok("answer" in result);
    assert.deepEqual([result.answer, result.bytes.length], [n * n, n]);
  });
  assert.equal(pool.replaced, 0);
});

Deno.test("openPool() refuses a pool without workers, whose tasks would wait for ever", () => {
  for (const workers of [0, NaN]) assert.throws(() => open({ workers }), /pool of (0|NaN) workers/);
});

Deno.test("openPool() refuses a task that is no JSON, and keeps the answers of the others", async () => {
  await using pool = open({ workers: 1 });
  const asked = [1, 2n, 3, 4].map((square) => pool.run({ square } as Toy));
  const [one, refused, ...rest] = await Promise.allSettled(asked);
  assert.match(String(refused!.status === "rejected" && refused!.reason), /BigInt/);
  const answers = [one!, ...rest].map((end) =>
    end.status === "fulfilled" && "answer" in end.value && end.value.answer
  );
  assert.deepEqual(answers, [1, 9, 16]);
});

Deno.test("openPool() gives the error of a worker that cannot be started to its task alone", async () => {
  // As without a free file descriptor. A task without an end would fail when the pool is closed.
  await using pool = open({ env: { A: "\0" } });
  for (let n = 0; n < 3; n++) await assert.rejects(pool.run({ square: 1 }), /nul byte/);
});

Deno.test("openPool() replaces a worker that dies, and only the task that it died of is lost", async () => {
  const ways = { SIGSEGV: { segfaults: true }, SIGKILL: { dies: "SIGKILL" } } as const;
  for (const [signal, way] of Object.entries(ways)) {
    await using pool = open();
    const tasks: Toy[] = [1, 2, 3, 4, 5, 6].map((square) => ({ square }));
    tasks.splice(3, 0, way);
    const results = await Promise.all(tasks.map((task) => pool.run(task)));
    const died = results.splice(3, 1)[0];
    assert.ok("crashed" in died && died.crashed.startsWith(signal), JSON.stringify(died));
    assert.deepEqual(results.map((one) => "answer" in one && one.answer), [1, 4, 9, 16, 25, 36]);
    assert.equal(pool.replaced, 2);
  }
});

Deno.test("openPool() gets beyond many tasks in a row that workers die of, but not beyond all", async () => {
  await using pool = open({ workers: 2 });
  const bad = Array.from({ length: 8 }, () => pool.run({ dies: "SIGKILL" }));
  const good = await pool.run({ square: 3 });
  for (const one of await Promise.all(bad)) {
    assert.ok("crashed" in one && one.crashed.startsWith("SIGKILL"), JSON.stringify(one));
  }
  assert.ok("answer" in good && good.answer === 9);
  const hopeless = Array.from({ length: 25 }, () => pool.run({ dies: "SIGKILL" }));
  const ends = await Promise.allSettled(hopeless);
  const given = ends.find((one) => one.status === "rejected");
  assert.match(String(given?.reason), /consecutive worker crashes \(SIGKILL/);
});

Deno.test("openPool() has the task of a worker that was killed done by the next one", async () => {
  const folder = await Deno.makeTempDir();
  await using pool = open({ workers: 1 });
  const worker = await pool.run({ pid: true });
  const waiting = [pool.run({ waits: `${folder}/go` }), pool.run({ square: 5 })];
  assert.ok("answer" in worker);
  Deno.kill(worker.answer, "SIGKILL");
  await Deno.mkdir(`${folder}/go`);
  const answers = await Promise.all(waiting);
  assert.deepEqual(answers.map((one) => "answer" in one && one.answer), [0, 25]);
  assert.equal(pool.replaced, 1);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openPool() survives a worker that takes all memory", async () => {
  await using pool = open({ heap: 32 });
  const [hog, other] = await Promise.all([pool.run({ hog: true }), pool.run({ square: 3 })]);
  assert.deepEqual(hog, { crashed: "out of memory" });
  assert.ok("answer" in other && other.answer === 9);
});

Deno.test("openPool() ends a worker that does not come back from a task, and goes on", async () => {
  const folder = await Deno.makeTempDir();
  await using pool = open({ workers: 1, seconds: 3 });
  const tasks: Toy[] = [{ square: 1 }, { waits: `${folder}/never` }, { square: 3 }];
  const results = await Promise.all(tasks.map((task) => pool.run(task)));
  assert.deepEqual(results[1], { crashed: "no answer within 3 s" });
  assert.deepEqual([results[0], results[2]].map((one) => "answer" in one && one.answer), [1, 9]);
  assert.ok(pool.replaced >= 2);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openPool() gives up when workers do not come to be open in time", async () => {
  await using pool = open({ opening: { asleep: true }, seconds: 0.1 });
  await assert.rejects(
    pool.run({ square: 1 }),
    /consecutive worker crashes \(it did not open in time\)/,
  );
});

Deno.test("defaultPoolSize() is one worker per core, fewer with CORES or little work", () => {
  // Other tests share the process's environment.
  const { systemMemoryInfo } = Deno, { get } = Deno.env;
  let granted: string | undefined;
  Deno.env.get = (name) => name === "CORES" ? granted : get(name);
  // Free memory, which changes from call to call, limits the workers of many cores.
  Deno.systemMemoryInfo = () => ({ ...systemMemoryInfo(), available: 2 ** 40 });
  try {
    granted = "1";
    assert.equal(defaultPoolSize(1e6, 1), 1);
    granted = undefined;
    const most = Math.min(navigator.hardwareConcurrency, defaultPoolSize(1e6, 1));
    assert.equal(defaultPoolSize(1e6, 1), most);
    assert.equal(defaultPoolSize(10, 10), 1);
    granted = "1000";
    assert.equal(defaultPoolSize(1e6, 1), most);
  } finally {
    Object.assign(Deno, { systemMemoryInfo });
    Deno.env.get = get;
  }
});

Deno.test("openPool() passes on what a worker throws, and goes on", async () => {
  await using pool = open({ workers: 1 });
  await assert.rejects(pool.run({ throws: "no such luck" }), /no such luck/);
  const result = await pool.run({ square: 2 });
  assert.ok("answer" in result && result.answer === 4);
});

Deno.test("openPool() gives up when workers do not start, and says why", async () => {
  {
    await using pool = open({ opening: { refuse: "there is no detector" } });
    await assert.rejects(pool.run({ square: 1 }), /there is no detector/);
    await assert.rejects(pool.run({ square: 1 }), /there is no detector/);
  }
  {
    await using pool = open({ opening: { dead: true } });
    await assert.rejects(
      pool.run({ square: 1 }),
      /consecutive worker crashes \(exit code 3: error: Deno.exit\(\) was called at file:/,
    );
  }
  {
    await using pool = open({ module: new URL("./noSuchWorker.ts", import.meta.url) });
    await assert.rejects(pool.run({ square: 1 }), /consecutive worker crashes .*Module not found/);
  }
});

Deno.test("openPool() stops at once when its signal aborts", async () => {
  const controller = new AbortController();
  await using pool = open({}, controller.signal);
  const asked = Array.from({ length: 20 }, (_, square) => pool.run({ square }));
  controller.abort(new Error("interrupted"));
  for (const one of asked) await assert.rejects(one, /interrupted/);
  await assert.rejects(pool.run({ square: 1 }), /interrupted/);
});

Deno.test("a closed pool leaves no process behind", async () => {
  const closing = open();
  const asked = closing.run({ square: 1 });
  asked.catch(() => {});
  await closing[Symbol.asyncDispose]();
  await assert.rejects(asked, /pool is closed/);
  // The sanitizers of deno test see to the rest: a child that still ran would fail this test.
});

Deno.test("a pool is closed though a program that a worker started keeps its output open", async () => {
  const folder = await Deno.makeTempDir();
  let started: number;
  {
    await using pool = open({ run: true });
    const result = await pool.run({ starts: `${folder}/ended` });
    assert.ok("answer" in result);
    started = result.answer;
  }
  await assert.rejects(Deno.stat(`${folder}/ended`), Deno.errors.NotFound);
  Deno.kill(started, "SIGKILL");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openPool() gives each task its own answer, whatever a worker tells before", async () => {
  await using pool = open({ workers: 1 });
  const asked: Toy[] = [{ tells: "half of it is done" }, { square: 2 }, { square: 3 }];
  const results = await Promise.all(asked.map((task) => pool.run(task)));
  assert.deepEqual(results.map((one) => "answer" in one && one.answer), [0, 4, 9]);
});
